//! Numbers of one slice on this node since it was loaded. Knows no metric names.

use crate::pool::Census;
use aether_types::CallError;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What a slice did and holds. Counters only grow; the rest is of this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stats {
    /// `WasmInstance`s in memory: busy ones that are already made, and idle ones.
    pub idle: usize,
    pub busy: usize,
    pub queued: usize,
    /// Calls that ended, however they did; HTTP requests included.
    pub calls: u64,
    pub failures: Failures,
}

/// Calls that ended without an answer, by the case of their [`CallError`].
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Failures {
    pub unavailable: u64,
    pub deadline_exceeded: u64,
    pub overloaded: u64,
    pub callee_failed: u64,
    pub denied: u64,
    pub other: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    calls: AtomicU64,
    failures: [AtomicU64; 6],
}

impl Counters {
    /// Counts a call that ended.
    pub(crate) fn count<T>(&self, outcome: Result<T, CallError>) -> Result<T, CallError> {
        self.calls.fetch_add(1, Relaxed);
        if let Err(error) = &outcome {
            let case = match error {
                CallError::Unavailable(_) => 0,
                CallError::DeadlineExceeded => 1,
                CallError::Overloaded(_) => 2,
                CallError::CalleeFailed(_) => 3,
                CallError::Denied(_) => 4,
                CallError::Other(_) => 5,
            };
            self.failures[case].fetch_add(1, Relaxed);
        }
        outcome
    }

    pub(crate) fn stats(&self, census: Census) -> Stats {
        let [unavailable, deadline_exceeded, overloaded, callee_failed, denied, other] =
            self.failures.each_ref().map(|n| n.load(Relaxed));
        Stats {
            idle: census.idle,
            busy: census.busy,
            queued: census.waiting,
            calls: self.calls.load(Relaxed),
            failures: Failures {
                unavailable,
                deadline_exceeded,
                overloaded,
                callee_failed,
                denied,
                other,
            },
        }
    }
}
