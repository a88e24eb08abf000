//! Who votes and who only listens. Knows no addresses.

use std::collections::BTreeSet;
use std::fmt;

use aether_types::NodeId;
use serde::{Deserialize, Serialize};

use crate::VOTERS_MAX;

/// Members of a group. While a change of several voters is under way there are two sets of voters,
/// and both must agree.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    pub voters: BTreeSet<NodeId>,
    pub learners: BTreeSet<NodeId>,
    /// The voters before the change that is under way.
    pub voters_outgoing: BTreeSet<NodeId>,
    /// Outgoing voters that will be learners.
    pub learners_next: BTreeSet<NodeId>,
    /// The leader ends the change by itself.
    pub auto_leave: bool,
}

/// One step of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// Add a voter, or promote a learner.
    Voter(NodeId),
    /// Add a learner, or demote a voter.
    Learner(NodeId),
    Remove(NodeId),
}

/// Steps that take effect together. None: the change that is under way is complete.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MembershipChange(pub Vec<Change>);

/// Members that no group can have. The order of variants is part of a format: append only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum MembershipError {
    #[error("a group has 1 to {VOTERS_MAX} voters, not {0}")]
    Voters(usize),
    #[error("a node id is not 0")]
    NodeZero,
    #[error("node {0} has two roles")]
    TwoRoles(NodeId),
    #[error("a change of members is under way")]
    UnderWay,
    #[error("the change names no node")]
    Nothing,
    #[error("{0}")]
    Refused(String),
}

impl fmt::Display for Membership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { voters, learners, voters_outgoing, .. } = self;
        let sets =
            [("voters", voters), ("learners", learners), ("voters until now", voters_outgoing)];
        let sets = sets.into_iter().filter(|(_, nodes)| !nodes.is_empty());
        let show = |(name, nodes): (&str, &BTreeSet<NodeId>)| {
            let ids: Vec<_> = nodes.iter().map(NodeId::to_string).collect();
            format!("{name} {}", ids.join(", "))
        };
        f.write_str(&sets.map(show).collect::<Vec<_>>().join("; "))
    }
}

impl Membership {
    /// A group of voters only.
    pub fn of_voters(voters: impl IntoIterator<Item = NodeId>) -> Self {
        Self { voters: voters.into_iter().collect(), ..Self::default() }
    }

    pub fn contains(&self, node: NodeId) -> bool {
        self.all().any(|member| member == node)
    }

    /// Whether a change takes its second step still.
    pub fn is_joint(&self) -> bool {
        !self.voters_outgoing.is_empty()
    }

    pub fn validate(&self) -> Result<(), MembershipError> {
        let Self { voters, learners, voters_outgoing, learners_next, .. } = self;
        if voters.is_empty() || voters.len().max(voters_outgoing.len()) > VOTERS_MAX {
            return Err(MembershipError::Voters(voters.len().max(voters_outgoing.len())));
        }
        if self.all().any(|node| node == NodeId(0)) {
            return Err(MembershipError::NodeZero);
        }
        let votes = |node: &&NodeId| voters.contains(node) || voters_outgoing.contains(node);
        let stays = |node: &&NodeId| voters.contains(node) || !voters_outgoing.contains(node);
        match learners.iter().find(votes).or(learners_next.iter().find(stays)) {
            Some(node) => Err(MembershipError::TwoRoles(*node)),
            None => Ok(()),
        }
    }

    fn all(&self) -> impl Iterator<Item = NodeId> {
        let voters = self.voters.iter().chain(&self.voters_outgoing);
        voters.chain(&self.learners).chain(&self.learners_next).copied()
    }
}
