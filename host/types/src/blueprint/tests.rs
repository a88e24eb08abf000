//! What a blueprint may say, as data.

use super::*;
use expect_test::{Expect, expect};

fn check(text: &str, expect: Expect) {
    let head = "[application]\nname = \"shop\"\nversion = \"1.2.0\"\n";
    expect.assert_eq(&match Blueprint::parse("blueprint.toml", &format!("{head}{text}")) {
        Ok(parsed) => format!("{} slices", parsed.slices.len()),
        Err(problems) => problems.to_string(),
    });
}

#[test]
fn placement_is_read_and_contradictions_are_refused() {
    let slice = "[[slices]]\nfile = \"a.wasm\"\n";
    check(
        &format!(
            "{slice}instances = 3\nmin-ready = 2\n[slices.placement]\nspread = \"zone\"\n\
             max-skew = 1\nnear = [\"x:a\"]\nrequire-near = [\"x:b\"]\n\
             away-from = [\"x:c\"]\nrequire-away-from = [\"x:d\"]"
        ),
        expect!["1 slices"],
    );
    check(
        &format!("{slice}instances = 2\nmin-ready = 3"),
        expect![[r#"
            blueprint.toml:7:13: min-ready is 3, and there are only 2 instances [toml-value]
              help: raise `instances`, or lower `min-ready`"#]],
    );
    check(
        &format!(
            "{slice}[slices.placement]\nnear = [\"x:a\", \"x:b\"]\n\
             require-away-from = [\"x:a\"]\nrequire-near = [\"x:b\"]"
        ),
        expect![[r#"
            blueprint.toml:9:16: x:b stands in `near` and in `require-near` [placement-invalid]
              help: keep it in one of the two
            blueprint.toml:8:21: x:a stands in `near` and in `require-away-from` [placement-invalid]
              help: keep it in one of the two"#]],
    );
    check(
        &format!("{slice}[slices.placement]\nspread = \"rack\""),
        expect![
            "blueprint.toml:7:10: unknown variant `rack`, expected `node` or `zone` [toml-value]"
        ],
    );
    check(
        &format!("{slice}[slices.placement]\nmax-skew = 0\nnaer = []"),
        expect!["blueprint.toml:7:12: 0 is not a number from 1 to 1000 [toml-value]"],
    );
}

#[test]
fn the_controller_has_room_above_the_instances() {
    let slice = "[[slices]]\nfile = \"a.wasm\"\n";
    check(&format!("{slice}instances = 2\nmax-instances = 2"), expect!["1 slices"]);
    check(&format!("{slice}max-instances = 1000"), expect!["1 slices"]);
    check(
        &format!("{slice}instances = 3\nmax-instances = 2"),
        expect![[r#"
            blueprint.toml:7:17: max-instances is 2, and there are 3 instances [toml-value]
              help: raise `max-instances`, or lower `instances`"#]],
    );
    check(
        &format!("{slice}max-instances = 1001"),
        expect!["blueprint.toml:6:17: 1001 is not a number from 1 to 1000 [toml-value]"],
    );
    check(
        &format!("{slice}max-instances = \"2\""),
        expect![[r#"blueprint.toml:6:17: invalid type: string "2", expected u32 [toml-value]"#]],
    );
}

#[test]
fn dependencies_are_ranges_of_what_is_named() {
    let slice = "[[slices]]\nfile = \"a.wasm\"\n[slices.dependencies.\"t:b/api\"]\n";
    check(
        &format!("{slice}interface = \"~1.2\"\nslice = \"t:b\"\nversions = \">=1, <3\""),
        expect!["1 slices"],
    );
    check(
        &format!("{slice}versions = \"1\""),
        expect![[r#"
        blueprint.toml:6:9: `versions` for `t:b/api` are of no slice [toml-value]
          help: name the slice; versions of the interface are called `interface`"#]],
    );
    check(
        &format!("{slice}interface = \"one\""),
        expect![
            "blueprint.toml:7:13: unexpected character 'o' while parsing major version number [toml-value]"
        ],
    );
    check(
        &format!("{slice}version = \"1\""),
        expect![[r#"
        blueprint.toml:7:1: there is no key `version` here [toml-unknown-key]
          help: did you mean `versions`?"#]],
    );
}

#[test]
fn a_rollout_is_a_strategy_with_its_settings() {
    let check = |rollout: &str, expect: Expect| {
        check(&format!("[[slices]]\nfile = \"a.wasm\"\n[rollout]\n{rollout}"), expect);
    };
    check("strategy = \"canary\"", expect!["1 slices"]);
    check("together = false", expect!["1 slices"]);
    check(
        "strategy.rolling = { steps = [\"10%\", \"100%\"], pause = \"5m\" }",
        expect!["1 slices"],
    );
    check("[rollout.strategy.a-b]\nweight = \"50%\"\nsticky = \"key\"", expect!["1 slices"]);
    check(
        "strategy = \"sudden\"",
        expect![
            "blueprint.toml:7:12: unknown variant `sudden`, expected one of `immediate`, `rolling`, `canary`, `blue-green`, `a-b` [toml-value]"
        ],
    );
    check(
        "strategy = \"a-b\"",
        expect!["blueprint.toml:7:12: `a-b` needs `weight` and `sticky` [toml-value]"],
    );
    check(
        "strategy = 3",
        expect![[
            r#"blueprint.toml:7:12: invalid type: integer `3`, expected a strategy such as "rolling", or a table with its settings [toml-value]"#
        ]],
    );
    check(
        "strategie = \"rolling\"",
        expect![[r#"
        blueprint.toml:7:1: there is no key `strategie` here [toml-unknown-key]
          help: did you mean `strategy`?"#]],
    );
    check(
        "strategy.rolling = { stepps = [] }",
        expect![[r#"
        blueprint.toml:7:22: there is no key `stepps` here [toml-unknown-key]
          help: did you mean `steps`?"#]],
    );
    check(
        "strategy.rolling = { steps = [\"10%\"],\n pause = \"31d\" }",
        expect![[r#"
        blueprint.toml:8:10: more than 30 days [toml-value]
          help: write a shorter time
        blueprint.toml:7:30: shares must grow, from more than 0% to 100% [toml-value]
          help: write 1 to 100 shares, such as ["1%", "10%", "100%"]"#]],
    );
    check(
        "strategy.canary = { stages = [\"110%\"] }",
        expect![[
            r#"blueprint.toml:7:31: "110%" is not a share from "0%" to "100%", in steps of 0.01, such as "5%" [toml-value]"#
        ]],
    );
}

#[test]
fn every_key_is_honoured_or_refused() {
    let slice = "[[slices]]\nfile = \"a.wasm\"\n";
    check(&format!("{slice}[slices.grants]\nenv = {{ A = \"b\" }}"), expect!["1 slices"]);
    check(
        "slices = []",
        expect![[r#"
        blueprint.toml:4:1: there is no key `slices` here [toml-unknown-key]
          help: keys here: name, version"#]],
    );
    check(
        "[[slices]]\ninstances = 2",
        expect![[r#"
        blueprint.toml:4:1: a slice needs `artifact` or `file` [toml-value]
          help: `file` names a component on disk, `artifact` a stored one"#]],
    );
    check(
        &format!("{slice}instanses = 3"),
        expect![[r#"
        blueprint.toml:6:1: there is no key `instanses` here [toml-unknown-key]
          help: did you mean `instances`?"#]],
    );
    check(
        &format!("{slice}instances = 0"),
        expect!["blueprint.toml:6:13: 0 is not a number from 1 to 1000 [toml-value]"],
    );
    check(
        &format!("{slice}security = \"public\""),
        expect![[r#"
        blueprint.toml:6:1: `security` is not supported yet [not-supported-yet]
          help: remove it: this version would not act on it"#]],
    );
    check(
        &format!("{slice}[slices.grants]\ncache = [\"orders\"]\nhttp = [\"example.com\"]"),
        expect![[r#"
            blueprint.toml:7:9: there is no bucket "orders" in this blueprint [grant-missing]
              help: add a table [cache.orders]
            blueprint.toml:8:8: "example.com" is not an origin such as "https://api.example.com" [toml-value]"#]],
    );
    let good = ["https://a.example", "http://a-1.example:8080", "http://[::1]:9000"];
    let list = |origins: &[&str]| {
        format!("{slice}[slices.grants]\nhttp = [\"{}\"]", origins.join("\", \""))
    };
    check(&list(&good), expect!["1 slices"]);
    let bad = ["http://a:0", "http://a:99999", "http://a:", "http://[::x]", "http://a/b"];
    check(
        &list(&bad),
        expect![[r#"
        blueprint.toml:7:8: "http://[::x]" is not an origin such as "https://api.example.com" [toml-value]
        blueprint.toml:7:8: "http://a/b" is not an origin such as "https://api.example.com" [toml-value]
        blueprint.toml:7:8: "http://a:" is not an origin such as "https://api.example.com" [toml-value]
        blueprint.toml:7:8: "http://a:0" is not an origin such as "https://api.example.com" [toml-value]
        blueprint.toml:7:8: "http://a:99999" is not an origin such as "https://api.example.com" [toml-value]"#]],
    );
    check(
        &format!("{slice}[cache.orders]\nmax-bytes = \"1B\""),
        expect!["blueprint.toml:6:1: max-bytes must be 64KiB to 64GiB [toml-value]"],
    );
    check(
        &format!("{slice}[[routes]]\nroute = \"GET /x\"\nslice = \"a:b\""),
        expect![[r#"
        blueprint.toml:6:1: a route has either `call` or `handler` [route-invalid]
          help: `call` names a function, `handler = "wasi:http"` the component's own handler"#]],
    );
}
