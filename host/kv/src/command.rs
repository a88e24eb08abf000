//! The closed set of commands and what applying one answers. Knows no proposer and no log.

use alloc::vec::Vec;

use aether_types::{
    ErrorKind, Revision,
    versioned::{self, DecodeError, Versioned},
};
use serde::{Deserialize, Serialize};

use crate::{
    Compact, Entry, Event, Key, LeaseExpire, LeaseGrant, LeaseId, LeaseKeepAlive, LeaseRevoke,
    LeaseTime, ValidTransaction, limits::LEASES_MAX, limits::STATE_BYTES_MAX,
};

/// One entry of the log. Its order of variants is part of the format: append only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    Transaction(ValidTransaction),
    LeaseGrant(LeaseGrant),
    LeaseKeepAlive(LeaseKeepAlive),
    LeaseRevoke(LeaseRevoke),
    LeaseExpire(LeaseExpire),
    Compact(Compact),
}

impl Versioned for Command {
    const FORMAT: u8 = 1;
}

impl Command {
    /// The bytes that are proposed.
    pub fn encode(&self) -> Vec<u8> {
        versioned::encode(self)
    }

    /// Reads a committed command. A node that gets an error must stop: the others applied it.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        versioned::decode(bytes)
    }
}

/// What one command did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    pub result: Result<Done, Refused>,
    /// The changes, all of the same revision; none if the command was refused.
    pub events: Vec<Event>,
}

/// A command took effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Done {
    /// The revision of the changes; the newest one if nothing had to be changed.
    Transaction { revision: Revision },
    /// The lease is alive until then.
    Lease { lease: LeaseId, expires: LeaseTime },
    /// These leases ended; their keys were deleted at this revision.
    LeasesEnded { leases: Vec<LeaseId>, revision: Revision },
    /// Watches can start from this revision on.
    Compacted { first: Revision },
}

/// A command changed nothing, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// What the keys of the failed conditions hold now, in the order of the conditions.
    #[error("{} of the conditions did not hold at revision {revision}", current.len())]
    Conflict { revision: Revision, current: Vec<(Key, Option<Entry>)> },
    #[error("lease {} does not exist or has ended", lease.0)]
    LeaseNotFound { lease: LeaseId },
    #[error("lease {} exists with another time to live", lease.0)]
    LeaseExists { lease: LeaseId },
    #[error("there are already {LEASES_MAX} leases")]
    LeasesExhausted,
    #[error("the state would have {bytes} bytes, more than {STATE_BYTES_MAX}")]
    StateExhausted { bytes: u64 },
    #[error("what is below {segment}/ would count {bytes} bytes, more than its share of {max}")]
    ShareExhausted { segment: Key, bytes: u64, max: u64 },
}

impl Refused {
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Conflict { .. } | Self::LeaseExists { .. } => ErrorKind::Conflict,
            Self::LeaseNotFound { .. } => ErrorKind::NotFound,
            Self::LeasesExhausted | Self::StateExhausted { .. } | Self::ShareExhausted { .. } => {
                ErrorKind::Exhausted
            }
        }
    }
}
