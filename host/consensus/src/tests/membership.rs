//! Changes of the members.

use expect_test::{Expect, expect};

use super::net::{CHANGES, Net, id, show};
use crate::*;

fn change(net: &mut Net, leader: u64, steps: &[Change]) -> Result<(), Refusal> {
    let change = MembershipChange(steps.to_vec());
    net.with(leader, |group| group.propose_membership(CHANGES, change))
}

#[test]
fn a_group_grows_from_one_to_three_and_shrinks_again() {
    let mut net = Net::new(1, 1, 2);
    for _ in 0..30 {
        net.propose(1).unwrap();
    }
    let mut seen = Vec::new();
    let changes: [&[Change]; 4] = [
        &[Change::Learner(id(2)), Change::Learner(id(3))],
        &[Change::Voter(id(2)), Change::Voter(id(3))],
        &[Change::Learner(id(3))],
        &[Change::Remove(id(2)), Change::Remove(id(3))],
    ];
    for steps in changes {
        change(&mut net, 1, steps).unwrap();
        net.ticks(10);
        seen.push(show(&net.status(1).membership));
        if net.status(1).membership.contains(id(3)) {
            assert_eq!(net.nodes[&id(3)].machine, net.nodes[&id(1)].machine);
        }
    }
    expect![[r#"
        voters 1 learners 2 3
        voters 1 2 3
        voters 1 2 learners 3
        voters 1"#]]
    .assert_eq(&seen.join("\n"));
    net.crash(2);
    net.crash(3);
    net.propose(1).unwrap();
    net.tick();
    assert_eq!(net.acknowledged.len(), 31);
    net.crash(1);
    net.start(1);
    assert_eq!(net.nodes[&id(1)].machine.len(), 31);
}

#[test]
fn a_promoted_voter_can_take_over() {
    let mut net = Net::new(2, 1, 2);
    change(&mut net, 1, &[Change::Voter(id(2)), Change::Voter(id(3))]).unwrap();
    net.ticks(10);
    net.propose(1).unwrap();
    net.ticks(3);
    net.crash(1);
    let new = net.elect();
    net.propose(new).unwrap();
    net.ticks(3);
    assert_eq!(net.acknowledged.len(), 2);
}

#[test]
fn a_leader_that_finds_its_own_removal_in_its_log_leaves_office() {
    let mut net = Net::new(4, 3, 0);
    let old = net.elect();
    let (removed, other) = (1 + old % 3, 1 + (old + 1) % 3);
    net.cut_off.insert(id(other));
    change(&mut net, old, &[Change::Remove(id(removed))]).unwrap();
    // Its last words are on the wire.
    net.crash(old);
    net.tick();
    net.cut_off.clear();
    net.tick_until("the removal", |net| !net.status(other).membership.contains(id(removed)));
    assert_ne!(net.leader(), Some(removed));
    net.start(old);
    let new = net.elect();
    assert_ne!(new, removed);
    net.propose(new).unwrap();
    net.ticks(3);
    assert_eq!(net.acknowledged.len(), 1);
}

#[test]
fn impossible_changes_are_refused() {
    let mut net = Net::new(3, 3, 0);
    let leader = net.elect();
    let check = |net: &mut Net, steps: &[Change], expected: Expect| {
        let refused = change(net, leader, steps).unwrap_err();
        expected.assert_eq(&format!("{}: {refused}", refused.kind()));
    };
    let all = [1, 2, 3].map(|node| Change::Remove(id(node)));
    check(&mut net, &[], expect!["invalid: the change names no node"]);
    check(&mut net, &all, expect!["invalid: the leader has to hand over first"]);
    check(&mut net, &[Change::Voter(id(0))], expect!["invalid: a node id is not 0"]);
    check(
        &mut net,
        &[4, 5, 6, 7, 8].map(|node| Change::Voter(id(node))),
        expect!["invalid: a group has 1 to 7 voters, not 8"],
    );
    change(&mut net, leader, &[Change::Learner(id(4))]).unwrap();
    check(
        &mut net,
        &[Change::Learner(id(5))],
        expect!["unavailable: a change of members is under way"],
    );
}
