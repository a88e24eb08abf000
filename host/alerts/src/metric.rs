//! What can have a threshold: a closed list, each with its unit and what it is of. Measures
//! nothing.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The order is part of the stored form: append only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Metric {
    NodeCpu,
    NodeMemory,
    NodeDiskFree,
    NodesLost,
    InstancesMissing,
    CallsRate,
    CallsErrorRate,
    CallsP99,
}

/// What there is one value for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    Node,
    Application,
    Cluster,
}

/// What its numbers mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// 0 to 1.
    Share,
    Count,
    PerSecond,
    Milliseconds,
}

/// A name that no metric has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a metric; there are {names}", names = names())]
pub struct UnknownMetric(String);

fn names() -> String {
    Metric::ALL.map(Metric::name).join(", ")
}

impl Metric {
    pub const ALL: [Self; 8] = [
        Self::NodeCpu,
        Self::NodeMemory,
        Self::NodeDiskFree,
        Self::NodesLost,
        Self::InstancesMissing,
        Self::CallsRate,
        Self::CallsErrorRate,
        Self::CallsP99,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::NodeCpu => "node.cpu",
            Self::NodeMemory => "node.memory",
            Self::NodeDiskFree => "node.disk-free",
            Self::NodesLost => "cluster.nodes-lost",
            Self::InstancesMissing => "app.instances-missing",
            Self::CallsRate => "calls.rate",
            Self::CallsErrorRate => "calls.error-rate",
            Self::CallsP99 => "calls.p99",
        }
    }

    pub fn meaning(self) -> &'static str {
        match self {
            Self::NodeCpu => "processors of the machine that the node uses",
            Self::NodeMemory => "the node's memory budget that instances have reserved",
            Self::NodeDiskFree => "free part of the disk that holds the node's data",
            Self::NodesLost => "members of the cluster that do not answer",
            Self::InstancesMissing => "wanted instances of the application that are not active",
            Self::CallsRate => "requests to the application from outside",
            Self::CallsErrorRate => "requests from outside that failed, of the last minute",
            Self::CallsP99 => {
                "time within which 99 of 100 requests from outside were answered, of the last minute"
            }
        }
    }

    pub fn scope(self) -> Scope {
        match self {
            Self::NodeCpu | Self::NodeMemory | Self::NodeDiskFree => Scope::Node,
            Self::NodesLost => Scope::Cluster,
            Self::InstancesMissing | Self::CallsRate | Self::CallsErrorRate | Self::CallsP99 => {
                Scope::Application
            }
        }
    }

    pub fn unit(self) -> Unit {
        match self {
            Self::NodeCpu | Self::NodeMemory | Self::NodeDiskFree | Self::CallsErrorRate => {
                Unit::Share
            }
            Self::NodesLost | Self::InstancesMissing => Unit::Count,
            Self::CallsRate => Unit::PerSecond,
            Self::CallsP99 => Unit::Milliseconds,
        }
    }

    /// Whether it is worse the less there is.
    pub fn is_worse_below(self) -> bool {
        matches!(self, Self::NodeDiskFree)
    }
}

impl Scope {
    pub fn word(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Application => "application",
            Self::Cluster => "cluster",
        }
    }
}

impl Unit {
    pub fn word(self) -> &'static str {
        match self {
            Self::Share => "share",
            Self::Count => "count",
            Self::PerSecond => "per-second",
            Self::Milliseconds => "ms",
        }
    }

    /// No value is larger.
    pub(crate) fn max(self) -> f64 {
        match self {
            Self::Share => 1.0,
            Self::Count | Self::PerSecond | Self::Milliseconds => 1e9,
        }
    }

    /// For people.
    pub fn show(self, value: f64) -> String {
        match self {
            Self::Share => format!("{:.1} %", value * 100.0),
            Self::Count => format!("{value:.0}"),
            Self::PerSecond => format!("{value:.1}/s"),
            Self::Milliseconds => format!("{value:.1} ms"),
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Metric {
    type Err = UnknownMetric;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|metric| metric.name() == text);
        found.ok_or_else(|| UnknownMetric(text.to_owned()))
    }
}
