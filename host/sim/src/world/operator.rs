//! The operator of the simulated cluster: deploys, drains, adds and removes nodes. Asks any node.

use std::collections::BTreeSet;

use aether_consensus::{Change, MembershipChange, Term};
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
    /// Any node that answers.
    fn operate(&mut self, write: Write) {
        let awake = self.awake();
        if let Some(node) = self.rng.pick(&awake) {
            self.operate_on(node, write, None);
        }
    }

    fn operate_on(&mut self, node: NodeId, write: Write, decided: Option<Term>) {
        let kind = match &write {
            Write::Members(change) => format!("{change:?}"),
            _ => "a transaction".to_owned(),
        };
        self.trace.add(self.now, format_args!("the operator asks {node}: {kind}"));
        let Some(up) = self.up(node) else { return };
        let (run, asker) = (up.run, Asker::Operator);
        self.give(Event::Write { node, run, write, decided, asker });
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
        self.operate(Write::Transaction(valid(operations)));
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
        self.operate(Write::Transaction(valid(vec![put])));
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
        self.operate(Write::Transaction(valid(operations)));
    }

    /// One change, or two at once, of the members as a leader knows them, and only in its term: so
    /// no change of a node gets into the log after its removal.
    pub(super) fn on_members(&mut self) {
        if let Some((leader, term)) = self.draw_leader() {
            let mut changes: Vec<Change> = Vec::new();
            for _ in 0..self.rng.between(1, 2) {
                let change = self.draw_change(leader);
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
                self.operate_on(leader, Write::Members(MembershipChange(changes)), Some(term));
            }
        }
        self.repeat(self.swarm.members, Event::Members);
    }

    /// A node that leads, or has done so and does not know better yet, and its term.
    pub(super) fn draw_leader(&mut self) -> Option<(NodeId, Term)> {
        let leading = |id: NodeId| Some((id, self.nodes[&id].up.as_ref()?.leading?));
        let leaders: Vec<_> = self.awake().into_iter().filter_map(leading).collect();
        self.rng.pick(&leaders)
    }

    fn draw_change(&mut self, asked: NodeId) -> Option<Change> {
        let membership = self.up(asked)?.member.group().membership().clone();
        let all: Vec<NodeId> = self.nodes.keys().copied().collect();
        let node = self.rng.pick(&all)?;
        let draw = self.rng.below(10);
        let is_voter = membership.voters.contains(&node);
        let is_member = membership.contains(node);
        match draw {
            // It may still be one, or may be one in the log of a leader that is lost.
            _ if self.removed.contains(&node) => None,
            _ if !is_member => Some(Change::Learner(node)),
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
        if let Some((leader, _)) = self.draw_leader() {
            let running = self.running();
            let to = self.rng.pick(&running).expect("the leader runs");
            let run = self.up(leader).expect("it leads").run;
            self.give(Event::HandOver { node: leader, run, to });
        }
        self.repeat(self.swarm.transfer, Event::Transfer);
    }

    pub(super) fn on_hand_over(&mut self, id: NodeId, run: u64, to: NodeId) {
        if let Some(up) = self.up_in(id, run) {
            let asked = up.member.transfer_leader(to);
            self.trace.add(self.now, format_args!("{id} hands over to {to}: {asked:?}"));
            self.settle(id);
        }
    }
}

fn valid(operations: Vec<Operation>) -> aether_kv::ValidTransaction {
    let transaction = Transaction { conditions: vec![], operations };
    transaction.try_into().expect("within all limits")
}
