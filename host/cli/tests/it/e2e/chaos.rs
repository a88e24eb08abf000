//! Faults drawn from a seed, over writes that never stop: what was acknowledged is there, and who
//! was left alone has answered. Knows no fault by its meaning.

use super::{
    agreed, check_answers, check_held, lacks_majority, others, raft, read, serving,
    wait_for_placement,
};
use crate::faults::{Log, StopAtEnd};
use crate::node::{At, Node, cluster, leader, sandboxed, wait, wait_for_voters};
use crate::partition::{cut, heal};
use crate::store::Written;
use aether_api::{Entries, RaftRole};
use std::collections::BTreeSet;
use std::time::Duration;

/// Draws the same numbers from the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, count: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) as usize % count
    }

    /// So many different places of five nodes.
    fn places(&mut self, count: usize) -> Vec<usize> {
        let mut all: Vec<usize> = (0..5).collect();
        (0..count).map(|_| all.remove(self.below(all.len()))).collect()
    }
}

/// Acts while a client of each node writes, then waits until all is well, and checks that each
/// write that was acknowledged is on every node, and that every node serves.
fn under_writes(nodes: [Node; 5], act: impl FnOnce(&mut [Node; 5], &Log)) {
    let (mut nodes, store) = serving(nodes);
    let log = Log { pace: Duration::from_millis(40), ..Log::default() };
    std::thread::scope(|scope| {
        for at in 0..5 {
            let (store, log) = (&store, &log);
            scope.spawn(move || log.write(store, at));
        }
        let _stop = StopAtEnd(&log.stop);
        log.wait_for_more(20);
        act(&mut nodes, &log);
        log.wait_for_more(20);
    });
    wait_for_voters(&nodes, 5);
    let all = others(&nodes, &[]);
    agreed(&all);
    log.check(&store, 0);
    let written = log.acknowledged.lock().unwrap();
    for node in &all {
        wait("it has every key that was acknowledged", || {
            let keys = keys(node);
            written.iter().all(|key| keys.contains(key))
        });
    }
    wait_for_placement(&all, &nodes, &[1; 5]);
    all.iter().for_each(|node| node.wait_for("/web", 200));
    check_answers(&all, 1);
}

/// The keys of the clients, as this node has them.
fn keys(node: &Node) -> BTreeSet<String> {
    let (mut keys, mut after) = (BTreeSet::new(), String::new());
    loop {
        let path = format!("/api/kv?prefix=log/&stale=true&after={after}");
        let Ok(page) = read::<Entries>(node, &path) else { return keys };
        keys.extend(page.entries.iter().map(|entry| entry.key.clone()));
        match page.entries.last() {
            Some(last) if page.more => after = last.key.clone(),
            _ => return keys,
        }
    }
}

/// Four times one or two of five nodes are killed at random and come back: the others go on
/// answering and writing, and no acknowledged write is lost.
#[test]
fn random_node_kills_recovers() {
    let mut dice = Dice(0x5eed);
    under_writes(cluster::<5>(), |nodes, log| {
        for _ in 0..4 {
            let count = 1 + dice.below(2);
            let lost = dice.places(count);
            lost.iter().for_each(|at| nodes[*at].kill());
            check_answers(&others(nodes, &lost), 1);
            log.wait_for_more(20);
            lost.iter().for_each(|at| nodes[*at].again(At::Same));
        }
    });
}

/// Ten times a random one of five nodes is killed and started at once: each comes back as itself,
/// and no acknowledged write is lost.
#[test]
fn rapid_kill_restart() {
    let mut dice = Dice(0xfa57);
    under_writes(cluster::<5>(), |nodes, log| {
        for _ in 0..10 {
            let at = dice.below(5);
            let id = nodes[at].id.clone();
            nodes[at].kill();
            nodes[at].again(At::Same);
            assert_eq!(nodes[at].id, id);
            log.wait_for_more(1);
        }
    });
}

/// What befalls a node in `concurrent_chaos`.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Killed,
    CutOff,
    Suspended,
}

fn befall(nodes: &mut [Node; 5], at: usize, fate: Fate) {
    match fate {
        Fate::Killed => nodes[at].kill(),
        Fate::CutOff => {
            let names = others(nodes, &[at]);
            cut(&nodes[at], &names.iter().map(|node| node.id.as_str()).collect::<Vec<_>>());
        }
        Fate::Suspended => nodes[at].suspend().unwrap(),
    }
}

fn recover(nodes: &mut [Node; 5], at: usize, fate: Fate) {
    match fate {
        Fate::Killed => nodes[at].again(At::Same),
        Fate::CutOff => heal(&nodes[at]),
        Fate::Suspended => nodes[at].resume().unwrap(),
    }
}

/// Five times two random nodes are killed, cut off or suspended at the same time: the three others
/// go on answering and writing, and no acknowledged write is lost.
#[test]
fn concurrent_chaos() {
    const FATES: [Fate; 3] = [Fate::Killed, Fate::CutOff, Fate::Suspended];
    let mut dice = Dice(0xc4a05);
    under_writes(sandboxed::<5>(), |nodes, log| {
        for _ in 0..5 {
            let struck = dice.places(2).into_iter().map(|at| (at, FATES[dice.below(3)]));
            let struck: Vec<(usize, Fate)> = struck.collect();
            struck.iter().for_each(|(at, fate)| befall(nodes, *at, *fate));
            let places: Vec<usize> = struck.iter().map(|(at, _)| *at).collect();
            check_answers(&others(nodes, &places), 1);
            log.wait_for_more(10);
            struck.iter().for_each(|(at, fate)| recover(nodes, *at, *fate));
        }
    });
}

/// Three leaders are killed one after the other: each time the others agree on another one in a
/// later term and go on writing, and no acknowledged write is lost.
#[test]
fn leader_kill_spree() {
    under_writes(cluster::<5>(), |nodes, log| {
        for _ in 0..3 {
            let (old, term) = agreed(&others(nodes, &[]));
            let lead = nodes.iter().position(|node| node.id == old).unwrap();
            nodes[lead].kill();
            let (new, later) = agreed(&others(nodes, &[lead]));
            assert!(new != old && later > term, "{old} in {term}, {new} in {later}");
            log.wait_for_more(20);
            nodes[lead].again(At::Same);
            wait_for_voters(nodes.iter(), 5);
        }
    });
}

/// Five nodes are cut in two, with the leader on the side of two: that side has no leader and
/// refuses writes, the other elects and writes; healed, all agree, and what was refused is nowhere.
#[test]
fn split_brain_recovery() {
    let (nodes, store) = serving(sandboxed::<5>());
    let lead = leader(&nodes);
    let small = [lead, (lead + 1) % 5];
    let large: Vec<usize> = (0..5).filter(|at| !small.contains(at)).collect();
    let names: Vec<&str> = large.iter().map(|at| nodes[*at].id.as_str()).collect();
    let (_, term) = agreed(&others(&nodes, &[]));
    small.iter().for_each(|at| cut(&nodes[*at], &names));
    for at in small {
        wait("the small side cannot write", || lacks_majority(&nodes[at]));
        wait("the small side does not lead", || {
            raft(&nodes[at]).is_ok_and(|raft| raft.role != RaftRole::Leader)
        });
        assert_eq!(store.put(at, "e2e/refused", "1", None), Written::Failed);
    }
    let (_, later) = agreed(&others(&nodes, &small));
    assert!(later > term);
    super::check_writes(&store, &large, "large-side");
    check_answers(&others(&nodes, &[]), 1);
    small.iter().for_each(|at| heal(&nodes[*at]));
    wait_for_voters(&nodes, 5);
    agreed(&others(&nodes, &[]));
    check_held(&store, &[0, 1, 2, 3, 4], "e2e/refused", None);
    for by in large {
        let (key, value) = (format!("e2e/large-side/{by}"), format!("large-side by {by}"));
        check_held(&store, &small, &key, Some(&value));
    }
    super::check_writes(&store, &[0, 1, 2, 3, 4], "healed");
}
