//! End every lease whose time has passed. Knows the time only from the command.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::{Done, Event, LeaseTime, Refused, State};

/// The leader says what time it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseExpire {
    pub now: LeaseTime,
}

impl LeaseExpire {
    pub(crate) fn apply(
        &self,
        state: &mut State,
        events: &mut Vec<Event>,
    ) -> Result<Done, Refused> {
        let now = state.advance_lease_time(self.now);
        let over = state.leases.iter().filter(|(_, lease)| lease.expires <= now);
        let leases: Vec<_> = over.map(|(id, _)| *id).collect();
        for lease in &leases {
            state.end_lease(*lease, events);
        }
        Ok(Done::LeasesEnded { leases, revision: state.revision_after(events) })
    }
}
