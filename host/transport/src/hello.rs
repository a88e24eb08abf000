//! Who talks to whom: the first words on a link, and every reason to refuse. Knows no socket.

use aether_types::{ClusterId, NodeId};
use bytes::Bytes;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::limits::ADDRESS_BYTES_MAX;

/// The first and the last version of this protocol that this code speaks.
pub(crate) const VERSIONS: Versions = Versions { oldest: 2, newest: 2 };

/// Stays for ever, as do the two numbers behind it: versions must be told before all else.
const MAGIC: [u8; 8] = *b"AETHLINK";

/// Kinds of traffic. Each has a link of its own, so that none waits for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Class {
    /// Messages of Raft and little else.
    Consensus,
    /// Calls of slices and of the nodes themselves.
    Calls,
    /// Artifacts, snapshots, whatever is long and can wait.
    Bulk,
}

impl Class {
    pub const ALL: [Self; 3] = [Self::Consensus, Self::Calls, Self::Bulk];
}

/// Names one process of a node: drawn when it starts, so that a node that was started again is told
/// apart from one that runs twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Run(pub u64);

/// Where a node says that it can be reached, each as `host:port`.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addresses {
    pub cluster: String,
    pub http: String,
    pub api: String,
}

/// Versions of the protocol that somebody speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versions {
    pub oldest: u16,
    pub newest: u16,
}

/// Why a node does not take another one. Both sides learn it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    #[error("not a node of this kind: its first words are not ours")]
    NotAether,
    #[error(
        "wrong version: it speaks versions {} to {}, this node {} to {}",
        theirs.oldest, theirs.newest, ours.oldest, ours.newest
    )]
    WrongVersion { theirs: Versions, ours: Versions },
    #[error("wrong cluster: it belongs to {theirs}, this node to {ours}")]
    WrongCluster { theirs: ClusterId, ours: ClusterId },
    /// Noticed by TLS, before anything else can be said.
    #[error("its certificate is of another authority: it belongs to another cluster")]
    ForeignCertificate,
    #[error("its certificate is not that of node {node}")]
    WrongCertificate { node: NodeId },
    #[error("it has no certificate, so it can only join")]
    NoCertificate,
    #[error("duplicate identity: another process of node {node} is alive")]
    DuplicateIdentity { node: NodeId },
    #[error("it is this very process")]
    Itself,
    #[error("node {node} was removed from the cluster")]
    Removed { node: NodeId },
    #[error("clock skew: the clocks differ by {apart_ms} ms, at most {most_ms} ms are tolerated")]
    ClockSkew { apart_ms: u64, most_ms: u64 },
    #[error("the other link between these two nodes stays")]
    AlreadyLinked,
    #[error("the join token is not valid here")]
    BadToken,
    #[error(
        "stale data directory: node {node} has started {known} times, and its folder knows of \
         {own}: it is an older copy"
    )]
    StaleData { node: NodeId, own: u64, known: u64 },
    /// What the node's own rules say, for a person.
    #[error("{reason}")]
    Other { reason: String },
}

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Purpose {
    Link(Class),
    Join,
}

/// Who says hello.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hello {
    pub(crate) cluster: ClusterId,
    pub(crate) node: NodeId,
    pub(crate) run: Run,
    /// How often the node has started, as its disk has it; this run counts.
    pub(crate) starts: u64,
    pub(crate) purpose: Purpose,
    /// Milliseconds since 1970.
    pub(crate) clock_ms: u64,
    pub(crate) addresses: Addresses,
}

impl Hello {
    pub(crate) fn encode(&self) -> Bytes {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&VERSIONS.oldest.to_le_bytes());
        bytes.extend_from_slice(&VERSIONS.newest.to_le_bytes());
        encode_to(self, bytes)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Refusal> {
        let rest = bytes.strip_prefix(&MAGIC).ok_or(Refusal::NotAether)?;
        let Some((&[a, b, c, d], rest)) = rest.split_first_chunk() else {
            return Err(Refusal::NotAether);
        };
        let theirs =
            Versions { oldest: u16::from_le_bytes([a, b]), newest: u16::from_le_bytes([c, d]) };
        if theirs.newest < VERSIONS.oldest || VERSIONS.newest < theirs.oldest {
            return Err(Refusal::WrongVersion { theirs, ours: VERSIONS });
        }
        let hello: Self = decode(rest).ok_or(Refusal::NotAether)?;
        let Addresses { cluster, http, api } = &hello.addresses;
        match [cluster, http, api].iter().all(|it| it.len() <= ADDRESS_BYTES_MAX) {
            true => Ok(hello),
            false => Err(Refusal::NotAether),
        }
    }

    /// What can be said about a hello by looking at it.
    pub(crate) fn check(&self, me: &Self, skew_max_ms: u64) -> Result<(), Refusal> {
        if self.cluster != me.cluster {
            return Err(Refusal::WrongCluster { theirs: self.cluster, ours: me.cluster });
        }
        if self.node == me.node && self.purpose != Purpose::Join {
            return Err(match self.run == me.run {
                true => Refusal::Itself,
                false => Refusal::DuplicateIdentity { node: me.node },
            });
        }
        let apart_ms = self.clock_ms.abs_diff(me.clock_ms);
        if apart_ms > skew_max_ms {
            return Err(Refusal::ClockSkew { apart_ms, most_ms: skew_max_ms });
        }
        Ok(())
    }
}

pub(crate) fn encode<T: Serialize>(value: &T) -> Bytes {
    encode_to(value, Vec::new())
}

/// Nothing if the bytes are not such a value.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Some(value),
        _ => None,
    }
}

fn encode_to<T: Serialize>(value: &T, bytes: Vec<u8>) -> Bytes {
    postcard::to_extend(value, bytes).expect("values in memory serialise into a vector").into()
}

#[cfg(test)]
mod tests;
