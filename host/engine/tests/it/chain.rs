//! Three slices in a row: what each knows of its call, and how a failure comes back up.

use crate::support::{Node, Wanted, call, call_in, ctx, ctx_for, timeout};
use aether_engine::Slice;
use aether_types::CallError;
use expect_test::expect;
use std::sync::Arc;
use std::time::Duration;

fn chain(node: &Node) -> [Arc<Slice>; 3] {
    ["chain-bottom", "chain-middle", "chain-top"].map(|name| node.guest(name, Wanted::default()))
}

/// The answer as JSON, by the function's own type.
fn json(slice: &Slice, interface: &str, function: &str, answer: &[u8]) -> serde_json::Value {
    let name = format!("{interface}#{function}").parse().unwrap();
    let (_, function) = slice.description().export(&name).unwrap();
    let json = aether_engine::json::encode(function.result.as_ref().unwrap(), answer).unwrap();
    serde_json::from_slice(&json).unwrap()
}

#[tokio::test]
async fn the_context_travels_with_the_call() {
    let node = Node::new();
    let [_, _, top] = chain(&node);
    let answer = call(&top, "test:chain/top#descend", vec![]).await.unwrap();
    let mut hops = json(&top, "test:chain/top", "descend", &answer);
    let mut left = Vec::new();
    for hop in hops.as_array_mut().unwrap() {
        left.push(hop.as_object_mut().unwrap().remove("remaining-ms").unwrap().as_u64().unwrap());
    }
    // Each has its own five seconds, from when it was called, within the ten of the request.
    assert!(left.iter().all(|left| (1..=5_000).contains(left)), "{left:?}");
    expect![[r#"
        [
          {
            "attempt": 1,
            "caller": "test:chain-middle:1.0.0",
            "request-id": "req-1",
            "slice": "test:chain-bottom:1.0.0"
          },
          {
            "attempt": 1,
            "caller": "test:chain-top:1.0.0",
            "request-id": "req-1",
            "slice": "test:chain-middle:1.0.0"
          },
          {
            "attempt": 1,
            "caller": null,
            "request-id": "req-1",
            "slice": "test:chain-top:1.0.0"
          }
        ]"#]]
    .assert_eq(&serde_json::to_string_pretty(&hops).unwrap());
}

#[tokio::test]
async fn a_failure_goes_up_to_the_first_who_has_a_place_for_it() {
    let node = Node::new();
    let [bottom, middle, top] = chain(&node);
    let answer = call(&top, "test:chain/top#fail", vec![]).await.unwrap();
    expect![[r#"{"err":{"call-failed":{"callee-failed":"wasm trap: wasm `unreachable` instruction executed"}}}"#]].assert_eq(&json(&top, "test:chain/top", "fail", &answer).to_string());
    assert_eq!(bottom.stats().failures.callee_failed, 1);
    assert_eq!(middle.stats().failures.callee_failed, 1);
    assert_eq!((top.stats().calls, top.stats().failures), (1, Default::default()));
    // The middle was stopped in the midst of its work, so its instance is gone like the bottom's.
    assert_eq!([&bottom, &middle, &top].map(|slice| slice.stats().idle), [0, 0, 1]);
}

#[tokio::test]
async fn the_nearest_deadline_ends_a_call_and_is_told() {
    let node = Node::new();
    node.guest("chain-bottom", Wanted { limits: timeout(100), ..Wanted::default() });
    let middle = node.guest("chain-middle", Wanted::default());
    let top = node.guest("chain-top", Wanted::default());
    let answer = call(&top, "test:chain/top#hang", vec![]).await.unwrap();
    expect![[r#"{"err":{"call-failed":"deadline-exceeded"}}"#]]
        .assert_eq(&json(&top, "test:chain/top", "hang", &answer).to_string());
    // When it is the request's own deadline, nobody is left to be told.
    let outcome =
        call_in(&top, "test:chain/top#hang", vec![], ctx_for(Duration::from_millis(50))).await;
    assert_eq!(outcome, Err(CallError::DeadlineExceeded));
    assert_eq!([&middle, &top].map(|slice| slice.stats().busy), [0, 0]);
}

#[tokio::test]
async fn slices_that_call_each_other_for_ever_are_refused_at_some_depth() {
    let node = Node::new();
    let [_, _, top] = chain(&node);
    let mut deep = ctx();
    deep.depth = aether_engine::CALL_DEPTH_MAX - 2;
    let answer = call_in(&top, "test:chain/top#descend", vec![], deep).await;
    let message = "more than 32 slices wait for each other".to_owned();
    assert_eq!(answer, Err(CallError::Denied(message)));
}
