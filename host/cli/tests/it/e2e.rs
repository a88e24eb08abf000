//! The end-to-end suite: what a cluster promises to those who run applications on it, asked of real
//! processes over their sockets. Knows what a user of a cluster knows.
//!
//! `docs/reference/e2e.md` lists every test with the first sentence above it.

mod bootstrap;
mod chaos;
mod cluster_formation;
mod controller;
mod exposition;
mod graceful_shutdown;
mod management_api;
mod metrics;
mod network_partition;
mod node_failure;
mod reference;
mod rolling_update;
mod slice_deployment;
mod slice_invocation;

use crate::apps::write;
use crate::counts::{metric, metrics};
use crate::node::{Node, wait};
use crate::rollout::{answers, web};
use crate::store::{Store, Written};
use aether_api::{Application, InstanceState, RaftStatus, Status};
use aether_forge::http::Request;
use anyhow::ensure;
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;

/// What the management API of a node answers to a GET.
fn read<T: DeserializeOwned>(node: &Node, path: &str) -> anyhow::Result<T> {
    let answer = node.manage(&Request { path, ..Request::default() })?;
    ensure!(answer.status == 200, "{path}: {} {}", answer.status, answer.body);
    Ok(serde_json::from_str(&answer.body)?)
}

fn raft(node: &Node) -> anyhow::Result<RaftStatus> {
    Ok(read::<Status>(node, "/api/status")?.raft)
}

/// Makes `web` this version with so many instances, and waits until it is.
fn deployed(node: &Node, version: u32, instances: u32) {
    let folder = node.folder("web");
    write(&folder, "web", &[web(version)], &format!("instances = {instances}"));
    node.deployed(&folder);
}

/// How many instances of `web` take calls on each of the nodes, as `seen_by` tells; none while one
/// of them does not, is on another node, or there are not as many as wanted.
fn placed(seen_by: &Node, nodes: &[Node]) -> Option<Vec<usize>> {
    let app: Application = read(seen_by, "/api/apps/web").ok()?;
    let [slice] = &app.slices[..] else { return None };
    let mut placed = vec![0; nodes.len()];
    for instance in &slice.instances {
        let at = nodes.iter().position(|node| node.id == instance.node)?;
        (instance.state == InstanceState::Active).then_some(())?;
        placed[at] += 1;
    }
    let count = u32::try_from(slice.instances.len()).ok()?;
    ([slice.desired, slice.planned, slice.active] == [count; 3]).then_some(placed)
}

/// How many slices of `web` the node has in memory, as it says itself.
fn loaded(node: &Node) -> f64 {
    let text = metrics(node, &node.key).text;
    metric(&text, "aether_slice_loaded", &["app=\"web\""])
}

/// Waits until all tellers say that so many instances of `web` are on each of `nodes`.
fn wait_for_placement(tellers: &[&Node], nodes: &[Node], wanted: &[usize]) {
    for teller in tellers {
        let mut seen = None;
        wait(&format!("{wanted:?} instances on the nodes"), || {
            seen = placed(teller, nodes);
            seen.as_deref() == Some(wanted)
        });
    }
}

/// All but the nodes at these places.
fn others<'a>(nodes: &'a [Node], lost: &[usize]) -> Vec<&'a Node> {
    let stays = |at: &usize| !lost.contains(at);
    (0..nodes.len()).filter(stays).map(|at| &nodes[at]).collect()
}

/// The leader, one of these nodes, and the term on which all of them agree.
fn agreed(nodes: &[&Node]) -> (String, u64) {
    let mut told = None;
    wait("all agree on a leader among them", || {
        let told_by =
            |node: &&Node| raft(node).ok().and_then(|raft| Some((raft.leader?, raft.term)));
        let seen: BTreeSet<_> = nodes.iter().map(told_by).collect();
        let one = if seen.len() == 1 { seen.into_iter().next().flatten() } else { None };
        told = one.filter(|(leader, _)| nodes.iter().any(|node| node.id == *leader));
        told.is_some()
    });
    told.unwrap()
}

fn is_writable(node: &Node) -> bool {
    read::<Status>(node, "/api/status").is_ok_and(|status| status.cluster.writable)
}

/// Whether the node cannot write, and says whom it misses: from then on it refuses at once.
fn lacks_majority(node: &Node) -> bool {
    read::<Status>(node, "/api/status").is_ok_and(|Status { cluster, .. }| {
        !cluster.writable && cluster.reason.is_some_and(|it| it.contains("do not answer"))
    })
}

/// A write through each of the places is acknowledged, and read through all of them.
fn check_writes(store: &Store, places: &[usize], what: &str) {
    for by in places {
        let (key, value) = (format!("e2e/{what}/{by}"), format!("{what} by {by}"));
        // While a leader is elected, nobody can write.
        wait(&format!("{key} is acknowledged"), || {
            matches!(store.put(*by, &key, &value, None), Written::At(_))
        });
        check_held(store, places, &key, Some(&value));
    }
}

/// What all of the places read under the key.
fn check_held(store: &Store, places: &[usize], key: &str, value: Option<&str>) {
    for at in places {
        let mut held = None;
        wait(&format!("{key} is read through {at}"), || {
            held = store.get(*at, key);
            held.is_some()
        });
        let held = held.flatten().map(|(value, _)| value);
        assert_eq!(held.as_deref(), value, "{key}, read through {at}");
    }
}

/// Waits until each of the nodes sees exactly these as unreachable.
fn wait_for_loss(tellers: &[&Node], lost: &[&str]) {
    for teller in tellers {
        wait(&format!("{lost:?} are out of reach"), || {
            teller.members().is_ok_and(|members| {
                let silent = members.iter().filter(|member| !member.reachable);
                let silent: BTreeSet<&str> = silent.map(|member| member.id.as_str()).collect();
                silent == lost.iter().copied().collect()
            })
        });
    }
}

/// Each of the nodes answers requests with what the version of `web` returns.
fn check_answers(nodes: &[&Node], version: u32) {
    for node in nodes {
        assert_eq!(answers(node, 5), format!("5 x 200 {version}"), "{}", node.id);
    }
}

/// A cluster with an instance of `web`, version 1, on each node, and its store.
fn serving<const N: usize>(nodes: [Node; N]) -> ([Node; N], Store) {
    deployed(&nodes[0], 1, N as u32);
    let all = others(&nodes, &[]);
    wait_for_placement(&all, &nodes, &[1; N]);
    all.iter().for_each(|node| node.wait_for("/web", 200));
    let store = Store::of(&nodes);
    (nodes, store)
}
