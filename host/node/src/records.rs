//! Values of the entries that are this crate's own: nodes, their membership, what lets nodes join,
//! what an application was before a rollout. Knows no keys and no writer.

use aether_types::blueprint::Application;
use aether_types::rollout::Strategy;
use aether_types::versioned::Versioned;
use aether_types::{ByteSize, Coordinates, Revision};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fmt;

/// What a node says of itself when it starts.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NodeRecord {
    pub(crate) version: String,
    /// Address of its front door.
    pub(crate) http: String,
    /// Address of its management API.
    pub(crate) api: String,
    /// Address at which other nodes reach it.
    pub(crate) cluster: String,
    /// Failure domain, for spreading instances.
    pub(crate) zone: String,
    /// Milliseconds since 1970.
    pub(crate) started_ms: u64,
    /// Bytes that slices may use together.
    pub(crate) memory_budget: ByteSize,
    /// How often it has started, as its disk has it.
    pub(crate) starts: u64,
    /// Names the newest of these starts.
    pub(crate) run: u64,
}

/// What is true of the whole cluster. Written when it is founded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ClusterRecord {
    /// 1, 3, 5 or 7: no more nodes than these vote.
    pub(crate) voters_max: u8,
}

/// What the cluster wants of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Member {
    pub(crate) duty: Duty,
    /// Milliseconds since 1970.
    pub(crate) joined_ms: u64,
    /// Where it said it is when it joined; its own record says it better.
    pub(crate) address: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Duty {
    /// Takes instances, may vote.
    Full,
    /// Gives its instances and its vote away.
    Draining,
    /// Gone for good. The entry stays, so that the node is told when it comes back.
    Removed,
}

/// How an application gets from what it was to what its blueprint says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Change {
    /// The revision that it comes from, and goes back to.
    pub(crate) from: Revision,
    pub(crate) application: Application,
    pub(crate) strategy: Strategy,
}

/// How many instances the controller wants of the slices of an application.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Scale(pub(crate) BTreeMap<Coordinates, Target>);

/// How many, since when, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Target {
    pub(crate) instances: u32,
    pub(crate) before: u32,
    /// Milliseconds since 1970.
    pub(crate) changed_ms: u64,
    pub(crate) why: String,
}

impl Scale {
    /// Of a slice; that of another version of it where this one has none yet: what comes after it
    /// has as much to do.
    pub(crate) fn target(&self, slice: &Coordinates) -> Option<&Target> {
        let mut others = self.0.iter().filter(|(other, _)| other.slice == slice.slice);
        self.0.get(slice).or_else(|| others.next_back().map(|(_, target)| target))
    }
}

/// Lets nodes join for some time.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct JoinToken {
    /// SHA-256 of the secret. The secret has 256 random bits, so no slow hash is needed.
    hash: [u8; 32],
    /// Milliseconds since 1970.
    pub(crate) expires_ms: u64,
    pub(crate) created_by: String,
}

/// The certificate authority of the cluster. Every node holds it, so that any can admit another;
/// it has no key where certificates come from elsewhere.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AuthorityRecord {
    pub(crate) certificate_pem: String,
    pub(crate) key_pem: Option<String>,
}

impl JoinToken {
    pub(crate) fn of(secret: &[u8; 32], expires_ms: u64, created_by: String) -> Self {
        Self { hash: Sha256::digest(secret).into(), expires_ms, created_by }
    }

    /// Which entry a secret belongs to.
    pub(crate) fn id(secret: &[u8; 32]) -> String {
        let hash = Sha256::digest(secret);
        hash[..4].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Hashes are compared, so the time that it takes says nothing of the secret.
    pub(crate) fn is_of(&self, secret: &[u8; 32]) -> bool {
        self.hash == <[u8; 32]>::from(Sha256::digest(secret))
    }
}

impl fmt::Debug for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinToken").field("expires_ms", &self.expires_ms).finish_non_exhaustive()
    }
}

impl fmt::Debug for AuthorityRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorityRecord").finish_non_exhaustive()
    }
}

impl Versioned for NodeRecord {
    const FORMAT: u8 = 3;
}

impl Versioned for ClusterRecord {
    const FORMAT: u8 = 1;
}

impl Versioned for Member {
    const FORMAT: u8 = 1;
}

impl Versioned for Change {
    const FORMAT: u8 = 2;
}

impl Versioned for Scale {
    const FORMAT: u8 = 1;
}

impl Versioned for JoinToken {
    const FORMAT: u8 = 1;
}

impl Versioned for AuthorityRecord {
    const FORMAT: u8 = 2;
}
