//! Nodes that are started once more, one or all of them. Knows what a node keeps on disk by what it
//! does afterwards.

use super::{check_answers, check_held, check_writes, others, read, serving, wait_for_placement};
use crate::apps::{web, write};
use crate::checked_list::{Entry, Scene};
use crate::faults::StopAtEnd;
use crate::node::{At, Node, cluster, leader, wait, wait_for_voters};
use crate::store::Store;
use aether_api::{Application, Status};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, RwLock};

/// A node that is killed and started at another address is the same member with a vote again, and
/// no other one was added.
#[test]
fn node_restart_rejoins() {
    let (mut nodes, store) = serving(cluster::<3>());
    let ids: BTreeSet<String> = nodes.iter().map(|node| node.id.clone()).collect();
    let lost = (leader(&nodes) + 1) % 3;
    let (id, address) = (nodes[lost].id.clone(), nodes[lost].cluster.clone());
    nodes[lost].kill();
    nodes[lost].again(At::Another);
    assert!(nodes[lost].id == id && nodes[lost].cluster != address);
    store.moved(&nodes);
    wait_for_voters(&nodes, 3);
    for node in &nodes {
        let members = node.members().unwrap();
        assert_eq!(members.into_iter().map(|it| it.id).collect::<BTreeSet<_>>(), ids);
    }
    check_writes(&store, &[0, 1, 2], "again");
    nodes[lost].wait_for("/web", 200);
    check_answers(&others(&nodes, &[]), 1);
}

/// A node that has nobody to ask has everything from its own disk: application, revision, store,
/// keys and compiled code.
#[test]
fn node_restart_recovers_state() {
    let mut node = Node::start();
    super::deployed(&node, 1, 2);
    let store = Store::of(std::slice::from_ref(&node));
    check_writes(&store, &[0], "kept");
    let app = |node: &Node| read::<Application>(node, "/api/apps/web").unwrap();
    let before = app(&node);
    let minted = node.json(&["keys", "create", "reader", "--role", "viewer"]).unwrap();
    node.restart();
    store.moved(std::slice::from_ref(&node));
    node.wait_for("/web", 200);
    wait("all is as it was", || app(&node) == before);
    check_answers(&[&node], 1);
    check_held(&store, &[0], "e2e/kept/0", Some("kept by 0"));
    let seen = crate::counts::metrics(&node, minted["secret"].as_str().unwrap());
    assert_eq!(seen.status, 200, "a key is known: {}", seen.text);
    assert_eq!(read::<Status>(&node, "/api/status").unwrap().node.compiled, 0);
}

/// All nodes are asked to stop and started again, one after the other, and say so before: clients
/// that go by a health-checked list and try nothing twice see no failure.
#[test]
fn rolling_restart() {
    let mut nodes = cluster::<3>();
    let folder = nodes[0].folder("shop");
    write(&folder, "shop", &[web("shop", "/shop")], "instances = 3");
    nodes[0].deployed(&folder);
    nodes.iter().for_each(|node| node.wait_for("/shop", 200));
    let scene = Scene {
        list: RwLock::new(nodes.iter().map(Entry::of).collect()),
        answered: AtomicUsize::new(0),
        failed: Mutex::default(),
        stop: AtomicBool::new(false),
    };
    std::thread::scope(|scope| {
        let scene = &scene;
        let stop = StopAtEnd(&scene.stop);
        scope.spawn(|| scene.check_all());
        scope.spawn(|| scene.ask_anew());
        scope.spawn(|| scene.ask_on());
        let more = |count| {
            let wanted = scene.answered.load(Ordering::Relaxed) + count;
            wait("clients are answered", || scene.answered.load(Ordering::Relaxed) >= wanted);
        };
        for at in 0..3 {
            more(50);
            let other = (at + 1) % 3;
            nodes[at].ask_to_stop().unwrap();
            wait("another node says that it goes", || {
                let members = nodes[other].members().unwrap_or_default();
                members.iter().any(|it| it.id == nodes[at].id && it.state == "SHUTTING_DOWN")
            });
            assert!(nodes[at].wait().unwrap().success());
            more(50);
            nodes[at].again(At::Same);
            scene.list.write().unwrap()[at] = Entry::of(&nodes[at]);
            wait("it is on the list again", || scene.is_listed(nodes[at].http));
            wait_for_voters(&nodes, 3);
            let members = nodes[other].members().unwrap();
            let back = members.into_iter().find(|it| it.id == nodes[at].id).unwrap();
            assert_eq!(back.state, "ON_DUTY");
        }
        drop(stop);
    });
    assert_eq!(*scene.failed.lock().unwrap(), Vec::<String>::new());
}

/// Two of three nodes lose power together, then all three: each comes back as itself, in the same
/// cluster, with all that was acknowledged, and serves.
#[test]
fn multiple_node_restarts() {
    let (mut nodes, store) = serving(cluster::<3>());
    let ids = nodes.each_ref().map(|node| node.id.clone());
    let cluster_id = |node: &Node| read::<Status>(node, "/api/status").unwrap().cluster.id;
    let founded = cluster_id(&nodes[0]);
    for (round, lost) in [vec![1, 2], vec![0, 1, 2]].into_iter().enumerate() {
        check_writes(&store, &[0, 1, 2], &format!("round-{round}"));
        lost.iter().for_each(|at| nodes[*at].kill());
        lost.iter().for_each(|at| nodes[*at].again(At::Same));
        store.moved(&nodes);
        wait_for_voters(&nodes, 3);
        assert_eq!(nodes.each_ref().map(|node| node.id.clone()), ids);
        let all = others(&nodes, &[]);
        wait_for_placement(&all, &nodes, &[1, 1, 1]);
        all.iter().for_each(|node| node.wait_for("/web", 200));
        check_answers(&all, 1);
        for by in 0..3 {
            let (key, value) =
                (format!("e2e/round-{round}/{by}"), format!("round-{round} by {by}"));
            check_held(&store, &[0, 1, 2], &key, Some(&value));
        }
        assert!(all.iter().all(|node| cluster_id(node) == founded));
    }
}
