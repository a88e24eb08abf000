//! A node whose disk has no room: it refuses writes with the reason, takes no part in decisions,
//! serves on, and comes back by itself. The kernel makes the disk full: it lets no file grow.

use crate::apps::{web, write};
use crate::node::{Node, cluster_of, leader, wait, wait_for_voters};
use crate::store::{Store, Written};
use std::path::Path;

/// A program in whose place `aether` runs, and which asks for an error instead of a signal where a
/// file may not grow.
fn program(folder: &Path) -> std::path::PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let path = folder.join("aether");
    let script = format!("#!/bin/sh\ntrap '' XFSZ\nexec {} \"$@\"\n", env!("CARGO_BIN_EXE_aether"));
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn acknowledged(store: &Store, at: usize, key: &str, value: &str) -> bool {
    matches!(store.put(at, key, value, None), Written::At(_))
}

/// Fills the node's disk, frees it again, and says which keys were acknowledged meanwhile.
fn fill_and_free(nodes: &[Node; 3], store: &Store, full: usize, round: &str) -> Vec<String> {
    let value = "x".repeat(64 << 10);
    let other = (full + 1) % 3;
    let log = std::fs::read_dir(nodes[full].home.join("data/raft")).unwrap();
    let size = log.map(|file| file.unwrap().metadata().unwrap().len()).max();
    nodes[full].process().limit_files(size).unwrap();
    let mut keys = Vec::new();
    let told = || nodes[full].log().unwrap().matches("the disk is full: writes are").count();
    let before = told();
    // Few names, so that the store does not fill up before the log does.
    let mut turn = 0;
    wait("the disk is full", || {
        let key = format!("{round}/{}", turn % 20);
        turn += 1;
        if acknowledged(store, other, &key, &value) && !keys.contains(&key) {
            keys.push(key);
        }
        told() > before
    });
    // It says why, and so does everybody else.
    let refused = nodes[full].aether(&["kv", "put", "t/no", "1"]);
    assert_ne!(refused.exit, 0, "{}", refused.text);
    assert!(refused.text.contains("disk-full"), "{}", refused.text);
    let reason = |seen_by: usize| {
        let members = nodes[seen_by].members().unwrap_or_default();
        members.into_iter().find(|it| it.id == nodes[full].id).and_then(|it| it.reason)
    };
    wait("others tell of it", || {
        (0..3).all(|at| reason(at).is_some_and(|reason| reason.contains("its disk is full")))
    });
    // The cluster goes on, and so does what the node serves.
    for turn in 0..20 {
        let key = format!("{round}-during/{turn}");
        wait("a write is acknowledged", || acknowledged(store, other, &key, "1"));
        assert_eq!(nodes[full].get("/shop").status, 200);
        keys.push(key);
    }
    nodes[full].process().limit_files(None).unwrap();
    let back = format!("t/{round}-back");
    wait("it takes part again", || nodes[full].aether(&["kv", "put", &back, "1"]).exit == 0);
    wait_for_voters(nodes, 3);
    wait("nobody tells of it any more", || (0..3).all(|at| reason(at).is_none()));
    keys
}

#[test]
fn a_full_disk_stops_one_node_s_writes_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let nodes = cluster_of::<3>(program(folder.path()));
    let app = nodes[0].folder("shop");
    write(&app, "shop", &[web("shop", "/shop")], "instances = 3");
    nodes[0].deployed(&app);
    nodes.iter().for_each(|node| node.wait_for("/shop", 200));
    let store = Store::of(&nodes);
    // First the leader, which others then have to follow no longer; then a follower.
    let first = leader(&nodes);
    let mut keys = fill_and_free(&nodes, &store, first, "leader");
    let follower = (0..3).find(|at| *at != leader(&nodes)).unwrap();
    keys.extend(fill_and_free(&nodes, &store, follower, "follower"));
    for at in [first, follower] {
        for key in &keys {
            let mut held = None;
            wait("a key is read", || {
                held = store.get(at, key);
                held.is_some()
            });
            assert!(held.flatten().is_some(), "{key} was acknowledged");
        }
    }
}
