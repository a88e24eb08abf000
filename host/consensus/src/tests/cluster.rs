//! Three nodes: elections, replication, restarts, catching up.

use aether_types::{LogIndex, NodeId};
use bytes::Bytes;
use expect_test::expect;

use super::net::{Net, id};
use crate::*;

fn others(leader: u64) -> [u64; 2] {
    let mut others = [1, 2, 3].into_iter().filter(|node| *node != leader);
    [others.next().unwrap(), others.next().unwrap()]
}

fn machines_agree(net: &Net) -> bool {
    let mut running = net.nodes.values().filter(|node| node.group.is_some());
    let first = &running.next().unwrap().machine;
    running.all(|node| node.machine == *first)
}

#[test]
fn three_nodes_elect_one_leader_and_apply_the_same() {
    let mut net = Net::new(1, 3, 0);
    let leader = net.elect();
    for _ in 0..3 {
        net.propose(leader).unwrap();
    }
    net.ticks(3);
    assert_eq!(net.acknowledged.len(), 3);
    assert!(machines_agree(&net));
    expect![[r#"
        1: restored 1
        2: restored 1
        3: restored 1
        3: Candidate, follows nobody in term 1
        3: Leader, follows 3 in term 2
        1: Follower, follows 3 in term 2
        2: Follower, follows 3 in term 2
        3: leads in term 2
        3: applied 3 1
        3: applied 4 2
        3: applied 5 3
        1: applied 3 1
        2: applied 3 1
        1: applied 4 2
        2: applied 4 2
        1: applied 5 3
        2: applied 5 3"#]]
    .assert_eq(&net.trace.join("\n"));
}

#[test]
fn a_follower_refuses_and_names_the_leader() {
    let mut net = Net::new(2, 3, 0);
    let refused = net.propose(1).unwrap_err();
    assert_eq!(refused, Refusal::NotLeader { leader: None });
    let leader = net.elect();
    let refused = net.propose(others(leader)[0]).unwrap_err();
    assert_eq!(refused, Refusal::NotLeader { leader: Some(id(leader)) });
}

#[test]
fn a_crashed_leader_is_replaced_and_catches_up_when_it_is_back() {
    let mut net = Net::new(4, 3, 0);
    let old = net.elect();
    net.propose(old).unwrap();
    net.ticks(3);
    net.crash(old);
    let new = net.elect();
    assert_ne!(old, new);
    net.propose(new).unwrap();
    net.start(old);
    net.ticks(10);
    assert_eq!(net.acknowledged.len(), 2);
    assert!(machines_agree(&net) && net.nodes[&id(old)].machine.len() == 2);
    assert_eq!(net.leader(), Some(new), "coming back disturbs nobody");
}

#[test]
fn followers_whose_link_to_the_leader_breaks_do_not_wait_for_its_silence() {
    for seed in 0..20 {
        let mut net = Net::new(seed, 3, 0);
        let old = net.elect();
        net.ticks(3);
        net.crash(old);
        for follower in others(old) {
            net.with(follower, |group| group.on_unreachable(id(old)));
        }
        net.ticks(4);
        let new = net.leader().filter(|new| *new != old);
        assert_eq!(new, others(old).into_iter().min(), "seed {seed}");
    }
}

#[test]
fn one_broken_link_deposes_nobody() {
    let mut net = Net::new(8, 3, 0);
    let leader = net.elect();
    net.with(others(leader)[0], |group| group.on_unreachable(id(leader)));
    net.ticks(20);
    assert_eq!(net.leader(), Some(leader));
}

#[test]
fn a_leader_without_a_majority_acknowledges_nothing_and_steps_down() {
    let mut net = Net::new(5, 3, 0);
    let old = net.elect();
    net.cut_off.insert(id(old));
    let lost = net.propose(old).unwrap();
    net.ticks(25);
    assert_ne!(net.status(old).role, Role::Leader);
    let new = net.elect();
    net.propose(new).unwrap();
    net.cut_off.clear();
    net.tick_until("agreement", |net| machines_agree(net) && net.acknowledged.len() == 1);
    assert!(net.trace.contains(&format!("{old}: lost {} NotApplied", lost.0)));
    assert_eq!(net.status(old).leader, Some(id(new)));
}

#[test]
fn a_node_that_was_away_for_long_gets_a_snapshot() {
    let mut net = Net::new(6, 3, 0);
    let leader = net.elect();
    let away = others(leader)[0];
    net.crash(away);
    for _ in 0..100 {
        net.propose(leader).unwrap();
        net.tick();
    }
    net.start(away);
    net.ticks(10);
    assert!(machines_agree(&net) && net.nodes[&id(away)].machine.len() == 100);
    let restored: Vec<_> =
        net.trace.iter().filter(|line| line.starts_with(&format!("{away}: restored"))).collect();
    assert_eq!(restored.len(), 3, "start, restart and once from the leader: {restored:?}");
    net.crash(away);
    net.start(away);
    net.ticks(10);
    assert!(machines_agree(&net) && net.nodes[&id(away)].machine.len() == 100);
}

#[test]
fn a_lost_snapshot_is_sent_again() {
    let mut net = Net::new(7, 3, 0);
    let leader = net.elect();
    let away = others(leader)[0];
    net.crash(away);
    for _ in 0..60 {
        net.propose(leader).unwrap();
        net.tick();
    }
    // The follower answers a heartbeat, is sent the snapshot, and is gone before it arrives.
    net.start(away);
    net.group(leader).tick();
    net.group(leader).tick();
    let beats = net.group(leader).advance();
    let beat = beats.into_iter().find_map(|effect| match effect {
        Effect::Send(message) if message.to == id(away) => Some(message),
        _ => None,
    });
    net.group(away).on_message(beat.expect("a heartbeat"));
    let answers = net.group(away).advance();
    for answer in answers {
        let Effect::Send(message) = answer else { continue };
        net.group(leader).on_message(message);
    }
    let _lost = net.group(leader).advance();
    net.tick_until("catching up", machines_agree);
}

#[test]
fn leadership_is_handed_over_without_waiting() {
    let mut net = Net::new(8, 3, 0);
    let old = net.elect();
    let new = others(old)[1];
    net.with(old, |group| group.transfer_leader(id(new))).unwrap();
    assert_eq!(net.propose(old), Err(Refusal::HandingOver));
    net.tick();
    assert_eq!(net.leader(), Some(new));
    for nobody in [new, 9] {
        let refused = net.with(new, |group| group.transfer_leader(id(nobody)));
        assert_eq!(refused, Err(Refusal::NoSuccessor { node: NodeId(nobody) }));
    }
}

#[test]
fn what_was_decided_in_another_term_is_refused() {
    let mut net = Net::new(9, 3, 0);
    let leader = net.elect();
    let decided = net.status(leader).term;
    let other = others(leader)[0];
    net.with(leader, |group| group.transfer_leader(id(other))).unwrap();
    net.ticks(2);
    net.with(other, |group| group.transfer_leader(id(leader))).unwrap();
    net.ticks(2);
    assert_eq!(net.leader(), Some(leader), "leads again, but in a later term");
    let now = net.status(leader).term;
    let propose = |group: &mut Group| group.propose(ProposalId(9), Some(decided), Bytes::new());
    assert_eq!(net.with(leader, propose), Err(Refusal::Fenced { decided, now }));
    let propose = |group: &mut Group| group.propose(ProposalId(9), Some(now), Bytes::new());
    assert_eq!(net.with(leader, propose), Ok(()));
}

#[test]
fn a_node_that_was_cut_off_does_not_depose_the_leader() {
    let mut net = Net::new(10, 3, 0);
    let leader = net.elect();
    let term = net.status(leader).term;
    let away = others(leader)[0];
    net.cut_off.insert(id(away));
    net.ticks(200);
    net.cut_off.clear();
    net.ticks(50);
    assert_eq!((net.leader(), net.status(leader).term), (Some(leader), term));
}

#[test]
fn too_much_is_refused() {
    let mut net = Net::new(11, 1, 0);
    let bytes = Bytes::from(vec![0; ENTRY_BYTES_MAX + 1]);
    let refused = net.with(1, |group| group.propose(ProposalId(1), None, bytes));
    assert_eq!(refused, Err(Refusal::TooLarge { bytes: ENTRY_BYTES_MAX + 1 }));

    net.faults.slow_disk = 100;
    let bytes = Bytes::from(vec![0; ENTRY_BYTES_MAX]);
    let propose = |group: &mut Group| group.propose(ProposalId(2), None, bytes.clone());
    let accepted = (0..20).take_while(|_| propose(net.group(1)).is_ok()).count();
    assert_eq!(accepted, 12, "64 MiB of 5 MiB each");
    assert_eq!(net.with(1, propose), Err(Refusal::ProposalsExhausted));
    assert!(net.status(1).applied < LogIndex(10));
}

/// What the others send to one node before it does anything with it.
fn arrive_together(net: &mut Net, node: u64, messages: Vec<Message>) -> Vec<Message> {
    net.wire.clear();
    net.with(node, |group| messages.into_iter().for_each(|message| group.on_message(message)));
    net.wire.iter().cloned().collect()
}

#[test]
fn entries_follow_what_their_message_says() {
    let mut net = Net::new(12, 3, 0);
    let leader = net.elect();
    let [near, far] = others(leader);
    let mut appends = Vec::new();
    for _ in 0..3 {
        net.wire.clear();
        net.propose(leader).unwrap();
        appends.push(net.wire.drain(..).collect::<Vec<_>>());
    }
    let to = |node: u64, of: &[Message]| -> Vec<Message> {
        of.iter().filter(|message| message.to == id(node)).cloned().collect()
    };
    // The first for one of them is lost, so it refuses the last; the other one takes all.
    let refused = arrive_together(&mut net, far, to(far, &appends[2]));
    let taken = arrive_together(&mut net, near, to(near, &appends.concat()));
    // The leader hears both at once: something is committed, of which it tells with no entries, and
    // what was lost has to be sent again.
    let together = [taken, refused].concat();
    for message in arrive_together(&mut net, leader, together) {
        let Body::Append { previous, entries, .. } = message.body else { continue };
        let first = entries.first().map(|entry| entry.position.index.0);
        assert!(first.is_none_or(|first| first == previous.index.0 + 1), "{entries:?}");
    }
    net.ticks(1);
    assert!(machines_agree(&net) && net.acknowledged.len() == 3);
}
