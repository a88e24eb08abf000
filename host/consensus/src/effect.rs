//! What a group wants done, and how it says no. Knows no executor.

use std::ops::Range;

use aether_types::{ErrorKind, LogIndex, NodeId};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{
    ENTRY_BYTES_MAX, Entry, GroupId, HardState, Membership, MembershipError, Message, ProposalId,
    READS_MAX, ReadId, Role, Snapshot, Term,
};

/// One thing to do. Effects are executed in the order in which they are handed out; those after a
/// `Persist` need not wait for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Make durable, in order, then call `on_persisted` with its number.
    Persist(Persist),
    Send(Message),
    /// Replace the state machine by the snapshot. After a restart it comes first, if there is one.
    Restore(Snapshot),
    Apply(Committed),
    /// The members changed, by this proposal or by the leader.
    MembershipChanged {
        index: LogIndex,
        id: Option<ProposalId>,
        membership: Membership,
    },
    /// A proposal of this node will never be answered by an `Apply`.
    ProposalLost {
        id: ProposalId,
        loss: Loss,
    },
    /// The state machine has seen everything that was acknowledged before the read was asked for.
    ReadReady {
        id: ReadId,
    },
    /// No leader confirmed the read in time.
    ReadRefused {
        id: ReadId,
        refusal: Refusal,
    },
    LeaderChanged {
        leader: Option<NodeId>,
        role: Role,
        term: Term,
    },
    /// This node leads, and its state machine has seen everything from terms before. Work that only
    /// the leader does starts here, fenced by the term.
    Leading {
        term: Term,
    },
    /// This node once had `acknowledged` on its disk, and what it started with ends at `last`: its
    /// data was restored from an older copy. It must take no further part, for what it votes or
    /// acknowledges now may undo what it acknowledged before.
    Forgotten {
        acknowledged: LogIndex,
        last: LogIndex,
    },
    /// The log is long or somebody joins: encode the state machine as it is now, then call
    /// `on_snapshot`.
    TakeSnapshot {
        index: LogIndex,
    },
}

/// A committed command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    pub index: LogIndex,
    pub term: Term,
    pub id: ProposalId,
    pub bytes: Bytes,
}

/// Numbers the `Persist` effects of a group from 1.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PersistNumber(pub u64);

/// One durable, atomic step of the log on disk: write the hard state and the snapshot if there is
/// one, drop all entries outside `retain`, then write the entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Persist {
    pub group: GroupId,
    pub number: PersistNumber,
    pub hard_state: HardState,
    pub snapshot: Option<Snapshot>,
    pub retain: Range<LogIndex>,
    pub entries: Vec<Entry>,
}

/// What is known of a lost proposal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// Another entry took its place: it had and will have no effect.
    NotApplied,
    /// A snapshot covers its place: it may have taken effect.
    Unknown,
}

/// Why a request was not accepted. It had no effect. The order of variants is part of a format:
/// append only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    #[error("this node does not lead{}", hint(*leader))]
    NotLeader { leader: Option<NodeId> },
    #[error("decided in term {}, but the term is {} now", decided.0, now.0)]
    Fenced { decided: Term, now: Term },
    #[error("leadership is being handed over")]
    HandingOver,
    #[error("the command has {bytes} bytes, more than {ENTRY_BYTES_MAX}")]
    TooLarge { bytes: usize },
    #[error("too many proposals wait for a majority")]
    ProposalsExhausted,
    #[error("{READS_MAX} reads wait for confirmation")]
    ReadsExhausted,
    #[error("no leader confirmed the read in time{}", hint(*leader))]
    Unconfirmed { leader: Option<NodeId> },
    #[error(transparent)]
    Membership(MembershipError),
    #[error("node {node} is not another voter")]
    NoSuccessor { node: NodeId },
}

fn hint(leader: Option<NodeId>) -> String {
    leader.map_or(", no leader is known".into(), |node| format!(", node {node} does"))
}

impl Refusal {
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NotLeader { .. } | Self::HandingOver | Self::Unconfirmed { .. } => {
                ErrorKind::Unavailable
            }
            Self::Fenced { .. } => ErrorKind::Conflict,
            Self::TooLarge { .. } | Self::ProposalsExhausted | Self::ReadsExhausted => {
                ErrorKind::Exhausted
            }
            Self::Membership(MembershipError::UnderWay) => ErrorKind::Unavailable,
            Self::Membership(_) | Self::NoSuccessor { .. } => ErrorKind::Invalid,
        }
    }
}
