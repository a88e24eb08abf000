//! Where all chance of a run comes from. Its own few lines, so that a seed means the same run for
//! as long as the simulator is the same. Knows no faults.

/// SplitMix64: one number of state, good enough to choose among faults.
#[derive(Debug, Clone)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to one less than `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.draw() % end.max(1)
    }

    /// Both ends included.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// True in so many of a thousand cases.
    pub(crate) fn chance(&mut self, per_mille: u64) -> bool {
        per_mille > 0 && self.below(1_000) < per_mille
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> Option<T> {
        match from {
            [] => None,
            _ => Some(from[self.below(from.len() as u64) as usize]),
        }
    }

    /// Around a mean, from an eighth of it to four times as much, small ones more often.
    pub(crate) fn around(&mut self, mean: u64) -> u64 {
        let eighths = match self.below(8) {
            0..4 => self.between(1, 8),
            4..7 => self.between(4, 16),
            _ => self.between(8, 32),
        };
        mean * eighths / 8
    }
}
