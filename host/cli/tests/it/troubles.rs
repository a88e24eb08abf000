//! Each fault that Forge knows, on one cluster after the other: what it does to real nodes, and
//! that all is well after its end.

use crate::forge::Forge;
use crate::node::wait;
use aether_forge::http::{Answer, Request, exchange};
use aether_forge::model::{NodeView, ProcessState};
use std::fs;
use std::time::{Duration, Instant};

struct Row {
    /// After `aether forge fault`. `N` is a node that follows, `L` the leader, `O` the others of
    /// `N`.
    begin: &'static str,
    /// Whether it shows, on that node.
    shows: fn(&Forge, &NodeView) -> bool,
}

const SLOW: Duration = Duration::from_millis(400);
const TAKEN: u64 = 256 << 20;

const ROWS: [Row; 13] = [
    Row { begin: "kill N", shows: |forge, node| is(forge, node, ProcessState::Down) },
    Row { begin: "stop N", shows: |forge, node| is(forge, node, ProcessState::Stopped) },
    Row { begin: "partition N O", shows: |forge, node| !writes(forge, node) },
    Row { begin: "partition N O --one-way", shows: |forge, node| !writes(forge, node) },
    Row { begin: "loss O N --share 1", shows: |forge, node| !writes(forge, node) },
    Row { begin: "latency N O --time 400ms", shows: |forge, node| put(forge, node) >= Some(SLOW) },
    Row { begin: "slow-disk L --time 400ms", shows: |forge, node| put(forge, node) >= Some(SLOW) },
    Row {
        begin: "failed-sync N",
        shows: |forge, node| {
            // It learns of it with the next write, and ends.
            let others = forge.overview().nodes.into_iter().filter(|it| it.number != node.number);
            others.for_each(|other| _ = put(forge, &other));
            is(forge, node, ProcessState::Down)
        },
    },
    Row { begin: "cpu N --threads 2", shows: |_, node| busy_threads(node) == 2 },
    Row { begin: "memory N --size 256MiB", shows: |_, node| memory(node) >= TAKEN },
    Row { begin: "clock N --apart 5s", shows: |forge, node| is_skewed(forge, node) },
    Row {
        begin: "call-failure t:shop",
        shows: |_, node| shop(node).is_some_and(|(s, _)| s >= 500),
    },
    Row {
        begin: "call-delay t:shop --function t:shop/api#f --time 400ms",
        shows: |_, node| shop(node).is_some_and(|(status, took)| status == 200 && took >= SLOW),
    },
];

/// All that every row disturbs.
fn is_well(forge: &Forge, node: &NodeView) -> bool {
    let quick = |took: Option<Duration>| took.is_some_and(|took| took < SLOW);
    is(forge, node, ProcessState::Running)
        && writes(forge, node)
        && quick(put(forge, node))
        && shop(node).is_some_and(|(status, took)| status == 200 && quick(Some(took)))
        && busy_threads(node) == 0
        && !is_skewed(forge, node)
        && memory(node) < TAKEN
}

#[test]
fn every_fault_shows_and_ends() {
    let forge = Forge::start(3);
    for Row { begin, shows } in ROWS {
        let (mut leader, mut follower) = (None, None);
        wait("a node leads", || {
            let nodes = forge.overview().nodes;
            leader = nodes.iter().find(|node| node.role.as_deref() == Some("leader")).cloned();
            follower = nodes.iter().find(|node| node.role.as_deref() == Some("follower")).cloned();
            leader.is_some() && follower.is_some()
        });
        let (leader, follower) = (leader.unwrap(), follower.unwrap());
        let node = if begin.contains('L') { &leader } else { &follower };
        wait("all is well before", || is_well(&forge, &forge.node(node.number)));
        let number = node.number.to_string();
        let others: Vec<String> =
            (1..=3).filter(|it| *it != node.number).map(|it| it.to_string()).collect();
        let others = others.join(",");
        let words = begin.split(' ').map(|word| match word {
            "N" | "L" => number.as_str(),
            "O" => others.as_str(),
            word => word,
        });
        forge.order(&["fault"].into_iter().chain(words).chain(["--for", "1h"]).collect::<Vec<_>>());
        let (word, _) = begin.split_once(' ').expect("a fault and where");
        assert!(forge.order(&["fault", "list"]).contains(word), "{begin}");
        wait(&format!("`{begin}` shows"), || shows(&forge, node));
        forge.order(&["fault", "end"]);
        assert_eq!(forge.overview().faults, []);
        wait(&format!("`{begin}` is over"), || is_well(&forge, &forge.node(node.number)));
    }
    // Calls to a slice that crashes fail on all nodes, and one that ends by itself does so.
    let node = forge.node(1);
    forge.order(&["fault", "crash", "t:shop", "--for", "1h"]);
    assert!(shop(&node).is_some_and(|(status, _)| status >= 500));
    // One of two is ended; the other one stays.
    forge.order(&["fault", "cpu", "1", "--threads", "1", "--for", "1h"]);
    let crash = forge.overview().faults[0].number.to_string();
    forge.order(&["fault", "end", &crash]);
    assert!(shop(&node).is_some_and(|(status, _)| status == 200));
    assert_eq!(forge.overview().faults.len(), 1);
    assert_eq!(forge.run(&["fault", "end", &crash]).exit, 3);
    forge.order(&["fault", "end"]);
    forge.order(&["fault", "kill", "1", "--for", "1ms"]);
    wait("it ends by itself", || forge.overview().faults.is_empty());
    wait("all is well again", || is_well(&forge, &forge.node(1)));
}

#[test]
fn faults_that_make_no_sense_are_refused() {
    let forge = Forge::start(1);
    for (begin, exit, says) in [
        ("kill 7", 3, "there is no node 7"),
        ("kill 1 --for 2h", 2, "1ms to 1h"),
        ("partition 1 1", 2, "two groups of different nodes"),
        ("cpu 1 --threads 65", 2, "1 to 64 threads"),
        ("memory 1 --size 5GiB", 2, "at most 4GiB"),
        ("slow-disk 1 --time 1m", 2, "at most 10s"),
        ("crash t:shop --share 2", 2, "from 0 to 1"),
        ("crash t", 2, "group:artifact"),
    ] {
        let words: Vec<&str> = ["fault"].into_iter().chain(begin.split(' ')).collect();
        let ended = forge.run(&words);
        assert!(ended.text.contains(says), "{begin}: {}", ended.text);
        assert_eq!(ended.exit, exit, "{begin}: {}", ended.text);
    }
    assert_eq!(forge.overview().faults, []);
}

fn is(forge: &Forge, node: &NodeView, state: ProcessState) -> bool {
    forge.node(node.number).process == state
}

fn api(
    forge: &Forge,
    node: &NodeView,
    method: &str,
    path: &str,
    body: Option<&str>,
) -> Option<Answer> {
    let key = ("authorization".to_owned(), format!("Bearer {}", forge.key));
    let body = body.map(str::to_owned);
    let silence_max = Duration::from_secs(10);
    let request = Request { method, path, headers: [key].into(), body, silence_max };
    exchange(node.api.parse().unwrap(), &request).ok()
}

/// Whether the node is with the majority.
fn writes(forge: &Forge, node: &NodeView) -> bool {
    let status = api(forge, node, "GET", "/api/status", None);
    status.is_some_and(|status| {
        let status: serde_json::Value = serde_json::from_str(&status.body).unwrap();
        status["cluster"]["writable"] == serde_json::json!(true)
    })
}

/// Whether the node sees that its clock is not that of others.
fn is_skewed(forge: &Forge, node: &NodeView) -> bool {
    let nodes = api(forge, node, "GET", "/api/nodes", None);
    nodes.is_some_and(|nodes| nodes.body.contains("clock skew"))
}

/// How long an acknowledged write through the node took.
fn put(forge: &Forge, node: &NodeView) -> Option<Duration> {
    let begun = Instant::now();
    let answer = api(forge, node, "PUT", "/api/kv/troubles", Some("1"))?;
    (answer.status == 200).then(|| begun.elapsed())
}

/// What a request to the slice got, and how long it took.
fn shop(node: &NodeView) -> Option<(u16, Duration)> {
    let begun = Instant::now();
    let answer = crate::http::get(node.http.parse().unwrap(), "/shop").ok()?;
    Some((answer.status, begun.elapsed()))
}

/// Threads of the fault that have used a tenth of a second.
fn busy_threads(node: &NodeView) -> usize {
    let Ok(threads) = fs::read_dir(format!("/proc/{}/task", node.pid)) else { return 0 };
    let is_busy = |stat: String| {
        let (name, rest) = stat.rsplit_once(')').unwrap();
        let ticks: u64 = rest.split_whitespace().nth(11).unwrap().parse().unwrap();
        name.ends_with("(fault-cpu") && ticks >= 10
    };
    let stats = threads.map_while(Result::ok);
    stats
        .filter_map(|thread| fs::read_to_string(thread.path().join("stat")).ok())
        .filter(|stat| is_busy(stat.clone()))
        .count()
}

/// What the node's process has in memory of its own, in bytes.
fn memory(node: &NodeView) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", node.pid)).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kib = line.and_then(|line| line.trim().split(' ').next()?.parse::<u64>().ok());
    kib.unwrap_or(0) << 10
}
