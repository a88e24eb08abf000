//! Who calls what, on the wire. Knows no counter.

use aether_types::AppName;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Every edge along which something was called, of the versions that there are now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Graph {
    /// Sorted by application, callee, function, version and caller.
    pub edges: Vec<GraphEdge>,
}

/// From a caller to a function, over all nodes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct GraphEdge {
    #[schema(value_type = String)]
    pub app: AppName,
    /// The slice that calls, or `others` where there are very many; absent: requests from outside,
    /// of the front door and of operators.
    #[serde(default)]
    pub caller: Option<String>,
    /// The slice that is called.
    pub callee: String,
    /// The blueprint's revision that the callee runs with.
    pub version: u64,
    pub function: String,
    /// Calls that ended, since the nodes started.
    pub calls: u64,
    /// Those of them that failed: technically, or with an answer of 500 or above.
    pub failures: u64,
    /// Now, as a mean of the last seconds.
    pub calls_per_second: f64,
    pub failures_per_second: f64,
    /// Time of the instance in microseconds, in half, 90 and 99 of a hundred calls; absent where
    /// none was timed. Exact to an eighth.
    #[serde(default)]
    pub p50_us: Option<u64>,
    #[serde(default)]
    pub p90_us: Option<u64>,
    #[serde(default)]
    pub p99_us: Option<u64>,
    /// Calls that were timed, by the longest time in microseconds that their bucket holds.
    #[serde(default)]
    pub latencies: BTreeMap<u64, u64>,
}
