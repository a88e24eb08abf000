//! Requests into plain `wasi:http` components: answers and failures of 0.2, and for all kinds of
//! handlers how bodies stream and break off.

use crate::support::{Node, Wanted, ctx, timeout};
use aether_engine::{Failures, HttpBody, Slice};
use aether_types::CallError;
use aether_types::blueprint::Limits;
use aether_types::counts::Ending;
use aether_types::slice_toml::Reuse;
use bytes::Bytes;
use expect_test::{Expect, expect};
use http_body::Frame;
use http_body_util::channel::Channel;
use http_body_util::{BodyExt, Empty};
use std::convert::Infallible;
use std::sync::Arc;
use std::task::Poll;

pub(crate) fn get(path: &str) -> http::Request<Empty<Bytes>> {
    let request = http::Request::get(path).header("host", "shop.example");
    request.body(Empty::new()).unwrap()
}

pub(crate) async fn show(answer: Result<http::Response<HttpBody>, CallError>) -> String {
    let response = match answer {
        Err(error) => return format!("no response: {error}"),
        Ok(response) => response,
    };
    let (parts, body) = response.into_parts();
    let mut lines = vec![parts.status.to_string()];
    for (name, value) in &parts.headers {
        lines.push(format!("{name}: {}", value.as_bytes().escape_ascii()));
    }
    lines.push(match body.collect().await {
        Ok(body) => {
            let bytes = body.to_bytes();
            let long = format!("{} bytes", bytes.len());
            if bytes.len() > 400 { long } else { String::from_utf8_lossy(&bytes).into_owned() }
        }
        Err(error) => error.to_string(),
    });
    lines.join("\n")
}

pub(crate) async fn check(slice: &Slice, path: &str, expect: Expect) {
    expect.assert_eq(&show(slice.handle(get(path), ctx()).await).await);
}

fn load(node: &Node, limits: Limits) -> Arc<Slice> {
    node.guest("http-hello", Wanted { limits, ..Wanted::default() })
}

/// The ways in which a component takes requests: 0.2, 0.3, and 0.3 with others beside them.
fn handlers(node: &Node, limits: &Limits) -> [Arc<Slice>; 3] {
    let guest = |name, reuse| {
        node.guest(name, Wanted { limits: limits.clone(), reuse, ..Wanted::default() })
    };
    let together = Some(Reuse::Concurrent);
    [guest("http-hello", None), guest("http3-hello", None), guest("http3-hello", together)]
}

#[tokio::test]
async fn answers_come_as_the_guest_gives_them() {
    let node = Node::new();
    let slice = load(&node, Limits::default());
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
        "/request?a=b",
        expect![[r#"
        200 OK
        content-type: text/plain
        method GET
        path /request?a=b
        authority shop.example"#]],
    )
    .await;
    check(
        &slice,
        "/headers",
        expect![[r#"
        200 OK
        content-type: text/plain
        x-garbage: \xff\xfe latin \xe9
        x-twice: one
        x-twice: two
        see the headers"#]],
    )
    .await;
    check(
        &slice,
        "/status/999",
        expect![[r#"
        999 <unknown status code>
    "#]],
    )
    .await;
    check(
        &slice,
        "/big?1000000",
        expect![[r#"
        200 OK
        content-length: 1000000
        1000000 bytes"#]],
    )
    .await;
    check(
        &slice,
        "/count",
        expect![[r#"
        200 OK
        content-type: text/plain
        6"#]],
    )
    .await;
    // A status of 500 or above is a failure.
    let failures = Failures { erred: 1, ..Failures::default() };
    assert_eq!((slice.stats().calls, slice.stats().failures), (6, failures));
    let timed = slice.tally().sum().latencies.count();
    assert_eq!(timed, 6, "all requests from outside are timed");
}

#[tokio::test]
async fn a_guest_that_breaks_off_is_an_error_and_gone() {
    let node = Node::new();
    let slice = load(&node, Limits::default());
    check(
        &slice,
        "/silent",
        expect!["no response: the callee failed: it returned without a response"],
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
    check(
        &slice,
        "/cut",
        expect![
            "no response: the callee failed: wasm trap: wasm `unreachable` instruction executed"
        ],
    )
    .await;
    check(
        &slice,
        "/count",
        expect![[r#"
        200 OK
        content-type: text/plain
        1"#]],
    )
    .await;
    assert_eq!((slice.stats().calls, slice.stats().failures.callee_failed), (5, 3));
    let hasty = load(&node, timeout(200));
    check(&hasty, "/spin", expect!["no response: the deadline passed"]).await;
    assert_eq!(hasty.stats().failures.deadline_exceeded, 1);
    // A caller who goes away is not the callee's failure.
    let mut request = Box::pin(hasty.handle(get("/spin"), ctx()));
    let polled = std::future::poll_fn(|cx| Poll::Ready(request.as_mut().poll(cx))).await;
    assert!(polled.is_pending());
    drop(request);
    let counts = hasty.tally().sum();
    assert_eq!((counts.of(Ending::Abandoned), counts.calls(), counts.failures()), (1, 2, 1));
}

#[tokio::test]
async fn bodies_stream_both_ways() {
    let node = Node::new();
    for slice in handlers(&node, &Limits::default()) {
        let (mut tx, body) = Channel::<Bytes, Infallible>::new(1);
        let request = http::Request::post("/echo").header("host", "x").body(body).unwrap();
        // The guest answers before the request has a body.
        let response = slice.handle(request, ctx()).await.unwrap();
        assert_eq!(slice.stats().busy, 1);
        let mut body = response.into_body();
        for part in ["one", "two", "three"] {
            tx.send(Frame::data(Bytes::from(part))).await.unwrap();
            let echoed = body.frame().await.unwrap().unwrap().into_data().unwrap();
            assert_eq!(echoed, part);
        }
        drop(tx);
        assert!(body.frame().await.is_none());
        slice.drain(ctx().deadline).await.unwrap();
        assert_eq!((slice.stats().busy, slice.stats().idle), (0, 1));
    }
}

#[tokio::test]
async fn a_slow_reader_holds_the_guest_back() {
    let node = Node::new();
    for slice in handlers(&node, &Limits::default()) {
        let response = slice.handle(get("/big?8000000"), ctx()).await.unwrap();
        let mut body = response.into_body();
        let mut bytes = body.frame().await.unwrap().unwrap().into_data().unwrap().len();
        // The guest waits for the reader.
        assert_eq!(slice.stats().busy, 1);
        while let Some(frame) = body.frame().await {
            bytes += frame.unwrap().into_data().unwrap().len();
        }
        assert_eq!(bytes, 8_000_000);
        slice.drain(ctx().deadline).await.unwrap();
        assert_eq!((slice.stats().busy, slice.stats().idle), (0, 1));
    }
}

#[tokio::test]
async fn what_is_not_read_yet_is_not_in_memory() {
    let node = Node::new();
    let slice = load(&node, Limits::default());
    let before = node.engine.usage().memory;
    let body = show(slice.handle(get("/big?8000000"), ctx()).await).await;
    assert!(body.ends_with("8000000 bytes"));
    let grown = node.engine.usage().memory.bytes() - before.bytes();
    assert!(grown < 4 << 20, "{grown}");
}

#[tokio::test]
async fn a_guest_that_is_stopped_while_it_streams_breaks_the_body() {
    let node = Node::new();
    for slice in handlers(&node, &timeout(1_000)) {
        let response = slice.handle(get("/big?8000000"), ctx()).await.unwrap();
        let mut body = response.into_body();
        body.frame().await.unwrap().unwrap();
        slice.drain(ctx().deadline).await.unwrap();
        let error = body.collect().await.unwrap_err();
        assert_eq!(error.to_string(), "the response is not complete: the guest was stopped");
        while node.engine.usage().wasm_instances > 0 {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn a_reader_that_goes_away_frees_the_slot() {
    let node = Node::new();
    for slice in handlers(&node, &Limits::default()) {
        drop(slice.handle(get("/big?8000000"), ctx()).await.unwrap());
        slice.drain(ctx().deadline).await.unwrap();
        assert_eq!(slice.stats().busy, 0);
    }
}

#[tokio::test]
async fn a_request_that_nobody_waits_for_stops_its_guest() {
    let node = Node::new();
    let slice = load(&node, Limits::default());
    let patience = tokio::time::Duration::from_millis(50);
    let gone = tokio::time::timeout(patience, slice.handle(get("/spin"), ctx())).await;
    assert!(gone.is_err());
    assert_eq!((slice.stats().busy, node.engine.usage().wasm_instances), (0, 0));
}
