//! Values of every type that may cross from one slice to another, drawn by chance: from JSON at any
//! node's door to a slice on a second node, which asks one on a third, and back.

use crate::node::{Node, cluster, wait};
use aether_engine::{Engine, Settings};
use aether_forge::http::Request;
use aether_types::wit::{Function, Interface, Type};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const BLUEPRINT: &str = r#"
[application]
name = "types"
version = "1.0.0"
[[slices]]
file = "caller.wasm"
[slices.placement]
require-away-from = ["test:echo"]
[[slices]]
file = "echo.wasm"
"#;

/// Of each function, asked of each node.
const VALUES: usize = 4;

#[test]
fn every_type_comes_back_as_it_went_on_three_nodes() {
    check(&cluster::<3>());
}

#[test]
fn every_type_comes_back_as_it_went_on_five_nodes() {
    check(&cluster::<5>());
}

fn check(nodes: &[Node]) {
    let folder = nodes[0].folder("types");
    std::fs::write(folder.join("blueprint.toml"), BLUEPRINT).unwrap();
    for name in ["echo", "caller"] {
        let slice_toml = format!("[slice]\nartifact = \"test:{name}:1.0.0\"\n");
        let bytes = aether_test_guests::bytes(name);
        let bytes = aether_slice_build::embed(&bytes, &slice_toml).unwrap();
        std::fs::write(folder.join(format!("{name}.wasm")), bytes).unwrap();
    }
    nodes[0].deployed(&folder);
    let slices = nodes[0].json(&["slices"]).unwrap();
    let instances = slices["slices"].as_array().unwrap().iter().map(|slice| &slice["instances"]);
    let homes: BTreeSet<_> = instances.map(|all| all[0]["node"].to_string()).collect();
    assert_eq!(homes.len(), 2, "calls cross from node to node: {slices}");

    let Interface { name, functions } = forward();
    // The numbers are the same in each run.
    let mut runner = TestRunner::deterministic();
    let mut checked = 0;
    for node in nodes {
        wait("the node knows where to call", || {
            call(node, &format!("{name}#nothing"), &json!([])).is_some()
        });
        for function in functions.iter().filter(|function| function.name.starts_with("echo-")) {
            let values = values(&function.params[0].ty);
            for _ in 0..VALUES {
                let value = values.new_tree(&mut runner).unwrap().current();
                let path = format!("{name}#{}", function.name);
                let answer = call(node, &path, &json!([value])).expect("it is routed to");
                assert_eq!(answer, expected(function, value.clone()), "{path} {value}");
                checked += 1;
            }
        }
    }
    assert_eq!(checked, nodes.len() * VALUES * 54);
}

/// What the slice in the middle exports.
fn forward() -> Interface {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings::for_machine(folder.path().to_owned());
    let engine = Engine::new(settings, Vec::new()).unwrap();
    let described = engine.describe(&aether_test_guests::bytes("caller")).unwrap();
    let found = described.exports.into_iter().find(|it| it.name.to_string().contains("forward"));
    found.expect("the caller exports it")
}

/// What a function answers: none while nobody can be called.
fn call(node: &Node, function: &str, params: &Value) -> Option<Value> {
    let body = json!({ "function": function, "params": params }).to_string();
    let path = "/api/apps/types/call";
    let request = Request { method: "POST", path, body: Some(body), ..Request::default() };
    let answer = node.manage(&request).unwrap();
    match answer.status {
        200 => {
            let answer: Value = serde_json::from_str(&answer.body).unwrap();
            Some(json!({ "outcome": answer["outcome"], "value": answer["value"] }))
        }
        503 => None,
        status => panic!("{function} {params}: {status} {}", answer.body),
    }
}

/// The same value, as an answer tells it.
fn expected(function: &Function, value: Value) -> Value {
    let Some(Type::Result(result)) = &function.result else {
        return json!({ "outcome": "ok", "value": value });
    };
    let Value::Object(cases) = value else { panic!("{value} is no result") };
    let (outcome, payload) = cases.into_iter().next().expect("one case");
    let value = match result.err.as_deref() {
        _ if outcome == "ok" => payload,
        Some(Type::Variant(_) | Type::Enum(_)) => payload,
        Some(_) => json!({ "error": payload }),
        None => json!("error"),
    };
    json!({ "outcome": outcome, "value": value })
}

/// JSON of values of the type, as answers have it.
fn values(ty: &Type) -> BoxedStrategy<Value> {
    match ty {
        Type::Bool => any::<bool>().prop_map(Value::from).boxed(),
        Type::S8 => any::<i8>().prop_map(Value::from).boxed(),
        Type::U8 => any::<u8>().prop_map(Value::from).boxed(),
        Type::S16 => any::<i16>().prop_map(Value::from).boxed(),
        Type::U16 => any::<u16>().prop_map(Value::from).boxed(),
        Type::S32 => any::<i32>().prop_map(Value::from).boxed(),
        Type::U32 => any::<u32>().prop_map(Value::from).boxed(),
        Type::S64 => any::<i64>().prop_map(Value::from).boxed(),
        Type::U64 => any::<u64>().prop_map(Value::from).boxed(),
        // Exact in both, so that the shortest text of one is that of the other.
        Type::F32 | Type::F64 => prop_oneof![
            8 => any::<i16>().prop_map(|n| Value::from(f64::from(n) / 8.0)),
            1 => prop::sample::select(vec!["NaN", "Infinity", "-Infinity"]).prop_map(Value::from),
        ]
        .boxed(),
        Type::Char => any::<char>().prop_map(|c| Value::from(c.to_string())).boxed(),
        Type::String => any::<String>().prop_map(Value::from).boxed(),
        Type::List(element) if **element == Type::U8 => {
            prop::sample::select(vec!["", "AA==", "AP8=", "YWV0aGVy"]).prop_map(Value::from).boxed()
        }
        Type::List(element) => {
            prop::collection::vec(values(element), 0..6).prop_map(Value::from).boxed()
        }
        Type::Option(inner) => {
            let some = match **inner {
                Type::Option(_) => values(inner).prop_map(|it| json!({ "some": it })).boxed(),
                _ => values(inner),
            };
            prop_oneof![Just(Value::Null), some].boxed()
        }
        Type::Result(it) => {
            let payload = |ty: &Option<Box<Type>>| match ty {
                Some(ty) => values(ty),
                None => Just(Value::Null).boxed(),
            };
            let ok = payload(&it.ok).prop_map(|it| json!({ "ok": it }));
            prop_oneof![ok, payload(&it.err).prop_map(|it| json!({ "err": it }))].boxed()
        }
        Type::Tuple(types) => {
            types.iter().map(values).collect::<Vec<_>>().prop_map(Value::from).boxed()
        }
        Type::Record(fields) => {
            let names: Vec<_> = fields.iter().map(|field| field.name.clone()).collect();
            let all: Vec<_> = fields.iter().map(|field| values(&field.ty)).collect();
            all.prop_map(move |all| names.iter().cloned().zip(all).collect()).boxed()
        }
        Type::Variant(cases) => {
            let case = |case: &aether_types::wit::Case| {
                let name = case.name.clone();
                match &case.ty {
                    Some(ty) => values(ty).prop_map(move |it| json!({ name.clone(): it })).boxed(),
                    None => Just(Value::from(name)).boxed(),
                }
            };
            prop::strategy::Union::new(cases.iter().map(case)).boxed()
        }
        Type::Enum(names) => prop::sample::select(names.clone()).prop_map(Value::from).boxed(),
        Type::Flags(names) => {
            prop::sample::subsequence(names.clone(), 0..=names.len()).prop_map(Value::from).boxed()
        }
        Type::Handle(what) => panic!("{what} has no values"),
    }
}
