//! Nodes become one cluster. Knows nothing of slices.

use super::exposition::numbers;
use super::{raft, read};
use crate::http;
use crate::node::{Node, cluster, wait};
use crate::store::{Store, Written};
use aether_api::{NodeState, NodeStatus, Nodes, RaftRole, Status};
use std::collections::BTreeSet;

fn ids(nodes: &[Node]) -> BTreeSet<&str> {
    nodes.iter().map(|node| node.id.as_str()).collect()
}

/// Three nodes elect one leader, all are live and ready, and a write through any of them is read
/// through all of them.
#[test]
fn forms_quorum_and_elects_leader() {
    let nodes = cluster::<3>();
    for node in &nodes {
        wait("it is ready", || http::get(node.api, "/health/ready").unwrap().status == 200);
        assert_eq!(http::get(node.api, "/health/live").unwrap().status, 200);
    }
    let roles = |role| nodes.iter().filter(|node| raft(node).unwrap().role == role).count();
    assert_eq!((roles(RaftRole::Leader), roles(RaftRole::Follower)), (1, 2));
    let store = Store::of(&nodes);
    for by in 0..3 {
        let (key, value) = (format!("e2e/{by}"), format!("by {by}"));
        assert!(matches!(store.put(by, &key, &value, None), Written::At(_)));
        for at in 0..3 {
            let held = store.get(at, &key).flatten().map(|(value, _)| value);
            assert_eq!(held.as_ref(), Some(&value), "written by {by}, read by {at}");
        }
    }
}

/// Every node lists exactly the three, on duty and reachable, and has its three links to each of
/// the two others.
#[test]
fn nodes_visible_to_all_members() {
    let nodes = cluster::<3>();
    for node in &nodes {
        let listed = || read::<Nodes>(node, "/api/nodes").unwrap().nodes;
        let seen = listed();
        let seen: BTreeSet<&str> = seen.iter().map(|node| node.id.as_str()).collect();
        assert_eq!((listed().len(), seen), (3, ids(&nodes)));
        wait("all are well", || {
            let well = |it: &NodeStatus| it.reachable && it.reason.is_none();
            listed().iter().all(|it| well(it) && it.state == NodeState::OnDuty)
        });
        let status: Status = read(node, "/api/status").unwrap();
        assert_eq!((status.cluster.nodes, &status.node.id), (3, &node.id));
        let up = || {
            let links =
                numbers(node).into_iter().filter(|(name, _)| name.starts_with("aether_link_up{"));
            links.map(|(_, up)| up).collect::<Vec<f64>>()
        };
        wait("two peers, three classes", || up() == [1.0; 6]);
    }
}

/// Every node names the same cluster, leader and term, knows its own role in it, and comes to the
/// same revision.
#[test]
fn status_consistent() {
    let nodes = cluster::<3>();
    let store = Store::of(&nodes);
    let Written::At(revision) = store.put(0, "e2e/last", "1", None) else { panic!("no write") };
    let mut told = BTreeSet::new();
    for node in &nodes {
        wait("it has what was written", || raft(node).unwrap().revision >= revision);
        let Status { cluster, raft, .. } = read(node, "/api/status").unwrap();
        assert!(cluster.writable && cluster.reason.is_none(), "{cluster:?}");
        let leads = raft.leader.as_ref() == Some(&node.id);
        assert_eq!(raft.role, if leads { RaftRole::Leader } else { RaftRole::Follower });
        assert!(raft.committed_index >= raft.applied_index, "{raft:?}");
        told.insert((cluster.id, raft.leader.unwrap(), raft.term));
    }
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(ids(&nodes).contains(told.first().unwrap().1.as_str()));
}

/// Every node's numbers are for Prometheus by the letter of its format, say that three nodes vote,
/// and one of the three says that it leads.
#[test]
fn metrics_available() {
    let nodes = cluster::<3>();
    let all = nodes.each_ref().map(numbers);
    for samples in &all {
        assert_eq!((samples["aether_raft_voters"], samples["aether_raft_has_leader"]), (3.0, 1.0));
        assert!(samples["aether_node_resident_bytes"] > 1e6);
    }
    let leading: f64 = all.iter().map(|samples| samples["aether_raft_is_leader"]).sum();
    assert_eq!(leading, 1.0);
}
