//! What nodes of a group say to each other, with its own versioned encoding. Knows no link; no byte
//! from a network reaches another parser.

use aether_types::{
    LogIndex, NodeId,
    versioned::{self, DecodeError, Versioned},
};
use serde::{Deserialize, Serialize};

use crate::{Entry, GroupId, Position, ReadId, Snapshot, Term};

/// One message. Losing, doubling or delaying it is fine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    pub group: GroupId,
    pub from: NodeId,
    pub to: NodeId,
    /// Of the sender; 0 in a [`Body::Read`], which belongs to no term.
    pub term: Term,
    pub body: Body,
}

/// The order of variants is part of the format: append only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Body {
    /// The leader's entries after `previous`.
    Append {
        previous: Position,
        commit: LogIndex,
        entries: Vec<Entry>,
    },
    Appended {
        upto: LogIndex,
        commit: LogIndex,
    },
    /// `refused` does not match; `hint` is the last place that may.
    AppendRefused {
        refused: LogIndex,
        hint: Position,
        commit: LogIndex,
    },
    Heartbeat {
        commit: LogIndex,
        read: Option<ReadId>,
    },
    HeartbeatAnswer {
        commit: LogIndex,
        read: Option<ReadId>,
    },
    Snapshot(Snapshot),
    /// Would you vote for me, if I asked?
    Poll {
        last: Position,
        commit: Position,
    },
    PollAnswer {
        granted: bool,
        commit: Position,
    },
    /// `by_order`: the leader asked for this election, so its lease does not stand against it.
    Vote {
        last: Position,
        commit: Position,
        by_order: bool,
    },
    VoteAnswer {
        granted: bool,
        commit: Position,
    },
    /// The leader asks the receiver to take over.
    TakeOver,
    /// Which index must a linearizable read have seen?
    Read {
        read: ReadId,
    },
    ReadAnswer {
        read: ReadId,
        index: LogIndex,
    },
}

impl Versioned for Message {
    const FORMAT: u8 = 1;
}

impl Message {
    pub fn encode(&self) -> Vec<u8> {
        versioned::encode(self)
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        versioned::decode(bytes)
    }
}
