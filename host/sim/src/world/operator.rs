//! The operator of the simulated cluster: deploys, drains, adds and removes nodes. Asks any node.

use std::collections::BTreeSet;

use aether_consensus::{Change, MembershipChange};
use aether_control::Write;
use aether_kv::{Operation, Transaction};
use aether_placement::Duty;
use aether_types::NodeId;
use aether_types::versioned::encode;

use super::node::Asker;
use super::{Event, World};
use crate::picture::encode_duty;
use crate::swarm::Ms;
use crate::{applications, keys};

/// How often nodes are called back to duty.
const RECALL_MS: Ms = 4_000;

impl World {
    fn operate(&mut self, node: Option<NodeId>, write: Write) {
        let running = self.running();
        let Some(node) = node.or_else(|| self.rng.pick(&running)) else { return };
        let kind = match &write {
            Write::Members(change) => format!("{change:?}"),
            _ => "a transaction".to_owned(),
        };
        self.trace.add(self.now, format_args!("the operator asks {node}: {kind}"));
        let Some(up) = self.up(node) else { return };
        let ticket = up.member.write(write, None);
        up.askers.insert(ticket, Asker::Operator);
        self.settle(node);
    }

    pub(super) fn on_blueprint(&mut self) {
        let names: Vec<_> = applications::names().collect();
        let app = names[self.rng.below(names.len() as u64) as usize].clone();
        let key = keys::blueprint(&app);
        let put = |key, value: Vec<u8>| Operation::Put { key, value: value.into(), lease: None };
        let mut operations = Vec::new();
        if self.rng.chance(100) {
            operations.push(Operation::Delete { key });
        } else {
            let artifacts = applications::artifacts();
            operations.extend(artifacts.iter().map(|d| put(keys::artifact(&d.digest), encode(d))));
            operations.push(put(key, encode(&applications::draw(&app, &mut self.rng))));
        }
        self.operate(None, Write::Transaction(valid(operations)));
        self.repeat(self.swarm.blueprints, Event::Blueprint);
    }

    pub(super) fn on_drain(&mut self) {
        let nodes: Vec<NodeId> = self.nodes.keys().copied().collect();
        if self.healed {
            return;
        }
        let node = self.rng.pick(&nodes).expect("a cluster has nodes");
        let duties = [Duty::OnDuty, Duty::OnDuty, Duty::Cordoned, Duty::Draining];
        let duty = self.rng.pick(&duties).expect("there are some");
        let put = Operation::Put { key: keys::duty(node), value: encode_duty(duty), lease: None };
        self.operate(None, Write::Transaction(valid(vec![put])));
        self.repeat(self.swarm.drain, Event::Drain);
    }

    /// After the faults every node is wanted again: asked until it is so.
    pub(super) fn on_recall(&mut self) {
        let away = self.nodes.values().filter_map(|node| node.up.as_ref()).flat_map(|up| {
            let duties = up.picture.duties.iter();
            duties.filter(|(_, duty)| **duty != Duty::OnDuty).map(|(node, _)| *node)
        });
        let away: BTreeSet<NodeId> = away.collect();
        self.after(RECALL_MS, Event::Recall);
        if away.is_empty() {
            return;
        }
        let on_duty = |node: &NodeId| {
            let value = encode_duty(Duty::OnDuty);
            Operation::Put { key: keys::duty(*node), value, lease: None }
        };
        let operations = away.iter().map(on_duty).collect();
        self.operate(None, Write::Transaction(valid(operations)));
    }

    /// One change, or two at once, of the members as some node knows them.
    pub(super) fn on_members(&mut self) {
        let running = self.running();
        if let Some(node) = self.rng.pick(&running) {
            let mut changes: Vec<Change> = Vec::new();
            for _ in 0..self.rng.between(1, 2) {
                let change = self.draw_change(node);
                let of = |change: &Change| {
                    let (Change::Voter(id) | Change::Learner(id) | Change::Remove(id)) = change;
                    *id
                };
                changes.extend(change.filter(|new| changes.iter().all(|old| of(old) != of(new))));
            }
            let removed = changes.iter().filter_map(|change| match change {
                Change::Remove(id) => Some(*id),
                _ => None,
            });
            self.removed.extend(removed);
            if !changes.is_empty() {
                self.operate(Some(node), Write::Members(MembershipChange(changes)));
            }
        }
        self.repeat(self.swarm.members, Event::Members);
    }

    fn draw_change(&mut self, asked: NodeId) -> Option<Change> {
        let membership = self.up(asked)?.member.group().membership().clone();
        let all: Vec<NodeId> = self.nodes.keys().copied().collect();
        let node = self.rng.pick(&all)?;
        let draw = self.rng.below(10);
        let is_voter = membership.voters.contains(&node);
        let is_member = membership.contains(node);
        match draw {
            _ if !is_member => (!self.removed.contains(&node)).then_some(Change::Learner(node)),
            0..7 if !is_voter => Some(Change::Voter(node)),
            0..3 => Some(Change::Learner(node)),
            // A removed node is gone for good: keep most of them.
            7 if self.removed.len() < 2 && membership.voters.len() > 2 => {
                Some(Change::Remove(node))
            }
            _ => None,
        }
    }

    pub(super) fn on_transfer(&mut self) {
        let running = self.running();
        let leader = running
            .iter()
            .find(|id| self.nodes[*id].up.as_ref().is_some_and(|up| up.leading.is_some()));
        if let Some(leader) = leader.copied() {
            let to = self.rng.pick(&running).expect("the leader runs");
            let asked = self.up(leader).expect("it leads").member.transfer_leader(to);
            self.trace.add(self.now, format_args!("{leader} hands over to {to}: {asked:?}"));
            self.settle(leader);
        }
        self.repeat(self.swarm.transfer, Event::Transfer);
    }
}

fn valid(operations: Vec<Operation>) -> aether_kv::ValidTransaction {
    let transaction = Transaction { conditions: vec![], operations };
    transaction.try_into().expect("within all limits")
}
