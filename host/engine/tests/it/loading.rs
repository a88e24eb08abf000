//! What a component must be to be loaded, and what a node has room for.

use crate::support::{Node, Wanted, call, memory};
use aether_types::ByteSize;
use aether_types::slice_toml::Reuse;
use expect_test::{Expect, expect};

fn check(text: &str, expect: Expect) {
    let node = Node::new();
    let bytes = wat::parse_str(text).unwrap();
    expect.assert_eq(&match node.engine.describe(&bytes) {
        Err(problems) => problems.to_string(),
        Ok(_) => match node.load(&bytes, Wanted::default()) {
            Err(reason) => reason.to_string(),
            Ok(slice) => format!("{slice:?}"),
        },
    });
}

const EXPORT: &str = r#"(core module $m (func (export "f")))
    (core instance $i (instantiate $m))
    (func $f (canon lift (core func $i "f")))
    (instance (export "test:x/y") (export "f" (func $f)))"#;

#[test]
fn imports_are_linked_or_refused_by_name() {
    check(
        "(module)",
        expect![[r#"
        component: this is a core WebAssembly module, not a component [not-a-component]
          help: build for wasm32-wasip2, or make a component with `wasm-tools component new`"#]],
    );
    check(&format!("(component {EXPORT})"), expect!["Slice(test:slice-32829ddc5074:1.0.0)"]);
    check(
        &format!(
            "(component (import \"wasi:nn/x@0.2.0\" (instance (export \"f\" (func)))) {EXPORT})"
        ),
        expect![[r#"
            wasi:nn/x@0.2.0: this version of Aether does not provide this interface [unknown-import]
              help: remove what needs it from the slice"#]],
    );
    check(
        &format!(
            "(component (import \"wasi:http/types@0.2.0\" (instance (export \"f\" (func)))) {EXPORT})"
        ),
        expect![
            "component imports instance `wasi:http/types@0.2.0`, but a matching implementation was not found in the linker: instance export `f` has the wrong type: function implementation is missing [unknown-import]"
        ],
    );
    check(
        &format!(
            "(component (import \"wasi:random/random@0.2.3\" (instance (export \"get-random-u64\" (func (result u32))))) {EXPORT})"
        ),
        expect![
            "component imports instance `wasi:random/random@0.2.3`, but a matching implementation was not found in the linker: instance export `get-random-u64` has the wrong type: type mismatch with results: expected `u64` found `u32` [unknown-import]"
        ],
    );
    check(
        &format!(
            "(component (import \"wasi:random/random@0.2.3\" (instance (export \"get-random-u64\" (func (result u64))))) {EXPORT})"
        ),
        expect!["Slice(test:slice-84a39346a135:1.0.0)"],
    );
    check(
        &format!(
            "(component (import \"shop:a/b@1.0.0\" (instance (export \"f\" (func (param \"x\" (list string)))))) {EXPORT})"
        ),
        expect!["Slice(test:slice-0adae0f67744:1.0.0)"],
    );
}

#[test]
fn slices_are_admitted_while_one_instance_of_each_fits() {
    let node = Node::with(|settings| settings.memory_budget = ByteSize::mib(100));
    let load = |extra: &str| {
        let component = wat::parse_str(format!("(component {extra} {EXPORT})")).unwrap();
        node.load(&component, Wanted::default())
    };
    let (first, other) = ("", "(core module)");
    let slice = load(first).unwrap();
    expect!["the slice may use 64MiB for each instance; the node's memory budget of 100MiB has 36MiB left [out-of-capacity]"].assert_eq(&load(other).unwrap_err().to_string());

    // What comes after it fits beside it, and holds what they shared when it is gone.
    let next = load(first).unwrap();
    assert_eq!(node.engine.usage().memory_admitted, ByteSize::mib(64));
    drop(slice);
    assert_eq!(node.engine.usage().memory_admitted, ByteSize::mib(64));
    load(other).unwrap_err();
    drop(next);
    node.unload();
    load(other).unwrap();
}

#[tokio::test]
async fn the_node_stays_within_its_memory_budget() {
    let node = Node::with(|settings| settings.memory_budget = ByteSize::mib(20));
    let wanted = || Wanted { limits: memory(10 << 20), ..Wanted::default() };
    let (a, b) = (node.guest("hostile", wanted()), node.guest("hostile", wanted()));
    let grow = async |slice| {
        let bytes = (7_u64 << 20).to_le_bytes().to_vec();
        call(slice, "test:hostile/acts#grow", bytes).await.map(drop)
    };
    grow(&a).await.unwrap();
    // Each slice may have 10 MiB, and they share 20 MiB with the code's own memory of about 1 MiB.
    grow(&b).await.unwrap();
    assert!(node.engine.usage().memory <= ByteSize::mib(20));
    drop(a);
    node.unload();
    assert!(node.engine.usage().memory < ByteSize::mib(11));
}

#[tokio::test]
async fn the_node_has_room_for_so_many_instances() {
    let node = Node::with(|settings| settings.wasm_instances_max = 1);
    let (a, b) = (node.guest("echo", Wanted::default()), node.guest("hostile", Wanted::default()));
    call(&a, "test:types/all#nothing", vec![]).await.unwrap();
    let full = call(&b, "test:hostile/acts#count", vec![]).await.unwrap_err();
    assert_eq!(full, aether_types::CallError::Overloaded(Some(1_000)));
    a.stop(crate::support::ctx()).await;
    call(&b, "test:hostile/acts#count", vec![]).await.unwrap();
}

#[test]
fn one_instance_for_several_calls_needs_the_async_abi() {
    let node = Node::new();
    let refused = |bytes: &[u8]| {
        let wanted = Wanted { reuse: Some(Reuse::Concurrent), ..Wanted::default() };
        node.load(bytes, wanted).unwrap_err().to_string()
    };
    let sync = wat::parse_str(format!("(component {EXPORT})")).unwrap();
    expect![[r#"reuse = "concurrent" is not possible: the component exports no `async func` and no wasi:http 0.3 handler [reuse-impossible]"#]].assert_eq(&refused(&sync));
    expect![[r#"reuse = "concurrent" is not possible: a wasi:http 0.2 handler takes one request at a time [reuse-impossible]"#]].assert_eq(&refused(&aether_test_guests::bytes("http-hello")));
}
