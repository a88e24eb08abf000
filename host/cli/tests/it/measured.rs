//! What nodes measure of themselves and of calls: exact counts on every node, histories with nodes
//! that are gone, slow calls with their requests, and numbers that Prometheus' own tool accepts.

use crate::apps::{slice, web, write};
use crate::counts::{metric, top};
use crate::http;
use crate::node::{sandboxed, wait};
use aether_api::{CallMetrics, FunctionMetrics, Metrics, MetricsHistory, SlowCall, SlowCalls};
use aether_forge::http::Request;
use aether_forge::{At, Node, Sandbox, Settings};
use serde::de::DeserializeOwned;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Instant;

const CALLS: usize = 1_000;

fn cluster() -> [Node; 3] {
    let program = env!("CARGO_BIN_EXE_aether").into();
    let settings = Settings { program, folder: None, arguments: vec!["--sandbox".to_owned()] };
    Sandbox::new(settings).unwrap().cluster(3).unwrap().try_into().unwrap()
}

fn told<T: DeserializeOwned>(node: &Node, words: &[&str]) -> T {
    serde_json::from_value(node.json(words).unwrap()).unwrap()
}

/// The function of `t:top`, as a node knows it.
fn top_calls(node: &Node) -> FunctionMetrics {
    let words = ["metrics", "--calls", "--app", "pair", "--slice", "t:top"];
    told::<CallMetrics>(node, &words).functions.remove(0)
}

fn ids(nodes: &[Node]) -> BTreeSet<String> {
    nodes[0].members().unwrap().into_iter().map(|member| member.id).collect()
}

/// What Prometheus' own tool has against it; none where the tool is not there, which `cargo xtask
/// test` does not allow.
#[expect(clippy::print_stderr, reason = "whoever runs the tests shall know what was left out")]
fn promtool(text: &str) -> Option<String> {
    let told = std::env::var("AETHER_PROMTOOL").ok();
    let program = told.clone().unwrap_or_else(|| "promtool".to_owned());
    let mut command = Command::new(program);
    command.args(["check", "metrics"]).stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut child = match command.stdout(Stdio::piped()).spawn() {
        Ok(child) => child,
        Err(error) if told.is_none() => {
            eprintln!("there is no promtool here, so /metrics is not checked by it: {error}");
            return None;
        }
        Err(error) => panic!("promtool: {error}"),
    };
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let ended = child.wait_with_output().unwrap();
    let said = [ended.stdout, ended.stderr].map(|s| String::from_utf8_lossy(&s).into_owned());
    Some(format!("{}{}{}", said[0], said[1], ended.status))
}

/// Numbers that only grow, by name and labels.
fn counters(text: &str) -> BTreeMap<&str, f64> {
    let grows = |line: &&str| {
        let name = line.split(['{', ' ']).next().unwrap_or_default();
        ["_total", "_bucket", "_count", "_sum"].iter().any(|end| name.ends_with(end))
    };
    let lines = text.lines().filter(|line| !line.starts_with('#')).filter(grows);
    lines.filter_map(|line| line.rsplit_once(' ')).map(|(k, n)| (k, n.parse().unwrap())).collect()
}

#[test]
fn what_nodes_measure_is_exact_lasting_and_fit_for_prometheus() {
    let mut nodes = cluster();
    let folder = nodes[0].home.join("pair");
    std::fs::create_dir_all(&folder).unwrap();
    write(&folder, "pair", &[slice("bottom", &[]), top()], "");
    nodes[0].order(&["deploy", folder.to_str().unwrap()]).unwrap();
    wait("all serve", || {
        let serves = |node: &Node| http::get(node.http, "/top").is_ok_and(|a| a.status == 200);
        nodes.iter().all(serves)
    });
    every_node_has_exact_counts(&nodes);
    let counting =
        nodes.iter().find(|node| exposed(node).contains("slice=\"t:top:1.0.0\"")).unwrap();
    prometheus_takes_it(counting);
    slow_calls_show_everywhere(&nodes);
    histories_outlast_nodes(&mut nodes);
    who_starts_knows_what_was_before(&mut nodes);
}

fn histories_outlast_nodes(nodes: &mut [Node]) {
    let all = ids(nodes);
    assert_eq!(all.len(), 3);
    let now = |node: &Node| told::<Metrics>(node, &["metrics"]).nodes;
    wait("every node knows how all are", || {
        nodes.iter().all(|node| now(node).into_keys().collect::<BTreeSet<_>>() == all)
    });
    let gone = nodes[2].id.clone();
    assert!(now(&nodes[0])[&gone].memory.resident > 1 << 20);
    nodes[2].kill().unwrap();
    wait("who is gone is not there now", || !now(&nodes[0]).contains_key(&gone));
    for minutes in ["5", "120"] {
        let words = ["metrics", "--history", minutes];
        let history: MetricsHistory = told(&nodes[1], &words);
        assert_eq!(history.nodes.keys().cloned().collect::<BTreeSet<_>>(), all);
        let seen = |column: &aether_api::Column| column.mean.iter().flatten().count();
        assert!(seen(&history.nodes[&gone].memory_resident) > 0);
        let requests = &history.requests.per_second.mean;
        assert_eq!(requests.len(), history.slots as usize);
        assert!(requests.iter().flatten().any(|rate| *rate > 0.0), "{requests:?}");
        assert!(history.requests.p99_us.iter().flatten().all(|micros| *micros > 0));
        let one: MetricsHistory = told(&nodes[1], &[&words[..], &["--node", &gone]].concat());
        assert_eq!(one.nodes.keys().collect::<Vec<_>>(), [gone.as_str()]);
    }
}

/// A node that is started again and one that joins show how the others were before they began, and
/// what was asked of them.
fn who_starts_knows_what_was_before(nodes: &mut [Node]) {
    let begun = Instant::now();
    nodes[2].start_again(At::Same).unwrap();
    let joined = nodes[0].joined().unwrap();
    let before = |node: &Node| {
        let history: MetricsHistory = told(node, &["metrics", "--history", "5"]);
        // The last slot is now, and each is a second.
        let slots = history.slots as usize - begun.elapsed().as_secs() as usize - 2;
        let seen = |column: &aether_api::Column| column.mean[..slots].iter().flatten().count() > 0;
        let others = history.nodes.iter().filter(|(_, it)| seen(&it.memory_resident));
        let mut known: BTreeSet<_> = others.map(|(id, _)| id.clone()).collect();
        let mut rates = history.requests.per_second.mean[..slots].iter().flatten();
        if rates.any(|rate| *rate > 0.0) {
            known.insert("requests".to_owned());
        }
        known
    };
    let mut all: BTreeSet<_> = nodes.iter().map(|node| node.id.clone()).collect();
    all.insert("requests".to_owned());
    for node in [&nodes[2], &joined] {
        wait("it knows what was before", || before(node) == all);
    }
}

fn exposed(node: &Node) -> String {
    let answer = node.manage(&Request { path: "/metrics", ..Request::default() }).unwrap();
    assert_eq!(answer.status, 200);
    answer.body
}

fn every_node_has_exact_counts(nodes: &[Node]) {
    let answered = ["slice=\"t:top:1.0.0\"", "ending=\"answered\""];
    let counted = || {
        let texts = nodes.iter().map(exposed);
        texts.map(|text| metric(&text, "aether_calls_total", &answered)).sum::<f64>() as u64
    };
    let before = counted();
    for turn in 0..CALLS {
        assert_eq!(http::get(nodes[turn % 3].http, "/top").unwrap().status, 200);
    }
    let exact = before + CALLS as u64;
    assert_eq!(counted(), exact);
    for node in nodes {
        wait("a node has the calls of all", || top_calls(node).endings["answered"] == exact);
        let calls = top_calls(node);
        // Every request from outside is timed; nobody else calls it.
        assert_eq!((calls.calls, calls.timed, calls.failures), (exact, exact, 0));
        let times = [calls.p50_us, calls.p90_us, calls.p99_us, calls.max_us].map(Option::unwrap);
        assert!(times.is_sorted() && times[0] > 0, "{times:?}");
    }
}

fn prometheus_takes_it(node: &Node) {
    let first = exposed(node);
    if let Some(said) = promtool(&first) {
        assert_eq!(said, "exit status: 0");
        let broken = first.replace("# TYPE aether_raft_term gauge", "# TYPE aether_raft_term x");
        assert_ne!(promtool(&broken).unwrap(), "exit status: 0", "it looks at what it is given");
    }
    assert_eq!(http::get(node.http, "/top").unwrap().status, 200);
    let second = exposed(node);
    let (before, after) = (counters(&first), counters(&second));
    assert!(before.len() > 30, "{before:?}");
    for (name, n) in before {
        assert!(after[name] >= n, "{name}: {n}, then {}", after[name]);
    }
}

/// From its first call on, not from the next second on.
#[test]
fn what_is_wanted_of_calls_is_done_with_those_of_a_new_slice() {
    let [node] = sandboxed::<1>();
    node.order(&["slow", "--strategy", "fixed = \"20ms\""]).unwrap();
    let ids = ["a", "b", "c", "d"].map(|name| {
        delay(&node, &format!("t:{name}"));
        let folder = node.folder(name);
        write(&folder, name, &[web(name, &format!("/{name}"))], "");
        node.deployed(&folder);
        let id = format!("first-{name}");
        assert_eq!(http::get_as(node.http, &format!("/{name}"), &id).unwrap().status, 200);
        id
    });
    wait("each first call shows", || {
        let SlowCalls { calls, .. } = told(&node, &["slow"]);
        ids.iter().all(|id| calls.iter().any(|call| call.request_id == *id))
    });
}

/// Lets calls of a slice take 30 ms longer.
fn delay(node: &Node, slice: &str) {
    let calls = json!({ "slice": slice, "share": 1.0 });
    let fault = json!({ "kind": { "call-delay": { "calls": calls, "time": "30ms" } },
                        "duration": "1h" });
    let body = json!({ "faults": [fault] }).to_string();
    let (method, path) = ("POST", "/api/faults");
    let request = Request { method, path, body: Some(body), ..Request::default() };
    assert_eq!(node.manage(&request).unwrap().status, 200);
}

fn slow_calls_show_everywhere(nodes: &[Node]) {
    nodes.iter().for_each(|node| delay(node, "t:bottom"));
    let slow = |node: &Node| told::<SlowCalls>(node, &["slow", "pair", "--limit", "1000"]).calls;
    let mut number = 0;
    // Requests with ids of their own, until a call of the slice for one is noted everywhere.
    let mut noted = |prefix: &str, slice: &str| -> SlowCall {
        let mut found = None;
        wait("a slow call shows on every node", || {
            number += 1;
            let id = format!("{prefix}-{number}");
            assert_eq!(http::get_as(nodes[1].http, "/top", &id).unwrap().status, 200);
            let is_it = |c: &SlowCall| c.request_id.starts_with(prefix) && c.slice == slice;
            let of = |node| slow(node).into_iter().find(is_it);
            let seen: Vec<_> = nodes.iter().map(of).collect();
            found = seen[0].clone();
            found.is_some() && seen.iter().all(Option::is_some)
        });
        found.unwrap()
    };
    nodes[0].order(&["slow", "--strategy", "fixed = \"20ms\""]).unwrap();
    let call = noted("first", "t:top:1.0.0");
    assert!(call.took_us >= 30_000 && call.ending == "answered", "{call:?}");
    assert_eq!(call.caller, None);
    // On all nodes, without a restart: only the one below is slow now.
    let own =
        "per-function = { functions = { \"t:bottom/api#f\" = \"20ms\" }, otherwise = \"9s\" }";
    nodes[2].order(&["slow", "--strategy", own]).unwrap();
    let shown: SlowCalls = told(&nodes[1], &["slow"]);
    assert!(format!("{:?}", shown.strategy).starts_with("PerFunction"), "{:?}", shown.strategy);
    wait("the one above is slow no more", || {
        let call = noted("second", "t:bottom:1.0.0");
        assert!(call.took_us >= 30_000, "{call:?}");
        let newest = slow(&nodes[0]).remove(0);
        newest.slice == "t:bottom:1.0.0" && newest.caller.as_deref() == Some("t:top:1.0.0")
    });
    for node in nodes {
        let request = Request { method: "DELETE", path: "/api/faults", ..Request::default() };
        assert_eq!(node.manage(&request).unwrap().status, 204);
    }
}
