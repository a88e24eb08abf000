//! What components in text look like from outside.

use super::*;
use aether_types::wit::Type as W;
use expect_test::{Expect, expect};
use wasmtime::Config;
use wasmtime::component::Component;

/// The surface of a component in text, or what is wrong with it. `wasi:io` and `aether:infra` are
/// provided.
fn check(text: &str, expect: Expect) {
    let bytes = wat::parse_str(text).unwrap_or_else(|e| panic!("{e}\n{text}"));
    expect.assert_eq(&match describe(&bytes) {
        Ok(text) => text,
        Err(problems) => problems.to_string(),
    });
}

fn describe(bytes: &[u8]) -> Result<String, Problems> {
    let preview = preview(bytes)?;
    let mut config = Config::new();
    config.concurrency_support(preview.is_async);
    let engine = Engine::new(&config).unwrap();
    let component = Component::new(&engine, bytes).unwrap();
    let provided = |name: &InterfaceName| ["wasi:io", "aether:infra"].contains(&name.package());
    let surface = surface(&engine, &component.component_type(), &provided)?;
    let interfaces = |interfaces: &[Interface]| {
        let line = |(i, f): (&Interface, &wit::Function)| format!("\n  {}#{f}", i.name);
        let all = interfaces.iter().flat_map(|i| i.functions.iter().map(move |f| (i, f)));
        all.map(line).collect::<String>()
    };
    Ok(format!(
        "{:?} async={} lifecycle={} handler={:?}\nexports{}\ndependencies{}\ninfra {:?}",
        preview.settings.slice.artifact.map(|a| a.to_string()),
        preview.is_async,
        surface.has_lifecycle,
        surface.handler,
        interfaces(&surface.exports),
        interfaces(&surface.dependencies),
        surface.infra,
    ))
}

/// A component that exports `name` with what `items` declares of an instance.
fn exporting(name: &str) -> String {
    format!(
        "(component
          (core module $m (func (export \"f\")))
          (core instance $i (instantiate $m))
          (func $f (canon lift (core func $i \"f\")))
          (instance $e (export \"f\" (func $f)))
          (export \"{name}\" (instance $e))
          %)"
    )
}

fn with(component: &str, more: &str) -> String {
    component.replace('%', more)
}

/// Imports must come first.
fn importing(import: &str) -> String {
    with(&exporting("shop:orders/place@1.2.0"), "").replacen(
        "(component",
        &format!("(component {import}"),
        1,
    )
}

#[test]
fn exports_and_imports_have_their_place() {
    check(
        &with(&exporting("shop:orders/place@1.2.0"), ""),
        expect![[r#"
        None async=false lifecycle=false handler=None
        exports
          shop:orders/place@1.2.0#f: func()
        dependencies
        infra []"#]],
    );
    check(
        &importing(
            "(import \"shop:stock/reserve@0.3.0\" (instance
               (type $l (record (field \"sku\" string) (field \"count\" u32)))
               (export \"line\" (type $line (eq $l)))
               (export \"reserve\" (func (param \"lines\" (list $line)) (result (result bool (error string)))))
               (export \"a\" (func))))
             (import \"shop:stock/types@0.3.0\" (instance
               (type $l (record (field \"sku\" string))) (export \"line\" (type (eq $l)))))
             (import \"wasi:io/error@0.2.0\" (instance (export \"error\" (type (sub resource)))))
             (import \"aether:infra/cache@0.1.0\" (instance (export \"x\" (func))))",
        ),
        expect![[r#"
            None async=false lifecycle=false handler=None
            exports
              shop:orders/place@1.2.0#f: func()
            dependencies
              shop:stock/reserve@0.3.0#a: func()
              shop:stock/reserve@0.3.0#reserve: func(lines: list<record { sku: string, count: u32 }>) -> result<bool, string>
            infra [wasi:io/error@0.2.0, aether:infra/cache@0.1.0]"#]],
    );
}

#[test]
fn handlers_and_hooks_are_no_exports_for_slices() {
    check(
        &with(&exporting("wasi:http/incoming-handler@0.2.3"), ""),
        expect![[r#"
        None async=false lifecycle=false handler=Some(V02)
        exports
        dependencies
        infra []"#]],
    );
    check(
        &with(&exporting("wasi:http/handler@0.3.0"), ""),
        expect![[r#"
        None async=false lifecycle=false handler=Some(V03)
        exports
        dependencies
        infra []"#]],
    );
    check(
        &with(
            &exporting("shop:a/b@1.0.0"),
            "(export \"aether:slice/lifecycle@0.1.0\" (instance $e))",
        ),
        expect![[r#"
            None async=false lifecycle=true handler=None
            exports
              shop:a/b@1.0.0#f: func()
            dependencies
            infra []"#]],
    );
    check(
        &with(&exporting("wasi:cli/run@0.2.0"), ""),
        expect![[r#"
        component: the component exports nothing to call, only wasi:cli/run@0.2.0 [nothing-exported]
          help: export an interface with functions, or wasi:http/incoming-handler"#]],
    );
    check(
        "(component)",
        expect![[r#"
        component: the component exports nothing [nothing-exported]
          help: export an interface with functions, or wasi:http/incoming-handler"#]],
    );
}

#[test]
fn what_is_no_component() {
    let shown = |bytes: &[u8]| preview(bytes).unwrap_err().to_string();
    let module = wat::parse_str("(module)").unwrap();
    expect![[r#"
        component: this is a core WebAssembly module, not a component [not-a-component]
          help: build for wasm32-wasip2, or make a component with `wasm-tools component new`"#]]
    .assert_eq(&shown(&module));
    expect![[r#"
        component: this is not WebAssembly [not-a-component]
          help: build for wasm32-wasip2, or make a component with `wasm-tools component new`"#]]
    .assert_eq(&shown(b"#!/bin/sh"));
    expect![[r#"
        component: the file is empty [not-a-component]
          help: build for wasm32-wasip2, or make a component with `wasm-tools component new`"#]]
    .assert_eq(&shown(b""));
    let mut cut = wat::parse_str(with(&exporting("a:b/c@1.0.0"), "")).unwrap();
    cut.truncate(cut.len() - 9);
    expect![[r#"
        component: unexpected end-of-file (at offset 0x71) [component-invalid]
          help: build the component again; `wasm-tools validate` shows more about damaged ones"#]]
    .assert_eq(&shown(&cut));
}

#[test]
fn what_slices_cannot_import() {
    check(
        &importing(
            "(import \"shop:stock/files@0.3.0\" (instance
               (export \"file\" (type $f (sub resource)))
               (export \"open\" (func (param \"name\" string) (result (own $f))))))",
        ),
        expect![[r#"
            shop:stock/files@0.3.0#open: resource cannot cross slices, only values can [handle-in-interface]
              help: pass records, lists, strings or numbers; name things by an id instead"#]],
    );
    let only = "(instance (export \"file\" (type (sub resource))))";
    check(
        &importing(&format!("(import \"shop:stock/files@0.3.0\" {only})")),
        expect![[r#"
            shop:stock/files@0.3.0#file: resource cannot cross slices, only values can [handle-in-interface]
              help: pass records, lists, strings or numbers; name things by an id instead"#]],
    );
    check(
        &importing(
            "(import \"shop:stock/feed@0.3.0\" (instance
               (export \"follow\" (func async (result (stream u8))))))
             (import \"wasi:nn/graph@0.2.0\" (instance (export \"load\" (func))))
             (import \"log\" (func (param \"text\" string)))",
        ),
        expect![[r#"
            shop:stock/feed@0.3.0#follow: stream cannot cross slices, only values can [handle-in-interface]
              help: pass records, lists, strings or numbers; name things by an id instead
            wasi:nn/graph@0.2.0: this version of Aether does not provide this interface [unknown-import]
              help: remove what needs it from the slice
            log: only interfaces of a package can be imported [unknown-import]
              help: move it into an interface with a package name"#]],
    );
}

#[test]
fn async_functions_need_the_other_engine() {
    check(
        &importing(
            "(import \"shop:stock/feed@0.3.0\" (instance (export \"next\" (func async (result u8)))))",
        ),
        expect![[r#"
            None async=true lifecycle=false handler=None
            exports
              shop:orders/place@1.2.0#f: func()
            dependencies
              shop:stock/feed@0.3.0#next: async func() -> u8
            infra []"#]],
    );
}

#[test]
fn settings_stand_in_the_component_or_in_a_module_of_it() {
    let section = "(@custom \"aether:slice\" \"[slice]\\nartifact = \\\"shop:orders:1.2.0\\\"\")";
    check(
        &with(&exporting("a:b/c@1.0.0"), section),
        expect![[r#"
        Some("shop:orders:1.2.0") async=false lifecycle=false handler=None
        exports
          a:b/c@1.0.0#f: func()
        dependencies
        infra []"#]],
    );
    let inner = exporting("a:b/c@1.0.0")
        .replace("(func (export \"f\"))", &format!("(func (export \"f\")) {section}"));
    check(
        &with(&inner, ""),
        expect![[r#"
        Some("shop:orders:1.2.0") async=false lifecycle=false handler=None
        exports
          a:b/c@1.0.0#f: func()
        dependencies
        infra []"#]],
    );
    let other = "(@custom \"aether:slice\" \"[slice]\\nartifact = \\\"shop:new:2.0.0\\\"\")";
    // What was put into the component later wins.
    check(
        &with(&inner, other),
        expect![[r#"
        Some("shop:new:2.0.0") async=false lifecycle=false handler=None
        exports
          a:b/c@1.0.0#f: func()
        dependencies
        infra []"#]],
    );
    check(
        &with(&exporting("a:b/c@1.0.0"), &format!("{section}{other}")),
        expect![[r#"
            component: two different custom sections "aether:slice" [component-invalid]
              help: a component is one slice with one slice.toml"#]],
    );
    let wrong = "(@custom \"aether:slice\" \"[instances]\\nmemory = 1\")";
    check(
        &with(&exporting("a:b/c@1.0.0"), wrong),
        expect![[r#"
        slice.toml:2:10: invalid type: integer `1`, expected a size with a unit, such as "512KiB", "64MiB" or "2GiB" [toml-value]"#]],
    );
    let binary = "(@custom \"aether:slice\" \"\\ff\")";
    check(
        &with(&exporting("a:b/c@1.0.0"), binary),
        expect![[r#"
        slice.toml: invalid utf-8 sequence of 1 bytes from index 0 [toml-syntax]
          help: slice.toml is a UTF-8 text"#]],
    );
}

#[test]
fn a_component_of_slices_is_one_slice_with_its_own_settings() {
    let section = |name: &str| {
        format!("(@custom \"aether:slice\" \"[slice]\\nartifact = \\\"shop:{name}:1.0.0\\\"\")")
    };
    let part = |name: &str| with(&exporting(&format!("a:{name}/c@1.0.0")), &section(name));
    let composed = |own: &str| {
        format!(
            "(component
              (component $a {} (component $b {}
              (instance $a (instantiate $a)) (instance $b (instantiate $b))
              (export \"a:orders/c@1.0.0\" (instance $a \"a:orders/c@1.0.0\"))
              (export \"a:pricing/c@1.0.0\" (instance $b \"a:pricing/c@1.0.0\"))
              {own})",
            part("orders").strip_prefix("(component").unwrap(),
            part("pricing").strip_prefix("(component").unwrap(),
        )
    };
    check(
        &composed(""),
        expect![[r#"
        None async=false lifecycle=false handler=None
        exports
          a:orders/c@1.0.0#f: func()
          a:pricing/c@1.0.0#f: func()
        dependencies
        infra []"#]],
    );
    check(
        &composed(&section("whole")),
        expect![[r#"
        Some("shop:whole:1.0.0") async=false lifecycle=false handler=None
        exports
          a:orders/c@1.0.0#f: func()
          a:pricing/c@1.0.0#f: func()
        dependencies
        infra []"#]],
    );
}

#[test]
fn types_that_unfold_without_end_are_refused() {
    let mut text = "(type $t0 (tuple u8 u8))".to_owned();
    for i in 1..18 {
        text += &format!("(type $t{i} (tuple $t{} $t{}))", i - 1, i - 1);
    }
    check(
        &importing(&format!(
            "(import \"a:b/c@1.0.0\" (instance {text} (export \"f\" (func (param \"x\" $t17)))))"
        )),
        expect![[r#"
            a:b/c@1.0.0#f: a type of more than 100000 parts cannot cross slices, only values can [handle-in-interface]
              help: pass records, lists, strings or numbers; name things by an id instead"#]],
    );
}

#[test]
fn every_value_type_has_its_name() {
    let types = [
        (W::S16, "s16"),
        (W::Option(Box::new(W::Char)), "(option char)"),
        (W::List(Box::new(W::F32)), "(list f32)"),
        (W::Tuple(vec![W::Bool, W::U64]), "(tuple bool u64)"),
    ];
    for (ty, text) in types {
        let import = format!(
            "(import \"a:b/c@1.0.0\" (instance (export \"f\" (func (param \"x\" {text})))))"
        );
        let bytes = wat::parse_str(importing(&import)).unwrap();
        let shown = describe(&bytes).unwrap();
        assert!(shown.contains(&format!("a:b/c@1.0.0#f: func(x: {ty})")), "{shown}");
    }
}
