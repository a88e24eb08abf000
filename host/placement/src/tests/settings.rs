//! Settings of slices and grants of the blueprint that the check refuses.

use super::check::check;
use expect_test::expect;
use std::format;

#[test]
fn only_what_is_async_takes_several_calls_in_one_instance() {
    let slice = |surface: &str| {
        format!("shop:a:1.0.0\n{surface}\ntoml\n[instances]\nreuse = \"concurrent\"\n")
    };
    check(
        &slice("export shop:a/b@1.0.0 { async f(); g() }"),
        "",
        expect![[r#"
        shop:a:1.0.0 memory=64MiB
    "#]],
    );
    check(
        &slice("export shop:a/b@1.0.0 { f(); g() }"),
        "",
        expect![[r#"
        shop:a:1.0.0: [instances] reuse = "concurrent" is not possible: the component exports no `async func` and no wasi:http 0.3 handler [reuse-impossible]
          help: remove `reuse` from slice.toml, or make the exported functions `async func`"#]],
    );
    let route = "[[routes]]\nroute = \"* /**\"\nslice = \"shop:a\"\nhandler = \"wasi:http\"\n";
    check(
        &slice("export shop:a/b@1.0.0 { async f() }\nhttp"),
        route,
        expect![[r#"
        shop:a:1.0.0: [instances] reuse = "concurrent" is not possible: a wasi:http 0.2 handler takes one request at a time [reuse-impossible]
          help: remove `reuse` from slice.toml, or make the exported functions `async func`"#]],
    );
}

#[test]
fn a_status_is_given_to_an_error_that_there_is() {
    let slice = |errors: &str| {
        let call = "call-failed|sold-out|unknown-sku|unknown-user";
        format!(
            "shop:a:1.0.0
            export shop:a/b@1.0.0 {{ f() -> result<_, {call}>; g() -> result<_, string>; h() }}
            toml
            [errors]
            {errors}"
        )
    };
    check(
        &slice("sold-out = 409\n\"unknown-*\" = 404\nerror = 500"),
        "",
        expect![[r#"
        shop:a:1.0.0 memory=64MiB
    "#]],
    );
    check(
        &slice("soldout = 409\n\"missing-*\" = 404\ncall-failed = 503\nnothing = 400"),
        "",
        expect![[r#"
            shop:a:1.0.0: [errors] names `call-failed`, whose status follows from the failure [toml-value]
              help: remove it from slice.toml, and build the slice again
            shop:a:1.0.0: [errors] names `missing-*`, and no exported function has such an error [toml-value]
              help: its errors are sold-out, unknown-sku, unknown-user, error
            shop:a:1.0.0: [errors] names `nothing`, and no exported function has such an error [toml-value]
              help: its errors are sold-out, unknown-sku, unknown-user, error
            shop:a:1.0.0: [errors] names `soldout`, and no exported function has such an error [toml-value]
              help: did you mean `sold-out`?"#]],
    );
    check(
        "shop:a:1.0.0
        export shop:a/b@1.0.0 { f() -> u32 }
        toml
        [errors]
        error = 500",
        "",
        expect![[r#"
            shop:a:1.0.0: [errors] names `error`, and no exported function has such an error [toml-value]
              help: no function that it exports returns a result with an error"#]],
    );
}

#[test]
fn what_imports_the_cache_needs_a_bucket() {
    let slices = "shop:a:1.0.0
        export shop:a/b@1.0.0 { f() }
        infra aether:infra/types@0.1.0
        infra wasi:http/outgoing-handler@0.2.12
        ---
        shop:c:1.0.0
        export shop:c/d@1.0.0 { f() }
        infra wasi:keyvalue/store@0.2.0-draft2";
    check(
        slices,
        "",
        expect![[r#"
            shop:c:1.0.0: imports `wasi:keyvalue/store@0.2.0-draft2`, and no bucket of the cache is granted to it [grant-missing]
              help: add `cache = ["NAME"]` under its [slices.grants], and a table [cache.NAME]"#]],
    );
    let bucket = "[cache.carts]\n[cache.urls]\n";
    check(
        slices,
        bucket,
        expect![[r#"
            shop:c:1.0.0: imports `wasi:keyvalue/store@0.2.0-draft2`, and no bucket of the cache is granted to it [grant-missing]
              help: add `cache = ["NAME"]` under its [slices.grants]; the buckets are "carts", "urls""#]],
    );
    let entries = "[[slices]]\nartifact = \"shop:a:1.0.0\"\n[[slices]]\n\
                   artifact = \"shop:c:1.0.0\"\n[slices.grants]\ncache = [\"urls\"]\n";
    check(
        slices,
        &format!("{entries}{bucket}"),
        expect![[r#"
        shop:a:1.0.0 memory=64MiB
        shop:c:1.0.0 memory=64MiB
    "#]],
    );
}
