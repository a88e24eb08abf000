//! In which order arms take their turns, so that each has its share after any number of requests.
//! Knows no arm and no counter.

/// A period of turns; the turn of the n-th request is that of n modulo the period.
///
/// After any number of requests, each arm's count differs from its share by less than one request.
/// (The schedule is a *Pfair* one: Baruah, Cohen, Plaxton, Varvel, "Proportionate progress", 1996.)
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Sequence {
    turns: Vec<u8>,
}

impl Sequence {
    /// Shares as whole numbers, in any unit; those of 0 get no turn. Takes as many bytes as the
    /// shares come to, without their common divisor.
    pub(crate) fn new(shares: &[u16]) -> Self {
        assert!(shares.len() <= usize::from(u8::MAX), "an arm's index is a byte");
        let divisor = u64::from(shares.iter().copied().fold(0, gcd)).max(1);
        let shares: Vec<u64> = shares.iter().map(|s| u64::from(*s) / divisor).collect();
        let period: u64 = shares.iter().sum();
        let mut taken = vec![0; shares.len()];
        // The j-th turn of an arm (from 0) may come when its share has passed j, and must come
        // before its share passes j + 1. The one that must come first goes first.
        let next = |taken: &[u64], now: u64| {
            let arms = 0..shares.len();
            let has_come =
                |arm: &usize| shares[*arm] > 0 && taken[*arm] * period <= now * shares[*arm];
            arms.filter(has_come)
                .min_by_key(|arm| ((taken[*arm] + 1) * period).div_ceil(shares[*arm]))
        };
        let turns = (0..period).map(|now| {
            let arm = next(&taken, now).expect("the shares are the whole period");
            taken[arm] += 1;
            u8::try_from(arm).expect("there are few arms")
        });
        Self { turns: turns.collect() }
    }

    /// How many requests it takes until each arm has had exactly its share.
    pub(crate) fn period(&self) -> u64 {
        self.turns.len() as u64
    }

    /// The arm whose turn it is. None if no arm has a share.
    pub(crate) fn at(&self, turn: u64) -> Option<usize> {
        let at = turn.checked_rem(self.period())?;
        Some(usize::from(self.turns[usize::try_from(at).expect("within the period")]))
    }
}

fn gcd(a: u16, b: u16) -> u16 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    fn check(shares: &[u16], expect: Expect) {
        let turns = Sequence::new(shares).turns;
        let letters: String = turns.iter().map(|arm| char::from(b'a' + arm)).collect();
        expect.assert_eq(&letters);
    }

    #[test]
    fn turns_are_spread_evenly() {
        check(&[10_000], expect!["a"]);
        check(&[5_000, 5_000], expect!["ab"]);
        check(&[7_500, 2_500], expect!["abaa"]);
        check(&[500, 9_500], expect!["babbbbbbbbbbbbbbbbbb"]);
        check(&[5_000, 3_000, 2_000], expect!["abacababac"]);
        check(&[5_000, 0, 2_500], expect!["aca"]);
        check(&[], expect![""]);
    }

    /// Counts after each of `turns` requests against the shares; the largest difference, as a part
    /// of a request.
    fn furthest(shares: &[u16], from: u64, turns: u64) -> f64 {
        let sequence = Sequence::new(shares);
        let whole: f64 = shares.iter().map(|s| f64::from(*s)).sum();
        let mut counts = vec![0.0; shares.len()];
        let mut furthest: f64 = 0.0;
        for n in 1..=turns {
            counts[sequence.at(from + n - 1).unwrap()] += 1.0;
            for (count, share) in counts.iter().zip(shares) {
                let fair = n as f64 * f64::from(*share) / whole;
                furthest = furthest.max((fair - count).abs());
            }
        }
        furthest
    }

    #[test]
    fn one_percent_is_one_of_each_hundred() {
        let sequence = Sequence::new(&[100, 9_900]);
        let new = |from: u64| (from..from + 100).filter(|n| sequence.at(*n) == Some(0)).count();
        assert!((0..1_000).all(|from| new(from) == 1));
    }

    proptest! {
        #[test]
        fn no_share_is_ever_a_whole_request_off(
            shares in proptest::collection::vec(0u16..2_500, 1..5),
            turns in 1u64..3_000,
        ) {
            prop_assume!(shares.iter().any(|s| *s > 0));
            prop_assert!(furthest(&shares, 0, turns) < 1.0);
        }

        #[test]
        fn nor_two_from_wherever_a_router_begins(
            shares in proptest::collection::vec(1u16..500, 1..5),
            from in any::<u32>(),
        ) {
            prop_assert!(furthest(&shares, u64::from(from), 1_000) < 2.0);
        }
    }
}
