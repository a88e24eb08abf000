//! What clients asked and were told, and whether one order of it all explains every answer. That
//! order is the log's: a search for any order takes for ever where many writes have no answer.
//! Knows no nodes.

use std::collections::BTreeMap;

use aether_kv::{Condition, Operation, Transaction, ValidTransaction};
use aether_types::LogIndex;
use bytes::Bytes;

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
    /// Nothing.
    Nothing,
}

/// Where an operation stands in the one order: a write at its entry in the log, a read after the
/// last entry that it saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    at: LogIndex,
    is_read: bool,
    id: OpId,
}

/// Operations on registers. That the order of their places keeps to time, the oracle says with each
/// answer: none stands before what somebody was told of when it was asked for.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// Not answered, or so that nobody knows.
    open: BTreeMap<OpId, (Register, Op)>,
    ordered: BTreeMap<Place, (Register, Op, Told)>,
}

impl History {
    pub(crate) fn call(&mut self, id: OpId, register: Register, op: Op) {
        self.open.insert(id, (register, op));
    }

    pub(crate) fn response(&mut self, id: OpId, told: Told, at: LogIndex) {
        if let Some((register, op)) = self.open.remove(&id) {
            let place = Place { at, is_read: op == Op::Read, id };
            self.ordered.insert(place, (register, op, told));
        }
    }

    /// It certainly has no effect: as if it had never been asked.
    pub(crate) fn withdraw(&mut self, id: OpId) {
        self.open.remove(&id);
    }

    pub(crate) fn len(&self) -> usize {
        self.open.len() + self.ordered.len()
    }

    /// What was never answered took effect where `place_of` says, if it says anything, and not
    /// otherwise: whoever saw it all the same cannot be explained.
    ///
    /// # Panics
    /// If the order does not explain the answers.
    pub(crate) fn check(mut self, place_of: impl Fn(OpId) -> Option<LogIndex>) {
        for id in self.open.keys().copied().collect::<Vec<_>>() {
            if let Some(at) = place_of(id) {
                self.response(id, Told::Nothing, at);
            }
        }
        let mut registers = BTreeMap::<Register, Value>::new();
        for (Place { at, id, .. }, (register, op, told)) in self.ordered {
            let held = registers.entry(register).or_default();
            let after = apply(op, told, *held);
            *held = after.unwrap_or_else(|| {
                panic!(
                    "{id:?} is not linearizable: {op:?} of {register:?} at {at}, which held \
                        {held:?}, was told {told:?}"
                )
            });
        }
    }
}

/// What a register holds afterwards; none if what was told does not fit.
fn apply(op: Op, told: Told, held: Value) -> Option<Value> {
    match (op, told) {
        (Op::Put(value), Told::Done | Told::Nothing) => Some(Some(value)),
        (Op::Delete, Told::Done | Told::Nothing) => Some(None),
        (Op::Swap(old, new), Told::Done) => (held == old).then_some(Some(new)),
        (Op::Swap(old, new), Told::Nothing) => Some(if held == old { Some(new) } else { held }),
        (Op::Swap(old, _), Told::Holds(seen)) => (held == seen && held != old).then_some(held),
        (Op::Read, Told::Holds(seen)) => (held == seen).then_some(held),
        (Op::Put(_) | Op::Delete, Told::Holds(_)) | (Op::Read, Told::Done | Told::Nothing) => None,
    }
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

    /// Operations as `(place, operation, what was told)`: without an answer, what the log says of
    /// them; place 0 if they are not in it.
    fn is_linearizable(steps: &[(u64, Op, Told)]) -> bool {
        let mut history = History::default();
        for (id, (at, op, told)) in (0..).map(OpId).zip(steps) {
            history.call(id, Register(0), *op);
            if *told != Told::Nothing {
                history.response(id, *told, LogIndex(*at));
            }
        }
        let place_of = |id: OpId| Some(LogIndex(steps[id.0 as usize].0)).filter(|at| at.0 > 0);
        let check = || history.check(place_of);
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(check)).is_ok()
    }

    #[test]
    fn a_read_sees_what_the_log_has_before_it() {
        let read = |at, held| {
            let later = (5, Op::Put(2), Told::Done);
            is_linearizable(&[later, (3, Op::Put(1), Told::Done), (at, Op::Read, held)])
        };
        assert!(read(2, Told::Holds(None)) && !read(2, Told::Holds(Some(1))));
        assert!(read(3, Told::Holds(Some(1))) && !read(3, Told::Holds(None)));
        assert!(read(4, Told::Holds(Some(1))) && !read(4, Told::Holds(Some(2))));
        assert!(read(5, Told::Holds(Some(2))) && !read(5, Told::Holds(Some(1))));
    }

    #[test]
    fn a_swap_is_told_what_there_was() {
        let swap = |told| {
            let put = (1, Op::Put(1), Told::Done);
            is_linearizable(&[put, (2, Op::Swap(Some(7), 8), told)])
        };
        assert!(swap(Told::Holds(Some(1))) && swap(Told::Nothing));
        assert!(!swap(Told::Done) && !swap(Told::Holds(Some(7))) && !swap(Told::Holds(None)));
    }

    #[test]
    fn a_write_without_an_answer_has_happened_where_it_is_in_the_log_or_not_at_all() {
        let seen = |write, at, held| {
            is_linearizable(&[
                (write, Op::Put(7), Told::Nothing),
                (at, Op::Read, Told::Holds(held)),
            ])
        };
        assert!(seen(3, 2, None) && seen(3, 3, Some(7)) && seen(0, 3, None));
        assert!(!seen(3, 2, Some(7)) && !seen(3, 3, None) && !seen(0, 3, Some(7)));
    }
}
