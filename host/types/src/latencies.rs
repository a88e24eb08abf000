//! How long calls took, as counts that can be added up over nodes and seconds. Knows no clock.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Counts of calls by how long they took, in buckets that are at most an eighth wide: exact to
/// 12.5 %. Times above 71 minutes count as that.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latencies(BTreeMap<u8, u64>);

/// A bucket's number has its octave above these bits.
const SUB_BITS: u32 = 3;
const SUBS: u64 = 1 << SUB_BITS;

/// Buckets that there are.
pub const BUCKETS: usize = 30 * SUBS as usize;

impl Latencies {
    /// Counts one call.
    pub fn record(&mut self, micros: u64) {
        *self.0.entry(bucket(micros)).or_default() += 1;
    }

    /// From the counts of all buckets, as [`bucket`] numbers them.
    ///
    /// # Panics
    /// When there are more than [`BUCKETS`].
    pub fn of_buckets(counts: impl IntoIterator<Item = u64>) -> Self {
        let number = |bucket| u8::try_from(bucket).expect("there are 240 buckets");
        let counts = counts.into_iter().enumerate().filter(|(_, count)| *count > 0);
        Self(counts.map(|(bucket, count)| (number(bucket), count)).collect())
    }

    /// What was counted after `earlier`, which is an older state of the same counts.
    pub fn since(&self, earlier: &Self) -> Self {
        let before = |bucket| earlier.0.get(bucket).copied().unwrap_or(0);
        let since = self.0.iter().map(|(bucket, n)| (*bucket, n.saturating_sub(before(bucket))));
        Self(since.filter(|(_, count)| *count > 0).collect())
    }

    /// Calls that took less than so long; exact where a bucket begins there, which it does at
    /// every power of two.
    pub fn below(&self, micros: u64) -> u64 {
        let short = self.0.iter().filter(|(bucket, _)| lower(u64::from(**bucket) + 1) <= micros);
        short.fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }

    /// Adds what somebody else counted.
    pub fn add(&mut self, other: &Self) {
        for (bucket, count) in &other.0 {
            let sum = self.0.entry(*bucket).or_default();
            *sum = sum.saturating_add(*count);
        }
    }

    /// The longest time of each bucket that holds calls, in microseconds, and how many.
    pub fn buckets(&self) -> impl Iterator<Item = (u64, u64)> {
        self.0.iter().map(|(bucket, count)| (lower(u64::from(*bucket) + 1), *count))
    }

    /// Calls counted.
    pub fn count(&self) -> u64 {
        self.0.values().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// The time within which so many of a hundred calls were answered, in microseconds, rounded up
    /// to the end of its bucket. None if no call was counted.
    pub fn percentile(&self, percent: u8) -> Option<u64> {
        let rank = (u128::from(self.count()) * u128::from(percent)).div_ceil(100).max(1);
        let mut seen = 0;
        let found = self.0.iter().find(|(_, count)| {
            seen += u128::from(**count);
            seen >= rank
        });
        found.map(|(bucket, _)| lower(u64::from(*bucket) + 1))
    }

    /// Calls that took at least so long, in microseconds; those of the bucket that it lies in are
    /// not counted.
    pub fn above(&self, micros: u64) -> u64 {
        let long = self.0.iter().filter(|(bucket, _)| lower(u64::from(**bucket)) >= micros);
        long.fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }
}

/// The number of the bucket that a time belongs to, less than [`BUCKETS`].
pub fn bucket(micros: u64) -> u8 {
    let micros = micros.min(u64::from(u32::MAX));
    if micros < SUBS {
        return micros as u8;
    }
    let octave = micros.ilog2() - SUB_BITS;
    let sub = (micros >> octave) - SUBS;
    u8::try_from(u64::from(octave + 1) * SUBS + sub).expect("30 octaves of 8")
}

/// The shortest time of a bucket.
fn lower(bucket: u64) -> u64 {
    match (bucket / SUBS, bucket % SUBS) {
        (0, sub) => sub,
        (octave, sub) => (SUBS + sub) << (octave - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_time_lies_in_its_bucket(micros in 0u64..u64::from(u32::MAX)) {
            let bucket = u64::from(bucket(micros));
            prop_assert!(bucket < BUCKETS as u64);
            let mut counts = vec![0; BUCKETS];
            counts[bucket as usize] = 1;
            let mut recorded = Latencies::default();
            recorded.record(micros);
            prop_assert_eq!(Latencies::of_buckets(counts), recorded);
            prop_assert!((lower(bucket)..lower(bucket + 1)).contains(&micros));
            prop_assert!(lower(bucket + 1) - lower(bucket) <= (micros / 8).max(1));
        }

        #[test]
        fn percentiles_are_those_of_the_sorted_times(
            mut times in proptest::collection::vec(0u64..10_000_000, 1..200),
            percent in 1u8..=100,
            border in 0u64..10_000_000,
        ) {
            let mut latencies = Latencies::default();
            let (head, tail) = times.split_at(times.len() / 2);
            head.iter().for_each(|t| latencies.record(*t));
            let mut others = Latencies::default();
            tail.iter().for_each(|t| others.record(*t));
            latencies.add(&others);
            prop_assert_eq!(latencies.count(), times.len() as u64);
            let above = times.iter().filter(|t| **t >= border).count() as u64;
            prop_assert!(latencies.above(border) <= above);
            times.sort_unstable();
            let exact = times[(times.len() * usize::from(percent)).div_ceil(100) - 1];
            let ours = latencies.percentile(percent).unwrap();
            prop_assert!(ours > exact && ours <= exact + exact / 8 + 1, "{ours} for {exact}");
            prop_assert_eq!(latencies.since(&others).count() + others.count(), latencies.count());
            let below = times.iter().filter(|t| **t < 4_096).count() as u64;
            prop_assert_eq!(latencies.below(4_096), below);
        }
    }
}
