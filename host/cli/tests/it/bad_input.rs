//! Deploys that cannot be: each is refused with what, where and what to do, and disturbs nothing.

use crate::apps::{Part, part, slice, web, write};
use crate::node::Node;

struct Row {
    what: &'static str,
    components: Vec<Vec<u8>>,
    /// Behind the last entry of the blueprint.
    more: &'static str,
    exit: i32,
    says: &'static [&'static str],
}

fn row(
    what: &'static str,
    components: Vec<Vec<u8>>,
    more: &'static str,
    says: &'static [&'static str],
) -> Row {
    Row { what, components, more, exit: 2, says }
}

#[test]
fn what_cannot_be_deployed_says_why_and_disturbs_nothing() {
    let node = Node::start();
    let good = node.folder("good");
    write(&good, "good", &[web("good", "/good")], "");
    node.deployed(&good);
    for (i, row) in components().into_iter().chain(graphs()).chain(texts()).enumerate() {
        let folder = node.folder(&format!("bad-{i}"));
        write(&folder, "bad", &row.components, row.more);
        let what = row.what;
        let plan = node.aether(&["plan", folder.to_str().unwrap()]);
        for (ended, exit) in [(plan, 2), (node.deploy(&folder), row.exit)] {
            assert_eq!(ended.exit, exit, "{what}: {}", ended.text);
            for part in row.says {
                let text = &ended.text;
                assert!(text.contains(part), "{what}: {part:?} is missing in:\n{text}");
            }
        }
        let bad = node.aether(&["status", "bad"]);
        assert_eq!(bad.exit, 3, "{what}: something of it is there: {}", bad.text);
        let answer = node.get("/good");
        assert_eq!(answer.status, 200, "{what}: {}", answer.text);
    }
}

fn components() -> Vec<Row> {
    let module = wat::parse_str("(module)").unwrap();
    let mut cut = slice("cut", &[]);
    cut.truncate(cut.len() - 70);
    let unknown = "(import \"wasi:nn/graph@0.2.0\" (instance (export \"load\" (func))))";
    let resource = "(import \"t:files/files@1.0.0\" (instance
        (export \"file\" (type $f (sub resource)))
        (export \"open\" (func (param \"name\" string) (result (own $f))))))";
    vec![
        row(
            "a script",
            vec![b"#!/bin/sh\nexit 0\n".to_vec()],
            "",
            &["0.wasm", "this is not WebAssembly", "not-a-component", "wasm32-wasip2"],
        ),
        row(
            "a core module",
            vec![module],
            "",
            &["0.wasm", "core WebAssembly module", "not-a-component", "wasm-tools component new"],
        ),
        row(
            "nothing at all",
            vec![Vec::new()],
            "",
            &["0.wasm", "empty", "not-a-component", "wasm32-wasip2"],
        ),
        row("a damaged component", vec![cut], "", &["0.wasm", "component-invalid", "build"]),
        row(
            "an import of the host's world that it does not have",
            vec![part("nn", unknown, "")],
            "",
            &["wasi:nn/graph@0.2.0", "unknown-import", "remove what needs it"],
        ),
        row(
            "the cache without a bucket",
            vec![part("kv", "(import \"wasi:keyvalue/store@0.2.0-draft\" (instance))", "")],
            "",
            &["t:kv:1.0.0", "imports `wasi:keyvalue/store", "grant-missing", "[slices.grants]"],
        ),
        row(
            "a resource between slices",
            vec![part("files", resource, "")],
            "",
            &["t:files/files@1.0.0#open", "handle-in-interface", "name things by an id"],
        ),
        row(
            "a wrong key in slice.toml",
            vec![part("key", "", "[instances]\nmemroy = \"8MiB\"")],
            "",
            &["slice.toml:4:1", "toml-unknown-key", "did you mean `memory`?"],
        ),
        row(
            "a wrong type in slice.toml",
            vec![part("type", "", "[instances]\nmemory = 64")],
            "",
            &["slice.toml:4:10", "toml-value", "64MiB"],
        ),
    ]
}

fn graphs() -> Vec<Row> {
    let twin = Part {
        imports: "",
        export: "t:a/api@1.0.0",
        result: "u32",
        answer: 1,
        slice_toml: "[slice]\nartifact = \"t:twin:1.0.0\"",
    };
    let other = Part {
        imports: "",
        export: "t:b/api@1.0.0",
        result: "u8",
        answer: 1,
        slice_toml: "[slice]\nartifact = \"t:b:2.0.0\"",
    };
    let nowhere = "[[routes]]\nroute = \"GET /x\"\ncall = \"t:route/api#g\"";
    vec![
        row(
            "an import that nobody provides",
            vec![slice("a", &["b"])],
            "",
            &["t:a:1.0.0", "nobody provides `t:b/api@1.0.0`", "unknown-import"],
        ),
        row(
            "two exporters of one interface",
            vec![slice("a", &[]), twin.bytes()],
            "",
            &["t:a:1.0.0", "t:twin:1.0.0", "`t:a/api@1.0.0`", "duplicate-export", "keep one"],
        ),
        row(
            "a circle",
            vec![slice("c", &["d"]), slice("d", &["c"])],
            "",
            &["t:c:1.0.0 -> t:d:1.0.0 -> t:c:1.0.0", "dependency-cycle", "slice of its own"],
        ),
        row(
            "types that differ",
            vec![slice("a", &["b"]), other.bytes()],
            "",
            &["t:a:1.0.0", "f: func() -> u32", "t:b:2.0.0", "func() -> u8", "type-mismatch"],
        ),
        row(
            "a path with a parameter that the function does not have",
            vec![web("x", "/{a}/x")],
            "",
            &["route-invalid", "GET /{a}/x", "no parameter"],
        ),
        row(
            "a route twice in one application",
            vec![web("x1", "/x"), web("y1", "/x")],
            "",
            &["t:y1:1.0.0", "`GET /x`", "t:x1:1.0.0", "route-conflict", "change the path"],
        ),
        row(
            "a route of another application",
            vec![web("thief", "/good")],
            "",
            &["`GET /good`", "t:good:1.0.0 in application good", "route-conflict"],
        ),
        row(
            "a route to a function that is not there",
            vec![part("route", "", nowhere)],
            "",
            &["t:route:1.0.0", "`GET /x`", "unknown-function", "did you mean"],
        ),
    ]
}

fn texts() -> Vec<Row> {
    let one = || vec![slice("a", &[])];
    vec![
        row(
            "no such key",
            one(),
            "instanses = 3",
            &["blueprint.toml:6:1", "no key `instanses`", "toml-unknown-key", "`instances`?"],
        ),
        row(
            "a wrong type",
            one(),
            "instances = \"two\"",
            &["blueprint.toml:6:13", "toml-value", "two"],
        ),
        row("no TOML", one(), "instances = ", &["blueprint.toml:6:", "toml-syntax"]),
        row(
            "a key of a later version",
            one(),
            "security = \"public\"",
            &["blueprint.toml:6:1", "`security` is not supported yet", "remove it"],
        ),
        row(
            "a file that is not there",
            one(),
            "[[slices]]\nfile = \"missing.wasm\"",
            &["blueprint.toml:7:8", "missing.wasm", "artifact-missing", "aether slice build"],
        ),
        row(
            "more than the author allows",
            one(),
            "[slices.limits]\nmemory = \"128MiB\"",
            &["t:a:1.0.0", "memory is 128MiB", "at most 64MiB", "lower a limit, not raise it"],
        ),
        row(
            "a bucket that is not there",
            one(),
            "[slices.grants]\ncache = [\"orders\"]",
            &["blueprint.toml:7:9", "\"orders\"", "grant-missing", "[cache.orders]"],
        ),
        row(
            "an origin with a port that is none",
            one(),
            "[slices.grants]\nhttp = [\"https://api.example.com:99999\"]",
            &["blueprint.toml:7:8", "api.example.com:99999", "toml-value", "not an origin"],
        ),
        row(
            "a route for a slice that is not there",
            one(),
            "[[routes]]\nroute = \"GET /x\"\nslice = \"t:b\"\ncall = \"t:a/api#f\"",
            &["`GET /x`", "no slice t:b", "route-invalid", "did you mean `t:a`?"],
        ),
    ]
}
