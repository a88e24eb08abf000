//! A graph of calls as the fake cluster has it. Knows nothing of the rest of the cluster.

use crate::*;

/// Requests from outside, and what they call.
pub(super) fn of(app: &str) -> Graph {
    let outside = GraphEdge {
        app: app.parse().expect("it is a name"),
        caller: None,
        callee: "shop:place-order:1.2.0".to_owned(),
        version: 7,
        function: "shop:orders/place@1.0.0#place".to_owned(),
        calls: 1_000,
        failures: 20,
        calls_per_second: 12.5,
        failures_per_second: 0.25,
        p50_us: Some(1_024),
        p90_us: Some(2_048),
        p99_us: Some(20_480),
        latencies: [(1_024, 500), (2_048, 480), (20_480, 20)].into(),
    };
    let inside = GraphEdge {
        caller: Some(outside.callee.clone()),
        callee: "shop:stock:1.0.0".to_owned(),
        function: "shop:stock/take@1.0.0#take".to_owned(),
        failures: 0,
        failures_per_second: 0.0,
        p50_us: None,
        p90_us: None,
        p99_us: None,
        latencies: [].into(),
        ..outside.clone()
    };
    Graph { edges: vec![outside, inside] }
}
