//! What a node says of its own instances. Written by that node alone, read by everybody.

use crate::code::Code;
use crate::plan::InstanceKey;
use crate::versioned::Versioned;
use crate::{Digest, Generation, NodeId, Revision};
use serde::{Deserialize, Serialize};
use std::fmt;

/// One node's instances, as it sees them; one entry of the replicated map.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    pub node: NodeId,
    /// Drawn at each start of the process: entries of an earlier run are known as such.
    pub run: u64,
    /// The newest plan that the node has taken up.
    pub generation: Generation,
    /// Sorted by instance, then revision: an instance that is being replaced stands here twice.
    pub instances: Vec<InstanceStatus>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceStatus {
    pub instance: InstanceKey,
    pub digest: Digest,
    pub blueprint: Revision,
    pub state: InstanceState,
    /// Why it is where it is, when that is not where it should be.
    pub reason: Option<Reason>,
}

/// States of an instance on a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum InstanceState {
    Loading,
    Loaded,
    Activating,
    /// Routable: the only state in which calls arrive.
    Active,
    Deactivating,
    Unloading,
    Failed,
}

/// Why something is not as it should be: the same in the API, the CLI and the dashboard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    pub code: Code,
    pub message: String,
    /// Whether trying again can help without anybody changing anything.
    pub retryable: bool,
}

impl Versioned for Observed {
    const FORMAT: u8 = 1;
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]", self.message, self.code)
    }
}

impl fmt::Display for InstanceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Loading => "LOADING",
            Self::Loaded => "LOADED",
            Self::Activating => "ACTIVATING",
            Self::Active => "ACTIVE",
            Self::Deactivating => "DEACTIVATING",
            Self::Unloading => "UNLOADING",
            Self::Failed => "FAILED",
        })
    }
}
