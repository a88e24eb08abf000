//! Linearizable reads from any node.

use super::net::{Net, id};
use crate::*;
use std::collections::VecDeque;

fn count(net: &Net, what: &str) -> usize {
    net.trace.iter().filter(|line| line.contains(what)).count()
}

#[test]
fn every_node_reads_what_was_acknowledged() {
    let mut net = Net::new(1, 3, 0);
    let leader = net.elect();
    for node in 1..=3 {
        net.propose(leader).unwrap();
        net.tick();
        for _ in 0..10 {
            net.read(node).unwrap();
        }
        net.ticks(3);
    }
    assert_eq!(count(&net, ": read "), 30);
}

#[test]
fn a_read_waits_for_a_leader_and_survives_its_loss() {
    let mut net = Net::new(2, 3, 0);
    net.read(1).unwrap();
    let old = net.elect();
    assert_eq!(count(&net, ": read "), 1);
    let reader = if old == 1 { 2 } else { 1 };
    net.crash(old);
    net.read(reader).unwrap();
    net.elect();
    net.ticks(10);
    assert_eq!(count(&net, ": read "), 2);
}

#[test]
fn a_minority_refuses_to_read() {
    let mut net = Net::new(3, 3, 0);
    let leader = net.elect();
    net.cut_off.insert(id(leader));
    net.read(leader).unwrap();
    net.ticks(150);
    assert_eq!(count(&net, ": read "), 0);
    assert_eq!(count(&net, "no leader confirmed the read in time, no leader is known"), 1);
    assert_eq!(net.status(leader).reads_waiting, 0);
}

#[test]
fn reads_are_bounded() {
    let mut net = Net::new(4, 3, 0);
    let group = net.group(1);
    for id in 0..READS_MAX as u128 {
        group.read_index(ReadId(id)).unwrap();
    }
    assert_eq!(group.read_index(ReadId(1 << 64)), Err(Refusal::ReadsExhausted));
}

/// Time passes for all but one node, which is stopped; what is for it waits at its door.
fn tick_without(net: &mut Net, stopped: u64, door: &mut VecDeque<Message>) {
    for node in (1..=3).filter(|node| *node != stopped) {
        net.with(node, Group::tick);
    }
    while let Some(message) = net.wire.pop_front() {
        match message.to == id(stopped) {
            true => door.push_back(message),
            false => net.with(message.to.0, |group| group.on_message(message)),
        }
    }
}

/// The first message at the door that is such a one arrives.
fn arrives(net: &mut Net, door: &mut VecDeque<Message>, is: impl Fn(&Message) -> bool) {
    let place = door.iter().position(is).unwrap();
    let message = door.remove(place).unwrap();
    net.with(message.to.0, |group| group.on_message(message));
}

/// The old leader asks both others for the read of one of them, and is stopped before it hears of
/// them. There is another leader, which writes what the old one misses. When it goes on, one answer
/// confirms the asker's read, a client reads, and then come the question again and the other answer
/// to the first.
fn late_answers_confirm_nothing_later(comes_again: impl Fn(&mut VecDeque<Message>, Message)) {
    let mut net = Net::new(5, 3, 0);
    let old = net.elect();
    let [asker, other] = [1, 2, 3].into_iter().filter(|node| *node != old).collect::<Vec<_>>()[..]
    else {
        panic!("there are three");
    };
    net.read(asker).unwrap();
    let question = net.wire.pop_front().unwrap();
    net.with(old, |group| group.on_message(question.clone()));
    let mut door = VecDeque::new();
    for _ in 0..100 {
        tick_without(&mut net, old, &mut door);
        if let Some(leader) = net.leader().filter(|leader| *leader != old) {
            let _ = net.propose(leader);
        }
    }
    comes_again(&mut door, question);
    let is_answer = |from: u64| {
        move |message: &Message| {
            let is = matches!(message.body, Body::HeartbeatAnswer { read: Some(_), .. });
            is && message.from == id(from)
        }
    };
    arrives(&mut net, &mut door, is_answer(asker));
    net.read(old).unwrap();
    arrives(&mut net, &mut door, |message| matches!(message.body, Body::Read { .. }));
    arrives(&mut net, &mut door, is_answer(other));
    assert_eq!(count(&net, &format!("{old}: read ")), 0, "it knows nothing of what was written");
}

#[test]
fn late_answers_to_one_question_confirm_no_later_read() {
    late_answers_confirm_nothing_later(|_, _| {});
}

#[test]
fn late_answers_to_a_question_that_the_network_doubles_confirm_no_later_read() {
    late_answers_confirm_nothing_later(|door, question| {
        door.retain(|message| !matches!(message.body, Body::Read { .. }));
        door.push_back(question);
    });
}
