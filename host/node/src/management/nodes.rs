//! What the management API says of nodes, and which of them can go. Changes nothing.

use super::Office;
use crate::projector::Picture;
use crate::records::{Duty, Member, NodeRecord};
use crate::samples::Sample;
use crate::world::At;
use aether_api::{ApiError, LogSource, NodeState, NodeStatus};
use aether_consensus::Membership;
use aether_transport::{DownReason, LinkState, Refusal};
use aether_types::NodeId;
use aether_types::code::Code;
use std::collections::BTreeSet;

impl Office {
    pub(super) fn node_status(&self, picture: &Picture, node: NodeId) -> NodeStatus {
        let record = picture.world.nodes.get(&node);
        let own = || (node == self.identity.node).then(|| self.record.clone());
        let record = record.map(|r| NodeRecord::clone(r)).or_else(own).unwrap_or_default();
        let observed = picture.world.observed.get(&node);
        let active = |i: &&aether_types::observed::InstanceStatus| {
            i.state == aether_types::observed::InstanceState::Active
        };
        let sample = match node == self.identity.node {
            true => Some(self.sampled.take()),
            false => self.samples.of(node),
        };
        let sample = sample.unwrap_or_default();
        NodeStatus {
            id: node.to_string(),
            version: record.version,
            uptime_seconds: sample.uptime_millis / 1_000,
            api: record.api,
            http: record.http,
            generation: observed.map_or(0, |o| o.generation.0),
            memory: aether_api::MemoryStatus {
                budget: sample.memory_budget,
                committed: sample.memory_committed,
                resident: sample.memory_resident,
            },
            compiled: sample.compiled,
            active_instances: observed
                .map_or(0, |o| o.instances.iter().filter(active).count() as u32),
            state: self.node_state(picture, node),
            role: self.role(node),
            reachable: self.reaches.borrow().is_up(node, self.identity.node),
            cluster: record.cluster,
            zone: record.zone,
            reason: self.why_not_well(picture, node, &sample),
        }
    }

    pub(super) fn raft_status(&self, raft: &aether_consensus::Status) -> aether_api::RaftStatus {
        aether_api::RaftStatus {
            role: match raft.role {
                aether_consensus::Role::Leader => aether_api::RaftRole::Leader,
                aether_consensus::Role::Follower => aether_api::RaftRole::Follower,
                aether_consensus::Role::Candidate => aether_api::RaftRole::Candidate,
            },
            leader: raft.leader.map(|id| id.to_string()),
            term: raft.term.0,
            last_index: raft.last.0,
            committed_index: raft.commit.0,
            applied_index: raft.applied.0,
            revision: self.control.read(aether_kv::State::revision).0,
        }
    }

    fn node_state(&self, picture: &Picture, node: NodeId) -> NodeState {
        let duty = picture.world.members.get(&node).map(|at| at.value.duty);
        let leaving = match node == self.identity.node {
            true => self.shutdown.is_cancelled(),
            false => self.reaches.borrow().is_leaving(node),
        };
        match duty {
            _ if leaving => NodeState::ShuttingDown,
            _ if !picture.world.nodes.contains_key(&node) => NodeState::Joining,
            Some(Duty::Draining) if self.is_drained(picture, node) => NodeState::Decommissioned,
            Some(Duty::Draining) => NodeState::Draining,
            _ => NodeState::OnDuty,
        }
    }

    /// Whether a node has neither a vote nor an instance left.
    fn is_drained(&self, picture: &Picture, node: NodeId) -> bool {
        let status = self.control.status().borrow().clone();
        let votes = status.is_none_or(|status| {
            let Membership { voters, voters_outgoing, .. } = &status.membership;
            // A node that has just joined knows of nobody yet.
            voters.is_empty() || voters.contains(&node) || voters_outgoing.contains(&node)
        });
        let mut planned = picture.world.plan.value.assignments.iter();
        let observed = picture.world.observed.get(&node);
        let runs = observed.is_some_and(|observed| !observed.instances.is_empty());
        !votes && !runs && !planned.any(|assignment| assignment.node == node)
    }

    fn role(&self, node: NodeId) -> Option<aether_api::RaftRole> {
        let status = self.control.status().borrow().clone()?;
        let members = &status.membership;
        match () {
            () if status.leader == Some(node) => Some(aether_api::RaftRole::Leader),
            () if members.voters.contains(&node) => Some(aether_api::RaftRole::Follower),
            () if members.contains(node) => Some(aether_api::RaftRole::Learner),
            () => None,
        }
    }

    /// Why a node is not as it should be, if it is not.
    fn why_not_well(&self, picture: &Picture, node: NodeId, sample: &Sample) -> Option<String> {
        let full = || "its disk is full: it serves, and takes no part in decisions".to_owned();
        let full = || sample.disk_full.then(full);
        let skew = || self.samples.skews.of(node);
        let stays = || self.why_it_stays(picture, node);
        self.why_unreachable(node).or_else(full).or_else(skew).or_else(stays)
    }

    /// What a node that drains still has.
    fn why_it_stays(&self, picture: &Picture, node: NodeId) -> Option<String> {
        let duty = picture.world.members.get(&node).map(|at| at.value.duty);
        duty.filter(|duty| *duty == Duty::Draining)?;
        let planned = picture.world.plan.value.assignments.iter();
        let planned = planned.filter(|assignment| assignment.node == node).count();
        let members = self.control.status().borrow().as_ref().map(|it| it.membership.clone());
        match planned {
            0 if members.is_some_and(|it| it.voters == [node].into()) => {
                Some("it has the only vote, and no other node can take it yet".to_owned())
            }
            0 => None,
            _ => Some(format!("{planned} to go: `aether status` says why an instance stays")),
        }
    }

    fn why_unreachable(&self, node: NodeId) -> Option<String> {
        let statuses = self.network.links()?.statuses().borrow().clone();
        let status = statuses.get(&node)?;
        status.links.iter().find_map(|link| match link {
            LinkState::Up { .. } => None,
            LinkState::Down { reason, .. } => Some(reason.to_string()),
        })
    }

    /// What others have against this process, where that is why it has no leader: it must not get
    /// traffic. A node that others refuse for its clock serves on, as a minority does.
    pub(super) fn refusals(&self) -> Vec<String> {
        let led = self.control.status().borrow().as_ref().is_some_and(|s| s.leader.is_some());
        let Some(links) = self.network.links().filter(|_| !led) else { return Vec::new() };
        let statuses = links.statuses().borrow().clone();
        let refusals = statuses.iter().filter_map(|(node, status)| {
            let refusal = status.links.iter().find_map(grave)?;
            Some(format!("node {node} refuses this one: {refusal}"))
        });
        refusals.collect()
    }

    /// Whose logs somebody wants to see.
    pub(super) fn sources(&self, source: LogSource) -> Result<Vec<NodeId>, ApiError> {
        let picture = self.picture();
        let members = picture.world.members.iter();
        let members = members.filter(|(_, at)| at.value.duty != Duty::Removed);
        // A node that has just joined may not know of itself yet.
        let nodes: BTreeSet<NodeId> =
            members.map(|(id, _)| *id).chain([self.identity.node]).collect();
        match source {
            LogSource::Cluster => Ok(nodes.into_iter().collect()),
            LogSource::Node(node) if nodes.contains(&node) => Ok(vec![node]),
            LogSource::Node(node) => Err(unknown_node(&picture, node)),
        }
    }

    /// A node that lives gives everything away first; one that is dead has nothing left to give.
    pub(super) fn check_removable(&self, picture: &Picture, node: NodeId) -> Result<(), ApiError> {
        let reachable = self.reaches.borrow().is_up(node, self.identity.node);
        let stays = |at: &At<Member>| at.value.duty != Duty::Removed;
        let last = picture.world.members.values().filter(|at| stays(at)).count() == 1;
        let message = match () {
            () if last => "it is the only node".to_owned(),
            () if reachable && !self.is_drained(picture, node) => {
                format!("node {node} answers, and still has instances or a vote")
            }
            () => return Ok(()),
        };
        Err(ApiError::conflict(Code::NodeInUse, message)
            .help("`aether node drain` takes them away; a dead node can be removed at once"))
    }
}

pub(super) fn unknown_node(picture: &Picture, node: NodeId) -> ApiError {
    let known = picture.world.members.iter().filter(|(_, at)| at.value.duty != Duty::Removed);
    let known: Vec<String> = known.map(|(id, _)| id.to_string()).collect();
    ApiError::not_found(Code::UnknownNode, format!("there is no node {node}"))
        .help(format!("there are: {}", known.join(", ")))
}

/// A refusal that does not end by waiting.
fn grave(link: &LinkState) -> Option<&Refusal> {
    match link {
        LinkState::Down { reason: DownReason::Refused(refusal), .. } => match refusal {
            Refusal::WrongVersion { .. }
            | Refusal::WrongCluster { .. }
            | Refusal::ForeignCertificate
            | Refusal::WrongCertificate { .. }
            | Refusal::DuplicateIdentity { .. }
            | Refusal::Removed { .. }
            | Refusal::StaleData { .. } => Some(refusal),
            _ => None,
        },
        _ => None,
    }
}
