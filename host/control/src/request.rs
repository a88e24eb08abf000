//! What can be asked of a member, and its answers. Knows no waiting.

use aether_consensus::{Membership, MembershipChange, Refusal, Term};
use aether_kv::{LeaseId, LeaseTtl, Refused, ValidTransaction};
use aether_types::{ErrorKind, Revision};
use serde::{Deserialize, Serialize};

/// Milliseconds of a clock that never goes back.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tick(pub u64);

/// Names a request of this node since its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// A change that somebody wants. The leader adds its time where one is needed. The order of the
/// variants is part of the format: append only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Write {
    Transaction(ValidTransaction),
    LeaseGrant { lease: LeaseId, ttl: LeaseTtl },
    LeaseKeepAlive { lease: LeaseId },
    LeaseRevoke { lease: LeaseId },
    Compact { first: Revision },
    Members(MembershipChange),
}

impl Write {
    /// Bytes of its keys and values; those of other writes than transactions are few.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Transaction(transaction) => transaction.bytes(),
            _ => 0,
        }
    }
}

/// A request took effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Done {
    Applied(aether_kv::Done),
    Members(Membership),
    /// The state has seen everything that was acknowledged anywhere before the read was asked for.
    Fresh,
}

/// A request did not take effect, or nobody knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Durable and without effect.
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error(transparent)]
    NotProposed(#[from] Refusal),
    #[error("decided in term {}, in which another leader's writes took its place", decided.0)]
    Deposed { decided: Term },
    #[error("no majority has confirmed the write in time; it may still take effect")]
    Unknown,
}

pub type Answer = Result<Done, Error>;

impl Error {
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Refused(refused) => refused.kind(),
            Self::NotProposed(refusal) => refusal.kind(),
            Self::Deposed { .. } => ErrorKind::Conflict,
            Self::Unknown => ErrorKind::Unavailable,
        }
    }
}
