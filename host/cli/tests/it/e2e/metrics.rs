//! Numbers of nodes and calls. Knows one application, `web`.

use super::exposition::{kinds, numbers};
use super::{check_answers, others, serving};
use crate::node::{Node, cluster};
use std::collections::BTreeMap;
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
    let all = || NODES.iter().map(numbers).collect::<Vec<_>>();
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
        check_answers(&others(&*NODES, &[]), 1);
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
