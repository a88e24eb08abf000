//! Nodes, their disks and the wire between them, all driven from one seed. Safety is checked after
//! every step.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use aether_types::{LogIndex, NodeId};
use bytes::Bytes;

use crate::*;

/// How the world misbehaves; chances in percent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Faults {
    pub(super) drop: u64,
    pub(super) double: u64,
    /// Of delivering out of order.
    pub(super) shuffle: u64,
    /// Of a disk that is not done when the next thing happens.
    pub(super) slow_disk: u64,
}

pub(super) const CALM: Faults = Faults { drop: 0, double: 0, shuffle: 0, slow_disk: 0 };

pub(super) struct Net {
    pub(super) nodes: BTreeMap<NodeId, Node>,
    pub(super) faults: Faults,
    pub(super) cut_off: BTreeSet<NodeId>,
    /// What was said to proposers and readers, and what happened, in order.
    pub(super) trace: Vec<String>,
    pub(super) acknowledged: BTreeSet<ProposalId>,
    pub(super) wire: VecDeque<Message>,
    random: u64,
    next_id: u128,
    leaders: BTreeMap<Term, NodeId>,
    committed: BTreeMap<LogIndex, ProposalId>,
    /// Reads and the index that each must have seen.
    reads: BTreeMap<ReadId, LogIndex>,
    acknowledged_upto: LogIndex,
}

pub(super) struct Node {
    pub(super) config: Config,
    pub(super) group: Option<Group>,
    pub(super) disk: Restored,
    /// The state machine: every command that was applied.
    pub(super) machine: Vec<(LogIndex, ProposalId)>,
    writing: VecDeque<Persist>,
    waiting: BTreeSet<ProposalId>,
}

/// Proposals of other members have ids from here on.
pub(super) const CHANGES: ProposalId = ProposalId(1 << 100);

pub(super) fn id(node: u64) -> NodeId {
    NodeId(node)
}

impl Net {
    /// A group of `founders` and, with nothing on their disks, `joiners`.
    pub(super) fn new(seed: u64, founders: u64, joiners: u64) -> Self {
        let mut net = Self {
            nodes: BTreeMap::new(),
            faults: CALM,
            cut_off: BTreeSet::new(),
            trace: Vec::new(),
            acknowledged: BTreeSet::new(),
            wire: VecDeque::new(),
            random: seed,
            next_id: 0,
            leaders: BTreeMap::new(),
            committed: BTreeMap::new(),
            reads: BTreeMap::new(),
            acknowledged_upto: LogIndex(0),
        };
        for node in 1..=founders + joiners {
            let disk = match node <= founders {
                true => Restored::founding((1..=founders).map(id), encode(&Vec::new())),
                false => Restored::default(),
            };
            let mut config = Config::new(GroupId(0), id(node), seed);
            (config.log_entries_max, config.log_entries_kept) = (20, 5);
            let (machine, writing, waiting) = (Vec::new(), VecDeque::new(), BTreeSet::new());
            let node = Node { config, group: None, disk, machine, writing, waiting };
            net.nodes.insert(node.config.node, node);
        }
        for node in 1..=founders + joiners {
            net.start(node);
        }
        net
    }

    pub(super) fn start(&mut self, node: u64) {
        let node = self.nodes.get_mut(&id(node)).unwrap();
        let group = Group::new(node.config.clone(), node.disk.clone()).unwrap();
        node.group = Some(group);
        let node = node.config.node;
        self.run(node);
    }

    /// Power cut: what the disk has not finished is gone.
    pub(super) fn crash(&mut self, node: u64) {
        let node = self.nodes.get_mut(&id(node)).unwrap();
        (node.group, node.machine) = (None, Vec::new());
        node.writing.clear();
        node.waiting.clear();
    }

    pub(super) fn group(&mut self, node: u64) -> &mut Group {
        self.nodes.get_mut(&id(node)).unwrap().group.as_mut().expect("the node runs")
    }

    pub(super) fn status(&self, node: u64) -> Status {
        self.nodes[&id(node)].group.as_ref().expect("the node runs").status()
    }

    pub(super) fn leader(&self) -> Option<u64> {
        let groups = self.nodes.values().filter(|n| !self.cut_off.contains(&n.config.node));
        let statuses = groups.filter_map(|node| Some(node.group.as_ref()?.status()));
        let leaders = statuses.filter(|status| status.role == Role::Leader);
        leaders.max_by_key(|status| status.term).map(|status| status.node.0)
    }

    /// Does something with a group and executes what follows.
    pub(super) fn with<T>(&mut self, node: u64, act: impl FnOnce(&mut Group) -> T) -> T {
        let result = act(self.group(node));
        self.run(id(node));
        result
    }

    pub(super) fn propose(&mut self, node: u64) -> Result<ProposalId, Refusal> {
        self.next_id += 1;
        let proposal = ProposalId(self.next_id);
        self.nodes.get_mut(&id(node)).unwrap().waiting.insert(proposal);
        let bytes = Bytes::from(format!("command {}", proposal.0));
        self.with(node, |group| group.propose(proposal, None, bytes)).map(|()| proposal)
    }

    pub(super) fn read(&mut self, node: u64) -> Result<ReadId, Refusal> {
        self.next_id += 1;
        let read = ReadId(self.next_id);
        self.reads.insert(read, self.acknowledged_upto);
        self.with(node, |group| group.read_index(read)).map(|()| read)
    }

    /// Time passes everywhere, and every message that is under way arrives or is lost.
    pub(super) fn tick(&mut self) {
        for node in self.running() {
            self.finish_writes(node);
            self.with(node, Group::tick);
        }
        // What is sent in answer travels in the same tick, unless it goes on and on.
        for _ in 0..1_000 {
            if !self.deliver_one() {
                break;
            }
        }
    }

    pub(super) fn ticks(&mut self, count: usize) {
        (0..count).for_each(|_| self.tick());
    }

    pub(super) fn tick_until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        for _ in 0..500 {
            if done(self) {
                return;
            }
            self.tick();
        }
        panic!("not within 500 ticks: {what}\n{}", self.trace.join("\n"));
    }

    pub(super) fn elect(&mut self) -> u64 {
        self.tick_until("a leader", |net| {
            net.leader().is_some_and(|node| !net.status(node).matched.is_empty())
        });
        self.ticks(3);
        self.leader().unwrap()
    }

    fn running(&self) -> Vec<u64> {
        let running = self.nodes.iter().filter(|(_, node)| node.group.is_some());
        running.map(|(node, _)| node.0).collect()
    }

    fn chance(&mut self, percent: u64) -> bool {
        percent > 0 && self.draw(100) < percent
    }

    pub(super) fn draw(&mut self, below: u64) -> u64 {
        // xorshift64*: good enough to choose among faults.
        self.random = self.random.max(1);
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        self.random.wrapping_mul(0x2545_f491_4f6c_dd1d) % below
    }

    fn deliver_one(&mut self) -> bool {
        let Some(mut message) = self.wire.pop_front() else { return false };
        if self.chance(self.faults.shuffle) {
            self.wire.push_back(message);
            message = self.wire.pop_front().unwrap();
        }
        if self.chance(self.faults.double) {
            self.wire.push_back(message.clone());
        }
        let cut = [message.from, message.to].iter().any(|node| self.cut_off.contains(node));
        let runs = self.nodes.get(&message.to).is_some_and(|node| node.group.is_some());
        if !cut && runs && !self.chance(self.faults.drop) {
            let decoded = Message::decode(&message.encode()).unwrap();
            assert_eq!(decoded, message);
            self.with(message.to.0, |group| group.on_message(decoded));
        }
        true
    }

    fn finish_writes(&mut self, node: u64) {
        let slow = self.chance(self.faults.slow_disk);
        let at = self.nodes.get_mut(&id(node)).unwrap();
        let Some(last) = at.writing.back().filter(|_| !slow) else { return };
        let number = last.number;
        for persist in std::mem::take(&mut at.writing) {
            write(&mut at.disk, persist);
        }
        self.with(node, |group| group.on_persisted(number));
    }

    /// Executes the effects of one node until there are none.
    fn run(&mut self, node: NodeId) {
        loop {
            let group = self.group(node.0);
            let effects = group.advance();
            group.check();
            if effects.is_empty() {
                return;
            }
            for effect in effects {
                self.execute(node, effect);
            }
            if !self.chance(self.faults.slow_disk) {
                let faults = std::mem::replace(&mut self.faults, CALM);
                self.finish_writes(node.0);
                self.faults = faults;
            }
        }
    }

    fn execute(&mut self, node: NodeId, effect: Effect) {
        let at = self.nodes.get_mut(&node).unwrap();
        let short = node.0;
        match effect {
            Effect::Persist(persist) => at.writing.push_back(persist),
            Effect::Send(message) => self.wire.push_back(message),
            Effect::Restore(snapshot) => {
                at.machine = decode(&snapshot.data);
                self.trace.push(format!("{short}: restored {}", snapshot.position.index));
            }
            Effect::Apply(command) => {
                assert!(at.machine.last().is_none_or(|(index, _)| *index < command.index));
                at.machine.push((command.index, command.id));
                let same = *self.committed.entry(command.index).or_insert(command.id) == command.id;
                assert!(same, "{short} applied another command at {}", command.index);
                if at.waiting.remove(&command.id) {
                    self.acknowledged.insert(command.id);
                    self.acknowledged_upto = self.acknowledged_upto.max(command.index);
                }
                self.trace.push(format!("{short}: applied {} {}", command.index, command.id.0));
            }
            Effect::TakeSnapshot { index } => {
                let data = encode(&at.machine);
                at.group.as_mut().unwrap().on_snapshot(index, data);
                self.trace.push(format!("{short}: snapshot {index}"));
            }
            Effect::MembershipChanged { membership, .. } => {
                self.trace.push(format!("{short}: {}", show(&membership)));
            }
            Effect::ProposalLost { id, loss } => {
                assert!(at.waiting.remove(&id) || id >= CHANGES);
                self.trace.push(format!("{short}: lost {} {loss:?}", id.0));
            }
            Effect::ReadReady { id } => {
                let needed = self.reads.remove(&id).expect("answered once");
                let applied = at.group.as_ref().unwrap().status().applied;
                assert!(applied >= needed, "{short} reads {applied}, {needed} was acknowledged");
                self.trace.push(format!("{short}: read {}", id.0));
            }
            Effect::ReadRefused { id, refusal } => {
                self.reads.remove(&id).expect("answered once");
                self.trace.push(format!("{short}: {refusal}"));
            }
            Effect::LeaderChanged { leader, role, term } => {
                if role == Role::Leader {
                    let first = *self.leaders.entry(term).or_insert(node);
                    assert_eq!(first, node, "two leaders in term {}", term.0);
                }
                let leader = leader.map_or("nobody".into(), |leader| leader.0.to_string());
                let term = term.0;
                self.trace.push(format!("{short}: {role:?}, follows {leader} in term {term}"));
            }
            Effect::Forgotten { acknowledged, last } => {
                self.trace.push(format!("{short}: forgot {last} to {acknowledged}"));
            }
            Effect::Leading { term } => {
                self.trace.push(format!("{short}: leads in term {}", term.0));
            }
        }
    }
}

/// What a disk does.
pub(super) fn write(disk: &mut Restored, persist: Persist) {
    disk.hard_state = persist.hard_state;
    if let Some(snapshot) = persist.snapshot {
        disk.snapshot = snapshot;
    }
    disk.entries.retain(|entry| persist.retain.contains(&entry.position.index));
    disk.entries.extend(persist.entries);
}

pub(super) fn show(membership: &Membership) -> String {
    let ids = |nodes: &BTreeSet<NodeId>| {
        nodes.iter().map(|node| node.0.to_string()).collect::<Vec<_>>().join(" ")
    };
    let mut text = format!("voters {}", ids(&membership.voters));
    let sets = [
        (" before ", &membership.voters_outgoing),
        (" learners ", &membership.learners),
        (" to be learners ", &membership.learners_next),
    ];
    for (name, nodes) in sets.into_iter().filter(|(_, nodes)| !nodes.is_empty()) {
        text += &format!("{name}{}", ids(nodes));
    }
    text
}

fn encode(machine: &Vec<(LogIndex, ProposalId)>) -> Bytes {
    postcard::to_allocvec(machine).unwrap().into()
}

fn decode(data: &[u8]) -> Vec<(LogIndex, ProposalId)> {
    postcard::from_bytes(data).unwrap()
}
