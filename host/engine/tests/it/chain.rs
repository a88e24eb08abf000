//! Three slices in a row: what each knows of its call, and how a failure comes back up.

use crate::support::{Node, Wanted, call, call_in, ctx, ctx_for, timeout};
use aether_engine::{CallContext, Slice, Waits};
use aether_types::CallError;
use aether_types::blueprint::Limits;
use aether_types::counts::Ending;
use aether_types::slice_toml::Bounded;
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
    // Who answers with the failure of another has failed in the eyes of its own caller.
    let counted = [&bottom, &middle, &top].map(|slice| {
        let counts = slice.tally().counts().map(|(name, caller, counts)| {
            let failed = counts.of(Ending::CalleeFailed);
            format!("{}: {} of {} from {caller:?}", name.function, failed, counts.calls())
        });
        counts.collect::<Vec<_>>().join(", ")
    });
    expect![[r#"
        fail: 1 of 1 from Slice(test:chain-middle:1.0.0)
        fail: 1 of 1 from Slice(test:chain-top:1.0.0)
        fail: 1 of 1 from Outside"#]]
    .assert_eq(&counted.join("\n"));
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
    let above = Arc::new("t:above:1.0.0".parse().unwrap());
    for _ in 2..aether_engine::CALL_DEPTH_MAX {
        deep = deep.nested(Arc::clone(&above));
    }
    let answer = call_in(&top, "test:chain/top#descend", vec![], deep).await;
    let message = "more than 32 slices wait for each other".to_owned();
    assert_eq!(answer, Err(CallError::Denied(message)));
}

/// `t:NAME`, whose `f` calls that of `t:NEEDS`.
fn caller(node: &Node, name: &str, needs: &str, max_concurrency: u32) -> Arc<Slice> {
    let text = format!(
        "(component
          (import \"t:{needs}/api@1.0.0\" (instance $p (export \"f\" (func (result u32)))))
          (core func $g (canon lower (func $p \"f\")))
          (core module $m
            (import \"p\" \"f\" (func $g (result i32)))
            (func (export \"f\") (result i32) call $g))
          (core instance $i (instantiate $m (with \"p\" (instance (export \"f\" (func $g))))))
          (func $f (result u32) (canon lift (core func $i \"f\")))
          (instance $e (export \"f\" (func $f)))
          (export \"t:{name}/api@1.0.0\" (instance $e)))"
    );
    let limits = Limits { max_concurrency: Bounded::new(max_concurrency), ..Limits::default() };
    node.wat(&text, Wanted { limits, ..Wanted::default() })
}

#[tokio::test]
async fn slices_that_wait_for_each_other_in_a_circle_are_told_so_at_once() {
    let node = Node::new();
    let a = caller(&node, "a", "b", 2);
    let (b, c) = (caller(&node, "b", "c", 64), caller(&node, "c", "a", 64));
    let answer = call(&a, "t:a/api#f", vec![]).await;
    let names = [&a, &b, &c].map(|slice| slice.app().coordinates.to_string());
    let (circle, a) = (names.join(" -> "), &names[0]);
    let message = format!("slices wait for each other: {circle} -> {circle} -> {a}");
    assert_eq!(answer, Err(CallError::Denied(message)));
    // A slot that is free, or held by somebody else, is another matter.
    let deep = caller(&node, "a", "b", 64);
    let answer = call(&deep, "t:a/api#f", vec![]).await;
    let message = "more than 32 slices wait for each other".to_owned();
    assert_eq!(answer, Err(CallError::Denied(message)));
}

#[tokio::test]
async fn a_slice_of_another_node_that_waits_holds_no_slot_of_this_one() {
    let node = Node::new();
    let bottom = node.guest("chain-bottom", Wanted::default());
    let own = &bottom.app().coordinates;
    let chain = |node| Some(Waits::after(Arc::clone(own), node, None));
    let limits = Limits { max_concurrency: Bounded::new(1), ..timeout(200) };
    let bottom = node.guest("chain-bottom", Wanted { limits, ..Wanted::default() });
    let hangs = call(&bottom, "test:chain/bottom#hang", vec![]);
    let (waits, refused) = (
        call_in(
            &bottom,
            "test:chain/bottom#hang",
            vec![],
            CallContext { chain: chain(Some(7)), ..ctx() },
        ),
        call_in(
            &bottom,
            "test:chain/bottom#hang",
            vec![],
            CallContext { chain: chain(None), ..ctx() },
        ),
    );
    let (_, waits, refused) = tokio::join!(hangs, waits, refused);
    assert_eq!(waits, Err(CallError::DeadlineExceeded));
    let slice = "test:chain-bottom:1.0.0";
    let message = format!("slices wait for each other: {slice} -> {slice}");
    assert_eq!(refused, Err(CallError::Denied(message)));
}

#[tokio::test]
async fn a_newer_compatible_version_serves_those_who_want_an_older_one() {
    let node = Node::new();
    let text = "(component
        (core module $m (func (export \"f\") (result i32) i32.const 7))
        (core instance $i (instantiate $m))
        (func $f (result u32) (canon lift (core func $i \"f\")))
        (instance $e (export \"f\" (func $f)))
        (export \"t:new/api@1.2.0\" (instance $e)))";
    let new = node.wat(text, Wanted::default());
    for wanted in ["t:new/api@1.2.0#f", "t:new/api@1.0.0#f", "t:new/api#f"] {
        assert_eq!(call(&new, wanted, vec![]).await, Ok(vec![7, 0, 0, 0]), "{wanted}");
    }
    for wanted in ["t:new/api@1.3.0#f", "t:new/api@0.1.0#f", "t:new/api@2.0.0#f"] {
        assert_eq!(new.find(&wanted.parse().unwrap()), None, "{wanted}");
    }
}
