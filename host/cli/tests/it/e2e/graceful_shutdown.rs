//! Nodes that are asked to stop. Knows no node that is lost.

use super::{
    agreed, check_answers, check_held, check_writes, loaded, others, placed, serving, wait_for_loss,
};
use crate::apps::write;
use crate::counts::{metric, metrics};
use crate::node::{At, Node, cluster, leader, wait, wait_for_voters};
use crate::rollout::web;
use crate::update::load::Load;
use std::sync::atomic::Ordering;

/// A node that is asked to stop says so to both others before its doors close, ends well, and they
/// see it and its links go.
#[test]
fn peers_detect_disconnection() {
    let mut nodes = cluster::<3>();
    let gone = (leader(&nodes) + 1) % 3;
    let links = |node: &Node| metric(&metrics(node, &node.key).text, "aether_link_up", &[]);
    wait("all links are up", || nodes.iter().all(|node| links(node) == 6.0));
    let id = nodes[gone].id.clone();
    nodes[gone].ask_to_stop().unwrap();
    for node in others(&nodes, &[gone]) {
        wait("it is told that it goes", || {
            let members = node.members().unwrap_or_default();
            members.iter().any(|it| it.id == id && it.state == "SHUTTING_DOWN")
        });
    }
    assert!(nodes[gone].wait().unwrap().success());
    let left = others(&nodes, &[gone]);
    wait_for_loss(&left, &[&id]);
    wait("its links are down", || left.iter().all(|node| links(node) == 3.0));
}

/// While one of three nodes stops and after it, requests to the others do not fail, and they
/// acknowledge writes.
#[test]
fn cluster_functional_after_shutdown() {
    let (mut nodes, store) = serving(cluster::<3>());
    let gone = (leader(&nodes) + 2) % 3;
    let places: Vec<usize> = (0..3).filter(|at| *at != gone).collect();
    let loads: Vec<Load> =
        places.iter().map(|at| Load::start(1, nodes[*at].http, "/web")).collect();
    assert!(nodes[gone].stop().unwrap().success());
    check_writes(&store, &places, "without-one");
    for load in &loads {
        let wanted = load.asked.load(Ordering::Relaxed) + 20;
        wait("clients are answered", || load.asked.load(Ordering::Relaxed) >= wanted);
    }
    let failed: Vec<String> = loads.into_iter().flat_map(Load::stop).collect();
    assert!(failed.is_empty(), "{} failed, such as {}", failed.len(), failed[0]);
    check_answers(&others(&nodes, &[gone]), 1);
}

/// A node stops while three instances are deployed through another one: the deploy succeeds, and
/// all three take calls on the nodes that are left.
#[test]
fn shutdown_during_deployment() {
    let mut nodes = cluster::<3>();
    let (by, gone) = (leader(&nodes), (leader(&nodes) + 1) % 3);
    let folder = nodes[by].folder("web");
    write(&folder, "web", &[web(1)], "instances = 3");
    let mut deploy = nodes[by].command(&["deploy", folder.to_str().unwrap()]);
    let mut deploy = deploy
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    nodes[gone].ask_to_stop().unwrap();
    assert!(nodes[gone].wait().unwrap().success());
    assert!(deploy.wait().unwrap().success());
    let left = others(&nodes, &[gone]);
    for node in &left {
        wait("three instances are on the two", || {
            placed(node, &nodes).is_some_and(|at| at[gone] == 0 && at.iter().sum::<usize>() == 3)
        });
        node.wait_for("/web", 200);
    }
    assert_eq!(left.iter().map(|node| loaded(node)).sum::<f64>(), 3.0);
    check_answers(&left, 1);
}

/// A leader that is asked to stop gives its place to another one in a later term; what was
/// acknowledged is there, and it comes back as itself and follows.
#[test]
fn leader_shutdown_elects_new_leader() {
    let (mut nodes, store) = serving(cluster::<3>());
    let lead = leader(&nodes);
    check_writes(&store, &[lead], "before");
    let (old, term) = agreed(&others(&nodes, &[]));
    assert!(nodes[lead].stop().unwrap().success());
    let (new, later) = agreed(&others(&nodes, &[lead]));
    assert!(new != old && later > term, "{old} in {term}, {new} in {later}");
    let places: Vec<usize> = (0..3).filter(|at| *at != lead).collect();
    check_writes(&store, &places, "after");
    nodes[lead].again(At::Same);
    store.moved(&nodes);
    wait_for_voters(&nodes, 3);
    assert_eq!(nodes[lead].id, old);
    agreed(&others(&nodes, &[]));
    let key = format!("e2e/before/{lead}");
    check_held(&store, &[0, 1, 2], &key, Some(&format!("before by {lead}")));
}
