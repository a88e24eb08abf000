//! Faults that are put into a node of a sandbox on purpose. Knows not how they are made to happen.

use aether_types::{ByteSize, FunctionName, SliceName, TimeSpan};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Faults in force on one node at the same time.
pub const FAULTS_MAX: usize = 64;
/// A fault lasts 1 ms to this long: whoever forgets it finds the node well again.
pub const FAULT_TIME_MAX: TimeSpan = TimeSpan::from_secs(3_600);
/// Farthest that a fault puts a clock apart.
pub const FAULT_CLOCK_MAX: TimeSpan = TimeSpan::from_secs(3_600);
/// Memory that a fault takes, at most: a fault is no attack on the whole machine.
pub const FAULT_MEMORY_MAX: ByteSize = ByteSize::mib(4_096);
/// Longest name of a fault, in bytes.
pub const FAULT_NAME_BYTES_MAX: usize = 64;
/// Threads that a fault keeps busy, at most.
pub const FAULT_THREADS_MAX: u32 = 64;
/// Most latency that a fault adds. More than 0.8 s of silence break a link; latency is no silence.
pub const FAULT_LATENCY_MAX: TimeSpan = TimeSpan::from_secs(10);

/// Faults to put into the node that is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct FaultRequest {
    /// All or none of them.
    pub faults: Vec<Fault>,
}

/// A fault, and how long it lasts. It ends by itself, and then all is as before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Fault {
    /// What goes wrong.
    pub kind: FaultKind,
    /// Such as `5s`; 1 ms to 1 h.
    #[schema(value_type = String)]
    pub duration: TimeSpan,
    /// Whoever gave it one can end it by its name, before its time. At most 64 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum FaultKind {
    /// Nothing gets through. Links need both ways: after 0.8 s, a cut of one is a cut of both.
    Partition { links: FaultLinks },
    /// Everything takes longer, in each of the directions.
    Latency {
        links: FaultLinks,
        /// Such as `50ms`; at most 10 s.
        #[schema(value_type = String)]
        time: TimeSpan,
    },
    /// One-way messages, which are those of consensus, get lost. Calls and streams do not.
    Loss {
        links: FaultLinks,
        /// From 0 to 1.
        share: f64,
    },
    /// The clock that this node says to others is wrong.
    Clock {
        /// Such as `15s`; at most 1 h.
        #[schema(value_type = String)]
        apart: TimeSpan,
        side: ClockSide,
    },
    /// Each write of the log takes so much longer.
    SlowDisk {
        /// Such as `50ms`; at most 10 s.
        #[schema(value_type = String)]
        time: TimeSpan,
    },
    /// The log cannot be synced. A node that learns of it stops; it comes back when it is started.
    FailedSync,
    /// So many threads of the node do nothing but run.
    Cpu {
        /// 1 to 64.
        threads: u32,
    },
    /// So much of the node's memory is taken.
    Memory {
        /// Such as `256MiB`; at most 4 GiB.
        #[schema(value_type = String)]
        size: ByteSize,
    },
    /// Calls to instances on this node begin and fail.
    CallFailure { calls: CallFault },
    /// Calls to instances on this node take so much longer, within their deadlines.
    CallDelay {
        calls: CallFault,
        /// Such as `50ms`; at most 10 s.
        #[schema(value_type = String)]
        time: TimeSpan,
    },
    /// Calls to instances on this node end as if the slice had trapped, and what is warm is lost.
    Crash { calls: CallFault },
}

/// Where a wrong clock stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ClockSide {
    Ahead,
    Behind,
}

/// Calls to a slice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CallFault {
    /// `group:artifact`, in every version.
    #[schema(value_type = String)]
    pub slice: SliceName,
    /// `namespace:package/interface#function`; without it every function, and requests that the
    /// slice answers itself.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub function: Option<FunctionName>,
    /// How many of the calls, from 0 to 1; evenly spread.
    pub share: f64,
}

/// Links between this node and others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct FaultLinks {
    /// Ids of other nodes, at least one.
    pub nodes: Vec<String>,
    #[serde(default)]
    pub direction: FaultDirection,
}

/// As seen from this node.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FaultDirection {
    #[default]
    Both,
    In,
    Out,
}

/// Faults in force on the node that answers, oldest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Faults {
    pub faults: Vec<FaultView>,
}

/// A fault in force.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct FaultView {
    pub fault: Fault,
    /// When it ends by itself.
    pub ends: String,
}
