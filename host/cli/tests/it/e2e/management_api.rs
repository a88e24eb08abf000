//! What every node tells and takes over its management API. Knows no command.

use super::exposition::numbers;
use super::{check_answers, others, read, serving};
use crate::http;
use crate::node::{Node, cluster, leader, wait};
use aether_api::{Application, Health, InstanceState, Nodes, Phase, RaftRole, Slices, Status};
use std::collections::BTreeSet;
use std::sync::LazyLock;

/// Three nodes with an instance of `web` on each, for all tests of the class: none of them changes
/// what another one looks at.
static NODES: LazyLock<[Node; 3]> = LazyLock::new(|| serving(cluster::<3>()).0);

/// Whether a node is live and ready is told without a key, with reasons where it is not; what needs
/// a key is refused without one.
#[test]
fn health_endpoint_tells_health_fields() {
    for node in &*NODES {
        let live = http::get(node.api, "/health/live").unwrap();
        assert_eq!(live.status, 200, "{}", live.text);
        let ready = http::get(node.api, "/health/ready").unwrap();
        let body = ready.text.split_once("\r\n\r\n").unwrap().1;
        let health: Health = serde_json::from_str(body).unwrap();
        assert_eq!((ready.status, health.ready, health.reasons), (200, true, Vec::new()));
        assert_eq!(http::get(node.api, "/api/status").unwrap().status, 401);
    }
}

/// Every node's status has its own identity and addresses, the cluster, its place in the group, the
/// application with its counts, and tasks without an error.
#[test]
fn status_endpoint_tells_status_fields() {
    let lead = &NODES[leader(&*NODES)].id;
    let mut founded = BTreeSet::new();
    for node in &*NODES {
        let status: Status = read(node, "/api/status").unwrap();
        assert_eq!((&status.node.id, &status.node.version), (&node.id, &version()));
        let doors = (status.node.api.as_str(), status.node.http.as_str());
        assert_eq!(doors, (&*node.api.to_string(), &*node.http.to_string()));
        let cluster = &status.cluster;
        assert!(cluster.nodes == 3 && cluster.writable && cluster.reason.is_none(), "{cluster:?}");
        founded.insert(cluster.id.clone());
        let role = if node.id == *lead { RaftRole::Leader } else { RaftRole::Follower };
        assert_eq!((status.raft.role, status.raft.leader.as_ref()), (role, Some(lead)));
        let [app] = &status.applications[..] else { panic!("{:?}", status.applications) };
        let counts = (app.slices, app.desired, app.active);
        assert_eq!((app.name.as_str(), app.phase, counts), ("web", Phase::Active, (1, 3, 3)));
        let errors: Vec<_> = status.tasks.iter().filter(|task| task.error.is_some()).collect();
        assert!(!status.tasks.is_empty() && errors.is_empty(), "{errors:?}");
    }
    assert_eq!(founded.len(), 1);
}

/// What the program says of itself.
fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}

/// Every node lists exactly the three, with the addresses at which they answer, one leader, and one
/// instance each.
#[test]
fn nodes_endpoint_lists_three_nodes() {
    for node in &*NODES {
        let mut listed = Vec::new();
        wait("it has heard of all", || {
            listed = read::<Nodes>(node, "/api/nodes").unwrap().nodes;
            listed.iter().all(|it| it.reachable && it.memory.resident > 1_000_000)
        });
        let seen: BTreeSet<_> = listed.iter().map(|it| (it.id.clone(), it.http.clone())).collect();
        let there = NODES.iter().map(|it| (it.id.clone(), it.http.to_string())).collect();
        assert_eq!((listed.len(), seen), (3, there));
        let leaders = listed.iter().filter(|it| it.role == Some(RaftRole::Leader)).count();
        let instances: Vec<u32> = listed.iter().map(|it| it.active_instances).collect();
        assert_eq!((leaders, instances), (1, vec![1; 3]));
    }
}

/// Every node lists the one slice with its counts, what it exports, and that it needs nobody.
#[test]
fn slices_endpoint_lists_slices() {
    for node in &*NODES {
        let listed: Slices = read(node, "/api/slices").unwrap();
        let [slice] = &listed.slices[..] else { panic!("{listed:?}") };
        let name = (slice.app.as_str(), slice.artifact.to_string());
        assert_eq!(name, ("web", "t:web:1.0.1".to_owned()));
        assert_eq!([slice.desired, slice.planned, slice.active], [3; 3]);
        assert_eq!(slice.exports, ["t:web/api@1.0.0"]);
        assert!(slice.dependencies.is_empty() && slice.reasons.is_empty(), "{slice:?}");
    }
}

/// Every node's numbers are in Prometheus' format by the letter, are refused without a key, and
/// have what the status says of the group.
#[test]
fn prometheus_endpoint_tells_numbers() {
    for node in &*NODES {
        assert_eq!(http::get(node.api, "/metrics").unwrap().status, 401);
        let numbers = numbers(node);
        let status: Status = read(node, "/api/status").unwrap();
        assert_eq!(numbers["aether_raft_term"], status.raft.term as f64);
        let leads = f64::from(u8::from(status.raft.role == RaftRole::Leader));
        assert_eq!(numbers["aether_raft_is_leader"], leads);
        assert!(numbers["aether_raft_applied_index"] <= status.raft.applied_index as f64);
    }
}

/// The status of an application tells each instance with its node and state, the same on every
/// node, and what is told takes requests.
#[test]
fn slices_status_tells_instances() {
    let told = |node: &Node| read::<Application>(node, "/api/apps/web").unwrap();
    let first = told(&NODES[0]);
    let [slice] = &first.slices[..] else { panic!("{first:?}") };
    let on: BTreeSet<&str> = slice.instances.iter().map(|it| it.node.as_str()).collect();
    assert_eq!(on, NODES.iter().map(|node| node.id.as_str()).collect());
    let active = slice.instances.iter().filter(|it| it.state == InstanceState::Active);
    assert_eq!((active.count(), slice.instances.len()), (3, 3));
    for node in &*NODES {
        wait("all tell the same", || told(node) == first);
    }
    check_answers(&others(&*NODES, &[]), 1);
}
