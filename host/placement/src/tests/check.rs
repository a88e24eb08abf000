//! What the check finds, as data.

use super::world::{application, descriptions, slices};
use aether_types::blueprint::Application;
use aether_types::checked::{Checked, RouteTarget};
use expect_test::{Expect, expect};
use std::format;
use std::string::{String, ToString};

/// An application that has taken `GET /api/{x}/status`.
fn other() -> Checked {
    let slices = slices(
        "blog:posts:1.0.0
        export blog:posts/read@1.0.0 { status(x: string) -> string }
        toml
        [[routes]]
        route = \"GET /api/{x}/status\"
        call = \"blog:posts/read#status\"",
    );
    let application = application("blog", &slices, "");
    crate::check(&application, &descriptions(&slices), []).unwrap()
}

fn show(checked: &Checked) -> String {
    let mut text = String::new();
    for slice in &checked.slices {
        text += &format!("{} memory={}\n", slice.coordinates, slice.limits.memory);
    }
    for edge in &checked.edges {
        text += &format!("{} -[{}]-> {}\n", edge.importer, edge.interface, edge.exporter);
    }
    for route in &checked.routes {
        let target = match &route.target {
            RouteTarget::Typed { function, binding, .. } => {
                format!("{function} {:?}", binding.params)
            }
            RouteTarget::Handler(version) => format!("handler {version:?}"),
        };
        text += &format!("{} => {} {target}\n", route.pattern, route.slice);
    }
    text
}

pub(super) fn check(text: &str, blueprint: &str, expect: Expect) {
    let slices = slices(text);
    let application = application("shop", &slices, blueprint);
    let other = other();
    expect.assert_eq(&match crate::check(&application, &descriptions(&slices), [&other]) {
        Ok(checked) => show(&checked),
        Err(problems) => problems.to_string(),
    });
}

const ORDERS: &str = "shop:orders:1.0.0
    export shop:orders/place@1.0.0 { place(sku: string, count: u32) -> u64; get(id: u64) }
    import shop:stock/check@1.0.0 { check(sku: string) -> u32 }
    import shop:price/quote@1.0.0 { quote(sku: string) -> u64 }
    toml
    [[routes]]
    route = \"POST /api/orders\"
    call = \"shop:orders/place#place\"
    status = 201
    [[routes]]
    route = \"GET /api/orders/{id}\"
    call = \"shop:orders/place#get\"
";
const STOCK: &str = "---
    shop:stock:2.0.0
    export shop:stock/check@1.0.0 { check(sku: string) -> u32; reserve(sku: string) }
";
const PRICE: &str = "---
    shop:price:1.1.0
    export shop:price/quote@1.0.0 { quote(sku: string) -> u64 }
    import shop:stock/check@1.0.0 { check(sku: string) -> u32 }
";

#[test]
fn a_whole_application_has_edges_an_order_and_routes() {
    check(
        &[ORDERS, PRICE, STOCK].concat(),
        "",
        expect![[r#"
        shop:stock:2.0.0 memory=64MiB
        shop:price:1.1.0 memory=64MiB
        shop:orders:1.0.0 memory=64MiB
        shop:orders:1.0.0 -[shop:price/quote@1.0.0]-> shop:price:1.1.0
        shop:orders:1.0.0 -[shop:stock/check@1.0.0]-> shop:stock:2.0.0
        shop:price:1.1.0 -[shop:stock/check@1.0.0]-> shop:stock:2.0.0
        POST /api/orders => shop:orders:1.0.0 shop:orders/place@1.0.0#place [BodyKey, BodyKey]
        GET /api/orders/{id} => shop:orders:1.0.0 shop:orders/place@1.0.0#get [Path]
    "#]],
    );
}

#[test]
fn limits_are_narrowed_and_never_widened() {
    let one = "shop:a:1.0.0\nexport shop:a/b@1.0.0 { f() }";
    let entry = "[[slices]]\nartifact = \"shop:a:1.0.0\"\n[slices.limits]\n";
    check(
        one,
        &format!("{entry}memory = \"8MiB\""),
        expect![[r#"
        shop:a:1.0.0 memory=8MiB
    "#]],
    );
    check(
        one,
        &format!("{entry}memory = \"128MiB\"\nqueue = 1000"),
        expect![[r#"
        shop:a:1.0.0: queue is 1000; the slice's author allows at most 256 [toml-value]
          help: a blueprint can lower a limit, not raise it
        shop:a:1.0.0: memory is 128MiB; the slice's author allows at most 64MiB [toml-value]
          help: a blueprint can lower a limit, not raise it"#]],
    );
}

#[test]
fn names_must_be_those_of_the_component() {
    check(
        "shop:a:1.0.0
        export shop:a/b@1.0.0 { f() }
        toml
        [slice]
        artifact = \"shop:b:1.0.0\"
        [functions.\"shop:a/b#ff\"]
        timeout = \"1s\"",
        "",
        expect![[r#"
            shop:a:1.0.0: the component says that it is shop:b:1.0.0 [coordinates-mismatch]
              help: make `artifact` the same in blueprint.toml and slice.toml, and build the slice again
            shop:a:1.0.0: [functions] names `shop:a/b#ff`, which the component does not export [unknown-function]
              help: did you mean `shop:a/b@1.0.0#f`?"#]],
    );
    let twice = "[[slices]]\nartifact = \"shop:a:1.0.0\"\n[[slices]]\nartifact = \"shop:a:1.0.0\"";
    check(
        "shop:a:1.0.0\nhttp\n---\nshop:a:1.0.0\nexport a:b/c { f() }",
        twice,
        expect![[r#"
        shop:a:1.0.0: the slice stands here twice [toml-value]
          help: keep one entry; `instances` says on how many nodes it runs
        shop:a:1.0.0: the component only handles HTTP, and no route leads to it [route-invalid]
          help: add to the blueprint: [[routes]] route = "* /**", slice = "shop:a", handler = "wasi:http""#]],
    );
    let other = "[[slices]]\nartifact = \"shop:c:1.0.0\"";
    check(
        "shop:a:1.0.0\nexport a:b/c { f() }",
        other,
        expect![[r#"
        shop:a:1.0.0: the blueprint says that it is shop:c:1.0.0 [coordinates-mismatch]
          help: make `artifact` the same in blueprint.toml and slice.toml, and build the slice again"#]],
    );
}

#[test]
fn imports_find_one_exporter_with_the_same_types() {
    check(
        &[ORDERS, STOCK].concat(),
        "",
        expect![[r#"
        shop:orders:1.0.0: nobody provides `shop:price/quote@1.0.0`, wanted with quote: func(sku: string) -> u64 [unknown-import]
          help: did you mean `shop:orders/place@1.0.0`?"#]],
    );
    check(
        &[ORDERS, PRICE, STOCK, &STOCK.replace("shop:stock:2", "shop:stock:3")].concat(),
        "",
        expect![[r#"
            shop:stock:3.0.0: exports `shop:stock/check@1.0.0`, and so does shop:stock:2.0.0 [duplicate-export]
              help: keep one of the two slices, or give the interface of one another version"#]],
    );
    check(
        &[ORDERS, PRICE, &STOCK.replace("check@1.0.0", "check@1.2.0")].concat(),
        "",
        expect![[r#"
            shop:stock:2.0.0 memory=64MiB
            shop:price:1.1.0 memory=64MiB
            shop:orders:1.0.0 memory=64MiB
            shop:orders:1.0.0 -[shop:price/quote@1.0.0]-> shop:price:1.1.0
            shop:orders:1.0.0 -[shop:stock/check@1.0.0]-> shop:stock:2.0.0
            shop:price:1.1.0 -[shop:stock/check@1.0.0]-> shop:stock:2.0.0
            POST /api/orders => shop:orders:1.0.0 shop:orders/place@1.0.0#place [BodyKey, BodyKey]
            GET /api/orders/{id} => shop:orders:1.0.0 shop:orders/place@1.0.0#get [Path]
        "#]],
    );
    check(
        &[ORDERS, PRICE, &STOCK.replace("stock/check@", "stock/chek@")].concat(),
        "",
        expect![[r#"
            shop:orders:1.0.0: nobody provides `shop:stock/check@1.0.0`, wanted with check: func(sku: string) -> u32 [unknown-import]
              help: did you mean `shop:stock/chek@1.0.0`?
            shop:price:1.1.0: nobody provides `shop:stock/check@1.0.0`, wanted with check: func(sku: string) -> u32 [unknown-import]
              help: did you mean `shop:stock/chek@1.0.0`?"#]],
    );
    check(
        &[ORDERS, PRICE, &STOCK.replace("-> u32", "-> u64")].concat(),
        "",
        expect![[r#"
        shop:orders:1.0.0: wants `check: func(sku: string) -> u32` of `shop:stock/check@1.0.0`, but shop:stock:2.0.0 offers `check: func(sku: string) -> u64` [type-mismatch]
          help: build both slices against the same WIT package
        shop:price:1.1.0: wants `check: func(sku: string) -> u32` of `shop:stock/check@1.0.0`, but shop:stock:2.0.0 offers `check: func(sku: string) -> u64` [type-mismatch]
          help: build both slices against the same WIT package"#]],
    );
    check(
        &[ORDERS, PRICE, &STOCK.replace("check(sku", "probe(sku")].concat(),
        "",
        expect![[r#"
        shop:orders:1.0.0: wants `check: func(sku: string) -> u32` of `shop:stock/check@1.0.0`, but shop:stock:2.0.0 has no function of that name [type-mismatch]
          help: build both slices against the same WIT package
        shop:price:1.1.0: wants `check: func(sku: string) -> u32` of `shop:stock/check@1.0.0`, but shop:stock:2.0.0 has no function of that name [type-mismatch]
          help: build both slices against the same WIT package"#]],
    );
}

#[test]
fn circles_are_named_with_their_chain() {
    let slice = |name: &str, needs: &[&str]| {
        let imports = needs.iter().map(|n| format!("import x:{n}/api {{ f() }}\n"));
        format!("x:{name}:1.0.0\nexport x:{name}/api {{ f() }}\n{}", imports.collect::<String>())
    };
    let join = |slices: &[String]| slices.join("---\n");
    check(
        &slice("a", &["a"]),
        "",
        expect![[r#"
        x:a:1.0.0: slices need each other in a circle: x:a:1.0.0 -> x:a:1.0.0 [dependency-cycle]
          help: move what both need into a slice of its own"#]],
    );
    check(
        &join(&[slice("a", &["b"]), slice("b", &["c", "d"]), slice("c", &[]), slice("d", &["b"])]),
        "",
        expect![[r#"
            x:b:1.0.0: slices need each other in a circle: x:b:1.0.0 -> x:d:1.0.0 -> x:b:1.0.0 [dependency-cycle]
              help: move what both need into a slice of its own"#]],
    );
    let two = [slice("a", &["b"]), slice("b", &["a"]), slice("c", &["d", "a"]), slice("d", &["c"])];
    check(
        &join(&two),
        "",
        expect![[r#"
        x:a:1.0.0: slices need each other in a circle: x:a:1.0.0 -> x:b:1.0.0 -> x:a:1.0.0 [dependency-cycle]
          help: move what both need into a slice of its own
        x:c:1.0.0: slices need each other in a circle: x:c:1.0.0 -> x:d:1.0.0 -> x:c:1.0.0 [dependency-cycle]
          help: move what both need into a slice of its own"#]],
    );
}

#[test]
fn routes_are_bound_or_refused() {
    let web = "shop:web:1.0.0\nhttp";
    check(
        web,
        "",
        expect![[r#"
        shop:web:1.0.0: the component only handles HTTP, and no route leads to it [route-invalid]
          help: add to the blueprint: [[routes]] route = "* /**", slice = "shop:web", handler = "wasi:http""#]],
    );
    let route = |text: &str| format!("[[routes]]\n{text}\nslice = \"shop:web\"");
    check(
        web,
        &route("route = \"* /ui/**\"\nhandler = \"wasi:http\""),
        expect![[r#"
        shop:web:1.0.0 memory=64MiB
        * /ui/** => shop:web:1.0.0 handler V02
    "#]],
    );
    check(
        web,
        &route("route = \"GET /x\"\nhandler = \"wasi:http\"").replace("shop:web", "shop:wep"),
        expect![[r#"
            route `GET /x`: the application has no slice shop:wep [route-invalid]
              help: did you mean `shop:web`?
            shop:web:1.0.0: the component only handles HTTP, and no route leads to it [route-invalid]
              help: add to the blueprint: [[routes]] route = "* /**", slice = "shop:web", handler = "wasi:http""#]],
    );
    let plain = "shop:web:1.0.0\nexport shop:web/api@1.0.0 { get(id: u32) }";
    check(
        plain,
        &route("route = \"* /ui/**\"\nhandler = \"wasi:http\""),
        expect![[r#"
        shop:web:1.0.0: route `* /ui/**` needs an HTTP handler, and the component has none [route-invalid]
          help: export `wasi:http/incoming-handler`, or use `call` with an exported function"#]],
    );
    check(
        plain,
        &route("route = \"GET /{id}\"\ncall = \"shop:web/api#gte\""),
        expect![[r#"
        shop:web:1.0.0: route `GET /{id}` calls `shop:web/api#gte`, which the component does not export [unknown-function]
          help: did you mean `shop:web/api@1.0.0#get`?"#]],
    );
    check(
        plain,
        &route("route = \"GET /{code}\"\ncall = \"shop:web/api#get\""),
        expect![[r#"
        shop:web:1.0.0, route `GET /{code}`: `{code}` is no parameter of `get` [route-invalid]
          help: its parameters are id: u32"#]],
    );
    let versions = "shop:web:1.0.0
        export shop:web/api@1.0.0 { get(id: u32) }
        export shop:web/api@2.0.0 { get(id: u32) }";
    check(
        versions,
        &route("route = \"GET /{id}\"\ncall = \"shop:web/api#get\""),
        expect![[r#"
        shop:web:1.0.0: route `GET /{id}` calls `shop:web/api#get`, of which the component exports several versions [route-invalid]
          help: write the version, such as `shop:web/api@1.0.0`"#]],
    );
    check(
        versions,
        &route("route = \"GET /{id}\"\ncall = \"shop:web/api@2.0.0#get\""),
        expect![[r#"
            shop:web:1.0.0 memory=64MiB
            GET /{id} => shop:web:1.0.0 shop:web/api@2.0.0#get [Path]
        "#]],
    );
}

#[test]
fn routes_of_one_shape_conflict_and_both_owners_are_named() {
    let slice = |name: &str, route: &str| {
        format!(
            "shop:{name}:1.0.0
            export shop:{name}/api@1.0.0 {{ get(a: string) }}
            toml
            [[routes]]
            route = \"{route}\"
            call = \"shop:{name}/api#get\"\n"
        )
    };
    let two = |one: &str, two: &str| [slice("a", one), slice("b", two)].join("---\n");
    check(
        &two("GET /x/{a}", "GET /x/y"),
        "",
        expect![[r#"
        shop:a:1.0.0 memory=64MiB
        shop:b:1.0.0 memory=64MiB
        GET /x/{a} => shop:a:1.0.0 shop:a/api@1.0.0#get [Path]
        GET /x/y => shop:b:1.0.0 shop:b/api@1.0.0#get [Query]
    "#]],
    );
    check(
        &two("GET /x/{a}", "DELETE /x/{a}"),
        "",
        expect![[r#"
        shop:a:1.0.0 memory=64MiB
        shop:b:1.0.0 memory=64MiB
        GET /x/{a} => shop:a:1.0.0 shop:a/api@1.0.0#get [Path]
        DELETE /x/{a} => shop:b:1.0.0 shop:b/api@1.0.0#get [Path]
    "#]],
    );
    check(
        &two("GET /x", "GET /x/"),
        "",
        expect![[r#"
        shop:b:1.0.0: route `GET /x` matches the same requests as `GET /x` of shop:a:1.0.0 [route-conflict]
          help: change the path or the method of one of them"#]],
    );
    check(
        &two("GET /api/{a}/status", "GET /api/posts/status"),
        "",
        expect![[r#"
        shop:a:1.0.0: route `GET /api/{a}/status` matches the same requests as `GET /api/{x}/status` of blog:posts:1.0.0 in application blog [route-conflict]
          help: change the path or the method of one of them"#]],
    );
    let operator = "[[routes]]\nroute = \"GET /x\"\nslice = \"shop:a\"\ncall = \"shop:a/api#get\"";
    check(
        &slice("a", "GET /x"),
        operator,
        expect![[r#"
        shop:a:1.0.0: route `GET /x` matches the same requests as `GET /x` of shop:a:1.0.0 [route-conflict]
          help: change the path or the method of one of them"#]],
    );
}

#[test]
fn an_artifact_that_is_not_stored_is_the_only_problem_told() {
    let slices = slices(&[ORDERS, PRICE].concat());
    let application = application("shop", &slices, "");
    let mut known = descriptions(&slices);
    known.remove(&slices[1].1.digest);
    let problems = crate::check(&application, &known, []).unwrap_err();
    expect![[r#"
        shop:price:1.1.0: no artifact with digest 0101010101010101010101010101010101010101010101010101010101010101 is stored [artifact-missing]
          help: push the component again with `aether deploy`"#]].assert_eq(&problems.to_string());
}

#[test]
fn an_earlier_revision_of_the_same_application_is_no_conflict() {
    let slices = slices(&[ORDERS, PRICE, STOCK].concat());
    let application = application("shop", &slices, "");
    let first = crate::check(&application, &descriptions(&slices), []).unwrap();
    assert_eq!(crate::check(&application, &descriptions(&slices), [&first]).as_ref(), Ok(&first));
}

#[test]
fn what_a_blueprint_changes_is_said() {
    let route = "toml\n[[routes]]\nroute = \"GET /b\"\ncall = \"shop:a/b#f\"\n";
    let a = |version: &str, route: &str| {
        format!("shop:a:{version}\nexport shop:a/b@1.0.0 {{ f() }}\n{route}")
    };
    let of = |text: &str, extra: &str| {
        let slices = slices(text);
        let application = application("shop", &slices, extra);
        let checked = crate::check(&application, &descriptions(&slices), []).unwrap();
        (application, checked)
    };
    let show = |before: Option<&(Application, Checked)>, after: &(Application, Checked)| {
        let before = before.map(|(application, checked)| (application, checked));
        let all = crate::differences(before, (&after.0, &after.1));
        let lines = all.iter().map(|d| format!("{:?} {}: {}\n", d.kind, d.what, d.detail));
        lines.collect::<String>()
    };
    let old = of(&a("1.0.0", ""), "[config]\nregion = \"north\"\nkept = \"1\"\n[cache.old]");
    let new = of(
        &format!("{}---\nshop:c:1.0.0\nexport shop:c/d@1.0.0 {{ f() }}", a("2.0.0", route)),
        "[config]\nregion = \"south\"\nkept = \"1\"\n[cache.new]",
    );
    assert_eq!(show(Some(&old), &old), "");
    expect![[r#"
        Changed slice shop:a: 1.0.0 -> 2.0.0
        Added slice shop:c: 
        Added route GET /b: 
        Changed config key region: 
        Removed bucket old: 
        Added bucket new: 
    "#]]
    .assert_eq(&show(Some(&old), &new));
    expect![[r#"
        Changed slice shop:a: 2.0.0 -> 1.0.0
        Removed slice shop:c: 
        Removed route GET /b: 
        Changed config key region: 
        Removed bucket new: 
        Added bucket old: 
    "#]]
    .assert_eq(&show(Some(&new), &old));
    expect![[r#"
        Added application version: 
        Added slice shop:a: 
        Added config key kept: 
        Added config key region: 
        Added bucket old: 
    "#]]
    .assert_eq(&show(None, &old));
    let entry = "[[slices]]\nartifact = \"shop:a:1.0.0\"\n";
    let more = of(&a("1.0.0", ""), &format!("{entry}instances = 3\nlimits = {{ queue = 1 }}"));
    let one = of(&a("1.0.0", ""), entry);
    expect![[r#"
        Changed slice shop:a: instances 1 -> 3, other limits
    "#]]
    .assert_eq(&show(Some(&one), &more));
}
