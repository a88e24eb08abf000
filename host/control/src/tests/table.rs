//! Members whose messages lie on one table until somebody delivers them.

use std::collections::{BTreeMap, VecDeque};

use aether_consensus::{Config, GroupId, Restored, Role, Term};
use aether_kv::{Key, LeaseId, Operation, State, Transaction};
use aether_types::NodeId;

use crate::*;

const TICK_MS: u64 = 100;
pub(super) const TIMEOUT_TICKS: u64 = 50;

pub(super) struct Table {
    members: BTreeMap<u64, (Member, State)>,
    wire: VecDeque<Message>,
    answers: BTreeMap<(u64, Ticket), Answer>,
    cut_off: Option<u64>,
    now: u64,
    /// Every message arrives twice.
    pub(super) double: bool,
    pub(super) last_forward: Option<Forward>,
    pub(super) not_taken: u32,
}

pub(super) fn put(key: &str, value: &str) -> Write {
    let key = Key::new(key).unwrap();
    let put = Operation::Put { key, value: value.to_owned().into(), lease: None };
    let transaction = Transaction { conditions: vec![], operations: vec![put] };
    Write::Transaction(transaction.try_into().unwrap())
}

impl Table {
    pub(super) fn new() -> Self {
        let nodes = [1, 2, 3].map(NodeId);
        let founding = Restored::founding(nodes, State::new().encode().into());
        let member = |node: NodeId| {
            let group = Config::new(GroupId(0), node, 1);
            let timeout_ms = TIMEOUT_TICKS * TICK_MS;
            let settings = Settings { group, run: node.0, timeout_ms };
            (node.0, (Member::new(settings, founding.clone()).unwrap(), State::new()))
        };
        Self {
            members: nodes.map(member).into(),
            wire: VecDeque::new(),
            answers: BTreeMap::new(),
            cut_off: None,
            now: 0,
            double: false,
            last_forward: None,
            not_taken: 0,
        }
    }

    pub(super) fn write(&mut self, node: u64, write: Write, decided: Option<Term>) -> Ticket {
        let ticket = self.member(node).write(write, decided);
        self.run(node);
        ticket
    }

    /// Writes that are asked for at once.
    pub(super) fn write_all(&mut self, node: u64, writes: Vec<Write>) -> Vec<Ticket> {
        let member = self.member(node);
        let tickets = writes.into_iter().map(|write| member.write(write, None)).collect();
        self.run(node);
        tickets
    }

    /// How many writes each message to the leader carries that is on its way.
    pub(super) fn forwarded(&self) -> Vec<usize> {
        let forwards = self.wire.iter().filter_map(|message| match message {
            Message::Forward(forward) => Some(forward.writes.len()),
            _ => None,
        });
        forwards.collect()
    }

    pub(super) fn read(&mut self, node: u64) -> Ticket {
        let ticket = self.member(node).read();
        self.run(node);
        ticket
    }

    pub(super) fn answer(&self, node: u64, ticket: Ticket) -> Option<Answer> {
        self.answers.get(&(node, ticket)).cloned()
    }

    pub(super) fn get(&self, node: u64, key: &str) -> Option<String> {
        let entry = self.members[&node].1.get(&Key::new(key).unwrap())?;
        Some(String::from_utf8(entry.value.to_vec()).unwrap())
    }

    pub(super) fn has_lease(&self, node: u64, lease: LeaseId) -> bool {
        self.members[&node].1.has_lease(lease)
    }

    pub(super) fn revision(&self, node: u64) -> u64 {
        self.members[&node].1.revision().0
    }

    pub(super) fn term(&self, node: u64) -> Term {
        self.members[&node].0.group().term()
    }

    pub(super) fn cut_off(&mut self, node: u64) {
        self.cut_off = Some(node);
    }

    pub(super) fn heal(&mut self) {
        self.cut_off = None;
    }

    pub(super) fn elect(&mut self) -> u64 {
        self.elect_among(&[1, 2, 3])
    }

    /// Ticks until one of the nodes leads, and knows all of the past.
    pub(super) fn elect_among(&mut self, nodes: &[u64]) -> u64 {
        for _ in 0..200 {
            let leads = |node: &&u64| {
                let group = self.members[node].0.group();
                group.role() == Role::Leader && group.applied().term == group.term()
            };
            if let Some(leader) = nodes.iter().find(leads) {
                return *leader;
            }
            self.ticks(1);
        }
        panic!("no leader among {nodes:?}");
    }

    pub(super) fn ticks(&mut self, count: u64) {
        for _ in 0..count {
            self.now += TICK_MS;
            for node in 1..=3 {
                let (member, state) = self.members.get_mut(&node).unwrap();
                member.tick(Tick(self.now), state);
                self.run(node);
            }
            self.settle();
        }
    }

    /// Delivers until the table is empty.
    pub(super) fn settle(&mut self) {
        while let Some(message) = self.wire.pop_front() {
            let (from, to) = (message.from().0, message.to().0);
            if self.cut_off.is_some_and(|node| node == from || node == to) {
                continue;
            }
            let decoded = Message::decode(&message.encode()).unwrap();
            assert_eq!(decoded, message);
            for _ in 0..1 + u8::from(self.double) {
                self.member(to).on_message(message.clone());
                self.run(to);
            }
        }
    }

    pub(super) fn deliver(&mut self, message: Message) {
        let to = message.to().0;
        self.member(to).on_message(message);
        self.run(to);
    }

    fn member(&mut self, node: u64) -> &mut Member {
        &mut self.members.get_mut(&node).unwrap().0
    }

    fn run(&mut self, node: u64) {
        loop {
            let (member, state) = self.members.get_mut(&node).unwrap();
            let effects = member.advance();
            if effects.is_empty() {
                return member.check();
            }
            for effect in effects {
                match effect {
                    Effect::Persist(persist) => member.on_persisted(persist.number),
                    Effect::Send(message) => {
                        match &message {
                            Message::Forward(forward) => self.last_forward = Some(forward.clone()),
                            Message::NotTaken(_) => self.not_taken += 1,
                            Message::Raft(_) => {}
                        }
                        self.wire.push_back(message);
                    }
                    Effect::Change(change) => member.apply(state, change).unwrap(),
                    Effect::Reply(Reply { ticket, answer }) => {
                        let twice = self.answers.insert((node, ticket), answer);
                        assert_eq!(twice, None, "a ticket is answered once");
                    }
                    Effect::TakeSnapshot { index } => {
                        member.on_snapshot(index, state.encode().into());
                    }
                    Effect::Forgotten { .. } => panic!("no disk forgets anything here"),
                    Effect::MembershipChanged { .. }
                    | Effect::LeaderChanged { .. }
                    | Effect::Leading { .. } => {}
                }
            }
        }
    }
}
