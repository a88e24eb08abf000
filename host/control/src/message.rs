//! What members say to each other: Raft's messages, and writes on their way to the leader. Knows no
//! link.

use aether_consensus::{GroupId, ProposalId, Refusal, Term};
use aether_types::{
    NodeId,
    versioned::{self, DecodeError, Versioned},
};
use serde::{Deserialize, Serialize};

use crate::Write;

/// One message. Losing, doubling or delaying it is fine. The order of variants is part of the
/// format: append only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    Raft(aether_consensus::Message),
    Forward(Forward),
    NotTaken(NotTaken),
}

/// Writes for the leader of a term, in the order in which they were asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forward {
    pub group: GroupId,
    pub from: NodeId,
    pub to: NodeId,
    pub term: Term,
    pub writes: Vec<Forwarded>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forwarded {
    /// Run of the sender, then a number that it never uses again.
    pub id: ProposalId,
    pub write: Write,
}

/// A forwarded write was not proposed and, under this id, never will be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotTaken {
    pub group: GroupId,
    pub from: NodeId,
    pub to: NodeId,
    pub id: ProposalId,
    pub refusal: Refusal,
}

impl Versioned for Message {
    const FORMAT: u8 = 2;
}

impl Message {
    pub fn encode(&self) -> Vec<u8> {
        versioned::encode(self)
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        versioned::decode(bytes)
    }

    pub fn group(&self) -> GroupId {
        match self {
            Self::Raft(message) => message.group,
            Self::Forward(Forward { group, .. }) | Self::NotTaken(NotTaken { group, .. }) => *group,
        }
    }

    /// Who says that it sent this: a link knows better.
    pub fn from(&self) -> NodeId {
        match self {
            Self::Raft(message) => message.from,
            Self::Forward(Forward { from, .. }) | Self::NotTaken(NotTaken { from, .. }) => *from,
        }
    }

    pub fn to(&self) -> NodeId {
        match self {
            Self::Raft(message) => message.to,
            Self::Forward(Forward { to, .. }) | Self::NotTaken(NotTaken { to, .. }) => *to,
        }
    }
}
