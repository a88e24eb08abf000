//! What can be said, as tables: verbs with what belongs to each, metrics with their units. Knows no
//! script.

/// What a value must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A whole number.
    Count,
    Number,
    /// `99.9%`.
    Share,
    Time,
    Size,
    Text,
    /// A set of nodes.
    Nodes,
    /// An argument of a program: a text, or any word as it stands.
    Word,
}

impl Kind {
    pub(super) fn wanted(self) -> &'static str {
        match self {
            Self::Count => "a whole number such as 3",
            Self::Number => "a number such as 1.5",
            Self::Share => "a share such as 99.9%",
            Self::Time => "a time such as 5s",
            Self::Size => "a size such as 256MiB",
            Self::Text => "a text in quotes",
            Self::Nodes => "nodes such as `leader` or `1 and 2`",
            Self::Word => "a word",
        }
    }
}

/// A place for a value or a flag after a verb.
#[derive(Debug, PartialEq)]
pub(super) struct Slot {
    /// In the words of the API.
    pub(super) name: &'static str,
    /// What stands before the value; alone it is a flag.
    pub(super) word: Option<&'static str>,
    /// None: a flag.
    pub(super) kind: Option<Kind>,
    pub(super) needed: bool,
}

/// A verb with its slots, in the order in which they are written.
#[derive(Debug, PartialEq)]
pub(super) struct Form {
    pub(super) verb: &'static [&'static str],
    pub(super) slots: &'static [Slot],
}

const fn first(name: &'static str, kind: Kind) -> Slot {
    Slot { name, word: None, kind: Some(kind), needed: true }
}

const fn after(word: &'static str, kind: Kind) -> Slot {
    Slot { name: word, word: Some(word), kind: Some(kind), needed: true }
}

const fn maybe(word: &'static str, kind: Kind) -> Slot {
    Slot { name: word, word: Some(word), kind: Some(kind), needed: false }
}

const fn flag(word: &'static str) -> Slot {
    Slot { name: word, word: Some(word), kind: None, needed: false }
}

const fn form(verb: &'static [&'static str], slots: &'static [Slot]) -> Form {
    Form { verb, slots }
}

const NODES: Slot = first("nodes", Kind::Nodes);
const FOR: Slot = after("for", Kind::Time);
const ON: Slot = after("on", Kind::Nodes);
const SLICE: Slot = first("slice", Kind::Text);
const FUNCTION: Slot = maybe("function", Kind::Text);
const SHARE: Slot = maybe("share", Kind::Share);
const SOME: Slot = maybe("on", Kind::Nodes);

/// All orders. A verb that begins as another one does comes before it if it is longer.
pub(super) const FORMS: &[Form] = &[
    form(&["wait"], &[first("time", Kind::Time)]),
    form(&["kill"], &[NODES, maybe("for", Kind::Time)]),
    form(&["stop"], &[NODES, maybe("for", Kind::Time)]),
    form(&["resume"], &[NODES]),
    form(&["restart"], &[NODES]),
    form(&["drain"], &[NODES]),
    form(&["activate"], &[NODES]),
    form(&["add", "node"], &[]),
    form(
        &["partition"],
        &[after("from", Kind::Nodes), after("to", Kind::Nodes), flag("one-way"), FOR],
    ),
    form(
        &["latency"],
        &[first("time", Kind::Time), after("from", Kind::Nodes), after("to", Kind::Nodes), FOR],
    ),
    form(
        &["loss"],
        &[first("share", Kind::Share), after("from", Kind::Nodes), after("to", Kind::Nodes), FOR],
    ),
    form(&["slow-disk"], &[first("time", Kind::Time), ON, FOR]),
    form(&["failed-sync"], &[ON, FOR]),
    form(&["cpu"], &[first("threads", Kind::Count), ON, FOR]),
    form(&["memory"], &[first("size", Kind::Size), ON, FOR]),
    form(&["clock"], &[first("apart", Kind::Time), flag("behind"), ON, FOR]),
    form(&["call-failure"], &[SLICE, FUNCTION, SHARE, SOME, FOR]),
    form(&["call-delay"], &[first("time", Kind::Time), SLICE, FUNCTION, SHARE, SOME, FOR]),
    form(&["crash"], &[SLICE, FUNCTION, SHARE, SOME, FOR]),
    form(&["end", "faults"], &[]),
    form(&["load", "pause"], &[]),
    form(&["load", "resume"], &[]),
    form(&["load", "stop"], &[]),
    form(&["load", "rate"], &[first("factor", Kind::Number)]),
    form(&["load"], &[first("load", Kind::Text)]),
];

/// Verbs that are not orders.
pub(super) const OTHERS: &[&str] =
    &["step", "let", "repeat", "each", "either", "shuffle", "always", "expect", "within", "aether"];

/// Names of nodes that no parameter may have, and words between values.
pub(super) const RESERVED: &[&str] = &["leader", "followers", "all", "any", "of", "and", "but"];

/// Something that has a number.
#[derive(Debug, PartialEq)]
pub(super) struct Metric {
    pub(super) name: &'static str,
    /// With which it is compared.
    pub(super) kind: Kind,
    pub(super) of: Of,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    /// Of the load, over some time or of one target.
    Counts,
    /// Of the load, of one target.
    Load,
    Cluster,
    /// Of one slice, too.
    Instances,
}

const fn metric(name: &'static str, kind: Kind, of: Of) -> Metric {
    Metric { name, kind, of }
}

pub(super) const METRICS: &[Metric] = &[
    metric("requests", Kind::Count, Of::Counts),
    metric("good", Kind::Count, Of::Counts),
    metric("failed", Kind::Count, Of::Counts),
    metric("success", Kind::Share, Of::Counts),
    metric("rate", Kind::Number, Of::Counts),
    metric("repeated", Kind::Count, Of::Load),
    metric("p50", Kind::Time, Of::Load),
    metric("p90", Kind::Time, Of::Load),
    metric("p99", Kind::Time, Of::Load),
    metric("p999", Kind::Time, Of::Load),
    metric("max", Kind::Time, Of::Load),
    metric("gap", Kind::Time, Of::Load),
    metric("running", Kind::Count, Of::Cluster),
    metric("on-duty", Kind::Count, Of::Cluster),
    metric("voters", Kind::Count, Of::Cluster),
    metric("faults", Kind::Count, Of::Cluster),
    metric("instances", Kind::Count, Of::Instances),
];

/// Conditions that are not metrics.
pub(super) const FLAGS: &[&str] = &["leader", "writable", "ready", "no", "aether"];

pub(super) const METHODS: &[&str] = &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
