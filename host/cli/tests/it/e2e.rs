//! The end-to-end suite: what a cluster promises to those who run applications on it, asked of real
//! processes over their sockets. Knows what a user of a cluster knows.
//!
//! `docs/reference/e2e.md` lists every test with the first sentence above it.

mod cluster_formation;
mod exposition;
mod slice_deployment;
mod slice_invocation;

use crate::apps::write;
use crate::counts::{metric, metrics};
use crate::node::{Node, wait};
use crate::rollout::web;
use aether_api::{Application, InstanceState, RaftStatus, Status};
use aether_forge::http::Request;
use anyhow::ensure;
use serde::de::DeserializeOwned;

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
