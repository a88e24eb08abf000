//! Nodes that are lost without a word, fewer and more than a majority can spare. Knows no faults of
//! the network.

use super::{
    agreed, check_answers, check_held, check_writes, lacks_majority, others, serving,
    wait_for_loss, wait_for_placement,
};
use crate::apps::{web, write};
use crate::faults::{Log, StopAtEnd, ask, write_each};
use crate::node::{At, cluster, leader, wait, wait_for_voters};
use crate::store::{Store, Written};
use std::sync::RwLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// One of five nodes is killed: the others tell which, answer requests with what the slice
/// returns, and acknowledge writes that all of them read.
#[test]
fn single_node_failure_keeps_quorum() {
    let (mut nodes, store) = serving(cluster::<5>());
    let lost = (leader(&nodes) + 1) % 5;
    nodes[lost].kill();
    let left = others(&nodes, &[lost]);
    check_answers(&left, 1);
    wait_for_loss(&left, &[&nodes[lost].id]);
    let places: Vec<usize> = (0..5).filter(|at| *at != lost).collect();
    check_writes(&store, &places, "one-lost");
}

/// Two of five nodes are killed: the three that are left do all of the same.
#[test]
fn two_node_failures_keep_quorum() {
    let (mut nodes, store) = serving(cluster::<5>());
    let lead = leader(&nodes);
    let lost = [(lead + 1) % 5, (lead + 3) % 5];
    lost.iter().for_each(|at| nodes[*at].kill());
    let left = others(&nodes, &lost);
    check_answers(&left, 1);
    wait_for_loss(&left, &lost.map(|at| nodes[at].id.as_str()));
    let places: Vec<usize> = (0..5).filter(|at| !lost.contains(at)).collect();
    check_writes(&store, &places, "two-lost");
    agreed(&left);
}

/// The leader of five nodes is killed: the others agree on another one in a later term, have what
/// was acknowledged before, and acknowledge more.
#[test]
fn leader_failure_elects_new_leader() {
    let (mut nodes, store) = serving(cluster::<5>());
    let lead = leader(&nodes);
    check_writes(&store, &[lead], "before");
    let (old, term) = agreed(&others(&nodes, &[]));
    nodes[lead].kill();
    let left = others(&nodes, &[lead]);
    let (new, later) = agreed(&left);
    assert!(new != old && later > term, "{old} in {term}, {new} in {later}");
    let places: Vec<usize> = (0..5).filter(|at| *at != lead).collect();
    check_held(&store, &places, &format!("e2e/before/{lead}"), Some(&format!("before by {lead}")));
    check_writes(&store, &places, "after");
    check_answers(&left, 1);
}

/// A node that was killed comes back as itself, votes, has its instance again, and reads what was
/// written while it was away.
#[test]
fn node_recovery_rejoins() {
    let (mut nodes, store) = serving(cluster::<5>());
    let lost = (leader(&nodes) + 2) % 5;
    let id = nodes[lost].id.clone();
    nodes[lost].kill();
    let left = others(&nodes, &[lost]);
    wait_for_loss(&left, &[&id]);
    let places: Vec<usize> = (0..5).filter(|at| *at != lost).collect();
    check_writes(&store, &places, "away");
    nodes[lost].again(At::Same);
    assert_eq!(nodes[lost].id, id);
    store.moved(&nodes);
    wait_for_voters(&nodes, 5);
    let all = others(&nodes, &[]);
    for by in places {
        check_held(&store, &[lost], &format!("e2e/away/{by}"), Some(&format!("away by {by}")));
    }
    wait_for_placement(&all, &nodes, &[1; 5]);
    nodes[lost].wait_for("/web", 200);
    check_answers(&all, 1);
}

/// All nodes are stopped and started again, one after the other: no request fails, every write is
/// acknowledged, and all of them are there.
#[test]
fn rolling_restart_maintains_quorum() {
    let mut nodes = cluster::<3>();
    let folder = nodes[0].folder("shop");
    write(&folder, "shop", &[web("shop", "/shop")], "instances = 3");
    nodes[0].deployed(&folder);
    nodes.iter().for_each(|node| node.wait_for("/shop", 200));
    let fronts = RwLock::new(nodes.each_ref().map(|node| node.http).to_vec());
    let (store, log, asked) = (Store::of(&nodes), Log::default(), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| ask(&fronts, &asked, &log.stop));
        let writing = scope.spawn(|| write_each(&store, &log));
        let more = |count| {
            let wanted = asked.load(Ordering::Relaxed) + count;
            wait("clients are answered", || asked.load(Ordering::Relaxed) >= wanted);
            log.wait_for_more(count / 2);
        };
        let stop = StopAtEnd(&log.stop);
        for at in 0..3 {
            more(20);
            assert!(nodes[at].stop().unwrap().success());
            more(20);
            nodes[at].again(At::Same);
            nodes[at].wait_for("/shop", 200);
            *fronts.write().unwrap() = nodes.iter().map(|node| node.http).collect();
            store.moved(&nodes);
            wait_for_voters(&nodes, 3);
        }
        drop(stop);
        for failed in [asking.join().unwrap(), writing.join().unwrap()] {
            assert!(failed.is_empty(), "{} failed: {failed:?}", failed.len());
        }
    });
    log.check(&store, 0);
}

/// Three of five nodes are killed: the two that are left say so, refuse writes and go on serving;
/// with one more the three write again; what was refused is not there, what was acknowledged is.
#[test]
fn minority_partition_quorum_lost_then_recovered() {
    let (mut nodes, store) = serving(cluster::<5>());
    check_writes(&store, &[0, 4], "before");
    (0..3).for_each(|at| nodes[at].kill());
    let left = others(&nodes, &[0, 1, 2]);
    wait("the minority knows that it is one", || left.iter().all(|node| lacks_majority(node)));
    for at in [3, 4] {
        assert_eq!(store.put(at, "e2e/refused", "1", None), Written::Failed);
        let refused = nodes[at].aether(&["kv", "put", "e2e/refused", "1"]);
        assert!(refused.exit == 6 && refused.text.contains("no-majority"), "{}", refused.text);
    }
    check_answers(&left, 1);
    nodes[1].again(At::Another);
    store.moved(&nodes);
    wait_for_voters([&nodes[1], &nodes[3], &nodes[4]], 3);
    let places = [1, 3, 4];
    check_writes(&store, &places, "after");
    check_held(&store, &places, "e2e/refused", None);
    check_held(&store, &places, "e2e/before/0", Some("before by 0"));
    nodes[1].wait_for("/web", 200);
    check_answers(&others(&nodes, &[0, 2]), 1);
}
