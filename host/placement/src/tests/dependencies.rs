//! What the blueprint wants of those who provide imports, and keys that functions have.

use super::check::check;
use expect_test::expect;
use std::format;
use std::string::String;

/// A slice that imports 1.0.0 of an interface, and three that offer versions of it.
const SLICES: &str = "t:web:1.0.0
    export t:web/api@1.0.0 { f() }
    import t:stock/api@1.0.0 { get(sku: string) -> u32 }
    ---
    t:stock:1.0.0
    export t:stock/api@1.0.0 { get(sku: string) -> u32 }
    ---
    t:stock:1.4.0
    export t:stock/api@1.1.0 { get(sku: string) -> u32 }
    ---
    t:other:3.0.0
    export t:stock/api@1.2.0 { get(sku: string) -> u32 }
    export t:stock/api@1.3.0 { get(sku: string) -> u32 }";

/// The blueprint with what it wants of the first one's import.
fn wishes(wish: &str) -> String {
    let rest = ["t:stock:1.0.0", "t:stock:1.4.0", "t:other:3.0.0"];
    let rest = rest.map(|slice| format!("[[slices]]\nartifact = \"{slice}\"\n")).concat();
    format!("[[slices]]\nartifact = \"t:web:1.0.0\"\n[slices.dependencies.{wish}\n{rest}")
}

#[test]
fn a_range_chooses_among_compatible_versions() {
    let check = |wish: &str, expect| check(SLICES, &wishes(wish), expect);
    check(
        "\"t:stock/api\"]\ninterface = \"<1.2\"",
        expect![[r#"
        t:stock:1.0.0 memory=64MiB
        t:stock:1.4.0 memory=64MiB
        t:web:1.0.0 memory=64MiB
        t:other:3.0.0 memory=64MiB
        t:web:1.0.0 -[t:stock/api@1.0.0]-> t:stock:1.4.0
    "#]],
    );
    check(
        "\"t:stock/api@1.0.0\"]\nslice = \"t:stock\"",
        expect![[r#"
        t:stock:1.0.0 memory=64MiB
        t:stock:1.4.0 memory=64MiB
        t:web:1.0.0 memory=64MiB
        t:other:3.0.0 memory=64MiB
        t:web:1.0.0 -[t:stock/api@1.0.0]-> t:stock:1.4.0
    "#]],
    );
    check(
        "\"t:stock/api\"]\nslice = \"t:stock\"\nversions = \"~1.0\"",
        expect![[r#"
        t:stock:1.0.0 memory=64MiB
        t:web:1.0.0 memory=64MiB
        t:stock:1.4.0 memory=64MiB
        t:other:3.0.0 memory=64MiB
        t:web:1.0.0 -[t:stock/api@1.0.0]-> t:stock:1.0.0
    "#]],
    );
    check(
        "\"t:stock/api\"]\nslice = \"t:other\"",
        expect![[r#"
        t:stock:1.0.0 memory=64MiB
        t:stock:1.4.0 memory=64MiB
        t:other:3.0.0 memory=64MiB
        t:web:1.0.0 memory=64MiB
        t:web:1.0.0 -[t:stock/api@1.0.0]-> t:other:3.0.0
    "#]],
    );
}

#[test]
fn a_range_that_nobody_is_in_is_refused_with_all_that_there_are() {
    let check = |wish: &str, expect| check(SLICES, &wishes(wish), expect);
    check(
        "\"t:stock/api\"]\ninterface = \">=2\"",
        expect![[r#"
        t:web:1.0.0: nobody that may provides `t:stock/api@1.0.0` in >=2 [unknown-import]
          help: `t:stock/api@1.3.0` of t:other:3.0.0 is out of the range; `t:stock/api@1.2.0` of t:other:3.0.0 is out of the range; `t:stock/api@1.1.0` of t:stock:1.4.0 is out of the range; `t:stock/api@1.0.0` of t:stock:1.0.0 is out of the range; widen the range, or add a version that is in it"#]],
    );
    check(
        "\"t:stock/api\"]\nslice = \"t:stock\"\nversions = \"2\"",
        expect![[r#"
        t:web:1.0.0: nobody that may provides `t:stock/api@1.0.0` from t:stock ^2 [unknown-import]
          help: `t:stock/api@1.3.0` of t:other:3.0.0 is of a slice that is not asked for; `t:stock/api@1.2.0` of t:other:3.0.0 is of a slice that is not asked for; `t:stock/api@1.1.0` of t:stock:1.4.0 is of a slice that is not asked for; `t:stock/api@1.0.0` of t:stock:1.0.0 is of a slice that is not asked for; widen the range, or add a version that is in it"#]],
    );
    check(
        "\"t:stock/api\"]\ninterface = \"~1.2\"",
        expect![[r#"
        t:web:1.0.0: wants `t:stock/api@1.2.0`, and t:other:3.0.0 exports other versions of it as well [toml-value]
          help: within a slice no version can be chosen: name another slice, or widen the range"#]],
    );
    check(
        "\"t:stok/api\"]\ninterface = \"1\"",
        expect![[r#"
        t:web:1.0.0: `dependencies` names `t:stok/api`, which the slice does not import [toml-value]
          help: it imports t:stock/api@1.0.0"#]],
    );
}

#[test]
fn a_key_is_a_scalar_parameter() {
    let slice = |key: &str| {
        format!(
            "t:a:1.0.0
        export t:a/b@1.0.0 {{ get(id: u64, more: a|b) }}
        toml
        [functions.\"t:a/b#get\"]
        affinity = \"param:{key}\""
        )
    };
    check(
        &slice("id"),
        "",
        expect![[r#"
        t:a:1.0.0 memory=64MiB
    "#]],
    );
    check(
        &slice("more"),
        "",
        expect![[r#"
        t:a:1.0.0: calls of `t:a/b#get` cannot go by `more: variant { a, b }`: only a scalar is a key [toml-value]
          help: it is `get: func(id: u64, more: variant { a, b })`"#]],
    );
    check(
        &slice("ident"),
        "",
        expect![[r#"
        t:a:1.0.0: `t:a/b#get` has no parameter `ident` to go by [toml-value]
          help: it is `get: func(id: u64, more: variant { a, b })`"#]],
    );
}
