//! Every bad thing that a guest can do, the error it gets, and a neighbour that does not notice.

use crate::support::{Node, Wanted, call, memory, text, timeout};
use aether_engine::Slice;
use aether_types::CallError;
use aether_types::blueprint::Limits;
use expect_test::{Expect, expect};

const ACTS: &str = "test:hostile/acts";

/// A neighbour in the same engine: the same component, loaded a second time and used well.
struct Neighbour<'a> {
    slice: &'a Slice,
    calls: u32,
}

impl Neighbour<'_> {
    /// Its instance still is the one of the beginning, and counts.
    async fn check(&mut self) {
        self.calls += 1;
        let count = call(self.slice, &format!("{ACTS}#count"), vec![]).await.unwrap();
        assert_eq!(count, self.calls.to_le_bytes());
    }
}

async fn check(node: &Node, act: (&str, Vec<u8>, Limits), expect: Expect) {
    let (name, args, limits) = act;
    let neighbour = node.guest("hostile", Wanted::default());
    let mut neighbour = Neighbour { slice: &neighbour, calls: 0 };
    neighbour.check().await;
    let slice = node.guest("hostile", Wanted { limits, ..Wanted::default() });
    let count = format!("{ACTS}#count");
    assert_eq!(call(&slice, &count, vec![]).await.unwrap(), 1_u32.to_le_bytes());
    let function = format!("{ACTS}#{name}");
    // At the same time: what a guest does must not keep the only thread.
    let (outcome, ()) = tokio::join!(call(&slice, &function, args), neighbour.check());
    let failed = outcome.is_err();
    let shown = outcome.map(|answer| format!("{} bytes", answer.len()));
    expect.assert_eq(&shown.unwrap_or_else(|e| format!("{}: {e}", e.word())));
    neighbour.check().await;
    // The instance is gone after a failure and warm after an answer.
    let count = call(&slice, &count, vec![]).await.unwrap();
    assert_eq!(count, if failed { 1_u32 } else { 2 }.to_le_bytes(), "{name}");
    assert_eq!(slice.stats().calls, 3);
}

fn u64s(value: u64) -> Vec<u8> {
    value.to_le_bytes().to_vec()
}

fn u32s(value: u32) -> Vec<u8> {
    value.to_le_bytes().to_vec()
}

#[tokio::test]
async fn bad_guests_hurt_nobody_else() {
    let node = Node::new();
    let usual = Limits::default;
    let quick = || timeout(400);
    for (act, expect) in [
        (("spin", vec![], quick()), expect!["deadline-exceeded: the deadline passed"]),
        (("sleep", u64s(60_000), quick()), expect!["deadline-exceeded: the deadline passed"]),
        (("busy", u64s(60_000), quick()), expect!["deadline-exceeded: the deadline passed"]),
        (("busy", u64s(30), usual()), expect!["0 bytes"]),
        (
            ("trap", vec![], usual()),
            expect![
                "callee-failed: the callee failed: wasm trap: wasm `unreachable` instruction executed"
            ],
        ),
        (
            ("recurse", u64s(0), usual()),
            expect!["callee-failed: the callee failed: wasm trap: out of bounds memory access"],
        ),
        (("grow", u64s(8 << 20), usual()), expect!["8 bytes"]),
        (
            ("grow", u64s(1 << 30), usual()),
            expect![
                "callee-failed: the callee failed: wasm trap: wasm `unreachable` instruction executed, after it reached its memory limit of 64MiB"
            ],
        ),
        (
            ("grow-forever", vec![], memory(4 << 20)),
            expect![
                "callee-failed: the callee failed: wasm trap: wasm `unreachable` instruction executed, after it reached its memory limit of 4MiB"
            ],
        ),
        (
            ("huge-string", u32s(40 << 20), usual()),
            expect!["callee-failed: the callee failed: the value has more than 33554432 bytes"],
        ),
        (("huge-string", u32s(4 << 20), usual()), expect!["4194308 bytes"]),
        (("huge-list", u32s(1 << 19), usual()), expect!["2621444 bytes"]),
        (("print", u32s(1 << 20), usual()), expect!["0 bytes"]),
        (("flood-log", [u32s(3), u32s(10)].concat(), usual()), expect!["0 bytes"]),
        (("env", text("HOME"), usual()), expect!["1 bytes"]),
        (
            ("exit", vec![3], usual()),
            expect!["callee-failed: the callee failed: Exited with i32 exit status 1"],
        ),
        (
            ("grow", vec![1, 2], usual()),
            expect!["callee-failed: the callee failed: the value ends too early"],
        ),
    ] {
        check(&node, act, expect).await;
    }
    node.unload();
    assert_eq!(node.engine.usage().memory_admitted.bytes(), 0);
    assert_eq!(node.engine.usage().wasm_instances, 0);
    assert_eq!(node.engine.usage().memory.bytes(), 0);
}

/// Grows a table, which no Rust guest can do.
const TABLE: &str = r#"(component
    (core module $m
        (table $t 1 funcref)
        (func (export "grow") (param i32) (result i32)
            (table.grow $t (ref.null func) (local.get 0))))
    (core instance $i (instantiate $m))
    (func $grow (param "by" u32) (result s32) (canon lift (core func $i "grow")))
    (instance (export "test:table/grow") (export "grow" (func $grow))))"#;

#[tokio::test]
async fn a_table_grows_to_its_limit_only() {
    let node = Node::new();
    let slice = node.wat(TABLE, Wanted::default());
    let grow = async |by: u32| {
        let answer = call(&slice, "test:table/grow#grow", u32s(by)).await.unwrap();
        i32::from_le_bytes(answer.try_into().unwrap())
    };
    assert_eq!(grow(1 << 16).await, 1);
    assert_eq!(grow(1 << 20).await, -1);
    assert_eq!(grow(1).await, (1 << 16) + 1);
}

/// Recurses without a frame in linear memory, so that it is the host's stack that ends.
const RECURSION: &str = r#"(component
    (core module $m
        (func $f (export "f") (param i32) (result i32)
            (i32.add (i32.const 1) (call $f (local.get 0)))))
    (core instance $i (instantiate $m))
    (func $f (param "x" u32) (result u32) (canon lift (core func $i "f")))
    (instance (export "test:deep/er") (export "f" (func $f))))"#;

#[tokio::test]
async fn the_stack_of_a_guest_ends() {
    let node = Node::new();
    let slice = node.wat(RECURSION, Wanted::default());
    let outcome = call(&slice, "test:deep/er#f", u32s(0)).await;
    let message = "wasm trap: call stack exhausted".to_owned();
    assert_eq!(outcome, Err(CallError::CalleeFailed(message)));
}

/// Loops while it is initialised.
const SLOW_START: &str = r#"(component
    (core module $m
        (func $spin (loop $again (br $again)))
        (start $spin)
        (func (export "f")))
    (core instance $i (instantiate $m))
    (func $f (canon lift (core func $i "f")))
    (instance (export "test:slow/start") (export "f" (func $f))))"#;

#[tokio::test]
async fn a_guest_that_loops_while_it_is_made_is_stopped() {
    let node = Node::new();
    let slice = node.wat(SLOW_START, Wanted { limits: timeout(100), ..Wanted::default() });
    let outcome = call(&slice, "test:slow/start#f", vec![]).await;
    assert_eq!(outcome, Err(CallError::DeadlineExceeded));
    assert_eq!(node.engine.usage().wasm_instances, 0);
}
