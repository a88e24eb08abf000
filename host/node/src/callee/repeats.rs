//! Calls that this node has made again, and of how many that may be their second run. Knows no
//! callee.

use aether_routing::Started;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counts since the start of the node.
#[derive(Debug, Default)]
pub(crate) struct Repeats {
    not_begun: AtomicU64,
    perhaps_begun: AtomicU64,
}

impl Repeats {
    pub(crate) fn count(&self, started: Started) {
        self.of(started).fetch_add(1, Relaxed);
    }

    /// By what is known of the attempt before: `no`, it was not begun, or `perhaps`.
    pub(crate) fn counts(&self) -> [(&'static str, u64); 2] {
        [("no", Started::No), ("perhaps", Started::Perhaps)]
            .map(|(word, started)| (word, self.of(started).load(Relaxed)))
    }

    fn of(&self, started: Started) -> &AtomicU64 {
        match started {
            Started::No => &self.not_begun,
            Started::Perhaps => &self.perhaps_begun,
        }
    }
}
