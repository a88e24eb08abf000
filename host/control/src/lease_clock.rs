//! The cluster's lease time, as the leader counts it. Knows no leases.

use aether_consensus::Term;
use aether_kv::LeaseTime;

use crate::Tick;

/// Runs while this node leads: from the newest lease time in the state, by this node's clock.
#[derive(Debug)]
pub(crate) struct LeaseClock {
    pub(crate) term: Term,
    base: LeaseTime,
    since: Tick,
}

impl LeaseClock {
    pub(crate) fn start(term: Term, base: LeaseTime, now: Tick) -> Self {
        Self { term, base, since: now }
    }

    pub(crate) fn time(&self, now: Tick) -> LeaseTime {
        LeaseTime(self.base.0.saturating_add(now.0 - self.since.0))
    }

    /// What was applied is from a clock that is ahead.
    pub(crate) fn on_applied(&mut self, seen: LeaseTime, now: Tick) {
        if seen > self.time(now) {
            (self.base, self.since) = (seen, now);
        }
    }
}
