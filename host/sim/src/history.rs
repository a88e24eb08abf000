//! What clients asked and were told, and whether one order of it all explains every answer. Knows
//! no nodes: a client sees nothing else.

use std::collections::BTreeMap;

use aether_kv::{Condition, Operation, Transaction, ValidTransaction};
use bytes::Bytes;
use todc_utils::linearizability::{WGLChecker, history::Action, history::History as Actions};
use todc_utils::specifications::Specification;

use crate::keys;

/// Numbers the operations of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct OpId(pub(crate) u64);

/// One register that clients share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Register(pub(crate) u64);

/// A register's content; every write has a value of its own.
pub(crate) type Value = Option<u64>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    Put(u64),
    Delete,
    /// If it holds the first, put the second.
    Swap(Value, u64),
    Read,
}

/// What the client was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    /// It took effect.
    Done,
    /// It did not: the register held this instead.
    Holds(Value),
    /// Nothing: it may take effect at any time from its start on.
    Nothing,
}

/// A call or a response of a process.
type Step = (usize, Action<(Op, Told)>);

/// Operations of one register, each a call and, once it is over, its response.
#[derive(Debug, Default)]
pub(crate) struct History {
    registers: BTreeMap<Register, Vec<Step>>,
    open: BTreeMap<OpId, (Register, usize, Op)>,
    processes: usize,
}

struct RegisterSpec;

impl Specification for RegisterSpec {
    type State = Value;
    type Operation = (Op, Told);

    fn init() -> Value {
        None
    }

    fn apply((op, told): &(Op, Told), held: &Value) -> (bool, Value) {
        match (op, told) {
            (Op::Put(value), Told::Done | Told::Nothing) => (true, Some(*value)),
            (Op::Delete, Told::Done | Told::Nothing) => (true, None),
            (Op::Swap(old, new), Told::Done) => (held == old, Some(*new)),
            (Op::Swap(old, new), Told::Nothing) => {
                (true, if held == old { Some(*new) } else { *held })
            }
            (Op::Swap(old, _), Told::Holds(seen)) => (held == seen && held != old, *held),
            (Op::Read, Told::Holds(seen)) => (held == seen, *held),
            (Op::Read, Told::Nothing) => (true, *held),
            (Op::Put(_) | Op::Delete, Told::Holds(_)) | (Op::Read, Told::Done) => (false, *held),
        }
    }
}

impl History {
    pub(crate) fn call(&mut self, id: OpId, register: Register, op: Op) {
        let process = self.processes;
        self.processes += 1;
        self.open.insert(id, (register, process, op));
        let call = Action::Call((op, Told::Nothing));
        self.registers.entry(register).or_default().push((process, call));
    }

    pub(crate) fn response(&mut self, id: OpId, told: Told) {
        if let Some((register, process, op)) = self.open.remove(&id) {
            let actions = self.registers.entry(register).or_default();
            actions.push((process, Action::Response((op, told))));
        }
    }

    /// It certainly has no effect: as if it had never been asked.
    pub(crate) fn withdraw(&mut self, id: OpId) {
        if let Some((register, process, _)) = self.open.remove(&id) {
            let actions = self.registers.entry(register).or_default();
            actions.retain(|(of, _)| *of != process);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.registers.values().map(Vec::len).sum()
    }

    /// What was never answered may have taken effect up to the very end.
    ///
    /// # Panics
    /// If no order of the operations explains the answers.
    pub(crate) fn check(mut self) {
        for id in self.open.keys().copied().collect::<Vec<_>>() {
            self.response(id, Told::Nothing);
        }
        for (register, actions) in self.registers {
            let shown = || format!("{register:?} is not linearizable: {actions:?}");
            let shown = shown();
            if !actions.is_empty() {
                let actions = number_processes(actions);
                let fine =
                    WGLChecker::<RegisterSpec>::is_linearizable(Actions::from_actions(actions));
                assert!(fine, "{shown}");
            }
        }
    }
}

/// The checker wants processes without gaps.
fn number_processes(actions: Vec<Step>) -> Vec<Step> {
    let mut numbers = BTreeMap::new();
    let number = |(process, action)| {
        let next = numbers.len();
        (*numbers.entry(process).or_insert(next), action)
    };
    actions.into_iter().map(number).collect()
}

/// Every write of a client carries its number, in an entry of its own.
pub(crate) fn op_entry(client: u64, id: OpId) -> Operation {
    let key = keys::key(&format!("{}{client}", keys::CLIENTS));
    Operation::Put { key, value: encode(id.0), lease: None }
}

pub(crate) fn op_of(transaction: &ValidTransaction) -> Option<OpId> {
    let Transaction { operations, .. } = transaction.clone().into();
    operations.iter().find_map(|operation| match operation {
        Operation::Put { key, value, .. } if key.as_str().starts_with(keys::CLIENTS) => {
            decode(value).map(OpId)
        }
        _ => None,
    })
}

pub(crate) fn encode(value: u64) -> Bytes {
    Bytes::copy_from_slice(&value.to_be_bytes())
}

pub(crate) fn decode(bytes: &[u8]) -> Value {
    bytes.try_into().ok().map(u64::from_be_bytes)
}

impl Op {
    /// The transaction that does it, if it is a write.
    pub(crate) fn transaction(self, register: Register) -> Option<Transaction> {
        let key = register.key();
        let put = |value| Operation::Put { key: register.key(), value: encode(value), lease: None };
        let (conditions, operations) = match self {
            Self::Put(value) => (vec![], vec![put(value)]),
            Self::Delete => (vec![], vec![Operation::Delete { key }]),
            Self::Swap(None, new) => (vec![Condition::Absent { key }], vec![put(new)]),
            Self::Swap(Some(old), new) => {
                (vec![Condition::ValueIs { key, value: encode(old) }], vec![put(new)])
            }
            Self::Read => return None,
        };
        Some(Transaction { conditions, operations })
    }
}

impl Register {
    pub(crate) fn key(self) -> aether_kv::Key {
        keys::key(&format!("register/{}", self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `(call or response, operation)` in order.
    fn is_linearizable(steps: &[(char, u64, Op, Told)]) -> bool {
        let mut history = History::default();
        for (what, id, op, told) in steps {
            match what {
                'c' => history.call(OpId(*id), Register(0), *op),
                _ => history.response(OpId(*id), *told),
            }
        }
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| history.check())).is_ok()
    }

    #[test]
    fn a_read_sees_what_was_acknowledged_before_it() {
        let put = Op::Put(1);
        let read = |held| {
            is_linearizable(&[
                ('c', 1, put, Told::Nothing),
                ('r', 1, put, Told::Done),
                ('c', 2, Op::Read, Told::Nothing),
                ('r', 2, Op::Read, Told::Holds(held)),
            ])
        };
        assert!(read(Some(1)));
        assert!(!read(None));
    }

    #[test]
    fn a_write_without_an_answer_may_have_happened_or_not_but_not_come_back() {
        let read =
            |id, held| [('c', id, Op::Read, Told::Nothing), ('r', id, Op::Read, Told::Holds(held))];
        let seen = |first, second| {
            let lost = [('c', 1, Op::Put(7), Told::Nothing)];
            is_linearizable(&[&lost[..], &read(2, first), &read(3, second)].concat())
        };
        assert!(seen(None, None) && seen(None, Some(7)) && seen(Some(7), Some(7)));
        assert!(!seen(Some(7), None));
    }
}
