//! Faults that are put in, and what the links make of them.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::support::*;
use crate::{Class, Direction, DownReason, Fault, limits::SILENCE_MAX};

const CUT: Fault = Fault { cut: true, latency: Duration::ZERO, loss: 0.0 };

/// A cut in one direction: both sides notice, nothing goes through, and it heals.
async fn cut(direction: Direction) {
    let cluster = Cluster::new();
    let (one, two) = cluster.pair().await;
    two.peers(&[&one]);
    one.links.faults().set(two.id, direction, CUT);
    let (failure, here, there) = tokio::join!(
        soon(one.call(two.id, ECHO, b"")),
        one.down(two.id, Class::Consensus),
        two.down(one.id, Class::Consensus),
    );
    assert!(failure.unwrap_err().may_have_started());
    for reason in [&here, &there] {
        let silent = matches!(reason, DownReason::Silent(ms) if *ms >= 800);
        let told = matches!(reason, DownReason::Reset(_) | DownReason::Fault);
        assert!(silent || told, "{reason:?}");
    }
    // Whoever heard nothing noticed by himself.
    let deaf = if direction == Direction::In { here } else { there };
    assert!(matches!(deaf, DownReason::Silent(_)), "{deaf:?}");
    let failure = soon(one.call(two.id, ECHO, b"")).await.unwrap_err();
    assert!(!failure.may_have_started(), "{failure}");
    one.links.faults().heal();
    one.up(&two).await;
    two.up(&one).await;
    assert_eq!(one.call(two.id, ECHO, b"").await.unwrap().status, 200);
}

#[tokio::test]
async fn a_cut_of_what_goes_out_is_noticed_and_heals() {
    cut(Direction::Out).await;
}

#[tokio::test]
async fn a_cut_of_what_comes_in_is_noticed_and_heals() {
    cut(Direction::In).await;
}

#[tokio::test]
async fn a_reset_is_told_at_once_and_dialed_again() {
    let cluster = Cluster::new();
    let (mut one, mut two) = cluster.pair().await;
    one.links.faults().reset(two.id);
    for node in [&mut one, &mut two] {
        let other = if node.id.0 == 1 { 2 } else { 1 };
        let other = aether_types::NodeId(other);
        for up in [true, false, true] {
            node.sees(|seen| *seen == Seen::Link(other, Class::Consensus, up)).await;
        }
    }
    assert_eq!(one.links.stats().ended["fault"], 3);
}

#[tokio::test]
async fn latency_delays_each_way_and_keeps_order() {
    let cluster = Cluster::new();
    let (one, mut two) = cluster.pair().await;
    let slow = Fault { latency: Duration::from_millis(40), ..Fault::default() };
    for direction in [Direction::In, Direction::Out] {
        one.links.faults().set(two.id, direction, slow);
    }
    let began = Instant::now();
    assert_eq!(soon(one.call(two.id, ECHO, b"")).await.unwrap().status, 200);
    assert!(began.elapsed() >= 2 * slow.latency);
    let numbers = || (0..20u8).map(|number| Bytes::from(vec![number]));
    for (at, body) in numbers().enumerate() {
        if at == 10 {
            one.links.faults().heal();
        }
        assert!(one.links.send(two.id, Class::Calls, 0, body));
    }
    for body in numbers() {
        let seen = two.sees(|seen| matches!(seen, Seen::Message(..))).await;
        assert_eq!(seen, Seen::Message(one.id, Class::Calls, 0, body));
    }
}

#[tokio::test]
async fn lost_messages_are_lost_and_calls_are_not() {
    let cluster = Cluster::new();
    let (one, mut two) = cluster.pair().await;
    let lossy = Fault { loss: 1.0, ..Fault::default() };
    one.links.faults().set(two.id, Direction::Out, lossy);
    assert!(one.links.send(two.id, Class::Calls, 1, "lost".into()));
    assert_eq!(soon(one.call(two.id, ECHO, b"")).await.unwrap().status, 200);
    one.links.faults().set(two.id, Direction::Out, Fault::default());
    assert!(one.links.send(two.id, Class::Calls, 2, "there".into()));
    let seen = two.sees(|seen| matches!(seen, Seen::Message(..))).await;
    assert_eq!(seen, Seen::Message(one.id, Class::Calls, 2, "there".into()));
}

#[tokio::test]
async fn a_peer_that_stops_is_silent_within_a_second() {
    let cluster = Cluster::new();
    let (one, two) = cluster.pair().await;
    // As after SIGSTOP: the sockets stay, nothing is said.
    two.links.faults().set(one.id, Direction::Out, CUT);
    let reason = one.down(two.id, Class::Calls).await;
    let DownReason::Silent(ms) = reason else { panic!("{reason:?}") };
    assert!(u128::from(ms) >= SILENCE_MAX.as_millis(), "{ms}");
}
