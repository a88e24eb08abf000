//! A group as others see it, and what must be true of it at any time. Changes nothing.

use std::collections::BTreeMap;

use aether_types::{LogIndex, NodeId};
use raft::StateRole;

use super::Group;
use crate::{GroupId, Membership, Position, Term};

/// What a node is in its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Follower,
    Candidate,
    Leader,
}

/// A group as an operator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    pub group: GroupId,
    pub node: NodeId,
    pub role: Role,
    pub term: Term,
    pub leader: Option<NodeId>,
    pub membership: Membership,
    pub commit: LogIndex,
    pub applied: LogIndex,
    pub last: LogIndex,
    pub snapshot: Position,
    /// Bytes of the log in memory.
    pub log_bytes: u64,
    pub reads_waiting: usize,
    /// Messages that were refused since the start.
    pub messages_dropped: u64,
    /// For the leader: how far each member's log is known to agree with its own.
    pub matched: BTreeMap<NodeId, LogIndex>,
}

impl Group {
    pub fn status(&self) -> Status {
        let raft = &self.node.raft;
        let progress = raft.prs().iter().filter(|_| self.role() == Role::Leader);
        Status {
            group: self.config.group,
            node: self.config.node,
            role: self.role(),
            term: Term(raft.term),
            leader: self.known_leader(),
            membership: self.membership.clone(),
            commit: LogIndex(raft.raft_log.committed),
            applied: self.applied,
            last: self.last(),
            snapshot: self.node.store().snapshot().position,
            log_bytes: self.node.store().weight().1,
            reads_waiting: self.reads.len(),
            messages_dropped: self.messages_dropped,
            matched: progress.map(|(id, p)| (NodeId(*id), LogIndex(p.matched))).collect(),
        }
    }

    /// Panics if an invariant does not hold.
    pub fn check(&self) {
        let log = &self.node.raft.raft_log;
        self.node.store().check();
        assert!(self.applied.0 <= log.committed, "applied what is not committed");
        assert!(log.committed <= log.last_index(), "committed what is not here");
        assert!(self.persisted <= self.asked);
        assert!(self.leading.is_none_or(|term| term <= Term(self.node.raft.term)));
    }

    pub fn term(&self) -> Term {
        Term(self.node.raft.term)
    }

    pub fn leader(&self) -> Option<NodeId> {
        self.known_leader()
    }

    pub fn membership(&self) -> &Membership {
        &self.membership
    }

    /// The last entry that was handed out, or that a snapshot covers.
    pub fn applied(&self) -> Position {
        Position { index: self.applied, term: self.applied_term }
    }

    pub fn role(&self) -> Role {
        match self.node.raft.state {
            StateRole::Follower => Role::Follower,
            StateRole::PreCandidate | StateRole::Candidate => Role::Candidate,
            StateRole::Leader => Role::Leader,
        }
    }

    pub(super) fn known_leader(&self) -> Option<NodeId> {
        let leader = self.node.raft.leader_id;
        (leader != raft::INVALID_ID).then_some(NodeId(leader))
    }
}
