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
    /// The first generation that has the instance on this node, or has it leave there. What the
    /// node says of it counts from there on: before, it may speak of an earlier instance with
    /// the same key, or may not know that this one is to go.
    pub since: Generation,
    /// What the instance reserves of the node's memory budget.
    pub memory: ByteSize,
    /// It serves until what comes after it is ready, then it leaves the plan.
    pub leaving: bool,
}

/// A plan is one value of the replicated map, which takes 1 MiB; what is left of that is for a plan
/// in which old and new are there at once, of names that are longer than others.
pub const PLAN_BYTES_MAX: usize = 896 << 10;

impl InstanceKey {
    /// What an assignment of this instance adds to the bytes of a plan, at most: the names, a
    /// digest of 64 characters, a node's id of 10 bytes, 24 for the other numbers (revisions and
    /// generations below 2^35, memory of 4 GiB), and a few lengths.
    pub fn assignment_bytes_max(&self) -> usize {
        self.app.as_str().len() + self.coordinates.to_string().len() + 64 + 10 + 24
    }
}

impl Versioned for Plan {
    const FORMAT: u8 = 2;
}

impl fmt::Display for InstanceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}#{}", self.app, self.coordinates, self.ordinal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::versioned::encode;

    #[test]
    fn an_assignment_is_never_larger_than_it_is_counted() {
        let instance = InstanceKey {
            app: "a".repeat(63).parse().unwrap(),
            coordinates: "shop:place-order:10.20.30-rc.1".parse().unwrap(),
            ordinal: 999,
        };
        let bytes = instance.assignment_bytes_max();
        let assignment = Assignment {
            instance,
            node: NodeId(u64::MAX),
            digest: Digest([255; 32]),
            blueprint: Revision((1 << 35) - 1),
            since: Generation((1 << 35) - 1),
            memory: ByteSize::mib(4_096),
            leaving: true,
        };
        let empty = encode(&Plan::default()).len();
        let assignments = vec![assignment.clone(), assignment];
        let full = encode(&Plan { assignments, ..Plan::default() }).len();
        assert!(full - empty <= 2 * bytes, "{full} - {empty} > 2 * {bytes}");
        assert!(full - empty > 2 * bytes - 20, "the bound is close");
    }
}
