//! A script as it was written. Knows no cluster, and no value of a name.

use super::form::{Form, Kind, Metric};
use std::fmt;
use std::sync::Arc;

/// Where something stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) file: Arc<str>,
    /// From 1.
    pub(super) line: usize,
    /// In characters, from 1.
    pub(super) column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// A file.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Script {
    pub(super) settings: Vec<(Place, Setting)>,
    pub(super) pieces: Vec<Piece>,
    pub(super) body: Block,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Setting {
    Nodes(Expr),
    Blueprint(Expr),
    Seed(Expr),
    Use(Expr),
}

/// Statements with a name, to be used with values for the names of its parameters.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Piece {
    pub(super) at: Place,
    pub(super) name: String,
    pub(super) parameters: Vec<String>,
    pub(super) body: Block,
}

pub(super) type Block = Vec<Statement>;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Statement {
    pub(super) at: Place,
    pub(super) kind: StatementKind,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum StatementKind {
    Step(Expr, Block),
    Let(String, Expr),
    Repeat(Expr, Block),
    Each(String, Expr, Block),
    Either(Vec<Block>),
    Shuffle(Block),
    Call(String, Vec<Expr>),
    Always(Condition<Expr>),
    Expect(Option<Expr>, Condition<Expr>),
    Do(Order<Expr>),
    Aether(Program<Expr>),
}

/// Something that stands for a value.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Expr {
    pub(super) at: Place,
    pub(super) kind: ExprKind,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum ExprKind {
    /// Begins with a digit: a number with its unit, or two with `..` between them.
    Literal(String),
    Text(String),
    Name(String),
    /// So many of a set, one without a number.
    Any(Option<Box<Expr>>, Box<Expr>),
    And(Box<Expr>, Box<Expr>),
    But(Box<Expr>, Box<Expr>),
}

/// A verb with what belongs to it: one for each of the form's slots.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Order<E> {
    pub(super) form: &'static Form,
    pub(super) given: Vec<Given<E>>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Given<E> {
    Not,
    Flag,
    Value(E),
}

/// What can be true of a cluster and its load.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Condition<E> {
    Compare {
        metric: &'static Metric,
        part: Part<E>,
        sign: Sign,
        value: E,
    },
    /// There is a leader; in the set, or not in it.
    Leader(Option<Side<E>>),
    NoLeader,
    /// A majority takes writes; or none does.
    Writable(bool),
    /// All of the set take requests.
    Ready(E),
    Answers(Request<E>),
    Aether(Program<E>),
}

/// Of what a metric is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Part<E> {
    Whole,
    /// The last seconds.
    Over(E),
    /// One target of the load, or one slice.
    Of(E),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Side<E> {
    pub(super) inside: bool,
    pub(super) nodes: E,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    Equal,
    Unequal,
    Less,
    AtMost,
    More,
    AtLeast,
}

/// A request to front doors and the answer that is wanted of each.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Request<E> {
    pub(super) method: String,
    pub(super) path: E,
    pub(super) body: Option<E>,
    /// All that run without it.
    pub(super) on: Option<E>,
    pub(super) status: E,
    pub(super) with: Option<E>,
}

/// `aether` with arguments, how it ends and what it says.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Program<E> {
    pub(super) words: Vec<E>,
    pub(super) exits: Option<E>,
    pub(super) says: Option<E>,
}

impl Sign {
    pub(super) const ALL: [(&'static str, Self); 6] = [
        ("==", Self::Equal),
        ("!=", Self::Unequal),
        ("<=", Self::AtMost),
        (">=", Self::AtLeast),
        ("<", Self::Less),
        (">", Self::More),
    ];

    pub(super) fn text(self) -> &'static str {
        Self::ALL.into_iter().find(|(_, sign)| *sign == self).map_or("", |(text, _)| text)
    }

    pub(super) fn holds(self, left: f64, right: f64) -> bool {
        match self {
            Self::Equal => left == right,
            Self::Unequal => left != right,
            Self::Less => left < right,
            Self::AtMost => left <= right,
            Self::More => left > right,
            Self::AtLeast => left >= right,
        }
    }
}

impl<E> Order<E> {
    /// The same with other values; each has a kind.
    pub(super) fn map<T>(&self, mut to: impl FnMut(&E, Kind) -> Option<T>) -> Option<Order<T>> {
        let slots = self.form.slots.iter().zip(&self.given);
        let given = slots.map(|(slot, given)| {
            Some(match (given, slot.kind) {
                (Given::Value(value), Some(kind)) => Given::Value(to(value, kind)?),
                (Given::Flag, _) => Given::Flag,
                (Given::Not | Given::Value(_), _) => Given::Not,
            })
        });
        Some(Order { form: self.form, given: given.collect::<Option<_>>()? })
    }

    /// What stands in the slot of this name.
    pub(super) fn value(&self, slot: &str) -> Option<&E> {
        match self.at(slot) {
            Some(Given::Value(value)) => Some(value),
            _ => None,
        }
    }

    pub(super) fn has(&self, flag: &str) -> bool {
        matches!(self.at(flag), Some(Given::Flag))
    }

    fn at(&self, name: &str) -> Option<&Given<E>> {
        let found = self.form.slots.iter().position(|slot| slot.name == name)?;
        self.given.get(found)
    }
}

impl<E> Condition<E> {
    /// The same with other values; each has a kind.
    pub(super) fn map<T>(&self, to: &mut dyn FnMut(&E, Kind) -> Option<T>) -> Option<Condition<T>> {
        Some(match self {
            Self::Compare { metric, part, sign, value } => {
                let value = to(value, metric.kind)?;
                let part = match part {
                    Part::Whole => Part::Whole,
                    Part::Over(time) => Part::Over(to(time, Kind::Time)?),
                    Part::Of(name) => Part::Of(to(name, Kind::Text)?),
                };
                Condition::Compare { metric, part, sign: *sign, value }
            }
            Self::Leader(None) => Condition::Leader(None),
            Self::Leader(Some(side)) => {
                let nodes = to(&side.nodes, Kind::Nodes)?;
                Condition::Leader(Some(Side { inside: side.inside, nodes }))
            }
            Self::NoLeader => Condition::NoLeader,
            Self::Writable(wanted) => Condition::Writable(*wanted),
            Self::Ready(nodes) => Condition::Ready(to(nodes, Kind::Nodes)?),
            Self::Answers(request) => Condition::Answers(request.map(to)?),
            Self::Aether(program) => Condition::Aether(program.map(to)?),
        })
    }
}

impl<E> Request<E> {
    fn map<T>(&self, to: &mut dyn FnMut(&E, Kind) -> Option<T>) -> Option<Request<T>> {
        Some(Request {
            method: self.method.clone(),
            path: to(&self.path, Kind::Text)?,
            body: maybe(self.body.as_ref(), Kind::Text, to)?,
            on: maybe(self.on.as_ref(), Kind::Nodes, to)?,
            status: to(&self.status, Kind::Count)?,
            with: maybe(self.with.as_ref(), Kind::Text, to)?,
        })
    }
}

impl<E> Program<E> {
    pub(super) fn map<T>(&self, to: &mut dyn FnMut(&E, Kind) -> Option<T>) -> Option<Program<T>> {
        let words = self.words.iter().map(|word| to(word, Kind::Word));
        Some(Program {
            words: words.collect::<Option<_>>()?,
            exits: maybe(self.exits.as_ref(), Kind::Count, to)?,
            says: maybe(self.says.as_ref(), Kind::Text, to)?,
        })
    }
}

/// `None` where there should be a value and is none.
fn maybe<E, T>(
    value: Option<&E>,
    kind: Kind,
    to: &mut dyn FnMut(&E, Kind) -> Option<T>,
) -> Option<Option<T>> {
    match value {
        Some(value) => to(value, kind).map(Some),
        None => Some(None),
    }
}
