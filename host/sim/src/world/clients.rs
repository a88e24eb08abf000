//! Clients: each asks one thing at a time, of any node, and keeps what it was told. Knows of the
//! cluster only what a client can see.

use std::collections::BTreeMap;

use aether_control::{Answer, Done, Error, Write};
use aether_kv::{LeaseId, LeaseTtl, Operation, Refused, Transaction};
use aether_types::{LogIndex, NodeId};

use super::node::Asker;
use super::{Event, World};
use crate::history::{self, Op, OpId, Register, Told, Value};
use crate::keys;

/// Registers that clients share.
const REGISTERS: u64 = 4;

#[derive(Debug, Default)]
pub(super) struct Clients {
    last_op: u64,
    open: BTreeMap<OpId, Open>,
}

/// Something that was asked and not answered.
#[derive(Debug)]
struct Open {
    client: u64,
    node: NodeId,
    what: What,
    /// What everybody could rely on when it was asked.
    since: LogIndex,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum What {
    Register(Register, Op),
    /// Two entries that are always written together.
    Pair(u64),
    ReadPair,
    Lease,
}

impl Clients {
    pub(super) fn open(&self) -> usize {
        self.open.len()
    }
}

impl World {
    pub(super) fn on_client(&mut self, client: u64) {
        let running = self.running();
        // After the faults, nothing new.
        if self.healed {
            return;
        }
        let Some(node) = self.rng.pick(&running) else {
            self.after(100, Event::Client(client));
            return;
        };
        let id = self.next_op();
        let what = self.draw_what(client, id);
        let since = self.oracle.told();
        self.trace.add(self.now, format_args!("client {client} asks {node}: {id:?} {what:?}"));
        self.clients.open.insert(id, Open { client, node, what, since });
        if let What::Register(register, op) = what {
            self.history.call(id, register, op);
        }
        let run = self.up(node).expect("it runs").run;
        self.after(0, Event::Ask { node, run, op: id, client, what });
        if let Some(patience_ms) = self.swarm.patience_ms {
            self.after(patience_ms, Event::GiveUp(id));
        }
    }

    /// The client does not wait any longer, and will never know.
    pub(super) fn on_give_up(&mut self, id: OpId) {
        let Some(open) = self.clients.open.remove(&id) else { return };
        if let What::Register(_, Op::Read) = open.what {
            self.history.withdraw(id);
        }
        let think = self.rng.around(self.swarm.think_ms);
        self.after(think, Event::Client(open.client));
    }

    fn next_op(&mut self) -> OpId {
        self.clients.last_op += 1;
        OpId(self.clients.last_op)
    }

    fn draw_what(&mut self, client: u64, id: OpId) -> What {
        let register = Register(self.rng.below(REGISTERS));
        if self.rng.chance(self.swarm.reads) {
            return What::Register(register, Op::Read);
        }
        match self.rng.below(16) {
            0..4 => What::Register(register, Op::Put(id.0)),
            4 => What::Register(register, Op::Delete),
            5..9 => What::Register(register, Op::Swap(self.guess(register), id.0)),
            9..13 => What::Register(register, Op::Read),
            13 => What::Pair(id.0),
            14 => What::ReadPair,
            _ if client.is_multiple_of(2) => What::Lease,
            _ => What::ReadPair,
        }
    }

    /// What a register may hold: what some node's copy says, which may be old.
    fn guess(&mut self, register: Register) -> Value {
        let running = self.running();
        let node = self.rng.pick(&running)?;
        let entry = self.up(node)?.state.get(&register.key())?;
        history::decode(&entry.value)
    }

    /// The request gets to the process, if it is still there, whether or not the client still
    /// waits.
    pub(super) fn on_ask(&mut self, node: NodeId, run: u64, id: OpId, client: u64, what: What) {
        let put = |key: &str, value| {
            let key = keys::key(key);
            Operation::Put { key, value: history::encode(value), lease: None }
        };
        let transaction = match what {
            What::Register(register, op) => op.transaction(register),
            What::Pair(value) => {
                let operations = vec![put("pair/a", value), put("pair/b", value)];
                Some(Transaction { conditions: vec![], operations })
            }
            What::ReadPair | What::Lease => None,
        };
        let write = match (what, transaction) {
            (_, Some(mut transaction)) => {
                transaction.operations.push(history::op_entry(client, id));
                Some(Write::Transaction(transaction.try_into().expect("within all limits")))
            }
            (What::Lease, None) => Some(self.draw_lease_write(client)),
            _ => None,
        };
        let Some(up) = self.up_in(node, run) else { return };
        let ticket = match write {
            Some(write) => up.member.write(write, None),
            None => up.member.read(),
        };
        up.askers.insert(ticket, Asker::Client(id));
        self.settle(node);
    }

    fn draw_lease_write(&mut self, client: u64) -> Write {
        let lease = LeaseId(client + 1);
        let ttl = LeaseTtl::from_ms(500).expect("a time");
        match self.rng.below(8) {
            0..3 => Write::LeaseGrant { lease, ttl },
            3 => Write::LeaseRevoke { lease },
            4..6 => Write::LeaseKeepAlive { lease },
            _ => {
                let key = keys::key(&format!("leased/{client}"));
                let put = Operation::Put { key, value: history::encode(1), lease: Some(lease) };
                let transaction = Transaction { conditions: vec![], operations: vec![put] };
                Write::Transaction(transaction.try_into().expect("within all limits"))
            }
        }
    }

    pub(super) fn on_answer(&mut self, node: NodeId, asker: Asker, answer: Answer) {
        match asker {
            Asker::Client(id) => self.on_client_answer(node, id, answer),
            Asker::Operator => {}
            Asker::Planner => self.on_planned(node),
            Asker::Publisher => self.on_published(node, &answer),
        }
    }

    fn on_client_answer(&mut self, node: NodeId, id: OpId, answer: Answer) {
        let Some(open) = self.clients.open.remove(&id) else { return };
        match open.what {
            What::Register(register, Op::Read) => {
                self.on_register_read(node, id, register, &answer, &open)
            }
            What::Register(register, _) => self.on_register_written(id, register, answer, &open),
            What::Pair(_) => self.on_pair_written(id, &answer, &open),
            What::ReadPair => self.on_pair_read(node, &answer, &open),
            What::Lease => {}
        }
        let think = self.rng.around(self.swarm.think_ms);
        self.after(think, Event::Client(open.client));
    }

    fn on_register_read(
        &mut self,
        node: NodeId,
        id: OpId,
        register: Register,
        answer: &Answer,
        open: &Open,
    ) {
        if answer.is_err() {
            self.history.withdraw(id);
            return;
        }
        let up = self.nodes[&node].up.as_ref().expect("it answers");
        let at = up.state.applied();
        self.oracle.on_read(node, at, open.since);
        let entry = up.state.get(&register.key());
        let held = entry.and_then(|entry| history::decode(&entry.value));
        self.history.response(id, Told::Holds(held), at);
    }

    fn on_register_written(&mut self, id: OpId, register: Register, answer: Answer, open: &Open) {
        match answer {
            Ok(Done::Applied(done)) => {
                let (at, applied) = self.oracle.on_acknowledged(id, open.since);
                assert_eq!(applied.result, Ok(done), "{id:?} was told another result");
                self.history.response(id, Told::Done, at);
            }
            Err(Error::Refused(refused)) => {
                let (at, applied) = self.oracle.on_acknowledged(id, open.since);
                assert_eq!(applied.result, Err(refused.clone()), "{id:?} was told another result");
                let Refused::Conflict { current, .. } = refused else {
                    panic!("{id:?} was refused: {refused}")
                };
                let held = current.into_iter().find(|(key, _)| *key == register.key());
                let (_, entry) = held.expect("the condition was about the register");
                let held = entry.and_then(|entry| history::decode(&entry.value));
                self.history.response(id, Told::Holds(held), at);
            }
            // Stays open in the history.
            Err(Error::Unknown) => {}
            Err(Error::NotProposed(_) | Error::Deposed { .. }) => {
                self.oracle.on_refused(id);
                self.history.withdraw(id);
            }
            Ok(other) => panic!("{id:?} was answered with {other:?}"),
        }
    }

    fn on_pair_written(&mut self, id: OpId, answer: &Answer, open: &Open) {
        match answer {
            Ok(_) => drop(self.oracle.on_acknowledged(id, open.since)),
            Err(Error::NotProposed(_) | Error::Deposed { .. }) => self.oracle.on_refused(id),
            Err(Error::Unknown) => {}
            Err(Error::Refused(refused)) => panic!("{id:?} was refused: {refused}"),
        }
    }

    fn on_pair_read(&mut self, node: NodeId, answer: &Answer, open: &Open) {
        if answer.is_ok() {
            let state = &self.nodes[&node].up.as_ref().expect("it answers").state;
            self.oracle.on_read(node, state.applied(), open.since);
            let held = |key: &str| state.get(&keys::key(key)).map(|entry| entry.value.clone());
            assert_eq!(held("pair/a"), held("pair/b"), "half of a transaction is visible");
        }
    }

    /// A node is gone: whoever asked it will never know.
    pub(super) fn on_node_gone(&mut self, node: NodeId) {
        let of_node = self.clients.open.iter().filter(|(_, open)| open.node == node);
        for id in of_node.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.on_give_up(id);
        }
    }
}
