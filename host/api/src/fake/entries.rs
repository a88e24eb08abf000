//! What the fake's store expects of writes. Knows nothing of the rest of the cluster.

use super::State;
use crate::*;
use aether_types::Revision;
use aether_types::code::Code;

impl State {
    pub(super) fn expect(&self, key: &StoreKey, expected: Expected) -> Result<(), ApiError> {
        let now = self.entries.get(key.as_str()).map_or(Revision(0), |entry| entry.revision);
        let holds = match expected {
            Expected::Anything => true,
            Expected::Absent => now == Revision(0),
            Expected::Present => now != Revision(0),
            Expected::At(revision) => now == revision,
        };
        match holds {
            true => Ok(()),
            false => {
                let message = format!("{key} is at revision {now}");
                Err(ApiError::conflict(Code::PreconditionFailed, message).revision(now))
            }
        }
    }
}
