//! What never reaches raft: impossible messages, disks that contradict themselves, other formats.

use aether_types::{
    LogIndex,
    versioned::{self, DecodeError},
};
use bytes::Bytes;
use expect_test::{Expect, expect};

use super::net::{Net, id};
use crate::*;

fn at(index: u64, term: u64) -> Position {
    Position { index: LogIndex(index), term: Term(term) }
}

fn entry(index: u64, term: u64) -> Entry {
    Entry { position: at(index, term), payload: Payload::Empty }
}

fn message(from: u64, to: u64, term: u64, body: Body) -> Message {
    Message { group: GroupId(0), from: id(from), to: id(to), term: Term(term), body }
}

fn append(previous: Position, entries: Vec<Entry>) -> Body {
    Body::Append { previous, commit: LogIndex(0), entries }
}

#[test]
fn impossible_messages_are_counted_and_dropped() {
    let huge = u64::MAX;
    let snapshot = |index, term, voters: &[u64]| {
        let membership = Membership::of_voters(voters.iter().map(|node| id(*node)));
        Body::Snapshot(Snapshot { position: at(index, term), membership, data: Bytes::new() })
    };
    let big = Payload::Command { id: ProposalId(1), bytes: vec![0; ENTRY_BYTES_MAX + 1].into() };
    let heartbeat = |commit| Body::Heartbeat { commit: LogIndex(commit), read: None };
    let bad = [
        Message { group: GroupId(1), ..message(2, 1, 5, heartbeat(0)) },
        message(2, 3, 5, heartbeat(0)),
        message(1, 1, 5, heartbeat(0)),
        message(0, 1, 5, heartbeat(0)),
        message(2, 1, huge, heartbeat(0)),
        message(2, 1, 0, heartbeat(0)),
        message(2, 1, 5, Body::Read { read: ReadId(1) }),
        message(2, 1, 5, heartbeat(huge)),
        message(2, 1, 5, append(at(huge, 5), vec![])),
        message(2, 1, 5, append(at(1, 1), vec![entry(3, 5)])),
        message(2, 1, 5, append(at(1, 1), vec![entry(2, 5), entry(2, 5)])),
        message(2, 1, 5, append(at(1, 1), vec![entry(2, 6)])),
        message(2, 1, 5, append(at(1, 4), vec![entry(2, 3)])),
        // A log that ends before 9 would take them as its continuation.
        message(2, 1, 5, append(at(9, 0), vec![entry(10, 5)])),
        message(2, 1, 5, append(at(0, 1), vec![entry(1, 5)])),
        message(2, 1, 5, append(at(1, 1), vec![Entry { payload: big, ..entry(2, 5) }])),
        message(2, 1, 5, snapshot(0, 1, &[1])),
        message(2, 1, 5, snapshot(50, 6, &[1])),
        message(2, 1, 5, snapshot(50, 5, &[])),
        message(2, 1, 5, snapshot(50, 5, &[2, 3])),
        message(2, 1, 5, Body::Appended { upto: LogIndex(huge), commit: LogIndex(0) }),
        message(2, 1, 5, Body::Vote { last: at(huge, 1), commit: at(0, 0), by_order: true }),
        message(2, 1, 5, Body::ReadAnswer { read: ReadId(1), index: LogIndex(huge) }),
    ];
    for message in bad {
        let mut net = Net::new(1, 3, 0);
        let before = net.status(1);
        let text = format!("{message:?}");
        net.with(1, |group| group.on_message(message));
        let after = net.status(1);
        assert_eq!(Status { messages_dropped: 1, ..before }, after, "{text}");
    }
}

#[test]
fn a_disk_that_forgot_what_it_acknowledged_is_noticed() {
    let mut net = Net::new(1, 3, 0);
    let leader = net.elect();
    let follower = 1 + leader % 3;
    let old = net.nodes[&id(follower)].disk.clone();
    for _ in 0..3 {
        net.propose(leader).unwrap();
        net.ticks(3);
    }
    let (last, had) = (net.status(follower).last, old.entries.last().unwrap().position.index);
    net.crash(follower);
    net.nodes.get_mut(&id(follower)).unwrap().disk = old;
    net.start(follower);
    net.ticks(3);
    let noticed = format!("{follower}: forgot {had} to {last}");
    assert!(net.trace.contains(&noticed), "{noticed}: {:?}", net.trace);
}

#[test]
fn a_leader_drops_what_only_a_leader_says_and_what_it_never_sent() {
    let mut net = Net::new(1, 3, 0);
    let leader = net.elect();
    let Status { term, last, .. } = net.status(leader);
    let other = 1 + leader % 3;
    let upto = LogIndex(last.0 + 1);
    let bodies = [
        append(at(1, 1), vec![]),
        Body::Heartbeat { commit: LogIndex(1), read: None },
        Body::Appended { upto, commit: LogIndex(0) },
    ];
    for (count, body) in (1..).zip(bodies) {
        net.with(leader, |group| group.on_message(message(other, leader, term.0, body)));
        assert_eq!(net.status(leader).messages_dropped, count);
    }
    assert_eq!(net.leader(), Some(leader));
}

#[test]
fn a_joiner_takes_no_entries_before_the_snapshot() {
    let mut net = Net::new(1, 1, 1);
    net.with(2, |group| group.on_message(message(1, 2, 5, append(at(0, 0), vec![entry(1, 5)]))));
    assert_eq!((net.status(2).last, net.status(2).messages_dropped), (LogIndex(0), 1));
}

#[test]
fn a_disk_that_contradicts_itself_is_refused() {
    let founding = Restored::founding([id(1)], Bytes::new());
    let check = |change: fn(&mut Restored), expected: Expect| {
        let mut restored = founding.clone();
        restored.hard_state.term = Term(4);
        change(&mut restored);
        let config = Config::new(GroupId(0), id(1), 1);
        let said = Group::new(config, restored).err().map(|error| match error {
            StartError::Restored(error) => error.to_string(),
            other => other.to_string(),
        });
        expected.assert_eq(&said.unwrap_or_else(|| "starts".into()));
    };
    check(|r| r.entries = vec![entry(2, 2), entry(3, 4)], expect!["starts"]);
    check(|r| r.entries = vec![entry(1, 1), entry(2, 2)], expect!["starts"]);
    check(|r| r.entries = vec![entry(3, 2)], expect!["the log has a gap before index 3"]);
    check(
        |r| r.entries = vec![entry(2, 2), entry(4, 2)],
        expect!["the log has a gap before index 4"],
    );
    check(
        |r| r.entries = vec![entry(2, 3), entry(3, 2)],
        expect!["the term at index 3 contradicts the log before, the snapshot or the vote"],
    );
    check(
        |r| r.entries = vec![entry(2, 5)],
        expect!["the term at index 2 contradicts the log before, the snapshot or the vote"],
    );
    check(
        |r| r.entries = vec![entry(1, 2), entry(2, 2)],
        expect!["the term at index 1 contradicts the log before, the snapshot or the vote"],
    );
    check(|r| r.entries = vec![entry(0, 0)], expect!["the log has a gap before index 0"]);
    check(|r| r.hard_state.commit = LogIndex(2), expect!["the log ends at 1, before 2"]);
    check(
        |r| r.hard_state.term = Term(0),
        expect!["the term at index 1 contradicts the log before, the snapshot or the vote"],
    );
    check(
        |r| r.snapshot.membership = Membership::default(),
        expect!["the snapshot has impossible members"],
    );
}

#[test]
fn settings_are_checked() {
    let check = |change: fn(&mut Config), expected: Expect| {
        let mut config = Config::new(GroupId(0), id(1), 1);
        change(&mut config);
        let error = Group::new(config, Restored::default()).err().expect("refused");
        expected.assert_eq(&error.to_string());
    };
    check(|c| c.node = id(0), expect!["a node id is not 0"]);
    check(
        |c| c.heartbeat_ticks = 0,
        expect!["1 <= heartbeat ticks < election ticks does not hold for 0 and 10"],
    );
    check(
        |c| c.election_ticks = 2,
        expect!["1 <= heartbeat ticks < election ticks does not hold for 2 and 2"],
    );
}

#[test]
fn other_formats_are_refused() {
    let mut bytes = message(1, 2, 3, Body::TakeOver).encode();
    bytes[0] = 2;
    let format =
        DecodeError::Format { what: "aether_consensus::message::Message", found: 2, known: 1 };
    assert_eq!(Message::decode(&bytes), Err(format));
    bytes[0] = 1;
    bytes.truncate(3);
    expect!["damaged bytes of aether_consensus::message::Message"]
        .assert_eq(&Message::decode(&bytes).unwrap_err().to_string());
    let mut bytes = versioned::encode(&entry(1, 1));
    bytes[0] = 0;
    assert!(versioned::decode::<Entry>(&bytes).is_err());
}
