//! What the log is made of, with its encoding for disk and wire. Knows no state machine.

use aether_types::{LogIndex, NodeId, versioned::Versioned};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{Membership, MembershipChange};

/// Which Raft group. 0 is control.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct GroupId(pub u32);

/// Counts elections; at most one leader in each.
#[derive(
    Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Term(pub u64);

/// Names a proposal. Drawn by the proposer, unique in the cluster for ever (so: random).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ProposalId(pub u128);

/// Names a read. Drawn by the reader, unique in the cluster for ever (so: random): an answer that
/// was delayed over a restart must not meet another read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ReadId(pub u128);

/// A place in the log and the term of the entry there.
#[derive(
    Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Position {
    pub index: LogIndex,
    pub term: Term,
}

/// One entry of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub position: Position,
    pub payload: Payload,
}

/// What an entry says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Payload {
    /// A new leader's first entry.
    Empty,
    /// A command for the state machine.
    Command { id: ProposalId, bytes: Bytes },
    /// A change of the members. The second half of a change that takes two has no proposer.
    Membership { id: Option<ProposalId>, change: MembershipChange },
}

/// What a node must never forget.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HardState {
    pub term: Term,
    pub vote: Option<NodeId>,
    /// Known to be committed. May lag behind: the leader tells it again.
    pub commit: LogIndex,
}

/// The state machine at a place in the log, instead of the entries up to there.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    pub position: Position,
    pub membership: Membership,
    /// As the state machine encoded itself.
    pub data: Bytes,
}

impl Versioned for Entry {
    const FORMAT: u8 = 1;
}

impl Versioned for HardState {
    const FORMAT: u8 = 1;
}

impl Versioned for Snapshot {
    const FORMAT: u8 = 1;
}

impl Payload {
    pub(crate) fn proposal(&self) -> Option<ProposalId> {
        match self {
            Self::Empty => None,
            Self::Command { id, .. } => Some(*id),
            Self::Membership { id, .. } => *id,
        }
    }
}
