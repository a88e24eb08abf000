//! The hooks of a slice: before the first call, after the last.

use crate::support::{Node, Wanted, call, ctx, timeout};
use expect_test::{Expect, expect};

async fn check(start: &str, expect: Expect) {
    let node = Node::new();
    let config = [("start".to_owned(), start.to_owned())].into();
    let slice = node.guest("lifecycle", Wanted { config, ..Wanted::default() });
    let mut ctx = ctx();
    if start == "hang" {
        ctx.deadline = tokio::time::Instant::now() + std::time::Duration::from_millis(100);
    }
    let started = slice.start(ctx).await;
    expect.assert_eq(&started.map_or_else(|reason| reason.to_string(), |()| "started".to_owned()));
}

#[tokio::test]
async fn a_start_hook_that_does_not_succeed_says_why() {
    check("ok", expect!["started"]).await;
    check(
        "fail",
        expect![
            "the start hook failed: start fails because the configuration says so [start-failed]"
        ],
    )
    .await;
    check("trap", expect!["the start hook failed: the callee failed: wasm trap: wasm `unreachable` instruction executed [start-failed]"]).await;
    check("hang", expect!["the start hook failed: it took longer than 5s [start-failed]"]).await;
}

#[tokio::test]
async fn the_start_hook_runs_in_an_instance_that_then_serves() {
    let node = Node::new();
    let config = [("seen".to_owned(), "yes".to_owned())].into();
    let slice = node.guest("lifecycle", Wanted { config, ..Wanted::default() });
    slice.start(ctx()).await.unwrap();
    let starts = call(&slice, "test:probe/hooks#starts", vec![]).await.unwrap();
    assert_eq!(starts, 1_u32.to_le_bytes());
    slice.drain(ctx().deadline).await.unwrap();
    slice.stop(ctx()).await;
    assert_eq!((slice.stats().idle, node.engine.usage().wasm_instances), (0, 0));
}

#[tokio::test]
async fn a_stop_hook_cannot_hold_the_slice() {
    let node = Node::new();
    let config = [("stop".to_owned(), "hang".to_owned())].into();
    let wanted = Wanted { config, limits: timeout(100), ..Wanted::default() };
    let slice = node.guest("lifecycle", wanted);
    let mut soon = ctx();
    soon.deadline = tokio::time::Instant::now() + std::time::Duration::from_millis(50);
    slice.stop(soon).await;
    assert_eq!(node.engine.usage().wasm_instances, 0);
}
