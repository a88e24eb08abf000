//! Executes what a member wants, as the node's own shell does: persist, send, apply, reply, in the
//! order in which it is handed out. Decides nothing.

use std::collections::{BTreeMap, BTreeSet};

use aether_consensus::{Body, Config, GroupId, Persist, PersistNumber, Role, Term};
use aether_control::{Change, Effect, Member, Message, Reply, Settings, Tick, Write};
use aether_kv::State;
use aether_lifecycle::Reconciler;
use aether_routing::Table;
use aether_types::{LogIndex, NodeId};
use bytes::Bytes;

use super::inbox::Inbox;
use super::node::{Asker, Up};
use super::{Event, World};
use crate::guests::Guests;
use crate::oracle;
use crate::picture::Picture;
use crate::swarm::Ms;

/// How long a write waits before its asker is told that nobody knows.
const WRITE_TIMEOUT_MS: Ms = 3_000;

/// How long it takes at most to encode the state, while everything else goes on.
const ENCODE_MS: Ms = 30;

/// Ticks between two looks at which nodes can be reached.
const REACH_TICKS: u64 = 10;

impl World {
    pub(super) fn start(&mut self, id: NodeId) {
        let (seed, swarm) = (self.rng.draw(), &self.swarm);
        let node = self.nodes.get_mut(&id).expect("a node of this cluster");
        node.starts += 1;
        let run = oracle::run_of(id, node.starts);
        let mut group = Config::new(GroupId(0), id, seed);
        group.log_entries_max = swarm.log_entries_max;
        group.log_entries_kept = swarm.log_entries_max / 4;
        group.message_bytes_max = swarm.message_bytes_max;
        #[cfg(feature = "planted")]
        {
            group.planted = self.planted;
        }
        let settings = Settings { group, run, timeout_ms: WRITE_TIMEOUT_MS };
        let member = Member::new(settings, node.disk.load()).expect("the disk is in order");
        let settings = aether_lifecycle::Settings { node: id, run, seed };
        node.up = Some(Up {
            run,
            since: self.now,
            ticks: 0,
            stops: 0,
            when_it_sends: None,
            door: None,
            given_up: BTreeSet::new(),
            inbox: Inbox::default(),
            holds_back: false,
            member,
            state: State::new(),
            passed: node.disk.view().snapshot.position.index,
            writes: 0,
            waits_for_disk: false,
            disk_done: self.now,
            askers: BTreeMap::new(),
            leading: None,
            picture: Picture::default(),
            table: Table::default(),
            core: Reconciler::new(settings),
            guests: Guests::default(),
            looks_soon: false,
            is_planning: false,
            to_publish: None,
            is_publishing: false,
            runs: BTreeMap::new(),
            unreachable: BTreeMap::new(),
        });
        let wait = self.rng.below(node.tick_ms);
        self.trace.add(self.now, format_args!("{id} starts, run {}", run & 0xffff));
        self.after(wait, Event::Tick { node: id, run });
        self.settle(id);
        self.look_soon(id);
    }

    pub(super) fn up(&mut self, id: NodeId) -> Option<&mut Up> {
        self.nodes.get_mut(&id)?.up.as_mut()
    }

    pub(super) fn up_in(&mut self, id: NodeId, run: u64) -> Option<&mut Up> {
        self.nodes.get_mut(&id)?.up_in(run)
    }

    pub(super) fn running(&self) -> Vec<NodeId> {
        let up = self.nodes.iter().filter(|(_, node)| node.up.is_some());
        up.map(|(id, _)| *id).collect()
    }

    pub(super) fn on_tick(&mut self, id: NodeId, run: u64) {
        let now = self.now;
        let Some(node) = self.nodes.get_mut(&id) else { return };
        let wait = node.tick_ms;
        let Some(up) = node.up_in(run) else { return };
        up.ticks += 1;
        up.member.tick(Tick(now - up.since), &up.state);
        let looks = up.ticks.is_multiple_of(REACH_TICKS);
        let due = up.core.next_deadline().is_some_and(|at| at <= up.tick(now));
        self.after(wait, Event::Tick { node: id, run });
        self.settle(id);
        if due {
            self.reconcile(id, Reconciler::tick);
        }
        if looks {
            self.look_soon(id);
        }
    }

    pub(super) fn on_deliver(&mut self, message: Message) {
        let to = message.to();
        if let Some(up) = self.up(to) {
            up.member.on_message(message);
            self.settle(to);
        }
    }

    pub(super) fn on_durable(&mut self, id: NodeId, run: u64, number: PersistNumber) {
        let Some(node) = self.nodes.get_mut(&id) else { return };
        let Some(up) = node.up.as_mut().filter(|up| up.run == run) else { return };
        for entry in node.disk.on_durable(number) {
            self.oracle.on_entries(None, &[entry]);
        }
        up.writes -= 1;
        // A loop that waits for the disk asked for all of it at once.
        if !up.is_writing() {
            up.member.on_persisted(number);
            self.settle(id);
            self.turn_after(0, id, run);
        }
    }

    pub(super) fn on_snapshot(&mut self, id: NodeId, run: u64, index: LogIndex, data: Bytes) {
        if let Some(up) = self.up_in(id, run) {
            up.member.on_snapshot(index, data);
            self.settle(id);
        }
    }

    pub(super) fn on_write(
        &mut self,
        id: NodeId,
        run: u64,
        write: Write,
        decided: Option<Term>,
        asker: Asker,
    ) {
        if let Some(up) = self.up_in(id, run) {
            let ticket = up.member.write(write, decided);
            up.askers.insert(ticket, asker);
            self.settle(id);
        }
    }

    /// Executes the effects of one node until there are none, then checks it.
    pub(super) fn settle(&mut self, id: NodeId) {
        loop {
            let Some(up) = self.up(id).filter(|up| !up.holds_back && !up.is_writing()) else {
                return;
            };
            assert!(up.is_awake(), "{id} is stopped and does something");
            let effects = up.member.advance();
            let applied = up.member.group().applied().index;
            let (passed, term) = (up.passed, up.member.group().term());
            if effects.is_empty() {
                up.member.check();
                return;
            }
            self.oracle.on_committed(passed, applied, term);
            let mut seen = Vec::new();
            for effect in effects {
                self.execute(id, effect, &mut seen);
            }
            let Some(up) = self.nodes.get_mut(&id).and_then(|node| node.up.as_mut()) else {
                return;
            };
            self.oracle.on_passed(id, up.passed, applied, &seen);
            up.passed = up.passed.max(applied);
        }
    }

    fn execute(&mut self, id: NodeId, effect: Effect, seen: &mut Vec<LogIndex>) {
        match effect {
            Effect::Persist(persist) => self.persist(id, persist),
            Effect::Send(message) => self.send(message),
            Effect::Change(change) => self.change(id, change, seen),
            Effect::Reply(reply) => self.reply(id, reply),
            Effect::TakeSnapshot { index } => {
                self.trace.add(self.now, format_args!("{id} takes a snapshot at {index}"));
                let wait = self.rng.below(ENCODE_MS);
                let up = self.up(id).expect("it runs");
                let (run, data) = (up.run, up.state.encode().into());
                self.after(wait, Event::Snapshot { node: id, run, index, data });
            }
            Effect::MembershipChanged { membership } => {
                self.trace.add(self.now, format_args!("{id} has {membership:?}"));
            }
            Effect::LeaderChanged { leader, role, term } => {
                let now = self.now;
                self.trace.add(now, format_args!("{id} is {role:?} of {leader:?} in {term:?}"));
                let node = self.nodes.get_mut(&id).expect("it runs");
                node.up.as_mut().expect("it runs").leading = None;
                if role == Role::Leader {
                    self.oracle.on_leader(id, term, &node.disk);
                    self.maybe_hunt(id);
                }
                if role == Role::Candidate {
                    self.maybe_flicker(id);
                }
            }
            Effect::Forgotten { acknowledged, last } => {
                panic!("{id} acknowledged {acknowledged}, and its log ends at {last}")
            }
            Effect::Leading { term } => {
                self.trace.add(self.now, format_args!("{id} leads in {term:?}"));
                self.up(id).expect("it runs").leading = Some(term);
                self.look_soon(id);
            }
        }
    }

    fn persist(&mut self, id: NodeId, persist: Persist) {
        let faults = &self.disk_faults;
        let write_ms = match self.rng.chance(faults.slow) {
            true => self.rng.between(1, faults.slow_ms),
            false => self.rng.between(0, faults.write_ms),
        };
        let fails = self.rng.chance(faults.fail);
        let (now, number) = (self.now, persist.number);
        // A large snapshot is written beside the loop, and what comes after it with it.
        let beside = persist.snapshot.is_some() && self.rng.chance(500);
        let waits = faults.waits && !beside;
        let node = self.nodes.get_mut(&id).expect("it runs");
        self.oracle.on_persist(&node.disk, &persist);
        node.disk.write(persist);
        let up = node.up.as_mut().expect("it runs");
        up.waits_for_disk = waits && (up.waits_for_disk || up.writes == 0);
        up.writes += 1;
        let (run, done) = (up.run, up.disk_done.max(now) + write_ms);
        up.disk_done = done;
        let event = match fails {
            true => Event::DiskFails { node: id, run },
            false => Event::Durable { node: id, run, number },
        };
        self.after(done - now, event);
    }

    fn send(&mut self, message: Message) {
        let (from, to) = (message.from(), message.to());
        if let Message::Raft(raft) = &message
            && let Body::Append { previous, entries, .. } = &raft.body
        {
            self.oracle.on_entries(Some(previous.term), entries);
            let last = entries.last().map(|entry| entry.position.term);
            if last.is_some_and(|term| term < raft.term) {
                self.maybe_hunt(from);
            }
        }
        // Raft hands on the questions of nodes that may be gone by now.
        if let Some(up) = self.up(from)
            && let Some((messages, event)) = up.when_it_sends.take()
        {
            match messages {
                1 => self.after(0, event),
                _ => up.when_it_sends = Some((messages - 1, event)),
            }
        }
        if self.is_given_up(from, to) {
            return;
        }
        for delay in self.network.send(from, to, &mut self.rng) {
            self.after(delay, Event::Deliver(message.clone()));
        }
    }

    fn change(&mut self, id: NodeId, change: Change, seen: &mut Vec<LogIndex>) {
        let up = self.nodes.get_mut(&id).and_then(|node| node.up.as_mut()).expect("it runs");
        up.member.apply(&mut up.state, change.clone()).expect("all nodes have one version");
        if up.state.applied().0.is_multiple_of(16) {
            up.state.check();
        }
        match change {
            Change::Restore(snapshot) => {
                let at = snapshot.position.index;
                self.trace.add(self.now, format_args!("{id} restores a snapshot at {at}"));
                self.oracle.on_restore(id, &up.state);
                up.passed = at;
            }
            Change::Apply(committed) => {
                let (index, term) = (committed.index, committed.term.0);
                self.trace.add(self.now, format_args!("{id} applies {index} of term {term}"));
                self.oracle.on_apply(id, &committed, &up.state);
                seen.push(index);
            }
        }
        self.look_soon(id);
    }

    fn reply(&mut self, id: NodeId, reply: Reply) {
        let Reply { ticket, answer } = reply;
        let up = self.up(id).expect("it runs");
        let asker = up.askers.remove(&ticket).expect("a ticket is answered once");
        self.trace.add(self.now, format_args!("{id} answers {asker:?}: {answer:?}"));
        self.on_answer(id, asker, answer);
    }
}
