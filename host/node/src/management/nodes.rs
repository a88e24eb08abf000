//! What the management API says of nodes, and which of them can go. Changes nothing.

use super::Office;
use crate::projector::Picture;
use crate::records::{Duty, Member, NodeRecord};
use crate::samples;
use crate::world::At;
use aether_api::{ApiError, NodeState, NodeStatus};
use aether_types::NodeId;
use aether_types::code::Code;

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
            true => Some(samples::take(&self.engine, self.started)),
            false => self.samples.of(node),
        };
        let sample = sample.unwrap_or_default();
        NodeStatus {
            id: node.to_string(),
            version: record.version,
            uptime_seconds: sample.uptime_seconds,
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
            reason: self.why_unreachable(node),
        }
    }

    fn node_state(&self, picture: &Picture, node: NodeId) -> NodeState {
        let duty = picture.world.members.get(&node).map(|at| at.value.duty);
        match duty {
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
            let members = &status.membership;
            members.voters.contains(&node) || members.voters_outgoing.contains(&node)
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

    fn why_unreachable(&self, node: NodeId) -> Option<String> {
        let statuses = self.network.links()?.statuses().borrow().clone();
        let status = statuses.get(&node)?;
        status.links.iter().find_map(|link| match link {
            aether_transport::LinkState::Up { .. } => None,
            aether_transport::LinkState::Down { reason, .. } => Some(reason.to_string()),
        })
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
