//! The plan: which instance runs on which node. Immutable; made by `placement`, followed by
//! `lifecycle`.

use crate::versioned::Versioned;
use crate::{AppName, ByteSize, Coordinates, Digest, Generation, NodeId, Revision};
use serde::{Deserialize, Serialize};
use std::fmt;

/// All assignments of the cluster at one generation.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    pub generation: Generation,
    /// The generation that this one replaces; committed by compare-and-set on it.
    pub parent: Generation,
    /// Sorted by instance, each instance once.
    pub assignments: Vec<Assignment>,
}

/// One slice of one application, as the blueprint's revision wants it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct InstanceKey {
    pub app: AppName,
    pub coordinates: Coordinates,
    /// Counts the instances of one slice from 0.
    pub ordinal: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    pub instance: InstanceKey,
    pub node: NodeId,
    pub digest: Digest,
    /// Revision of the blueprint whose grants, limits and config the instance runs with.
    pub blueprint: Revision,
    /// The first generation that has the instance on this node. What the node says of it counts
    /// from there on: before, it may speak of an earlier instance with the same key.
    pub since: Generation,
    /// What the instance reserves of the node's memory budget.
    pub memory: ByteSize,
    /// It serves until what comes after it is ready, then it leaves the plan.
    pub leaving: bool,
}

impl Versioned for Plan {
    const FORMAT: u8 = 2;
}

impl fmt::Display for InstanceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}#{}", self.app, self.coordinates, self.ordinal)
    }
}
