//! Several calls in one instance: they end together, know themselves, and fall apart in order.

use crate::http::{get, show};
use crate::output::log;
use crate::support::{Node, Wanted, call, call_in, ctx, ctx_for, text, timeout};
use aether_engine::{CallContext, Origin, Slice};
use aether_types::CallError;
use aether_types::blueprint::Limits;
use aether_types::slice_toml::Reuse;
use http_body_util::BodyExt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

fn meeting(node: &Node) -> Arc<Slice> {
    node.guest("chain-bottom", Wanted::default());
    node.guest("meeting", Wanted::default())
}

/// A call of the function that knows itself by this request id.
async fn ask(slice: &Slice, function: &str, args: Vec<u8>, id: &str) -> Result<Vec<u8>, CallError> {
    let ctx = CallContext { origin: origin(id), ..ctx() };
    call_in(slice, &format!("test:meeting/room#{function}"), args, ctx).await
}

fn origin(id: &str) -> Arc<Origin> {
    Arc::new(Origin::anonymous(id.parse().unwrap()))
}

fn two() -> Vec<u8> {
    2_u32.to_le_bytes().to_vec()
}

fn json(slice: &Slice, function: &str, answer: &[u8]) -> serde_json::Value {
    let name = format!("test:meeting/room#{function}").parse().unwrap();
    let (_, function) = slice.description().export(&name).unwrap();
    let json = aether_engine::json::encode(function.result.as_ref().unwrap(), answer).unwrap();
    serde_json::from_slice(&json).unwrap()
}

async fn count(slice: &Slice) -> u32 {
    let answer = call(slice, "test:meeting/room#count", vec![]).await.unwrap();
    u32::from_le_bytes(answer.try_into().unwrap())
}

async fn is_pending(call: &mut (impl Future + Unpin)) -> bool {
    poll_fn(|cx| Poll::Ready(Pin::new(&mut *call).poll(cx).is_pending())).await
}

#[tokio::test]
async fn calls_that_need_each_other_end_and_know_who_they_are() {
    let node = Node::new();
    let slice = meeting(&node);
    let (a, b) = tokio::join!(ask(&slice, "meet", two(), "a"), ask(&slice, "meet", two(), "b"));
    for (id, answer) in [("a", a), ("b", b)] {
        let seen = json(&slice, "meet", &answer.unwrap());
        assert_eq!((&seen["before"], &seen["after"]), (&id.into(), &id.into()));
        assert_eq!(seen["told"][0]["request-id"], id);
        assert_eq!(seen["told"][0]["caller"], "test:meeting:1.0.0");
    }
    // A tuple comes back over another way of the codec, a plain function waits its turn.
    let (c, d) = tokio::join!(ask(&slice, "pair", two(), "c"), ask(&slice, "pair", two(), "d"));
    assert_eq!(json(&slice, "pair", &c.unwrap()), serde_json::json!([2, "c"]));
    assert_eq!(json(&slice, "pair", &d.unwrap()), serde_json::json!([2, "d"]));
    assert_eq!(ask(&slice, "plain", vec![], "e").await.unwrap(), 5_u32.to_le_bytes());
    assert_eq!(count(&slice).await, 6);
    assert_eq!((slice.stats().idle, slice.stats().busy, slice.stats().calls), (1, 0, 6));
}

#[tokio::test]
async fn calls_of_a_serial_slice_never_meet() {
    let node = Node::new();
    let limits = timeout(300);
    let slice =
        node.guest("meeting", Wanted { limits, reuse: Some(Reuse::Serial), ..Wanted::default() });
    let (a, b) = tokio::join!(ask(&slice, "meet", two(), "a"), ask(&slice, "meet", two(), "b"));
    assert_eq!((a, b), (Err(CallError::DeadlineExceeded), Err(CallError::DeadlineExceeded)));
}

#[tokio::test]
async fn what_is_printed_belongs_to_the_call_that_prints_it() {
    let log = log();
    let node = Node::new();
    let slice = meeting(&node);
    let say = |id: &'static str| {
        let args = [two(), text("half")].concat();
        ask(&slice, "say", args, id)
    };
    let (a, b) = tokio::join!(say("say-a"), say("say-b"));
    a.and(b).unwrap();
    let line = |id| {
        format!(
            "message=half from {id}, all of it app=test slice=test:meeting:1.0.0 request_id={id} \
             stream=\"stderr\" "
        )
    };
    for id in ["say-a", "say-b"] {
        assert_eq!(log.take(id), [line(id)]);
    }
}

#[tokio::test]
async fn so_many_are_in_so_many_wait_and_the_rest_is_refused() {
    let node = Node::new();
    let slice = node.guest("meeting", Wanted { limits: timeout(300), ..Wanted::default() });
    let mut calls: Vec<_> = (0..4).map(|_| Box::pin(ask(&slice, "wait", vec![], "in"))).collect();
    for call in &mut calls {
        assert!(is_pending(call).await);
    }
    assert_eq!((slice.stats().busy, slice.stats().queued), (3, 1));
    let fifth = ask(&slice, "count", vec![], "out").await;
    assert!(matches!(fifth, Err(CallError::Overloaded(_))), "{fifth:?}");
    for call in calls {
        assert_eq!(call.await, Err(CallError::DeadlineExceeded));
    }
    // Who gave up has left no work behind: the next one has a place, in a new instance.
    assert_eq!(count(&slice).await, 1);
}

/// What a call that only waits gets when another one does this beside it.
async fn beside(function: &str, args: Vec<u8>, time: Duration) -> [CallError; 2] {
    let node = Node::new();
    let slice = node.guest("meeting", Wanted::default());
    let name = format!("test:meeting/room#{function}");
    let (waits, ends) =
        tokio::join!(ask(&slice, "wait", vec![], "a"), call_in(&slice, &name, args, ctx_for(time)));
    assert_eq!(count(&slice).await, 1, "in a new instance");
    while node.engine.usage().wasm_instances > 1 {
        tokio::task::yield_now().await;
    }
    [waits.unwrap_err(), ends.unwrap_err()]
}

#[tokio::test]
async fn an_instance_that_fails_takes_its_calls_along() {
    let trap = "wasm trap: wasm `unreachable` instruction executed";
    let long = Duration::from_secs(10);
    let neighbour =
        |why: String| CallError::Unavailable(format!("another call in the same instance {why}"));
    let expected = [
        neighbour(format!("failed: the callee failed: {trap}")),
        CallError::CalleeFailed(trap.to_owned()),
    ];
    assert_eq!(beside("trap", vec![], long).await, expected);
    let [waits, ends] = beside("grow", (1_u64 << 30).to_le_bytes().to_vec(), long).await;
    assert!(waits.to_string().contains("memory limit of 64MiB"), "{waits}");
    assert!(matches!(ends, CallError::CalleeFailed(_)), "{ends}");
    let stuck = neighbour("did not let others go on at its deadline".to_owned());
    let expected = [stuck, CallError::DeadlineExceeded];
    assert_eq!(beside("spin", vec![], Duration::from_secs(1)).await, expected);
}

#[tokio::test]
async fn a_deadline_ends_its_own_call_and_the_others_go_on() {
    let node = Node::new();
    let slice = node.guest("meeting", Wanted::default());
    // Of its five seconds, until well after the deadline of the other one.
    let lingers = ask(&slice, "linger", 3_000_u64.to_le_bytes().to_vec(), "a");
    let short = ctx_for(Duration::from_millis(500));
    let waits = async {
        let outcome = call_in(&slice, "test:meeting/room#wait", vec![], short).await;
        (outcome, count(&slice).await, node.engine.usage().wasm_instances)
    };
    let (lingers, waits) = tokio::join!(lingers, waits);
    assert_eq!(waits, (Err(CallError::DeadlineExceeded), 1, 2), "a new instance beside the old");
    assert_eq!(lingers.unwrap(), text("a"));
    while node.engine.usage().wasm_instances > 1 {
        tokio::task::yield_now().await;
    }
    assert_eq!((slice.stats().idle, slice.stats().busy), (1, 0));
}

#[tokio::test]
async fn a_call_that_nobody_waits_for_has_its_place_until_it_ends() {
    let node = Node::new();
    let slice = node.guest("meeting", Wanted { limits: timeout(200), ..Wanted::default() });
    let mut call = Box::pin(ask(&slice, "wait", vec![], "a"));
    assert!(is_pending(&mut call).await);
    drop(call);
    assert_eq!(slice.stats().busy, 1);
    slice.drain(ctx().deadline).await.unwrap();
    assert_eq!(slice.stats().busy, 0);
    slice.stop(ctx()).await;
    let refused = ask(&slice, "count", vec![], "b").await;
    assert_eq!(refused, Err(CallError::Unavailable("the slice is being stopped".to_owned())));
}

#[tokio::test]
async fn a_call_that_nobody_waits_for_is_not_begun() {
    let node = Node::new();
    let slice = meeting(&node);
    assert_eq!(count(&slice).await, 1);
    let mut call = Box::pin(ask(&slice, "count", vec![], "a"));
    // It is on its way into the instance, which has not heard of it.
    assert!(is_pending(&mut call).await);
    drop(call);
    assert_eq!(count(&slice).await, 2, "in the same instance");
    assert_eq!((slice.stats().idle, slice.stats().busy), (1, 0));
}

fn http3(node: &Node, limits: Limits) -> Arc<Slice> {
    node.guest(
        "http3-hello",
        Wanted { limits, reuse: Some(Reuse::Concurrent), ..Wanted::default() },
    )
}

#[tokio::test]
async fn requests_meet_in_one_instance() {
    let node = Node::new();
    let slice = http3(&node, Limits::default());
    let wait = || async { show(slice.handle(get("/wait?200"), ctx()).await).await };
    let (first, second) = tokio::join!(wait(), wait());
    assert!(first.ends_with("\n2") && second.ends_with("\n2"), "{first} {second}");
    let refused = show(slice.handle(get("/refuse"), ctx()).await).await;
    assert!(refused.ends_with("it answered with ErrorCode::ConnectionRefused"), "{refused}");
    let count = show(slice.handle(get("/count"), ctx()).await).await;
    assert!(count.ends_with("\n4"), "an error code is an answer, {count}");
    slice.drain(ctx().deadline).await.unwrap();
    assert_eq!((slice.stats().idle, slice.stats().busy), (1, 0));
}

#[tokio::test]
async fn a_body_that_is_cut_off_does_not_look_whole() {
    let node = Node::new();
    let slice = http3(&node, Limits::default());
    let response = slice.handle(get("/big?5000000"), ctx()).await.unwrap();
    let trap = show(slice.handle(get("/trap"), ctx()).await).await;
    assert!(trap.starts_with("no response: the callee failed: wasm trap"), "{trap}");
    let error = response.into_body().collect().await.unwrap_err();
    assert_eq!(error.to_string(), "the response is not complete: the guest was stopped");
}
