//! Every strategy again and again under load that does not wait for answers: no request fails, and
//! none is answered by two versions. Once in `cargo test`; `cargo xtask soak` takes many rounds.

use crate::http;
use crate::node::{At, Node, cluster, leader, wait};
use aether_api::{RolloutPhase, RolloutStatus};
use open_loop::OpenLoop;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

mod open_loop;

/// `t:web`, which answers `GET /web` with what `t:part` of its application returns plus a thousand
/// times its own number; `t:part` returns its own number. Every other version of it has a newer
/// version of its interface, which is compatible.
pub(crate) fn components(number: u32) -> [Vec<u8>; 2] {
    let web = format!(
        "(component
          (import \"t:part/api@1.0.0\" (instance $p (export \"f\" (func (result u32)))))
          (core func $g (canon lower (func $p \"f\")))
          (core module $m
            (import \"p\" \"f\" (func $g (result i32)))
            (func (export \"f\") (result i32) (i32.add (call $g) (i32.const {}))))
          (core instance $i
            (instantiate $m (with \"p\" (instance (export \"f\" (func $g))))))
          (func $f (result u32) (canon lift (core func $i \"f\")))
          (instance $e (export \"f\" (func $f)))
          (export \"t:web/api@1.0.0\" (instance $e)))",
        number * 1_000
    );
    let part = format!(
        "(component
          (core module $m (func (export \"f\") (result i32) i32.const {number}))
          (core instance $i (instantiate $m))
          (func $f (result u32) (canon lift (core func $i \"f\")))
          (instance $e (export \"f\" (func $f)))
          (export \"t:part/api@1.{}.0\" (instance $e)))",
        1 - number % 2
    );
    let route = "[[routes]]\nroute = \"GET /web\"\ncall = \"t:web/api#f\"";
    let slice = |name: &str, text: &str, more: &str| {
        let slice_toml = format!("[slice]\nartifact = \"t:{name}:1.0.{number}\"\n{more}");
        aether_slice_build::embed(&wat::parse_str(text).unwrap(), &slice_toml).unwrap()
    };
    [slice("web", &web, route), slice("part", &part, "")]
}

/// The application in this version, and `more` at the end of its blueprint.
pub(crate) fn write_with(folder: &Path, number: u32, more: &str) {
    // Where tests take turns with compilers, a node may not hear of others for a while: then it
    // has to serve by itself. A soak has the machine alone, and most calls go to other nodes.
    let instances = if wanted().1.is_some() { 2 } else { 3 };
    let mut blueprint = "[application]\nname = \"web\"\nversion = \"1.0.0\"\n".to_owned();
    for (i, bytes) in components(number).iter().enumerate() {
        std::fs::write(folder.join(format!("{i}.wasm")), bytes).unwrap();
        blueprint += &format!("[[slices]]\nfile = \"{i}.wasm\"\ninstances = {instances}\n");
    }
    std::fs::write(folder.join("blueprint.toml"), blueprint + more).unwrap();
}

/// A good answer comes from one version alone.
fn is_good(answer: &http::Answer) -> bool {
    let body = answer.text.rsplit("\r\n").next().unwrap_or_default();
    let number = body.parse::<u32>();
    answer.status == 200 && number.is_ok_and(|number| number % 1_001 == 0)
}

/// Short, so that there can be many.
const STRATEGIES: [(&str, &str); 5] = [
    ("immediate", "immediate"),
    (
        "rolling",
        "rolling = { steps = [\"5%\", \"10%\", \"15%\", \"20%\", \"25%\", \"30%\", \"35%\", \"40%\", \
         \"45%\", \"50%\", \"55%\", \"60%\", \"65%\", \"70%\", \"75%\", \"80%\", \"85%\", \"90%\", \
         \"95%\", \"100%\"], pause = \"20ms\", grace = \"100ms\" }",
    ),
    ("blue-green", "blue-green = { keep = \"100ms\" }"),
    ("a-b", "a-b = { weight = \"50%\", sticky = { header = \"user\" } }"),
    (
        "canary",
        "canary = { stages = [\"50%\", \"100%\"], requests-min = 20, time-min = \"200ms\", \
         grace = \"100ms\" }",
    ),
];

/// Those that a soak goes through. A canary waits for enough requests to judge by, for some ten
/// seconds: that it fails no request is tested once, with canaries of all kinds.
fn strategies() -> &'static [(&'static str, &'static str)] {
    let has_time = wanted().1.is_some();
    if has_time { &STRATEGIES } else { &STRATEGIES[..4] }
}

fn status(node: &Node) -> Option<RolloutStatus> {
    let shown = node.aether(&["rollout", "show", "web", "--json"]);
    serde_json::from_str(&shown.text).ok()
}

/// The end of the rollout to this revision.
fn ended(node: &Node, old: u64) -> RolloutStatus {
    let mut seen = None;
    wait("the rollout has ended", || {
        seen = status(node).filter(|now| now.old == old && now.phase == RolloutPhase::Ended);
        seen.is_some()
    });
    seen.unwrap()
}

/// How often shares were switched, as far as the rollout still tells.
fn switches(status: &RolloutStatus) -> usize {
    status.history.iter().filter(|event| event.event.starts_with("switch ")).count()
}

/// How many rounds somebody wants, and where the result goes.
fn wanted() -> (u32, Option<PathBuf>) {
    let rounds = std::env::var("AETHER_SOAK_ROUNDS").ok();
    let rounds = rounds.map_or(1, |rounds| rounds.parse().expect("a number of rounds"));
    (rounds, std::env::var_os("AETHER_SOAK_RESULT").map(PathBuf::from))
}

fn revision(node: &Node) -> u64 {
    node.json(&["status", "web"]).unwrap()["revision"].as_u64().unwrap()
}

#[test]
fn rollouts_fail_no_request() {
    let (rounds, result) = wanted();
    let nodes = cluster::<3>();
    let folder = nodes[0].folder("web");
    write_with(&folder, 0, "");
    nodes[0].deployed(&folder);
    nodes.iter().for_each(|node| node.wait_for("/web", 200));
    let load =
        OpenLoop::start(50, nodes.each_ref().map(|node| node.http).to_vec(), "/web", is_good);
    let started = Instant::now();
    let (mut done, mut switched, mut number) = (BTreeMap::<&str, u32>::new(), 0, 0);
    for round in 0..rounds {
        for (name, strategy) in strategies() {
            number += 1;
            let by = &nodes[number as usize % 3];
            write_with(&folder, number, "");
            let old = revision(by);
            by.order(&["deploy", folder.to_str().unwrap(), "--strategy", strategy]).unwrap();
            if *name == "a-b" {
                by.order(&["rollout", "conclude", "web", "--winner", "new"]).unwrap();
            }
            let ended = ended(by, old);
            assert_eq!(ended.outcome.as_deref(), Some("completed"), "{ended:?}");
            switched += switches(&ended);
            *done.entry(name).or_default() += 1;
        }
        if result.is_some() {
            let (asked, failed) = load.so_far();
            eprintln!(
                "round {}: {switched} switches, {asked} requests, {failed} failed",
                round + 1
            );
        }
    }
    let seconds = started.elapsed().as_secs();
    let report = load.stop();
    let failed = report.failed.len();
    if let Some(path) = result {
        let [p50, p99, max] = [0.5, 0.99, 1.0].map(|share| report.millis(share));
        let report = json!({
            "rollouts": done, "switches": switched, "seconds": seconds,
            "requests": report.millis.len(), "failed": failed,
            "first-failures": report.failed.iter().take(10).collect::<Vec<_>>(),
            "p50-ms": p50, "p99-ms": p99, "max-ms": max,
        });
        std::fs::write(path, format!("{report:#}\n")).unwrap();
    }
    assert_eq!(failed, 0, "such as {:?}", report.failed[0]);
    assert!(switched >= 23 * rounds as usize, "{switched} switches");
}

/// Where the leader is killed, once the rollout is seen there or further.
const PHASES: [RolloutPhase; 6] = [
    RolloutPhase::Wanted,
    RolloutPhase::Preparing,
    RolloutPhase::Starting,
    RolloutPhase::Switching,
    RolloutPhase::Holding,
    RolloutPhase::Retiring,
];

/// Rollouts go on without the leader that they had, wherever it was lost; nodes that are there
/// fail no request.
#[test]
fn rollouts_survive_their_leaders() {
    let (rounds, result) = wanted();
    // One of each kind is enough where nobody asks for more.
    let strategies = strategies();
    let kills =
        if result.is_some() { PHASES.len() * strategies.len() * rounds as usize } else { 1 };
    let mut nodes = cluster::<3>();
    let folder = nodes[0].folder("web");
    write_with(&folder, 0, "");
    nodes[0].deployed(&folder);
    nodes.iter().for_each(|node| node.wait_for("/web", 200));
    let (mut requests, mut number, mut failed) = (0, 0, Vec::new());
    let mut killed = BTreeMap::<String, u32>::new();
    for (phase, (name, strategy)) in (0..kills).map(|kill| {
        let (phase, strategy) = (kill / strategies.len() + 1, kill + 2);
        (PHASES[phase % PHASES.len()], strategies[strategy % strategies.len()])
    }) {
        // A split does not end by itself.
        let endless = name == "a-b" && phase == RolloutPhase::Retiring;
        let phase = if endless { RolloutPhase::Holding } else { phase };
        number += 1;
        write_with(&folder, number, "");
        let lost = leader(&nodes);
        let others: Vec<_> = (0..3).filter(|i| *i != lost).map(|i| nodes[i].http).collect();
        let load = OpenLoop::start(30, others, "/web", is_good);
        let by = (lost + 1) % 3;
        let old = revision(&nodes[by]);
        let path = folder.to_str().unwrap();
        nodes[by].order(&["deploy", path, "--no-wait", "--strategy", strategy]).unwrap();
        let mut seen = None;
        wait(&format!("{name} is in {phase} or beyond"), || {
            seen = status(&nodes[by]).filter(|now| now.old == old).map(|now| now.phase);
            seen.is_some_and(|now| PHASES.iter().skip_while(|p| **p != phase).any(|p| *p == now))
                || seen == Some(RolloutPhase::Ended)
        });
        nodes[lost].kill();
        *killed.entry(format!("{name} {}", seen.unwrap())).or_default() += 1;
        if name == "a-b" {
            wait("somebody concludes", || {
                let conclude = ["rollout", "conclude", "web", "--winner", "new"];
                let said = nodes[by].aether(&conclude);
                said.exit == 0 || said.text.contains("has ended")
            });
        }
        let ended = ended(&nodes[by], old);
        assert_eq!(ended.outcome.as_deref(), Some("completed"), "{ended:?}");
        nodes[lost].again(At::Another);
        nodes[lost].wait_for("/web", 200);
        crate::node::wait_for_voters(&nodes, 3);
        let report = load.stop();
        requests += report.millis.len();
        if let Some(first) = report.failed.first() {
            failed.push(format!("{name} {phase}: {}, such as {first}", report.failed.len()));
        }
        if result.is_some() {
            eprintln!("{name}, killed in {phase}: {requests} requests, {failed:?}");
        }
    }
    if let Some(path) = result {
        let report = json!({ "killed": killed, "requests": requests, "failed": failed });
        std::fs::write(path, format!("{report:#}\n")).unwrap();
    }
    assert!(failed.is_empty(), "{failed:?}");
}
