//! What Forge says about itself over HTTP. Knows no process and no socket.

mod words;

use crate::load::Report;
use aether_types::{ByteSize, TimeSpan};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Everything at a glance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Overview {
    /// Of this API.
    pub url: String,
    /// Where the nodes' folders are.
    pub folder: PathBuf,
    /// The application that was deployed at the start.
    pub application: Option<String>,
    pub nodes: Vec<NodeView>,
    pub faults: Vec<FaultView>,
    /// Of the load that was started last and not stopped.
    pub load: Option<Report>,
}

/// What the dashboard follows. Moments are in milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LiveView {
    /// Of this answer.
    pub now_ms: u64,
    /// As Forge sees them, without what the cluster says.
    pub nodes: Vec<NodeView>,
    pub faults: Vec<FaultView>,
    /// What was done, oldest first.
    pub marks: Vec<Mark>,
    /// The load that runs, or else the last one.
    pub load: Option<LoadView>,
    /// How the application's sources fare, where they are watched.
    pub watch: Option<WatchView>,
}

/// The work on an application's sources.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct WatchView {
    pub state: WatchState,
    /// What is built or rolled out, or why that failed: what the compiler said.
    pub said: String,
    /// Since when, in milliseconds since 1970.
    pub at_ms: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WatchState {
    /// What is there is what was written.
    Watching,
    Building,
    RollingOut,
    /// What was there before goes on.
    Failed,
}

/// Something that was done to the cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Mark {
    pub number: u64,
    pub what: Happening,
    pub from_ms: u64,
    /// When it ended, or will end by itself.
    pub until_ms: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Happening {
    Fault(Trouble),
    Node { node: usize, action: NodeAction },
    Added { node: usize },
}

/// A load, with seconds since the moment that was asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LoadView {
    pub started_ms: u64,
    pub report: Report,
}

/// What goes wrong, for how long. It ends by itself, and then all is as before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct FaultOrder {
    pub trouble: Trouble,
    /// Up to an hour.
    pub duration: TimeSpan,
}

/// What goes wrong. Nodes by their numbers. Displayed as `aether forge fault` takes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub enum Trouble {
    /// kill -9; it is started again at the end.
    Kill { node: usize },
    /// SIGSTOP; it goes on at the end.
    Stop { node: usize },
    /// Nothing gets from one group to the other, nor back unless that is wanted.
    Partition {
        groups: [Vec<usize>; 2],
        #[serde(default)]
        one_way: bool,
    },
    /// What goes between the groups takes longer, in each direction.
    Latency { from: Vec<usize>, to: Vec<usize>, time: TimeSpan },
    /// One-way messages between the groups, which are those of consensus, get lost.
    Loss { from: Vec<usize>, to: Vec<usize>, share: f64 },
    /// Each write of the log takes so much longer.
    SlowDisk { node: usize, time: TimeSpan },
    /// The log cannot be synced: the node stops, and is started again at the end.
    FailedSync { node: usize },
    /// So many threads of the node do nothing but run.
    Cpu { node: usize, threads: u32 },
    /// So much of the node's memory is taken.
    Memory { node: usize, size: ByteSize },
    /// The clock that the node says to others is wrong: ahead, or behind where that is wanted.
    Clock {
        node: usize,
        apart: TimeSpan,
        #[serde(default)]
        behind: bool,
    },
    /// Calls begin and fail.
    CallFailure { calls: Calls },
    /// Calls take so much longer, within their deadlines.
    CallDelay { calls: Calls, time: TimeSpan },
    /// Calls end as if the slice had trapped; what is warm is lost.
    Crash { calls: Calls },
}

/// Calls to a slice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Calls {
    /// Where; none: on every node that runs.
    #[serde(default)]
    pub nodes: Vec<usize>,
    /// `group:artifact`.
    pub slice: String,
    /// `namespace:package/interface#function`; none: every one.
    #[serde(default)]
    pub function: Option<String>,
    /// From 0 to 1.
    pub share: f64,
}

impl Calls {
    /// As a node wants it.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        let Self { slice, function, share, nodes: _ } = self;
        serde_json::json!({ "slice": slice, "function": function, "share": share })
    }
}

/// A fault in force.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct FaultView {
    /// From 1, never given twice.
    pub number: u64,
    pub trouble: Trouble,
    pub left_ms: u64,
}

/// A node of the sandbox.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct NodeView {
    /// From 1, never given twice.
    pub number: usize,
    pub id: String,
    pub process: ProcessState,
    /// Of its process, the last one where there is none.
    pub pid: u32,
    /// As the cluster sees it: `leader`, `follower`, …; none where nobody knows.
    pub role: Option<String>,
    /// As the cluster sees it: `ON_DUTY`, `DRAINING`, …
    pub state: Option<String>,
    /// The front door of the applications.
    pub http: String,
    /// The management API.
    pub api: String,
    /// Where other nodes reach it.
    pub cluster: String,
    pub log: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProcessState {
    /// On its way up or down.
    Changing,
    Running,
    /// By SIGSTOP.
    Stopped,
    /// There is none.
    Down,
}

/// A load to start: a file and its name in messages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LoadRequest {
    pub file: String,
    pub text: String,
}

/// How many times the rates of its file.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct FactorRequest {
    pub factor: f64,
}

/// Why something was not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Refusal {
    pub message: String,
}

/// What is done to a node that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeAction {
    /// kill -9.
    Kill,
    /// SIGSTOP.
    Stop,
    /// SIGCONT.
    Resume,
    /// Asks it to end if it runs, and starts it again with its identity, where it was.
    Restart,
    /// Gives its instances and its vote to others.
    Drain,
    /// Lets a drained node take part again.
    Activate,
}

impl NodeAction {
    pub const ALL: [Self; 6] =
        [Self::Kill, Self::Stop, Self::Resume, Self::Restart, Self::Drain, Self::Activate];

    pub fn word(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Stop => "stop",
            Self::Resume => "resume",
            Self::Restart => "restart",
            Self::Drain => "drain",
            Self::Activate => "activate",
        }
    }
}

/// A request that Forge does not fulfil, and whose fault it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("{0}")]
    Invalid(String),
    #[error("{0}")]
    NotFound(String),
    #[error("{0}")]
    Conflict(String),
}

#[cfg(test)]
mod tests {
    use super::FaultOrder;
    use std::collections::BTreeSet;
    use std::mem::discriminant;

    /// The dashboard's own tests compare what its forms make with the same file.
    #[test]
    fn what_the_dashboard_orders_is_understood() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../host/dashboard/tests/orders.json");
        let text = std::fs::read_to_string(file).unwrap();
        let orders: Vec<FaultOrder> = serde_json::from_str(&text).unwrap();
        let kinds = orders.iter().map(|it| format!("{:?}", discriminant(&it.trouble)));
        assert_eq!(kinds.collect::<BTreeSet<_>>().len(), orders.len(), "one of each kind");
        let again = serde_json::to_value(&orders).unwrap();
        let same: Vec<FaultOrder> = serde_json::from_value(again).unwrap();
        assert_eq!((orders.len(), same), (13, orders));
    }
}
