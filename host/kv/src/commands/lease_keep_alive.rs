//! Prolong a lease by its time to live. Knows no keys.

use serde::{Deserialize, Serialize};

use crate::{Done, LeaseId, LeaseTime, Refused, State};

/// The holder of a lease is still there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseKeepAlive {
    pub lease: LeaseId,
    pub now: LeaseTime,
}

impl LeaseKeepAlive {
    pub(crate) fn apply(&self, state: &mut State) -> Result<Done, Refused> {
        let now = state.advance_lease_time(self.now);
        let lease = state.leases.get_mut(&self.lease);
        let lease = lease.ok_or(Refused::LeaseNotFound { lease: self.lease })?;
        lease.expires = LeaseTime(now.0.saturating_add(lease.ttl.ms()));
        Ok(Done::Lease { lease: self.lease, expires: lease.expires })
    }
}
