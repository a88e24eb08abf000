//! Scripts of what happens, and the transcript of what the reconciler does.

use super::shell::{ME, Shell, Slice, failure, slice};
use crate::{Effect, Outbox, Tick};
use aether_types::NodeId;
use expect_test::{Expect, expect};
use std::borrow::ToOwned;
use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

/// `b a->b c%2`: slices in load order with what they call; `%2` runs on node 2.
fn slices(text: &str) -> Vec<Slice> {
    let one = |word: &str| {
        let (word, node) = word.split_once('%').unwrap_or((word, "1"));
        let (name, calls) = word.split_once("->").unwrap_or((word, ""));
        Slice {
            coordinates: slice(name),
            calls: calls.split(',').filter(|c| !c.is_empty()).map(slice).collect(),
            nodes: [NodeId(node.parse().unwrap())].to_vec(),
        }
    };
    text.split_whitespace().map(one).collect()
}

fn line(shell: &mut Shell, line: &str) -> Outbox {
    let (command, rest) = line.split_once(' ').unwrap_or((line, ""));
    let pending = |shell: &Shell, name: &str| {
        let at = shell.pending.iter().position(|(a, _)| shell.name(*a) == name);
        at.unwrap_or_else(|| panic!("nothing is pending for {name}"))
    };
    match command {
        "plan" => {
            let (revision, rest) = rest.split_once(':').unwrap();
            shell.plan(revision.parse().unwrap(), &slices(rest))
        }
        "ok" if rest.is_empty() => shell.complete_all(),
        "ok" => shell.complete(pending(shell, rest), Ok(())),
        "fail" => shell.complete(pending(shell, rest), Err(failure(true))),
        "fatal" => shell.complete(pending(shell, rest), Err(failure(false))),
        "wait" => {
            let until = shell.now.0 + rest.parse::<u64>().unwrap() * 1_000;
            let mut all = Outbox::new();
            while let Some(at) = shell.core.next_deadline().filter(|at| at.0 <= until) {
                shell.now = at;
                all.extend(shell.step(|core, now, out| core.tick(now, out)));
            }
            shell.now = Tick(until);
            all
        }
        "elsewhere" => {
            let app = "shop".parse::<aether_types::AppName>().unwrap();
            let active = rest.split_whitespace().map(|s| (app.clone(), slice(s))).collect();
            shell.step(|core, now, out| core.on_elsewhere(now, active, out))
        }
        "shutdown" => shell.step(|core, now, out| core.on_shutdown(now, out)),
        other => panic!("no such command: {other}"),
    }
}

fn show(shell: &Shell, effects: &Outbox) -> String {
    let name = |attempt| shell.name(attempt);
    let word = |effect: &Effect| {
        Some(match effect {
            Effect::Load { attempt, .. } => format!("load {}", name(*attempt)),
            Effect::Start { attempt } => format!("start {}", name(*attempt)),
            Effect::Announce { attempt } => format!("announce {}", name(*attempt)),
            Effect::Withdraw { attempt } => format!("withdraw {}", name(*attempt)),
            Effect::Drain { attempt, .. } => format!("drain {}", name(*attempt)),
            Effect::Stop { attempt } => format!("stop {}", name(*attempt)),
            Effect::Unload { attempt } => format!("unload {}", name(*attempt)),
            Effect::Discard { attempt } => format!("discard {}", name(*attempt)),
            Effect::Publish(_) => return None,
        })
    };
    effects.iter().filter_map(word).collect::<Vec<_>>().join(", ")
}

fn status(shell: &Shell) -> String {
    let observed = shell.observed.as_ref().unwrap();
    let one = |i: &aether_types::observed::InstanceStatus| {
        let slice = &i.instance.coordinates;
        let reason = i.reason.as_ref().map_or_else(String::new, |r| format!(": {r}"));
        format!("    {slice} r{} {}{reason}", i.blueprint, i.state)
    };
    observed.instances.iter().map(one).collect::<Vec<_>>().join("\n")
}

/// Runs the script, a command a line. A line that ends with `?` also shows the published state.
pub(super) fn check(script: &str, expect: Expect) {
    let mut shell = Shell::new(7);
    assert_eq!(shell.core.observed().node, ME);
    let mut lines = Vec::new();
    for command in script.lines().map(str::trim).filter(|l| !l.is_empty()) {
        let (command, show_status) = match command.strip_suffix('?') {
            Some(command) => (command.trim_end(), true),
            None => (command, false),
        };
        let effects = line(&mut shell, command);
        lines.push(format!("{command} => {}", show(&shell, &effects)).trim_end().to_owned());
        if show_status {
            lines.push(status(&shell));
        }
    }
    expect.assert_eq(&lines.join("\n").to_string());
}

#[test]
fn dependencies_start_first_and_stop_last() {
    check(
        "plan 1: c b->c a->b
        ok a ?
        ok c
        ok c
        ok b ?
        ok b
        ok a ?
        plan 1:
        ok a
        ok a
        ok a ?
        ok b
        ok ?",
        expect![[r#"
            plan 1: c b->c a->b => load c, load b, load a
            ok a =>
                x:a:1.0.0 r1 LOADED: waits for x:b:1.0.0 (LOADING) [dependency-not-active]
                x:b:1.0.0 r1 LOADING
                x:c:1.0.0 r1 LOADING
            ok c => start c
            ok c => announce c
            ok b => start b
                x:a:1.0.0 r1 LOADED: waits for x:b:1.0.0 (ACTIVATING) [dependency-not-active]
                x:b:1.0.0 r1 ACTIVATING
                x:c:1.0.0 r1 ACTIVE
            ok b => announce b, start a
            ok a => announce a
                x:a:1.0.0 r1 ACTIVE
                x:b:1.0.0 r1 ACTIVE
                x:c:1.0.0 r1 ACTIVE
            plan 1: => withdraw a
            ok a => drain a
            ok a => stop a
            ok a => unload a, withdraw b
                x:a:1.0.0 r1 UNLOADING
                x:b:1.0.0 r1 DEACTIVATING
                x:c:1.0.0 r1 ACTIVE: serves until x:b:1.0.0, which calls it, is gone [dependents-active]
            ok b => drain b
            ok => stop b, unload b, withdraw c, drain c, stop c, unload c
        "#]],
    );
}

#[test]
fn a_new_revision_starts_before_the_old_one_goes() {
    check(
        "plan 1: b a->b
        ok
        plan 2: b a->b
        ok a
        ok b ?
        ok b ?
        ok b
        ok ?",
        expect![[r#"
            plan 1: b a->b => load b, load a
            ok => start b, announce b, start a, announce a
            plan 2: b a->b => load b, load a
            ok a => start a
            ok b => start b
                x:a:1.0.0 r1 ACTIVE: serves until what comes after it is ACTIVE [min-ready]
                x:a:1.0.0 r2 ACTIVATING
                x:b:1.0.0 r1 ACTIVE: serves until what comes after it is ACTIVE [min-ready]
                x:b:1.0.0 r2 ACTIVATING
            ok b => announce b, withdraw b
                x:a:1.0.0 r1 ACTIVE: serves until what comes after it is ACTIVE [min-ready]
                x:a:1.0.0 r2 ACTIVATING
                x:b:1.0.0 r1 DEACTIVATING
                x:b:1.0.0 r2 ACTIVE
            ok b => drain b
            ok => announce a, withdraw a, stop b, drain a, unload b, stop a, unload a
                x:a:1.0.0 r2 ACTIVE
                x:b:1.0.0 r2 ACTIVE"#]],
    );
}

#[test]
fn an_old_version_serves_until_the_new_one_is_active() {
    check(
        "plan 1: b a->b
        ok
        plan 2: b@2 a@2->b@2
        ok b@2
        fail b@2 ?
        wait 2
        ok b@2
        ok b@2 ?
        ok a@2
        ok a@2 ?
        ok ?",
        expect![[r#"
            plan 1: b a->b => load b, load a
            ok => start b, announce b, start a, announce a
            plan 2: b@2 a@2->b@2 => load b@2, load a@2
            ok b@2 => start b@2
            fail b@2 => discard b@2
                x:a:1.0.0 r1 ACTIVE: serves until what comes after it is ACTIVE [min-ready]
                x:a:2.0.0 r2 LOADING
                x:b:1.0.0 r1 ACTIVE: serves until what comes after it is ACTIVE [min-ready]
                x:b:2.0.0 r2 FAILED: no luck [start-failed]
            wait 2 => load b@2
            ok b@2 => start b@2
            ok b@2 => announce b@2
                x:a:1.0.0 r1 ACTIVE: serves until what comes after it is ACTIVE [min-ready]
                x:a:2.0.0 r2 LOADING
                x:b:1.0.0 r1 ACTIVE: serves until x:a:1.0.0, which calls it, is gone [dependents-active]
                x:b:2.0.0 r2 ACTIVE
            ok a@2 => start a@2
            ok a@2 => announce a@2, withdraw a
                x:a:1.0.0 r1 DEACTIVATING
                x:a:2.0.0 r2 ACTIVE
                x:b:1.0.0 r1 ACTIVE: serves until x:a:1.0.0, which calls it, is gone [dependents-active]
                x:b:2.0.0 r2 ACTIVE
            ok => drain a, stop a, unload a, withdraw b, drain b, stop b, unload b
                x:a:2.0.0 r2 ACTIVE
                x:b:2.0.0 r2 ACTIVE"#]],
    );
}

#[test]
fn a_new_version_that_never_starts_does_not_take_the_old_one_down() {
    check(
        "plan 1: a
        ok
        plan 2: a@2
        fatal a@2 ?
        wait 600
        plan 3: a@3
        ok a@3
        ok a@3
        ok ?",
        expect![[r#"
            plan 1: a => load a
            ok => start a, announce a
            plan 2: a@2 => load a@2
            fatal a@2 => discard a@2
                x:a:1.0.0 r1 ACTIVE: serves until what comes after it is ACTIVE [min-ready]
                x:a:2.0.0 r2 FAILED: no luck [start-failed]
            wait 600 =>
            plan 3: a@3 => load a@3
            ok a@3 => start a@3
            ok a@3 => announce a@3, withdraw a
            ok => drain a, stop a, unload a
                x:a:3.0.0 r3 ACTIVE"#]],
    );
}

#[test]
fn failures_are_tried_again_later_and_later() {
    check(
        "plan 1: b a->b
        ok a
        fail b ?
        wait 1
        wait 1 ?
        fail b
        wait 2
        wait 1
        ok b
        fail b ?
        wait 60
        ok ?",
        expect![[r#"
            plan 1: b a->b => load b, load a
            ok a =>
            fail b => discard b
                x:a:1.0.0 r1 LOADED: waits for x:b:1.0.0 (FAILED: no luck [start-failed]) [dependency-not-active]
                x:b:1.0.0 r1 FAILED: no luck [start-failed]
            wait 1 =>
            wait 1 => load b
                x:a:1.0.0 r1 LOADED: waits for x:b:1.0.0 (LOADING) [dependency-not-active]
                x:b:1.0.0 r1 LOADING: no luck [start-failed]
            fail b => discard b
            wait 2 =>
            wait 1 => load b
            ok b => start b
            fail b => discard b
                x:a:1.0.0 r1 LOADED: waits for x:b:1.0.0 (FAILED: no luck [start-failed]) [dependency-not-active]
                x:b:1.0.0 r1 FAILED: no luck [start-failed]
            wait 60 => load b
            ok => start b, announce b, start a, announce a
                x:a:1.0.0 r1 ACTIVE
                x:b:1.0.0 r1 ACTIVE"#]],
    );
}

#[test]
fn a_fatal_failure_waits_for_another_revision() {
    check(
        "plan 1: a
        ok a
        fatal a ?
        wait 3600
        plan 1: a
        plan 2: a ?
        ok ?",
        expect![[r#"
            plan 1: a => load a
            ok a => start a
            fatal a => discard a
                x:a:1.0.0 r1 FAILED: no luck [start-failed]
            wait 3600 =>
            plan 1: a =>
            plan 2: a => load a
                x:a:1.0.0 r2 LOADING
            ok => start a, announce a
                x:a:1.0.0 r2 ACTIVE"#]],
    );
}

#[test]
fn steps_that_take_too_long_end() {
    check(
        "plan 1: a
        wait 119
        wait 1 ?
        wait 2
        ok a
        wait 60 ?
        wait 4
        ok
        plan 1:
        wait 5
        wait 19
        wait 1
        wait 5 ?
        wait 120 ?",
        expect![[r#"
            plan 1: a => load a
            wait 119 =>
            wait 1 => discard a
                x:a:1.0.0 r1 FAILED: loading took longer than 120 s [step-timeout]
            wait 2 => load a
            ok a => start a
            wait 60 => discard a
                x:a:1.0.0 r1 FAILED: activating took longer than 60 s [step-timeout]
            wait 4 => load a
            ok => start a, announce a
            plan 1: => withdraw a
            wait 5 => drain a
            wait 19 =>
            wait 1 => stop a
            wait 5 => unload a
                x:a:1.0.0 r1 UNLOADING
            wait 120 => discard a
        "#]],
    );
}

#[test]
fn what_is_not_wanted_any_more_goes_from_every_state() {
    check(
        "plan 1: e d c->e b a
        ok c
        fatal b
        ok d
        plan 2: x ?
        ok ?",
        expect![[r#"
            plan 1: e d c->e b a => load e, load d, load c, load b
            ok c => load a
            fatal b => discard b
            ok d => start d
            plan 2: x => discard e, unload c, discard a, load x
                x:c:1.0.0 r1 UNLOADING
                x:d:1.0.0 r1 ACTIVATING
                x:x:1.0.0 r2 LOADING
            ok => stop d, start x, unload d, announce x
                x:x:1.0.0 r2 ACTIVE"#]],
    );
    check(
        "plan 1: b a->b
        ok b
        ok a
        plan 1: ?
        ok b ?
        ok ?",
        expect![[r#"
            plan 1: b a->b => load b, load a
            ok b => start b
            ok a =>
            plan 1: => unload a
                x:a:1.0.0 r1 UNLOADING
                x:b:1.0.0 r1 ACTIVATING
            ok b => stop b
                x:a:1.0.0 r1 UNLOADING
                x:b:1.0.0 r1 DEACTIVATING
            ok => unload b
        "#]],
    );
}

#[test]
fn dependencies_and_successors_may_be_on_other_nodes() {
    check(
        "plan 1: b%2 a->b
        ok a ?
        elsewhere b
        ok ?
        plan 2: b%2 a->b%2
        elsewhere b a ?
        ok ?",
        expect![[r#"
            plan 1: b%2 a->b => load a
            ok a =>
                x:a:1.0.0 r1 LOADED: waits for x:b:1.0.0, which is ACTIVE on no node [dependency-not-active]
            elsewhere b => start a
            ok => announce a
                x:a:1.0.0 r1 ACTIVE
            plan 2: b%2 a->b%2 =>
            elsewhere b a => withdraw a
                x:a:1.0.0 r1 DEACTIVATING
            ok => drain a, stop a, unload a
        "#]],
    );
}

#[test]
fn what_comes_back_while_it_leaves_waits_until_it_is_gone() {
    check(
        "plan 1: a
        ok
        plan 1:
        ok a
        plan 1: a ?
        ok a
        ok a
        ok ?",
        expect![[r#"
            plan 1: a => load a
            ok => start a, announce a
            plan 1: => withdraw a
            ok a => drain a
            plan 1: a =>
                x:a:1.0.0 r1 DEACTIVATING
            ok a => stop a
            ok a => unload a
            ok => load a, start a, announce a
                x:a:1.0.0 r1 ACTIVE"#]],
    );
}

#[test]
fn a_shutdown_takes_everything_down_in_order() {
    check(
        "plan 1: b a->b
        ok
        plan 2: b@2 a@2->b@2
        ok b@2
        shutdown ?
        ok ?
        plan 3: a
        wait 600",
        expect![[r#"
            plan 1: b a->b => load b, load a
            ok => start b, announce b, start a, announce a
            plan 2: b@2 a@2->b@2 => load b@2, load a@2
            ok b@2 => start b@2
            shutdown => withdraw a, discard a@2
                x:a:1.0.0 r1 DEACTIVATING
                x:b:1.0.0 r1 ACTIVE: serves until x:a:1.0.0, which calls it, is gone [dependents-active]
                x:b:2.0.0 r2 ACTIVATING
            ok => stop b@2, drain a, unload b@2, stop a, unload a, withdraw b, drain b, stop b, unload b

            plan 3: a =>
            wait 600 =>"#]],
    );
}

#[test]
fn a_few_load_at_a_time() {
    check(
        "plan 1: a b c d e f\nok b\nok c\nok ?",
        expect![[r#"
        plan 1: a b c d e f => load a, load b, load c, load d
        ok b => start b, load e
        ok c => start c, load f
        ok => start a, start d, announce b, start e, announce c, start f, announce a, announce d, announce e, announce f
            x:a:1.0.0 r1 ACTIVE
            x:b:1.0.0 r1 ACTIVE
            x:c:1.0.0 r1 ACTIVE
            x:d:1.0.0 r1 ACTIVE
            x:e:1.0.0 r1 ACTIVE
            x:f:1.0.0 r1 ACTIVE"#]],
    );
}
