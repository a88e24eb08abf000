//! End a lease now. Knows no time.

use alloc::{vec, vec::Vec};

use serde::{Deserialize, Serialize};

use crate::{Done, Event, LeaseId, Refused, State};

/// The holder gives its lease back; its keys are deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseRevoke {
    pub lease: LeaseId,
}

impl LeaseRevoke {
    pub(crate) fn apply(
        &self,
        state: &mut State,
        events: &mut Vec<Event>,
    ) -> Result<Done, Refused> {
        if !state.has_lease(self.lease) {
            return Err(Refused::LeaseNotFound { lease: self.lease });
        }
        state.end_lease(self.lease, events);
        Ok(Done::LeasesEnded { leases: vec![self.lease], revision: state.revision_after(events) })
    }
}
