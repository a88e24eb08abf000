//! Messages, calls and streams between two nodes that are linked.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::support::*;
use crate::{CallFailure, Class, Request, Response};

#[tokio::test]
async fn messages_arrive_in_order_with_their_group() {
    let cluster = Cluster::new();
    let (one, mut two) = cluster.pair().await;
    for number in 0..100u64 {
        let body = Bytes::from(vec![number as u8; 1 + 997 * number as usize]);
        assert!(one.links.send(two.id, Class::Consensus, number, body));
    }
    for number in 0..100u64 {
        let seen = two.sees(|seen| matches!(seen, Seen::Message(..))).await;
        let body = Bytes::from(vec![number as u8; 1 + 997 * number as usize]);
        assert_eq!(seen, Seen::Message(one.id, Class::Consensus, number, body));
    }
}

#[tokio::test]
async fn a_call_gets_its_answer() {
    let cluster = Cluster::new();
    let (one, two) = cluster.pair().await;
    let long: &'static [u8] = vec![7; 3 << 20].leak();
    for body in [b"".as_slice(), b"hello", long] {
        let answer = soon(one.call(two.id, ECHO, body)).await.unwrap();
        assert_eq!(answer, Response { status: 200, body: Bytes::from_static(body) });
        let back = soon(two.call(one.id, ECHO, body)).await.unwrap();
        assert_eq!(back.body.len(), body.len());
    }
}

#[tokio::test]
async fn calls_do_not_wait_for_each_other() {
    let cluster = Cluster::new();
    let (one, two) = cluster.pair().await;
    let gated = one.call(two.id, GATE, b"late");
    let (gated, ()) = tokio::join!(gated, async {
        assert_eq!(one.call(two.id, ECHO, b"early").await.unwrap().body, "early");
        two.handler.gate.send_replace(true);
    });
    assert_eq!(gated.unwrap().body, "late");
}

#[tokio::test]
async fn a_caller_that_leaves_stops_the_handler() {
    let cluster = Cluster::new();
    let (one, mut two) = cluster.pair().await;
    let mut call = Box::pin(one.call(two.id, HANG, b""));
    tokio::select! {
        answer = &mut call => panic!("answered {answer:?}"),
        _ = two.sees(|seen| *seen == Seen::Called(HANG)) => {}
    }
    drop(call);
    two.sees(|seen| *seen == Seen::Dropped).await;
}

#[tokio::test]
async fn a_deadline_ends_the_call_on_both_sides() {
    let cluster = Cluster::new();
    let (one, mut two) = cluster.pair().await;
    let deadline = Instant::now() + Duration::from_millis(30);
    let request = Request { kind: HANG, deadline, body: Bytes::new() };
    let failure = soon(one.links.call(two.id, Class::Calls, request)).await.unwrap_err();
    assert_eq!(failure, CallFailure::Deadline { node: two.id });
    assert!(failure.may_have_started());
    two.sees(|seen| *seen == Seen::Dropped).await;
}

#[tokio::test]
async fn a_panic_of_the_handler_is_a_failure_of_its_call_alone() {
    let cluster = Cluster::new();
    let (one, two) = cluster.pair().await;
    let failure = soon(one.call(two.id, PANIC, b"")).await.unwrap_err();
    assert_eq!(failure, CallFailure::Failed { node: two.id });
    assert!(one.call(two.id, ECHO, b"").await.is_ok());
}
