//! What a member wants done. Knows no executor.

use aether_consensus::{Committed, Membership, Persist, Role, Snapshot, Term};
use aether_types::{LogIndex, NodeId};

use crate::{Answer, Message, Ticket};

/// One thing to do. Effects are executed in the order in which they are handed out; those after a
/// `Persist` need not wait for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Make durable, in order, then call `on_persisted` with its number.
    Persist(Persist),
    Send(Message),
    /// Bring the state up to date with [`Member::apply`](crate::Member::apply).
    Change(Change),
    Reply(Reply),
    /// Encode the state as it is now, then call `on_snapshot`.
    TakeSnapshot {
        index: LogIndex,
    },
    MembershipChanged {
        membership: Membership,
    },
    LeaderChanged {
        leader: Option<NodeId>,
        role: Role,
        term: Term,
    },
    /// The disk has lost what this node acknowledged: it must stop.
    Forgotten {
        acknowledged: LogIndex,
        last: LogIndex,
    },
    /// This node leads, and its state has seen everything from terms before. Work that only the
    /// leader does starts here, fenced by the term.
    Leading {
        term: Term,
    },
}

/// What happens to the state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    Restore(Snapshot),
    Apply(Committed),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub ticket: Ticket,
    pub answer: Answer,
}
