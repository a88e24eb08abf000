//! Numbers of nodes and calls. Knows one application, `web`.

use super::exposition::{kinds, numbers};
use super::{check_answers, others, read, serving};
use crate::node::{Node, cluster, wait};
use crate::update::load::Load;
use aether_api::{Metrics, MetricsHistory, NodeHistory, RequestMetrics};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

/// Three nodes with an instance of `web` on each, for all tests of the class.
static NODES: LazyLock<[Node; 3]> = LazyLock::new(|| serving(cluster::<3>()).0);

/// The text for Prometheus has kind and help for every metric, and each metric of the documents is
/// there under its name.
#[test]
fn prometheus_format_is_valid() {
    let node = &NODES[0];
    let seen = kinds(node);
    let documented = include_str!("../../../../../docs/operators/metrics.md");
    let missing: Vec<&String> =
        seen.keys().filter(|name| !documented.contains(short(name))).collect();
    assert!(seen.len() > 20 && missing.is_empty(), "not in the documents: {missing:?}");
}

/// What the documents say instead of a name: the rest of it, behind that of its area.
fn short(name: &str) -> &str {
    let area = ["aether_node", "aether_engine", "aether_raft", "aether_slice"];
    area.iter().find_map(|area| name.strip_prefix(area)).unwrap_or(name)
}

/// Every node's counters never go back, and after sixty requests to each front door the counters of
/// all nodes have grown by exactly as many calls.
#[test]
fn prometheus_on_all_nodes_counts_calls() {
    let (nodes, _) = serving(cluster::<3>());
    let all = || nodes.iter().map(numbers).collect::<Vec<_>>();
    let calls = |numbers: &[BTreeMap<String, f64>]| {
        let of_web = |name: &&String| {
            name.starts_with("aether_calls_total{") && name.contains("slice=\"t:web:1.0.1\"")
        };
        let each = numbers.iter().flat_map(|it| it.iter().filter(move |(name, _)| of_web(name)));
        each.map(|(_, value)| value).sum::<f64>()
    };
    let mut before = all();
    let first = calls(&before);
    for _ in 0..12 {
        check_answers(&others(&nodes, &[]), 1);
        let after = all();
        for (before, after) in before.iter().zip(&after) {
            for (name, value) in before.iter().filter(|(name, _)| name.contains("_total")) {
                assert!(after[name] >= *value, "{name}: {value}, then {}", after[name]);
            }
        }
        before = after;
    }
    assert_eq!(calls(&before) - first, 180.0);
}

fn told(node: &Node) -> Metrics {
    read(node, "/api/metrics").unwrap()
}

/// While requests come, every node tells their rate and times over all nodes, and none that failed.
#[test]
fn metrics_endpoint_tells_requests() {
    let load = Load::start(2, NODES[0].http, "/web");
    for node in &*NODES {
        let mut seen = None;
        wait("requests are seen", || {
            let requests = told(node).requests;
            seen = Some(requests.clone());
            requests.per_second > 10.0 && requests.p50_us.is_some()
        });
        let RequestMetrics { failures_per_second, p50_us, p99_us, .. } = seen.unwrap();
        assert!(failures_per_second == 0.0 && p50_us <= p99_us, "{p50_us:?} {p99_us:?}");
    }
    assert_eq!(load.stop(), Vec::<String>::new());
}

/// Every node has a measurement of each of the three for each of five seconds in a row.
#[test]
fn metrics_are_sampled_each_second() {
    for node in &*NODES {
        wait("five seconds are measured", || {
            let history: MetricsHistory = read(node, "/api/metrics/history?minutes=1").unwrap();
            let slots = history.slots as usize;
            assert!(history.step_seconds == 1 && slots <= 60, "{slots}");
            let five = |it: &NodeHistory| {
                let column = &it.memory_resident.mean;
                assert_eq!(column.len(), slots);
                column.windows(5).any(|five| five.iter().all(Option::is_some))
            };
            history.nodes.len() == 3 && history.nodes.values().all(five)
        });
    }
}

/// What a node tells of itself is told of it by the others: its uptime, its memory, and its one
/// instance.
#[test]
fn metrics_tell_each_node() {
    for of in &*NODES {
        check_answers(&[of], 1);
        let own = told(of).nodes.remove(&of.id).unwrap();
        for by in &*NODES {
            wait("it is told by another", || {
                told(by).nodes.get(&of.id).is_some_and(|seen| {
                    seen.uptime_seconds >= own.uptime_seconds
                        && seen.instances >= 1
                        && seen.memory.budget == own.memory.budget
                        && seen.memory.committed == own.memory.committed
                        && seen.processors == own.processors
                })
            });
        }
    }
}

/// Each node has the numbers of all, and when one is lost the others have those of the two that are
/// left, and still the lost one's past.
#[test]
fn snapshot_is_received_by_all_nodes() {
    let mut nodes = cluster::<3>();
    let seen = |node: &Node| told(node).nodes.into_keys().collect::<BTreeSet<String>>();
    let ids: BTreeSet<String> = nodes.iter().map(|node| node.id.clone()).collect();
    let past = |node: &Node| {
        let history: MetricsHistory = read(node, "/api/metrics/history?minutes=1").unwrap();
        let measured = |it: &NodeHistory| it.memory_resident.mean.iter().any(Option::is_some);
        let known = history.nodes.into_iter().filter(|(_, it)| measured(it));
        known.map(|(id, _)| id).collect::<BTreeSet<String>>()
    };
    wait("each has all", || nodes.iter().all(|node| seen(node) == ids && past(node) == ids));
    let lost = nodes[1].id.clone();
    nodes[1].kill();
    let mut left = ids.clone();
    left.remove(&lost);
    for node in [&nodes[0], &nodes[2]] {
        wait("the lost one is not there now", || seen(node) == left);
        assert_eq!(past(node), ids);
    }
}
