//! How busy nodes and functions are and were, on the wire. Knows no counter and no clock.

use super::MemoryStatus;
use aether_types::AppName;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// How busy the cluster is now, as one node has heard it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Metrics {
    /// Nodes that answer, by id.
    pub nodes: BTreeMap<String, NodeMetrics>,
    /// Requests from outside, of the front door and of operators, over all nodes.
    pub requests: RequestMetrics,
}

/// How busy a node is. Means follow with a time of 5 s.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct NodeMetrics {
    pub uptime_seconds: u64,
    /// Processors that the process keeps busy: 1.5 is one and a half of them. A mean.
    pub cpu_cores: f64,
    /// The same as a share of the processors that it may use: 0 to 1.
    pub cpu_share: f64,
    /// Processors that it may use.
    pub processors: u32,
    /// Share of the machine's processors that are busy, with anything: 0 to 1. A mean.
    pub machine_busy: f64,
    pub memory: MemoryStatus,
    /// Live instances of components, idle ones included.
    pub instances: u32,
    /// Calls that run, and that wait for an instance. Means.
    pub calls_running: f64,
    pub calls_queued: f64,
    /// Bytes of the disk that holds the data folder.
    pub disk_free: u64,
    pub disk_size: u64,
}

/// Requests from outside in the last 10 seconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct RequestMetrics {
    pub per_second: f64,
    pub failures_per_second: f64,
    /// Time of the instance in microseconds; absent where none was timed. Exact to an eighth.
    #[serde(default)]
    pub p50_us: Option<u64>,
    #[serde(default)]
    pub p99_us: Option<u64>,
}

/// What was measured until now, in slots of equal length. All lists have as many entries as there
/// are slots; `null` where nothing was heard.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct MetricsHistory {
    /// When the first slot began: RFC 3339.
    pub start: String,
    /// Length of a slot: 1 for the last 5 minutes, else 10.
    pub step_seconds: u32,
    pub slots: u32,
    /// By id; also nodes that are gone.
    pub nodes: BTreeMap<String, NodeHistory>,
    pub requests: RequestHistory,
}

/// What a node was like, as in [`NodeMetrics`], of each slot and not as a mean of more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct NodeHistory {
    pub cpu_cores: Column,
    pub machine_busy: Column,
    /// Bytes, to seven digits.
    pub memory_resident: Column,
    pub memory_committed: Column,
    pub instances: Column,
    pub calls_running: Column,
    pub calls_queued: Column,
    pub disk_free: Column,
}

/// Requests from outside over all nodes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct RequestHistory {
    pub per_second: Column,
    pub failures_per_second: Column,
    /// Of all calls of the slot.
    pub p50_us: Vec<Option<u64>>,
    pub p99_us: Vec<Option<u64>>,
}

/// One number, slot by slot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Column {
    pub mean: Vec<Option<f64>>,
    /// The largest of a second.
    pub max: Vec<Option<f64>>,
}

/// Functions that were called, over all nodes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct CallMetrics {
    /// Of the versions that there are now, sorted by application, slice, revision and function.
    pub functions: Vec<FunctionMetrics>,
}

/// A function of one version, whoever calls it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct FunctionMetrics {
    #[schema(value_type = String)]
    pub app: AppName,
    pub slice: String,
    /// The blueprint's revision that it runs with.
    pub version: u64,
    pub function: String,
    /// Calls that ended, since the nodes started; without those that were turned away.
    pub calls: u64,
    /// Those of them that failed.
    pub failures: u64,
    /// Calls by how they ended: `answered`, `declined`, `callee-failed`…; without zeros.
    pub endings: BTreeMap<String, u64>,
    /// Now, as a mean of the last seconds.
    pub calls_per_second: f64,
    pub failures_per_second: f64,
    /// Calls of which the time is known: all from outside, one of 16 between slices.
    pub timed: u64,
    /// Time of the instance in microseconds; absent where none was timed. Exact to an eighth: the
    /// end of the bucket of the merged histogram. The mean is exact.
    #[serde(default)]
    pub mean_us: Option<f64>,
    #[serde(default)]
    pub p50_us: Option<u64>,
    #[serde(default)]
    pub p90_us: Option<u64>,
    #[serde(default)]
    pub p99_us: Option<u64>,
    #[serde(default)]
    pub max_us: Option<u64>,
}
