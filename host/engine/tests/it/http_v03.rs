//! Requests into a plain `wasi:http` 0.3 component: answers, failures, one at a time. Bodies are in
//! `http`.

use crate::http::{get, show};
use crate::support::{Node, Wanted, ctx, timeout};
use aether_engine::Slice;
use aether_types::blueprint::Limits;
use expect_test::{Expect, expect};
use std::sync::Arc;

fn load(node: &Node, limits: Limits) -> Arc<Slice> {
    node.guest("http3-hello", Wanted { limits, ..Wanted::default() })
}

/// Waits until the guest has done what it does after its answer.
async fn check(slice: &Slice, path: &str, expect: Expect) {
    crate::http::check(slice, path, expect).await;
    while slice.stats().busy > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn every_answer_of_a_guest_is_a_response_or_an_error() {
    let node = Node::new();
    let slice = load(&node, timeout(300));
    assert!(slice.description().is_async);
    check(
        &slice,
        "/hello",
        expect![[r#"
        200 OK
        content-type: text/plain
        Hello, World!"#]],
    )
    .await;
    check(
        &slice,
        "/status/204",
        expect![[r#"
        204 No Content
    "#]],
    )
    .await;
    check(
        &slice,
        "/big?1000000",
        expect![[r#"
        200 OK
        content-type: text/plain
        1000000 bytes"#]],
    )
    .await;
    // All of them in one instance.
    check(
        &slice,
        "/count",
        expect![[r#"
        200 OK
        content-type: text/plain
        4"#]],
    )
    .await;
}

#[tokio::test]
async fn a_guest_that_fails_is_replaced() {
    let node = Node::new();
    let slice = load(&node, timeout(300));
    check(
        &slice,
        "/wait?20",
        expect![[r#"
        200 OK
        content-type: text/plain
        1"#]],
    )
    .await;
    check(
        &slice,
        "/refuse",
        expect!["no response: the callee failed: it answered with ErrorCode::ConnectionRefused"],
    )
    .await;
    check(
        &slice,
        "/trap",
        expect![
            "no response: the callee failed: wasm trap: wasm `unreachable` instruction executed"
        ],
    )
    .await;
    // The one that trapped is gone.
    check(
        &slice,
        "/count",
        expect![[r#"
        200 OK
        content-type: text/plain
        1"#]],
    )
    .await;
    check(&slice, "/spin", expect!["no response: the deadline passed"]).await;
    check(&slice, "/wait?10000", expect!["no response: the deadline passed"]).await;
    check(
        &slice,
        "/count",
        expect![[r#"
        200 OK
        content-type: text/plain
        1"#]],
    )
    .await;
    assert_eq!(slice.stats().failures.deadline_exceeded, 2);
}

#[tokio::test]
async fn requests_at_the_same_time_have_instances_of_their_own() {
    let node = Node::new();
    let slice = load(&node, Limits::default());
    let wait = || async { show(slice.handle(get("/wait?50"), ctx()).await).await };
    let (first, second) = tokio::join!(wait(), wait());
    assert!(first.ends_with("\n1") && second.ends_with("\n1"), "{first} {second}");
    slice.drain(ctx().deadline).await.unwrap();
    assert_eq!((slice.stats().busy, slice.stats().idle), (0, 2));
}
