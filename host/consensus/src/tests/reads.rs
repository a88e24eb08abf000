//! Linearizable reads from any node.

use super::net::{Net, id};
use crate::*;

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
