//! Calls between slices, their context, their queue, their end.

use crate::support::{Node, Wanted, call, call_in, ctx, ctx_for, text};
use aether_types::CallError;
use aether_types::blueprint::{Grants, Limits};
use aether_types::slice_toml::{Bounded, Reuse};
use std::time::Duration;
use tokio::time::Instant;

#[tokio::test]
async fn a_value_crosses_two_slices_and_comes_back() {
    let node = Node::new();
    node.guest("echo", Wanted::default());
    let caller = node.guest("caller", Wanted::default());
    let value = text("ünïcödé");
    let forward = async |name: &str, args: &[u8]| {
        call(&caller, &format!("test:types/forward#{name}"), args.to_vec()).await
    };
    assert_eq!(forward("echo-string", &value).await, Ok(value));
    assert_eq!(forward("join", &[text("a"), text("b")].concat()).await, Ok(text("a|b")));
    assert_eq!(forward("nothing", &[]).await, Ok(vec![]));
    let numbers: Vec<u8> = (1..=20_u64).flat_map(u64::to_le_bytes).collect();
    assert_eq!(forward("sum", &numbers).await, Ok(210_u64.to_le_bytes().to_vec()));
    let bytes = [&10_000_u32.to_le_bytes()[..], &[7; 10_000]].concat();
    assert_eq!(forward("echo-bytes", &bytes).await, Ok(bytes));
    assert_eq!(caller.stats().failures, Default::default());
}

#[tokio::test]
async fn who_is_not_there_fails_the_caller_upward() {
    let node = Node::new();
    let caller = node.guest("caller", Wanted::default());
    let outcome = call(&caller, "test:types/forward#nothing", vec![]).await;
    let Err(CallError::Unavailable(message)) = outcome else { panic!("{outcome:?}") };
    assert!(message.contains("test:types/all"), "{message}");
}

#[tokio::test]
async fn the_environment_is_what_the_blueprint_grants() {
    let node = Node::new();
    let env = [("LOG_LEVEL".to_owned(), "info".to_owned())].into();
    let grants = Grants { env, ..Grants::default() };
    let slice = node.guest("hostile", Wanted { grants, ..Wanted::default() });
    let env = async |name| call(&slice, "test:hostile/acts#env", text(name)).await.unwrap();
    assert_eq!(env("LOG_LEVEL").await, [vec![1], text("info")].concat());
    assert_eq!(env("PATH").await, [0]);
}

#[tokio::test]
async fn the_queue_is_bounded_and_a_drain_lets_calls_end() {
    let node = Node::new();
    let limits =
        Limits { max_concurrency: Bounded::new(1), queue: Bounded::new(1), ..Limits::default() };
    let slice = node.guest("hostile", Wanted { limits, ..Wanted::default() });
    let sleep = |ms: u64| call(&slice, "test:hostile/acts#sleep", ms.to_le_bytes().to_vec());
    let drained = async {
        // The three calls are polled before this is.
        assert_eq!((slice.stats().busy, slice.stats().queued), (1, 1));
        slice.drain(Instant::now() + Duration::from_secs(5)).await
    };
    let (first, second, third, drained) = tokio::join!(sleep(50), sleep(10), sleep(10), drained);
    assert_eq!((first, second), (Ok(vec![]), Ok(vec![])));
    assert!(matches!(third, Err(CallError::Overloaded(Some(_)))), "{third:?}");
    assert_eq!(drained, Ok(()));
    assert_eq!(slice.stats().failures.overloaded, 1);
    assert!(matches!(sleep(1).await, Err(CallError::Unavailable(_))));
    assert_eq!(node.engine.usage().wasm_instances, 1);
    slice.stop(ctx()).await;
    assert_eq!(node.engine.usage().wasm_instances, 0);
}

#[tokio::test]
async fn the_callers_deadline_binds_even_while_it_waits_in_the_queue() {
    let node = Node::new();
    let limits = Limits { max_concurrency: Bounded::new(1), ..Limits::default() };
    let slice = node.guest("hostile", Wanted { limits, ..Wanted::default() });
    let sleep =
        |ms: u64, ctx| call_in(&slice, "test:hostile/acts#sleep", ms.to_le_bytes().to_vec(), ctx);
    let soon = ctx_for(Duration::from_millis(20));
    let (long, short) = tokio::join!(sleep(100, ctx()), sleep(1, soon));
    assert_eq!((long, short), (Ok(vec![]), Err(CallError::DeadlineExceeded)));
    let past = sleep(1, ctx_for(Duration::ZERO)).await;
    assert_eq!(past, Err(CallError::DeadlineExceeded));
    assert_eq!(slice.stats().failures.deadline_exceeded, 2);
}

#[tokio::test]
async fn a_fresh_slice_begins_anew_with_every_call() {
    let node = Node::new();
    let wanted = Wanted { reuse: Some(Reuse::Fresh), ..Wanted::default() };
    let slice = node.guest("hostile", wanted);
    for _ in 0..3 {
        let count = call(&slice, "test:hostile/acts#count", vec![]).await.unwrap();
        assert_eq!(count, 1_u32.to_le_bytes());
        assert_eq!(node.engine.usage().wasm_instances, 0);
    }
}
