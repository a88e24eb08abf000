//! What clients asked the store and were told, and whether one order explains it all. Knows no
//! nodes.

use crate::store::Written;
use std::collections::BTreeMap;
use std::sync::Mutex;
use todc_utils::linearizability::WGLChecker;
use todc_utils::linearizability::history::{Action, History as Actions};
use todc_utils::specifications::Specification;

/// What a key holds; every write has a value of its own.
pub(crate) type Value = Option<u64>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    Put(u64),
    /// If it holds the first, put the second.
    Swap(Value, u64),
    Read,
}

/// What the client was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    Done,
    /// A swap: it holds something else.
    Refused,
    Holds(Value),
    /// It may take effect at any time from its start on.
    Nothing,
}

type Step = (usize, Action<(Op, Told)>);

/// All operations of a run, in the order in which they began and ended.
#[derive(Default)]
pub(crate) struct History(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    /// For each key.
    steps: BTreeMap<String, Vec<Step>>,
    operations: usize,
}

/// An operation that has begun.
pub(crate) struct Begun {
    key: String,
    number: usize,
    op: Op,
}

struct Register;

impl Specification for Register {
    type State = Value;
    type Operation = (Op, Told);

    fn init() -> Value {
        None
    }

    fn apply((op, told): &(Op, Told), held: &Value) -> (bool, Value) {
        match (op, told) {
            (Op::Put(value), Told::Done | Told::Nothing) => (true, Some(*value)),
            (Op::Swap(old, new), Told::Done) => (held == old, Some(*new)),
            (Op::Swap(old, _), Told::Refused) => (held != old, *held),
            (Op::Swap(old, new), Told::Nothing) if held == old => (true, Some(*new)),
            (Op::Swap(..) | Op::Read, Told::Nothing) => (true, *held),
            (Op::Read, Told::Holds(seen)) => (held == seen, *held),
            _ => (false, *held),
        }
    }
}

impl History {
    pub(crate) fn begin(&self, key: &str, op: Op) -> Begun {
        let mut all = self.0.lock().unwrap();
        let number = all.operations;
        all.operations += 1;
        let call = Action::Call((op, Told::Nothing));
        all.steps.entry(key.to_owned()).or_default().push((number, call));
        Begun { key: key.to_owned(), number, op }
    }

    /// Of what perhaps happened nothing more is said until the end.
    pub(crate) fn end(&self, Begun { key, number, op }: Begun, told: Told) {
        if told != Told::Nothing {
            let mut all = self.0.lock().unwrap();
            let response = Action::Response((op, told));
            all.steps.get_mut(&key).unwrap().push((number, response));
        }
    }

    pub(crate) fn wrote(&self, begun: Begun, written: Written) {
        match written {
            Written::At(_) => self.end(begun, Told::Done),
            Written::Refused => self.end(begun, Told::Refused),
            Written::Perhaps | Written::Failed => self.end(begun, Told::Nothing),
            Written::Never => {
                let mut all = self.0.lock().unwrap();
                let steps = all.steps.get_mut(&begun.key).unwrap();
                steps.retain(|(number, _)| *number != begun.number);
            }
        }
    }

    /// How many operations were answered.
    pub(crate) fn answered(&self) -> usize {
        let all = self.0.lock().unwrap();
        let steps = all.steps.values().flatten();
        steps.filter(|(_, action)| matches!(action, Action::Response(_))).count()
    }

    /// The first key whose operations no order explains, with all of them.
    pub(crate) fn check(self) -> Result<(), String> {
        for (key, mut steps) in self.0.into_inner().unwrap().steps {
            let mut open = BTreeMap::new();
            for (number, action) in &steps {
                match action {
                    Action::Call((op, _)) => open.insert(*number, *op),
                    Action::Response(_) => open.remove(number),
                };
            }
            let end = |(number, op)| (number, Action::Response((op, Told::Nothing)));
            steps.extend(open.into_iter().map(end));
            let shown = format!("{key}: {steps:?}");
            let numbered = without_gaps(steps);
            if !numbered.is_empty()
                && !WGLChecker::<Register>::is_linearizable(Actions::from_actions(numbered))
            {
                return Err(shown);
            }
        }
        Ok(())
    }
}

/// The checker wants processes without gaps.
fn without_gaps(steps: Vec<Step>) -> Vec<Step> {
    let mut numbers = BTreeMap::new();
    let number = |(process, action)| {
        let next = numbers.len();
        (*numbers.entry(process).or_insert(next), action)
    };
    steps.into_iter().map(number).collect()
}

#[test]
fn an_answer_that_no_order_explains_is_found() {
    let check = |seen: Value, written: Written| {
        let history = History::default();
        let put = history.begin("key", Op::Put(1));
        history.wrote(put, Written::At(1));
        let swap = history.begin("key", Op::Swap(Some(1), 2));
        history.wrote(swap, written);
        let read = history.begin("key", Op::Read);
        history.end(read, Told::Holds(seen));
        history.check().is_ok()
    };
    assert!(check(Some(2), Written::At(2)) && !check(Some(1), Written::At(2)));
    assert!(check(Some(2), Written::Perhaps) && check(Some(1), Written::Perhaps));
    assert!(check(Some(1), Written::Never) && !check(Some(2), Written::Never));
    assert!(!check(Some(1), Written::Refused) && !check(None, Written::At(2)));
}
