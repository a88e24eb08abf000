//! Start a lease. Knows no keys: transactions attach them.

use alloc::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{Done, LeaseId, LeaseTime, LeaseTtl, Refused, State, lease::Lease, limits::LEASES_MAX};

/// Granting a lease that exists with the same time to live keeps it alive: asking again is safe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseGrant {
    pub lease: LeaseId,
    pub ttl: LeaseTtl,
    pub now: LeaseTime,
}

impl LeaseGrant {
    pub(crate) fn apply(&self, state: &mut State) -> Result<Done, Refused> {
        let now = state.advance_lease_time(self.now);
        match state.leases.get(&self.lease) {
            Some(lease) if lease.ttl != self.ttl => {
                return Err(Refused::LeaseExists { lease: self.lease });
            }
            None if state.leases.len() >= LEASES_MAX => return Err(Refused::LeasesExhausted),
            _ => {}
        }
        let expires = LeaseTime(now.0.saturating_add(self.ttl.ms()));
        let lease = Lease { ttl: self.ttl, expires, keys: BTreeSet::new() };
        state.leases.entry(self.lease).or_insert(lease).expires = expires;
        Ok(Done::Lease { lease: self.lease, expires })
    }
}
