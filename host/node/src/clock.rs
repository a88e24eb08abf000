//! The wall clock that this node compares with those of others, what it sees of theirs, and the
//! moments that history has. Leases and elections use none.

use aether_transport::limits::CLOCK_SKEW_MAX;
use aether_types::NodeId;
use parking_lot::Mutex;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

/// Difference of wall clocks that is worth a warning. NTP keeps below 0.1 s; beyond
/// [`CLOCK_SKEW_MAX`] nodes refuse new links.
const SKEW_WARN: Duration = Duration::from_secs(2);

/// Samples of one node that are looked at together: the one that was least on its way counts.
const SAMPLES: usize = 5;

/// Milliseconds since 1970, as this node says them to others. In a sandbox they can be wrong.
#[derive(Debug, Default, Clone)]
pub(crate) struct Clock(Arc<AtomicI64>);

impl Clock {
    pub(crate) fn now_ms(&self) -> u64 {
        crate::unix_ms().saturating_add_signed(self.0.load(Ordering::Relaxed))
    }

    pub(crate) fn set_offset_ms(&self, offset: i64) {
        self.0.store(offset, Ordering::Relaxed);
    }
}

/// The moments of history: since 1970 as the wall clock had it when the process began, so that
/// nodes count nearly alike, and from there by a clock that never jumps.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timeline {
    started: Instant,
    began: Duration,
}

impl Timeline {
    pub(crate) fn begin() -> Self {
        let began = Duration::from_millis(crate::unix_ms());
        Self { started: Instant::now(), began }
    }

    pub(crate) fn now(&self) -> Duration {
        self.began + self.started.elapsed()
    }
}

/// By how many milliseconds the clocks of others are ahead of this node's.
#[derive(Debug, Default, Clone)]
pub(crate) struct Skews(Arc<Mutex<BTreeMap<NodeId, Seen>>>);

#[derive(Debug, Default)]
struct Seen {
    ahead_ms: VecDeque<i64>,
    warned: bool,
}

impl Skews {
    /// A node said that it is `theirs_ms`; it is `ours_ms` now.
    pub(crate) fn note(&self, node: NodeId, theirs_ms: u64, ours_ms: u64) {
        let mut all = self.0.lock();
        let seen = all.entry(node).or_default();
        seen.ahead_ms.truncate(SAMPLES - 1);
        seen.ahead_ms.push_front(theirs_ms.wrapping_sub(ours_ms).cast_signed());
        let skewed = seen.skewed();
        if skewed.is_some() != seen.warned {
            seen.warned = skewed.is_some();
            match skewed {
                Some(ahead_ms) => tracing::warn!(%node, ahead_ms, "the clocks of nodes differ"),
                None => tracing::info!(%node, "the clocks of nodes agree again"),
            }
        }
    }

    /// What is wrong with the clock of a node, or with this node's, if anything is.
    pub(crate) fn of(&self, node: NodeId) -> Option<String> {
        let ahead_ms = self.0.lock().get(&node)?.skewed()?;
        let apart = Duration::from_millis(ahead_ms.unsigned_abs()).as_secs_f64();
        let side = if ahead_ms > 0 { "ahead of" } else { "behind" };
        let most = CLOCK_SKEW_MAX.as_secs();
        Some(format!(
            "clock skew: its clock is {apart:.1} s {side} this node's; beyond {most} s nodes \
             refuse each other"
        ))
    }
}

impl Seen {
    /// Time on the way makes the other clock look late, so the greatest value is the nearest one.
    fn skewed(&self) -> Option<i64> {
        let ahead = self.ahead_ms.iter().max().copied()?;
        (u128::from(ahead.unsigned_abs()) > SKEW_WARN.as_millis()).then_some(ahead)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_that_was_least_on_its_way_counts() {
        let node = NodeId(2);
        let check = |aheads: &[i64], expected: Option<&str>| {
            let skews = Skews::default();
            for ahead in aheads {
                skews.note(node, 1_000_000_u64.saturating_add_signed(*ahead), 1_000_000);
            }
            let said = skews.of(node);
            let said = said.as_deref().and_then(|said| said.split(';').next());
            assert_eq!(said, expected, "{aheads:?}");
        };
        check(&[], None);
        check(&[2_000], None);
        check(&[2_001], Some("clock skew: its clock is 2.0 s ahead of this node's"));
        check(&[-5_040], Some("clock skew: its clock is 5.0 s behind this node's"));
        // A process that was stopped reads late what others said long ago.
        check(&[-9_000, -8_000, -20], None);
        // What was seen long ago does not count.
        check(&[5_000, 0, 0, 0, 0, 0], None);
    }
}
