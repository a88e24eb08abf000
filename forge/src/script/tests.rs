//! Scripts as they are written, what will be done of them, and what is said about wrong ones.

mod library;

use super::plan::{Around, Plan};
use aether_types::Problems;
use expect_test::{Expect, expect};
use proptest::prelude::*;
use std::io::{Error, ErrorKind};
use std::path::Path;

const AROUND: Around = Around { seed: None, nodes: Some(3), blueprint: None, load: None };

/// Files beside the script.
fn beside(path: &Path) -> std::io::Result<String> {
    match path.to_str() {
        Some("at/load.toml") => Ok("[[targets]]\npath = \"/a\"\nrate = \"9/s\"\n".to_owned()),
        Some("at/pieces.forge") => Ok("piece lose(who) { kill who }".to_owned()),
        Some("at/more.forge") => Ok("nodes 3\nkill 1".to_owned()),
        _ => Err(Error::from(ErrorKind::NotFound)),
    }
}

fn read(text: &str, seed: u64) -> Result<Plan, Problems> {
    let around = Around { seed: Some(seed), ..AROUND };
    Plan::read("at/it.forge", text, &around, &beside)
}

fn check(text: &str, expected: Expect) {
    let shown = match read(text, 7) {
        Ok(plan) => plan.to_string(),
        Err(problems) => problems.to_string(),
    };
    expected.assert_eq(&shown);
}

#[test]
fn a_play_in_several_acts() {
    check(
        r#"
        # A comment, and a file beside it.
        use "pieces.forge"
        piece calm(time) { wait time; expect faults == 0 }

        load "load.toml"
        always expect success >= 99.9%   # until the end
        step "the leader dies" {
            let old = leader
            lose(old)
            within 10s expect leader not in old
            expect failed of "GET /a" == 0
        }
        restart old
        step "one after the other" {
            each node of all but 2 { restart node; within 20s expect ready node }
        }
        calm(2s)
        "#,
        expect![[r#"
            3 nodes, seed 7
               6  load of at/load.toml
               7  always expect success >= 99.9%
               8  step "the leader dies"
               9    let old = leader
               1    kill old
              11    within 10s expect leader not in old
              12    expect failed of "GET /a" == 0
              14  restart old
              15  step "one after the other"
              16    restart 1
              16    within 20s expect ready 1
              16    restart 3
              16    within 20s expect ready 3
               4  wait 2s
               4  expect faults == 0
               4  load stop
        "#]],
    );
}

const EVERY: &str = r#"
        wait 100ms
        kill 1; kill 1 and 2 for 5s; stop followers; stop 2 for 1s; resume all; restart leader
        drain any of 2; activate 2; add node; kill 4
        partition from 1 to 2 and 3 for 5s
        partition from leader to followers one-way for 5s
        latency 50ms from 1 to 2 for 5s
        loss 10% from 1 to all but 1 for 5s
        slow-disk 50ms on leader for 5s
        failed-sync on 2 for 5s
        cpu 2 on 1 and 2 for 5s
        memory 256MiB on 3 for 5s
        clock 15s on 3 for 5s; clock 15s behind on 3 for 5s
        call-failure "t:shop" share 10% for 5s
        call-delay 100ms "t:shop" function "t:shop/api#add" share 50% on 1 and 2 for 5s
        crash "t:shop" for 5s
        end faults
        load """
[[targets]]
name = "a"
path = "/"
rate = "1/s"
"""
        load pause; load resume; load rate 2.5; load stop
        expect requests > 1; expect good over 5s >= 1; expect failed of "a" != 1
        within 5s expect rate over 2s > 1.5
        expect repeated == 0; expect p50 < 1s; expect p999 of "a" <= 1s; expect gap < 2s
        expect running == 3; expect on-duty == 3; expect voters == 3; expect faults == 0
        expect instances == 3; expect instances of "t:shop" == 3
        expect leader; expect no leader; expect leader in 1 and 2; expect leader not in 3
        expect writable; expect no writable; expect ready all
        expect GET "/shop" answers 200
        expect POST "/shop" body '{"a": 1}' on 1 and 2 answers 201 with "id"
        aether kv put a 1
        expect aether kv get a says "1"
        aether deploy "shop 2" --no-wait --strategy "canary = { }" exits 1 says "no"
        "#;

#[test]
fn every_order_and_condition_is_understood() {
    check(
        EVERY,
        expect![[r#"
            3 nodes, seed 7
               2  wait 100ms
               3  kill 1
               3  kill 1 and 2 for 5s
               3  stop followers
               3  stop 2 for 1s
               3  resume 1 and 2 and 3
               3  restart leader
               4  drain 2
               4  activate 2
               4  add node
               4  kill 4
               5  partition from 1 to 2 and 3 for 5s
               6  partition from leader to followers one-way for 5s
               7  latency 50ms from 1 to 2 for 5s
               8  loss 10% from 1 to 2 and 3 and 4 for 5s
               9  slow-disk 50ms on leader for 5s
              10  failed-sync on 2 for 5s
              11  cpu 2 on 1 and 2 for 5s
              12  memory 256MiB on 3 for 5s
              13  clock 15s on 3 for 5s
              13  clock 15s behind on 3 for 5s
              14  call-failure "t:shop" share 10% for 5s
              15  call-delay 100ms "t:shop" function "t:shop/api#add" share 50% on 1 and 2 for 5s
              16  crash "t:shop" for 5s
              17  end faults
              18  load of at/it.forge
              24  load pause
              24  load resume
              24  load rate 2.5
              24  load stop
              25  expect requests > 1
              25  expect good over 5s >= 1
              25  expect failed of "a" != 1
              26  within 5s expect rate over 2s > 1.5
              27  expect repeated == 0
              27  expect p50 < 1s
              27  expect p999 of "a" <= 1s
              27  expect gap < 2s
              28  expect running == 3
              28  expect on-duty == 3
              28  expect voters == 3
              28  expect faults == 0
              29  expect instances == 3
              29  expect instances of "t:shop" == 3
              30  expect leader
              30  expect no leader
              30  expect leader in 1 and 2
              30  expect leader not in 3
              31  expect writable
              31  expect no writable
              31  expect ready 1 and 2 and 3 and 4
              32  expect GET "/shop" answers 200
              33  expect POST "/shop" body '{"a": 1}' on 1 and 2 answers 201 with "id"
              34  aether kv put a 1
              35  expect aether kv get a says "1"
              36  aether deploy "shop 2" --no-wait --strategy "canary = { }" exits 1 says "no"
        "#]],
    );
}

#[test]
fn choices_are_drawn_from_the_seed() {
    let text = r#"
        either { kill 1 } or { kill 2 } or { kill 3 }
        shuffle { wait 1s; wait 2s; wait 3s }
        repeat 1..3 { wait 10ms..90ms }
        stop any 2 of all
        stop any of followers
        "#;
    check(
        text,
        expect![[r#"
        3 nodes, seed 7
           2  kill 2
           3  wait 1s
           3  wait 3s
           3  wait 2s
           4  wait 30ms
           4  wait 47ms
           5  stop 2 and 3
           6  stop any 1 of followers (drawn 225e)
    "#]],
    );
    let shown = |seed| read(text, seed).unwrap().to_string();
    let different: std::collections::BTreeSet<String> = (0..50).map(shown).collect();
    assert!(different.len() > 45, "{}", different.len());
}

#[test]
fn what_is_not_written_as_it_should_has_a_place() {
    check(
        "kil leader",
        expect![[r#"
        at/it.forge:1:1: expected a statement, such as `kill leader`, found `kil` [script-syntax]
          help: did you mean `kill`?"#]],
    );
    check(
        "kill",
        expect![
            "at/it.forge:1:5: expected `(` or a value, found the end of the file [script-syntax]"
        ],
    );
    check(
        "kill 1 fro 5s",
        expect![
            "at/it.forge:1:8: expected `and`, `but`, `for` or the end of the line, found `fro` [script-syntax]"
        ],
    );
    check(
        "latency 50ms from 1 for 5s",
        expect!["at/it.forge:1:21: expected `and`, `but` or `to`, found `for` [script-syntax]"],
    );
    check("load paus", expect!["at/it.forge:1:6: there is no `paus` here [script-value]"]);
    check(
        "within 5 expect leader",
        expect!["at/it.forge:1:8: expected a time such as 5s, found 5 [script-value]"],
    );
    check(
        "within 5s leader",
        expect!["at/it.forge:1:11: expected `expect`, found `leader` [script-syntax]"],
    );
    check(
        "expect succes >= 1%",
        expect![[r#"
        at/it.forge:1:8: expected a condition, such as `success >= 99.9%`, found `succes` [script-syntax]
          help: did you mean `success`?"#]],
    );
    check(
        "expect success 99%",
        expect![
            "at/it.forge:1:16: expected `over`, `of` or a comparison such as `>=`, found `99%` [script-syntax]"
        ],
    );
    check(
        "expect p99 over 5s < 1s",
        expect![
            "at/it.forge:1:12: expected `of` or a comparison such as `>=`, found `over` [script-syntax]"
        ],
    );
    check(
        "expect GET \"/\" 200",
        expect![
            "at/it.forge:1:16: expected `body`, `on` or `answers`, found `200` [script-syntax]"
        ],
    );
    check(
        "step \"a\" {\n  kill 1\n",
        expect![
            "at/it.forge:3:1: expected a statement, such as `kill leader`, found the end of the file [script-syntax]"
        ],
    );
    check(
        "step a\n{ }",
        expect!["at/it.forge:1:7: expected `{`, found the end of the line [script-syntax]"],
    );
}

#[test]
fn what_stands_in_the_wrong_place_has_a_place() {
    check(
        "either { kill 1 }",
        expect!["at/it.forge:1:18: expected `or`, found the end of the file [script-syntax]"],
    );
    check(
        "kill 1\nnodes 3",
        expect![[r#"
        at/it.forge:2:1: expected a statement, such as `kill leader`, found `nodes` [script-syntax]
          help: settings stand before the first statement"#]],
    );
    check(
        "load \"x",
        expect![[r#"at/it.forge:1:6: the text that begins with " does not end [script-syntax]"#]],
    );
    check(
        "kill $1",
        expect!["at/it.forge:1:6: '$' belongs to no word: texts stand in quotes [script-syntax]"],
    );
    check(
        "piece a(b c) { }",
        expect!["at/it.forge:1:11: expected `,` or `)`, found `c` [script-syntax]"],
    );
    check(
        "lose(1",
        expect![
            "at/it.forge:1:7: expected `and`, `but`, `,` or `)`, found the end of the file [script-syntax]"
        ],
    );
    check(
        "kill any leader",
        expect!["at/it.forge:1:16: expected `of`, found the end of the file [script-syntax]"],
    );
    check(
        "expect not leader",
        expect![[r#"
        at/it.forge:1:8: expected a condition, such as `success >= 99.9%`, found `not` [script-syntax]
          help: did you mean `no`?"#]],
    );
}

#[test]
fn what_makes_no_sense_has_a_place() {
    check(
        "kill 4\nkill 5s\nkill who\nwait leader",
        expect![[r#"
            at/it.forge:1:6: there is no node 4: there are 3 here [script-value]
            at/it.forge:2:6: expected nodes such as `leader` or `1 and 2`, found 5s [script-value]
            at/it.forge:3:6: there is no `who` here [script-value]
            at/it.forge:4:6: expected a time such as 5s, found leader [script-value]"#]],
    );
    check(
        "wait 5x; loss 101% from 1 to 2 for 5s; wait 5s..1s",
        expect![[r#"
        at/it.forge:1:6: `5x` is no value: there are 3, 1.5, 99.9%, 5s, 256MiB and 1s..5s [script-value]
        at/it.forge:1:15: `101%` is no value: there are 3, 1.5, 99.9%, 5s, 256MiB and 1s..5s [script-value]
        at/it.forge:1:45: `5s..1s` is no value: there are 3, 1.5, 99.9%, 5s, 256MiB and 1s..5s [script-value]"#]],
    );
    check(
        "piece lose(who) { kill who }\nlose(5s)\nlose()\nloose(1)",
        expect![[r#"
        at/it.forge:1:24: expected nodes such as `leader` or `1 and 2`, `who` is 5s [script-value]
        at/it.forge:3:1: `lose(who)` is used with 0 values [script-value]
        at/it.forge:4:1: there is no piece `loose` [script-value]
          help: did you mean `lose`?"#]],
    );
    check(
        "piece a() { b() }\npiece b() { a() }\na()",
        expect!["at/it.forge:2:13: `a` uses itself [script-value]"],
    );
    check(
        "piece a() { }\npiece a() { }\npiece leader() { }",
        expect![[r#"
        at/it.forge:2:7: there are two pieces `a` [script-value]
        at/it.forge:3:7: `leader` means something else already [script-value]"#]],
    );
    check(
        "expect success > 1%\nload stop\nload \"none.toml\"",
        expect![[r#"
            at/it.forge:1:18: there is no `success`: no load was started before [script-value]
            at/it.forge:2:1: no load runs here [script-value]
            at/it.forge:3:1: at/none.toml: entity not found [script-value]"#]],
    );
}

#[test]
fn files_and_names_that_do_not_fit_have_a_place() {
    check(
        "load \"load.toml\"\nexpect failed of \"b\" == 0",
        expect![[
            r#"at/it.forge:2:18: the load has no target "b": it has `GET /a` [script-value]"#
        ]],
    );
    check(
        "load \"\"\"\n[[targets]]\npath = \"/\"\nrat = 1\n\"\"\"",
        expect![[r#"
        at/it.forge:4:1: there is no key `rat` here [toml-unknown-key]
          help: did you mean `rate`?"#]],
    );
    check(
        "use \"more.forge\"; use \"none.forge\"",
        expect![[r#"
        at/more.forge:1:1: a file that is used holds pieces alone [script-value]
        at/more.forge:2:1: a file that is used holds pieces alone [script-value]
        at/it.forge:1:23: at/none.forge: entity not found [script-value]"#]],
    );
    check(
        "each node of followers { kill node }",
        expect![
            "at/it.forge:1:14: `each` takes nodes by number or `all`, not followers [script-value]"
        ],
    );
    check(
        "let all = 1; nodes 2",
        expect![[r#"
        at/it.forge:1:14: expected a statement, such as `kill leader`, found `nodes` [script-syntax]
          help: settings stand before the first statement"#]],
    );
    check(
        "nodes 3",
        expect!["at/it.forge:1:1: the number of nodes is said already [script-value]"],
    );
    check(
        "repeat 1.5 { wait 1s }; repeat 2000 { wait 1s }",
        expect![[r#"
        at/it.forge:1:8: expected a whole number such as 3, found 1.5 [script-value]
        at/it.forge:1:32: at most 1000 times [script-value]"#]],
    );
    check(
        "repeat 1000 { repeat 1000 { wait 1s } }",
        expect!["at/it.forge:1:29: this makes more than 10000 actions [script-value]"],
    );
    check(
        "kill any 4 of all",
        expect!["at/it.forge:1:6: 1 and 2 and 3 are not 4 nodes [script-value]"],
    );
    check(
        "either { kill 9 } or { kill 8 }",
        expect![[r#"
        at/it.forge:1:15: there is no node 9: there are 3 here [script-value]
        at/it.forge:1:29: there is no node 8: there are 3 here [script-value]"#]],
    );
    check(
        "always expect aether status",
        expect![
            "at/it.forge:1:1: a program is run once: `expect` it, with `within` [script-value]"
        ],
    );
    check(
        "piece p() { kill who }\nlet who = 1\np()",
        expect!["at/it.forge:1:18: there is no `who` here [script-value]"],
    );
}

proptest! {
    #[test]
    fn the_same_seed_makes_the_same_plan(seed: u64) {
        let text = "shuffle { kill 1; kill 2; kill 3 }\nrepeat 1..5 { wait 1s..9s }\nstop any of all";
        prop_assert_eq!(read(text, seed).unwrap(), read(text, seed).unwrap());
    }

    /// Whatever is left out of a good script: it is a plan or a problem in it, and no panic.
    #[test]
    fn no_text_is_too_broken(from in 0_usize..400, length in 0_usize..60) {
        let text: String = GOOD.chars().enumerate()
            .filter(|(i, _)| !(from..from + length).contains(i)).map(|(_, c)| c).collect();
        if let Err(problems) = read(&text, 1) {
            prop_assert!(problems.0.iter().all(|it| it.place.starts_with("at/")), "{}", problems);
        }
    }
}

const GOOD: &str = r#"use "pieces.forge"
piece calm(time) { wait time; expect faults == 0 }
load "load.toml"
always expect success >= 99.9%
step "the leader dies" { let old = leader; lose(old); within 10s expect leader not in old }
each node of all but 2 { restart node; within 20s expect ready node }
either { stop any 2 of all for 2s } or { partition from 1 to (2 and 3) one-way for 1s..3s }
calm(2s); expect GET "/a" on 1 answers 200 with "a"; aether kv put a 1 exits 0
"#;
