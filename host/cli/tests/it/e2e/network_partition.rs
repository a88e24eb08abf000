//! Links between nodes are cut, and healed; the nodes themselves are well. Knows no node that ends.

use super::{
    agreed, check_answers, check_held, check_writes, is_writable, lacks_majority, loaded, others,
    raft, serving, wait_for_placement,
};
use crate::http;
use crate::node::{Node, leader, sandboxed, wait, wait_for_voters};
use crate::partition::{cut, heal};
use crate::store::Written;
use crate::update::load::Load;
use aether_api::RaftRole;

/// Cuts a node off from all others.
fn cut_off(nodes: &[Node], at: usize) {
    let names: Vec<&str> = others(nodes, &[at]).iter().map(|node| node.id.as_str()).collect();
    cut(&nodes[at], &names);
}

/// One of three nodes is cut off: the two others go on writing and serving, the one refuses writes
/// and serves what it has.
#[test]
fn majority_continues() {
    let (nodes, store) = serving(sandboxed::<3>());
    let lost = (leader(&nodes) + 1) % 3;
    cut_off(&nodes, lost);
    wait("the minority knows that it is one", || lacks_majority(&nodes[lost]));
    let places: Vec<usize> = (0..3).filter(|at| *at != lost).collect();
    check_writes(&store, &places, "majority");
    assert_eq!(store.put(lost, "e2e/refused", "1", None), Written::Failed);
    check_held(&store, &places, "e2e/refused", None);
    check_answers(&others(&nodes, &[]), 1);
}

/// All links of three nodes are cut: each says that it has no majority and names the nodes that it
/// misses, none leads, writes are refused, and each serves what it has.
#[test]
fn lost_quorum_detected() {
    let (nodes, store) = serving(sandboxed::<3>());
    (0..2).for_each(|at| cut_off(&nodes, at));
    wait("nobody can write", || nodes.iter().all(lacks_majority));
    for (at, node) in nodes.iter().enumerate() {
        assert_eq!(store.put(at, "e2e/refused", "1", None), Written::Failed);
        let refused = node.aether(&["kv", "put", "e2e/refused", "1"]);
        assert_eq!(refused.exit, 6, "{}", refused.text);
        let misses = others(&nodes, &[at]);
        let named = misses.iter().all(|other| refused.text.contains(&other.id));
        assert!(named && refused.text.contains("no-majority"), "{}", refused.text);
        wait("nobody leads", || raft(node).unwrap().role != RaftRole::Leader);
        let health = http::get(node.api, "/health/live").unwrap();
        assert_eq!(health.status, 200);
    }
    check_answers(&others(&nodes, &[]), 1);
}

/// A leader that is cut off refuses writes while the others elect and write; healed, it follows,
/// reads what they wrote, and what it refused is not there.
#[test]
fn healing_reconverges() {
    let (nodes, store) = serving(sandboxed::<3>());
    let lead = leader(&nodes);
    check_writes(&store, &[lead], "before");
    let (old, term) = agreed(&others(&nodes, &[]));
    cut_off(&nodes, lead);
    wait("the minority knows that it is one", || lacks_majority(&nodes[lead]));
    assert_eq!(store.put(lead, "e2e/refused", "1", None), Written::Failed);
    let (new, later) = agreed(&others(&nodes, &[lead]));
    assert!(new != old && later > term, "{old} in {term}, {new} in {later}");
    let places: Vec<usize> = (0..3).filter(|at| *at != lead).collect();
    check_writes(&store, &places, "during");
    heal(&nodes[lead]);
    wait_for_voters(&nodes, 3);
    wait("the minority is none any more", || is_writable(&nodes[lead]));
    agreed(&others(&nodes, &[]));
    check_held(&store, &[0, 1, 2], "e2e/refused", None);
    for (what, by) in [("before", lead), ("during", places[0]), ("during", places[1])] {
        check_held(&store, &[lead], &format!("e2e/{what}/{by}"), Some(&format!("{what} by {by}")));
    }
    check_writes(&store, &[0, 1, 2], "healed");
}

/// The quorum is lost and found three times: no request to any node fails, and each keeps its one
/// instance.
#[test]
fn quorum_transitions_keep_slice() {
    let (nodes, store) = serving(sandboxed::<3>());
    let loads: Vec<Load> = nodes.iter().map(|node| Load::start(1, node.http, "/web")).collect();
    for round in 0..3 {
        (0..2).for_each(|at| cut_off(&nodes, at));
        wait("nobody can write", || nodes.iter().all(lacks_majority));
        (0..2).for_each(|at| heal(&nodes[at]));
        wait_for_voters(&nodes, 3);
        check_writes(&store, &[0, 1, 2], &format!("round-{round}"));
    }
    let failed: Vec<String> = loads.into_iter().flat_map(Load::stop).collect();
    assert!(failed.is_empty(), "{} failed, such as {}", failed.len(), failed[0]);
    wait_for_placement(&others(&nodes, &[]), &nodes, &[1, 1, 1]);
    assert_eq!(nodes.each_ref().map(loaded), [1.0; 3]);
    check_answers(&others(&nodes, &[]), 1);
}
