//! What is not yet as it must be once all faults are over: every wait with its name. Changes
//! nothing.

use std::collections::BTreeSet;

use aether_control::Member;
use aether_placement::{Duty, Staying};
use aether_routing::{Endpoint, Match};
use aether_types::observed::InstanceState;
use aether_types::plan::Assignment;
use aether_types::{AppName, LogIndex, Method, NodeId};

use super::World;
use super::node::Up;
use crate::applications;

/// One reason why the cluster is not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wait {
    NodeDown {
        node: NodeId,
    },
    NoLeader,
    MembershipChanges,
    Behind {
        node: NodeId,
        applied: LogIndex,
        leader: LogIndex,
    },
    /// The state of a node differs, with equally many commands applied.
    Differs {
        node: NodeId,
    },
    RequestsOpen {
        clients: usize,
    },
    NodeNotOnDuty,
    /// The leader would plan something else.
    PlanOutdated,
    PlanUnderWay,
    InstanceNotActive {
        instance: String,
        node: NodeId,
        state: Option<InstanceState>,
    },
    /// The plan has it until something else is ready.
    InstanceStays {
        instance: String,
        node: NodeId,
        reason: String,
    },
    InstanceNotPlanned {
        instance: String,
        node: NodeId,
    },
    ObservedOutdated {
        node: NodeId,
    },
    /// A node's table sends calls where nobody serves them, or not where somebody does.
    RoutesOutdated {
        node: NodeId,
        app: AppName,
    },
}

pub(super) fn show(waits: &[Wait]) -> String {
    waits.iter().map(|wait| format!("\n  {wait:?}")).collect()
}

impl World {
    pub(super) fn waits(&self) -> Vec<Wait> {
        let ups = self.nodes.values().filter_map(|node| node.up.as_ref());
        let leader =
            ups.filter(|up| up.leading.is_some()).max_by_key(|up| up.member.group().term());
        let Some(leader) = leader else { return vec![Wait::NoLeader] };
        let membership = leader.member.group().membership().clone();
        if membership.is_joint() {
            return vec![Wait::MembershipChanges];
        }
        let mut waits = Vec::new();
        if self.clients.open() > 0 {
            waits.push(Wait::RequestsOpen { clients: self.clients.open() });
        }
        let members: BTreeSet<NodeId> =
            membership.voters.iter().chain(&membership.learners).copied().collect();
        let mut present = Vec::new();
        for id in &members {
            match &self.nodes[id].up {
                None => waits.push(Wait::NodeDown { node: *id }),
                Some(up) => {
                    waits.extend(behind(*id, up, leader));
                    present.push((*id, up));
                }
            }
        }
        if waits.is_empty() {
            self.control_waits(leader, &present, &mut waits);
        }
        waits
    }

    fn control_waits(&self, leader: &Up, present: &[(NodeId, &Up)], waits: &mut Vec<Wait>) {
        let away = |duty: &Duty| *duty != Duty::OnDuty;
        if leader.picture.duties.values().any(away) {
            return waits.push(Wait::NodeNotOnDuty);
        }
        let view = leader.view(self.now);
        let (next, report) = leader.plan(&view);
        if next != leader.picture.plan.1 {
            return waits.push(Wait::PlanOutdated);
        }
        if leader.is_planning {
            return waits.push(Wait::PlanUnderWay);
        }
        for assignment in &next.assignments {
            waits.extend(self.not_active(assignment, present));
        }
        for Staying { instance, node, reason } in report.staying {
            if !self.is_stuck(&instance.app) {
                let (instance, reason) = (instance.to_string(), reason.to_string());
                waits.push(Wait::InstanceStays { instance, node, reason });
            }
        }
        for (id, up) in present {
            for guest in up.guests.all.values() {
                let wanted = |a: &Assignment| {
                    a.node == *id && a.instance == guest.key && a.blueprint == guest.revision
                };
                if !next.assignments.iter().any(wanted) && !self.is_stuck(&guest.key.app) {
                    let instance = guest.key.to_string();
                    waits.push(Wait::InstanceNotPlanned { instance, node: *id });
                }
            }
            if leader.picture.observed.get(id) != Some(&up.core.observed()) {
                waits.push(Wait::ObservedOutdated { node: *id });
            }
        }
        if waits.is_empty() {
            for (id, up) in present {
                waits.extend(self.wrong_routes(*id, up, present));
            }
        }
    }

    /// A slice of it can never start.
    fn is_stuck(&self, app: &AppName) -> bool {
        self.fatal.iter().any(|(stuck, _)| stuck == app)
    }

    fn not_active(&self, assignment: &Assignment, present: &[(NodeId, &Up)]) -> Option<Wait> {
        let Assignment { instance, node, blueprint, leaving, .. } = assignment;
        if self.is_stuck(&instance.app) {
            return None;
        }
        // Whatever it waits for is in the planner's report.
        if *leaving {
            return None;
        }
        let up = present.iter().find(|(id, _)| id == node).map(|(_, up)| up);
        if up.is_some_and(|up| up.guests.serves(instance, *blueprint)) {
            return None;
        }
        let observed = up.map(|up| up.core.observed());
        let statuses = observed.iter().flat_map(|observed| &observed.instances);
        let state = statuses.filter(|s| s.instance == *instance).map(|s| s.state).next();
        Some(Wait::InstanceNotActive { instance: instance.to_string(), node: *node, state })
    }

    /// Every call that a node would send must find an instance, and every application that has one
    /// must be found.
    fn wrong_routes(&self, id: NodeId, up: &Up, present: &[(NodeId, &Up)]) -> Vec<Wait> {
        let serves = |endpoint: &Endpoint| {
            let target = present.iter().find(|(node, _)| *node == endpoint.node);
            target.is_some_and(|(_, up)| up.guests.serves(&endpoint.instance, endpoint.revision))
        };
        let is_right = |app: &AppName| {
            let applied = up.picture.blueprints.contains_key(app);
            match up.table.http.find(Method::Get, &applications::path(app)) {
                Match::Found { target, .. } => {
                    let placed = !target.endpoints.is_empty()
                        || self.is_stuck(app)
                        || !self.is_placed(up, app);
                    placed && target.endpoints.iter().all(serves)
                }
                _ => !applied || self.is_stuck(app),
            }
        };
        let apps = applications::names().filter(|app| !is_right(app));
        apps.map(|app| Wait::RoutesOutdated { node: id, app }).collect()
    }

    fn is_placed(&self, up: &Up, app: &AppName) -> bool {
        up.picture.plan.1.assignments.iter().any(|a| a.instance.app == *app)
    }
}

fn behind(id: NodeId, up: &Up, leader: &Up) -> Option<Wait> {
    let applied = |member: &Member| member.group().applied().index;
    let (here, there) = (applied(&up.member), applied(&leader.member));
    match () {
        () if here != there => Some(Wait::Behind { node: id, applied: here, leader: there }),
        () if up.state != leader.state => Some(Wait::Differs { node: id }),
        () => None,
    }
}
