//! Keys and what they lead to: the same on every node and in every version. Knows no endpoint.

/// What calls have in common that should go to the same place, as a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key(u64);

impl Key {
    pub fn of(bytes: &[u8]) -> Self {
        // FNV-1a, then mixed: short texts that differ in their last letter are far apart.
        let fnv = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        Self(mix(bytes.iter().fold(0xcbf2_9ce4_8422_2325, fnv)))
    }

    /// How much the key likes something that is named by `id`: highest random weight ("rendezvous")
    /// hashing. When one of several disappears, only the keys that liked it best go elsewhere.
    pub(crate) fn liking(self, id: u64) -> u64 {
        mix(self.0 ^ mix(id))
    }

    /// How long the key would wait for something that is named by `id` and has this share. The
    /// least waiting wins in proportion to the shares; when shares change, keys go only from what
    /// shrank to what grew. (Weighted rendezvous hashing, with the logarithm in whole numbers: the
    /// same on every machine.)
    pub(crate) fn waits(self, id: u64, share: u16) -> Wait {
        Wait { waits: minus_log2(self.liking(id)), share: u64::from(share) }
    }
}

/// An exponential waiting time of a rate; compared without dividing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wait {
    waits: u64,
    share: u64,
}

impl Wait {
    pub(crate) fn is_shorter_than(self, other: Self) -> bool {
        // Below 2^39, times a share below 2^14.
        self.waits * other.share < other.waits * self.share
    }
}

/// The finalizer of `SplitMix64`: every bit of the number changes half of the bits.
pub(crate) fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// `-log2(number / 2^64)` in units of 2^-32; never 0.
fn minus_log2(number: u64) -> u64 {
    let number = number | 1;
    let zeros = number.leading_zeros();
    let mut mantissa = u128::from(number << zeros);
    let mut fraction = 0;
    for _ in 0..32 {
        mantissa = (mantissa * mantissa) >> 63;
        let bit = mantissa >> 64;
        mantissa >>= bit;
        fraction = fraction << 1 | u64::try_from(bit).expect("one bit");
    }
    (u64::from(zeros + 1) << 32) - fraction
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Which of the shares each of 20,000 keys belongs to.
    fn assign(shares: &[u16]) -> Vec<usize> {
        let best = |n: u32| {
            let key = Key::of(format!("user-{n}").as_bytes());
            let wait = |arm: usize| key.waits(arm as u64 + 1, shares[arm]);
            let arms = (0..shares.len()).filter(|arm| shares[*arm] > 0);
            arms.reduce(|a, b| if wait(b).is_shorter_than(wait(a)) { b } else { a }).unwrap()
        };
        (0..20_000).map(best).collect()
    }

    #[test]
    fn keys_are_shared_by_weight() {
        let assigned = assign(&[100, 2_400, 7_500]);
        let counts = [0, 1, 2].map(|arm| assigned.iter().filter(|a| **a == arm).count());
        // Expected 200, 4,800, 15,000; four standard deviations are 56, 242 and 245.
        assert!(counts[0].abs_diff(200) < 56, "{counts:?}");
        assert!(counts[1].abs_diff(4_800) < 242, "{counts:?}");
        assert!(counts[2].abs_diff(15_000) < 245, "{counts:?}");
    }

    #[test]
    fn a_stage_further_moves_keys_to_the_new_version_only() {
        let stages = [100, 500, 2_500, 5_000, 10_000];
        let assigned = stages.map(|new| assign(&[10_000 - new, new]));
        for pair in assigned.windows(2) {
            let back = pair[0].iter().zip(&pair[1]).filter(|(a, b)| **a == 1 && **b == 0).count();
            assert_eq!(back, 0, "who has seen the new version keeps it");
        }
    }

    #[test]
    fn a_share_that_grows_takes_from_those_that_shrink() {
        let [before, after] = [[4_000, 3_000, 3_000], [4_000, 2_000, 4_000]].map(|s| assign(&s));
        let moves: Vec<_> = before.iter().zip(&after).filter(|(a, b)| a != b).collect();
        assert!(moves.iter().all(|(a, b)| **a == 1 || **b == 2), "nobody moves to what shrank");
        assert!((2_000..3_000).contains(&moves.len()), "{} of 20,000 moved", moves.len());
    }

    proptest! {
        #[test]
        fn the_logarithm_is_one(number in 1u64..) {
            let exact = -((number | 1) as f64 / 2f64.powi(64)).log2();
            let ours = minus_log2(number) as f64 / 2f64.powi(32);
            prop_assert!((exact - ours).abs() < 1e-6, "{ours} instead of {exact}");
        }
    }
}
