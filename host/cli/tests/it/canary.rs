//! New versions that are tried with a share of the traffic, on three nodes that are processes: good
//! ones take over, bad ones harm no more than that share.

use crate::apps::write;
use crate::node::{Node, cluster, leader, sandboxed, wait};
use crate::partition::{fault, hosts, slice};
use crate::rollout::{broken, command, reaches, roll};
use crate::update::load::Load;
use aether_api::{RolloutPhase, RolloutStatus};
use serde_json::json;
use std::path::Path;
use std::sync::atomic::Ordering;

/// `t:web:1.0.PATCH`, which answers `GET /web` with its patch number.
struct Web {
    patch: u32,
    /// Rounds of a loop before it answers; a million take about a millisecond.
    rounds: u32,
    /// It traps at every call of so many.
    fails_of: u32,
}

impl Web {
    const GOOD: Self = Self { patch: 0, rounds: 1, fails_of: u32::MAX };

    fn bytes(&self) -> Vec<u8> {
        self.named("web")
    }

    /// The same with another name.
    fn named(&self, name: &str) -> Vec<u8> {
        let Self { patch, rounds, fails_of } = self;
        let text = format!(
            "(component
              (core module $m
                (global $calls (mut i32) (i32.const 0))
                (func (export \"f\") (result i32) (local $i i32)
                  (loop $again
                    (local.set $i (i32.add (local.get $i) (i32.const 1)))
                    (br_if $again (i32.lt_u (local.get $i) (i32.const {rounds}))))
                  (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
                  (if (i32.ge_u (global.get $calls) (i32.const {fails_of})) (then unreachable))
                  (i32.const {patch})))
              (core instance $i (instantiate $m))
              (func $f (result u32) (canon lift (core func $i \"f\")))
              (instance $e (export \"f\" (func $f)))
              (export \"t:{name}/api@1.0.0\" (instance $e)))"
        );
        let slice_toml = format!(
            "[slice]\nartifact = \"t:{name}:1.0.{patch}\"\n\
             [[routes]]\nroute = \"GET /{name}\"\ncall = \"t:{name}/api#f\""
        );
        aether_slice_build::embed(&wat::parse_str(text).unwrap(), &slice_toml).unwrap()
    }
}

/// Runs `old` under load, brings `new` with a canary, and waits for its end. Gives it with how many
/// requests were made meanwhile and how many of them failed.
fn tried(
    nodes: &[Node],
    old: &Web,
    new: &[u8],
    phase: RolloutPhase,
) -> (RolloutStatus, usize, usize) {
    const STRATEGY: &str = "canary = { stages = [\"5%\", \"25%\", \"50%\", \"100%\"], \
                            requests-min = 50, time-min = \"1s\", grace = \"500ms\" }";
    let by = &nodes[0];
    let folder = by.folder("web");
    write(&folder, "web", &[old.bytes()], "instances = 2");
    by.deployed(&folder);
    nodes.iter().for_each(|node| node.wait_for("/web", 200));
    let loads: Vec<Load> = nodes.iter().map(|node| Load::start(1, node.http, "/web")).collect();
    write(&folder, "web", &[new.to_vec()], "instances = 2");
    roll(by, &folder, STRATEGY);
    let status = reaches(by, phase);
    let asked = loads.iter().map(|load| load.asked.load(Ordering::Relaxed)).sum();
    let failed: Vec<String> = loads.into_iter().flat_map(Load::stop).collect();
    (status, asked, failed.len())
}

/// The canary is rolled back at its first stage, and harms no more than the share of that.
fn condemned(old: &Web, new: &Web) -> String {
    let nodes = cluster::<3>();
    let (status, asked, failed) = tried(&nodes, old, &new.bytes(), RolloutPhase::Ended);
    let events: Vec<&str> = status.history.iter().map(|event| event.event.as_str()).collect();
    assert!(!events.iter().any(|event| event.contains("25%")), "the first stage: {events:#?}");
    assert!(failed <= asked / 20, "{failed} of {asked} failed");
    for node in &nodes {
        assert!(node.get("/web").text.ends_with(&old.patch.to_string()), "the old one is back");
    }
    status.outcome.unwrap()
}

#[test]
fn a_good_version_goes_through_all_stages_and_no_request_fails() {
    let nodes = cluster::<3>();
    let new = Web { patch: 1, ..Web::GOOD };
    let (status, asked, failed) = tried(&nodes, &Web::GOOD, &new.bytes(), RolloutPhase::Ended);
    assert_eq!((status.outcome.as_deref(), failed), (Some("completed"), 0), "{status:?}");
    let passed = status.history.iter().filter(|event| event.event.contains("as good as before"));
    assert_eq!(passed.count(), 4, "{status:?}");
    assert!(asked >= 1_000, "50 requests at 5 %: {asked}");
    assert!(nodes[leader(&nodes)].get("/web").text.ends_with('1'));
}

#[test]
fn a_version_with_errors_is_rolled_back_at_the_first_stage() {
    let outcome = condemned(&Web::GOOD, &Web { patch: 1, fails_of: 20, ..Web::GOOD });
    assert!(outcome.contains("requests failed"), "{outcome}");
}

#[test]
fn a_version_that_is_slow_is_rolled_back_at_the_first_stage() {
    let old = Web { rounds: 2_000_000, ..Web::GOOD };
    let new = Web { patch: 1, rounds: 6_000_000, ..Web::GOOD };
    let outcome = condemned(&old, &new);
    assert!(outcome.contains("took longer"), "{outcome}");
}

#[test]
fn a_version_that_does_not_start_gets_no_request() {
    let nodes = cluster::<3>();
    let (status, _, failed) = tried(&nodes, &Web::GOOD, &broken(1), RolloutPhase::Cooling);
    assert_eq!(failed, 0, "{status:?}");
    let events: Vec<&str> = status.history.iter().map(|event| event.event.as_str()).collect();
    assert!(
        events.iter().any(|e| e.contains("every instance of t:web:1.0.1 failed")),
        "{events:?}"
    );
    assert!(!events.iter().any(|event| event.contains(" 5%")), "nothing is switched: {events:?}");
    command(&nodes[0], "rollback");
    let ended = reaches(&nodes[0], RolloutPhase::Ended);
    assert_eq!(ended.outcome.as_deref(), Some("rolled back: somebody wanted it"));
}

/// Writes `t:near`, which calls `t:far`; `where_to` says where it is.
fn write_pair(folder: &Path, far: &Web, where_to: &str) {
    let files = [("far", far.named("far")), ("near", slice("near", Some("far")))];
    for (name, bytes) in files {
        std::fs::write(folder.join(format!("{name}.wasm")), bytes).unwrap();
    }
    let blueprint = format!(
        "[application]\nname = \"web\"\nversion = \"1.0.0\"
        [[slices]]\nfile = \"far.wasm\"\n[[slices]]\nfile = \"near.wasm\"
        [slices.placement]\n{where_to} = [\"t:far\"]\n"
    );
    std::fs::write(folder.join("blueprint.toml"), blueprint).unwrap();
}

/// The way between nodes takes 20 ms, and the work next to nothing. A version that is away from its
/// callee is not slow for that; one whose callee works for long is, and be that away.
#[test]
fn a_version_is_judged_by_its_work_on_all_nodes_and_not_by_the_way_between_them() {
    const STRATEGY: &str = "canary = { stages = [\"50%\", \"100%\"], requests-min = 50, \
                            time-min = \"1s\", grace = \"500ms\" }";
    let nodes = sandboxed::<3>();
    let by = &nodes[0];
    let folder = by.folder("web");
    write_pair(&folder, &Web::GOOD, "require-near");
    by.deployed(&folder);
    let apart = || hosts(by, "near") != hosts(by, "far");
    assert!(!apart(), "they are side by side");
    nodes.iter().for_each(|node| node.wait_for("/near", 200));
    for node in &nodes {
        let others: Vec<&str> = nodes.iter().map(|n| &*n.id).filter(|id| *id != node.id).collect();
        let kind = json!({ "latency": { "links": { "nodes": others }, "time": "10ms" } });
        fault(node, "POST", Some(json!({ "faults": [{ "kind": kind, "duration": "1h" }] })));
    }
    let loads: Vec<Load> = nodes.iter().map(|node| Load::start(2, node.http, "/near")).collect();
    write_pair(&folder, &Web::GOOD, "require-away-from");
    roll(by, &folder, STRATEGY);
    let status = reaches(by, RolloutPhase::Ended);
    assert_eq!(status.outcome.as_deref(), Some("completed"), "{status:?}");
    assert!(apart(), "the new version's callee is away");
    write_pair(&folder, &Web { patch: 1, rounds: 6_000_000, ..Web::GOOD }, "require-away-from");
    roll(by, &folder, STRATEGY);
    let begun = status.new;
    wait("another rollout has begun", || crate::rollout::status(by).new > begun);
    let status = reaches(by, RolloutPhase::Ended);
    let outcome = status.outcome.unwrap();
    assert!(outcome.contains("took longer"), "{outcome}");
    let failed: Vec<String> = loads.into_iter().flat_map(Load::stop).collect();
    assert!(failed.is_empty(), "{} failed, such as {}", failed.len(), failed[0]);
}
