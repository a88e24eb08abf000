//! Numbers of one slice on this node since it was loaded. Knows no metric names.

use crate::pool::Census;
use aether_types::counts::{Counts, Ending};

/// What a slice did and holds. Counters only grow; the rest is of this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stats {
    /// `WasmInstance`s in memory: busy ones that are already made, and idle ones.
    pub idle: usize,
    pub busy: usize,
    pub queued: usize,
    /// Calls that ended here, however they did; HTTP requests included.
    pub calls: u64,
    pub failures: Failures,
}

/// Calls that ended without an answer, by the case of their `CallError`, and those that answered
/// that they failed.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Failures {
    pub erred: u64,
    pub unavailable: u64,
    pub deadline_exceeded: u64,
    pub overloaded: u64,
    pub callee_failed: u64,
    pub denied: u64,
    pub other: u64,
}

impl Stats {
    pub(crate) fn new(census: Census, counts: &Counts) -> Self {
        Self {
            idle: census.idle,
            busy: census.busy,
            queued: census.waiting,
            calls: counts.calls(),
            failures: Failures {
                erred: counts.of(Ending::Erred),
                unavailable: counts.of(Ending::Unavailable),
                deadline_exceeded: counts.of(Ending::DeadlineExceeded),
                overloaded: counts.of(Ending::Overloaded),
                callee_failed: counts.of(Ending::CalleeFailed),
                denied: counts.of(Ending::Denied),
                other: counts.of(Ending::Other),
            },
        }
    }
}
