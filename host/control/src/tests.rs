//! Three members on a table: the network is a queue, the disk is fast.

mod table;

use aether_consensus::{Refusal, Term};
use aether_kv::{LeaseId, LeaseTtl};
use expect_test::expect;

use crate::*;
use table::{Table, put};

#[test]
fn a_write_on_any_node_is_answered_there_after_it_is_applied_there() {
    let mut table = Table::new();
    let leader = table.elect();
    for node in 1..=3 {
        let ticket = table.write(node, put("x", &node.to_string()), None);
        table.settle();
        assert!(matches!(table.answer(node, ticket), Some(Ok(Done::Applied(_)))), "{node}");
        assert_eq!(table.get(node, "x"), Some(node.to_string()));
    }
    let (follower, read) = (1 + leader % 3, table.read(1 + leader % 3));
    table.ticks(1);
    assert_eq!(table.answer(follower, read), Some(Ok(Done::Fresh)));
}

#[test]
fn writes_travel_to_the_leader_together_as_long_as_they_are_short() {
    let mut table = Table::new();
    let follower = 1 + table.elect() % 3;
    let long = "x".repeat(400 << 10);
    for (values, messages) in [
        (vec!["a", "b", "c"], vec![3]),
        // The third one fills a message.
        (vec![&*long; 7], vec![3, 3, 1]),
    ] {
        let writes = values.iter().enumerate().map(|(at, value)| put(&format!("k{at}"), value));
        let tickets = table.write_all(follower, writes.collect());
        assert_eq!(table.forwarded(), messages);
        table.settle();
        for ticket in tickets {
            assert!(matches!(table.answer(follower, ticket), Some(Ok(Done::Applied(_)))));
        }
        // In the order in which they were asked for.
        let last = format!("k{}", values.len() - 1);
        assert_eq!(table.get(follower, &last).as_deref(), values.last().copied());
    }
}

#[test]
fn what_a_lost_leader_had_taken_goes_to_the_next_one_once() {
    let mut table = Table::new();
    let old = table.elect();
    let other = 1 + old % 3;
    table.cut_off(old);
    let at_old = table.write(old, put("old", "1"), None);
    let at_other = table.write(other, put("other", "1"), None);
    table.settle();
    let new = table.elect_among(&[other, 1 + other % 3]);
    table.settle();
    let answer = table.answer(other, at_other);
    assert!(matches!(answer, Some(Ok(_))), "sent again to the new leader: {answer:?}");
    table.heal();
    table.ticks(5);
    assert_ne!(new, old);
    let answer = table.answer(old, at_old);
    assert!(matches!(answer, Some(Ok(_))), "its entry was replaced: {answer:?}");
    assert_eq!([1, 2, 3].map(|node| table.revision(node)), [2, 2, 2], "applied once each");
}

#[test]
fn a_double_forward_is_taken_once() {
    let mut table = Table::new();
    let leader = table.elect();
    table.double = true;
    let follower = 1 + leader % 3;
    let ticket = table.write(follower, put("x", "1"), None);
    table.settle();
    assert!(matches!(table.answer(follower, ticket), Some(Ok(_))));
    assert_eq!(table.revision(leader), 1);
}

#[test]
fn of_a_write_that_it_took_a_former_leader_does_not_say_that_it_did_not() {
    let mut table = Table::new();
    let leader = table.elect();
    let follower = 1 + leader % 3;
    table.write(follower, put("x", "1"), None);
    table.settle();
    table.cut_off(leader);
    table.ticks(30);
    let forward = table.last_forward.clone().expect("the follower sent it on");
    table.deliver(Message::Forward(forward.clone()));
    assert_eq!(table.not_taken, 0, "the double of a message that was taken");
    let mut new = forward;
    new.writes[0].id.0 += 1_000;
    table.deliver(Message::Forward(new));
    assert_eq!(table.not_taken, 1);
}

#[test]
fn a_fenced_write_is_for_its_leader_and_term_only() {
    let mut table = Table::new();
    let leader = table.elect();
    let term = table.term(leader);
    let accepted = table.write(leader, put("plan", "1"), Some(term));
    let stale = table.write(leader, put("plan", "2"), Some(Term(term.0 - 1)));
    let elsewhere = table.write(1 + leader % 3, put("plan", "3"), Some(term));
    table.settle();
    assert!(matches!(table.answer(leader, accepted), Some(Ok(_))));
    for (node, ticket) in [(leader, stale), (1 + leader % 3, elsewhere)] {
        let answer = table.answer(node, ticket);
        let fenced = matches!(answer, Some(Err(Error::NotProposed(Refusal::Fenced { .. }))));
        assert!(fenced, "{answer:?}");
    }
    assert_eq!(table.get(leader, "plan").as_deref(), Some("1"));
}

#[test]
fn a_deposed_leaders_fenced_write_is_refused_and_not_repeated() {
    let mut table = Table::new();
    let old = table.elect();
    let term = table.term(old);
    table.cut_off(old);
    let ticket = table.write(old, put("plan", "1"), Some(term));
    let other = 1 + old % 3;
    table.elect_among(&[other, 1 + other % 3]);
    table.heal();
    table.ticks(5);
    assert_eq!(table.answer(old, ticket), Some(Err(Error::Deposed { decided: term })));
    assert_eq!(table.get(other, "plan"), None);
}

#[test]
fn without_a_majority_every_write_is_refused_with_what_is_known() {
    let mut table = Table::new();
    let leader = table.elect();
    table.cut_off(leader);
    let taken = table.write(leader, put("x", "1"), None);
    table.ticks(30);
    let late = table.write(leader, put("x", "2"), None);
    table.ticks(table::TIMEOUT_TICKS);
    let answers = [taken, late].map(|ticket| match table.answer(leader, ticket) {
        Some(Err(error)) => format!("{}: {error}", error.kind()),
        other => format!("{other:?}"),
    });
    expect![[r#"
        unavailable: no majority has confirmed the write in time; it may still take effect
        unavailable: this node does not lead, no leader is known"#]]
    .assert_eq(&answers.join("\n"));
}

#[test]
fn leases_end_by_the_leaders_clock_and_survive_its_loss() {
    let mut table = Table::new();
    let leader = table.elect();
    let ttl = LeaseTtl::from_ms(500).unwrap();
    let lease = LeaseId(7);
    let follower = 1 + leader % 3;
    let granted = table.write(follower, Write::LeaseGrant { lease, ttl }, None);
    table.ticks(2);
    assert!(matches!(table.answer(follower, granted), Some(Ok(_))));
    for _ in 0..5 {
        table.write(follower, Write::LeaseKeepAlive { lease }, None);
        table.ticks(3);
        assert!(table.has_lease(follower, lease));
    }
    table.cut_off(leader);
    table.elect_among(&[follower, 1 + follower % 3]);
    assert!(table.has_lease(follower, lease), "time without a leader ends no lease");
    table.ticks(10);
    assert!(!table.has_lease(follower, lease), "nobody kept it alive");
}
