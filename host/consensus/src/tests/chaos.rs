//! Random faults from a seed: nothing acknowledged is ever lost, and when the faults end, everybody
//! agrees.

use proptest::prelude::*;

use super::net::{CALM, CHANGES, Faults, Net, id};
use crate::*;

/// Three voters and one learner through two hundred random steps, then peace.
fn run(seed: u64, faults: Faults) -> Net {
    let mut net = Net::new(seed, 3, 1);
    net.faults = faults;
    for _ in 0..200 {
        step(&mut net);
    }
    net.faults = CALM;
    net.cut_off.clear();
    for node in 1..=4 {
        if net.nodes[&id(node)].group.is_none() {
            net.start(node);
        }
    }
    // An election or a handing over that had begun comes to its end.
    net.ticks(40);
    let leader = net.elect();
    let last = net.propose(leader).unwrap();
    net.tick_until("agreement", |net| {
        let machines = || net.nodes.values().take(3).map(|node| &node.machine);
        net.acknowledged.contains(&last) && machines().all(|m| Some(m) == machines().next())
    });
    net
}

fn step(net: &mut Net) {
    let node = 1 + net.draw(3);
    let runs = net.nodes[&id(node)].group.is_some();
    match net.draw(20) {
        0 if runs => net.crash(node),
        0..4 if !runs => net.start(node),
        1 if net.cut_off.is_empty() => {
            net.cut_off.insert(id(node));
        }
        2 => net.cut_off.clear(),
        3 if runs => net.with(node, Group::campaign),
        4 if runs => {
            let change = MembershipChange(match net.draw(2) {
                0 => vec![Change::Learner(id(4))],
                _ => vec![Change::Remove(id(4))],
            });
            let _ = net.with(node, |group| group.propose_membership(CHANGES, change));
        }
        5 if runs => {
            let to = id(1 + net.draw(3));
            let _ = net.with(node, |group| group.transfer_leader(to));
        }
        6..9 if runs => {
            let _ = net.read(node);
        }
        9..15 => {
            if let Some(leader) = net.leader() {
                let _ = net.propose(leader);
            }
        }
        // Power cut of everything.
        15 => {
            for node in 1..=3 {
                net.crash(node);
                net.start(node);
            }
        }
        _ => {}
    }
    net.tick();
}

fn some_faults() -> impl Strategy<Value = Faults> {
    (0..30u64, 0..20u64, 0..50u64, 0..60u64).prop_map(|(drop, double, shuffle, slow_disk)| Faults {
        drop,
        double,
        shuffle,
        slow_disk,
    })
}

/// Seeds that failed are kept as tests by hand, not in a file.
fn settings() -> ProptestConfig {
    ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(settings())]

    #[test]
    fn nothing_acknowledged_is_lost(seed in 1..u64::MAX, faults in some_faults()) {
        let net = run(seed, faults);
        let machine = &net.nodes[&id(1)].machine;
        for proposal in &net.acknowledged {
            prop_assert!(machine.iter().any(|(_, applied)| applied == proposal), "{proposal:?}");
        }
    }
}

#[test]
fn a_seed_gives_the_same_run_twice() {
    let faults = Faults { drop: 10, double: 10, shuffle: 30, slow_disk: 30 };
    let (one, two, other) = (run(7, faults), run(7, faults), run(8, faults));
    assert_eq!(one.trace, two.trace);
    assert_ne!(one.trace, other.trace);
    assert!(one.acknowledged.len() > 10, "the run does something");
}
