//! What every node tells and takes over its management API. Knows no command.

use super::exposition::numbers;
use super::{check_answers, others, read, serving};
use crate::apps::{slice, write};
use crate::counts::{metric, metrics, top};
use crate::http;
use crate::node::{Node, cluster, leader, sandboxed, wait};
use crate::partition::fault;
use crate::update::load::Load;
use aether_api::{
    Alert, AlertHistory, AlertSeverity, Alerts, Application, CallMetrics, ControllerStatus,
    FunctionMetrics, Health, InstanceState, Metrics, Nodes, Phase, RaftRole, Slices, SlowCall,
    SlowCalls, Status,
};
use aether_forge::http::{Answer, Request};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

/// Three nodes with an instance of `web` on each, for all tests of the class: none of them changes
/// what another one looks at.
static NODES: LazyLock<[Node; 3]> = LazyLock::new(|| serving(cluster::<3>()).0);

/// Whether a node is live and ready is told without a key, with reasons where it is not; what needs
/// a key is refused without one.
#[test]
fn health_endpoint_tells_health_fields() {
    for node in &*NODES {
        assert_eq!(http::get(node.api, "/health/live").unwrap().status, 200);
        let ready = http::get(node.api, "/health/ready").unwrap();
        let body = ready.text.split_once("\r\n\r\n").unwrap().1;
        let health: Health = serde_json::from_str(body).unwrap();
        assert_eq!((ready.status, health.ready, health.reasons), (200, true, Vec::new()));
        assert_eq!(http::get(node.api, "/api/status").unwrap().status, 401);
    }
}

/// Every node's status has its own identity and addresses, the cluster, its place in the group, the
/// application with its counts, and tasks without an error.
#[test]
fn status_endpoint_tells_status_fields() {
    let lead = &NODES[leader(&*NODES)].id;
    let mut founded = BTreeSet::new();
    for node in &*NODES {
        let status: Status = read(node, "/api/status").unwrap();
        assert_eq!(
            (&status.node.id, &status.node.version),
            (&node.id, &env!("CARGO_PKG_VERSION").to_owned())
        );
        let doors = (status.node.api.as_str(), status.node.http.as_str());
        assert_eq!(doors, (&*node.api.to_string(), &*node.http.to_string()));
        let cluster = &status.cluster;
        assert!(cluster.nodes == 3 && cluster.writable && cluster.reason.is_none(), "{cluster:?}");
        founded.insert(cluster.id.clone());
        let role = if node.id == *lead { RaftRole::Leader } else { RaftRole::Follower };
        assert_eq!((status.raft.role, status.raft.leader.as_ref()), (role, Some(lead)));
        let [app] = &status.applications[..] else { panic!("{:?}", status.applications) };
        let counts = (app.slices, app.desired, app.active);
        assert_eq!((app.name.as_str(), app.phase, counts), ("web", Phase::Active, (1, 3, 3)));
        let errors: Vec<_> = status.tasks.iter().filter(|task| task.error.is_some()).collect();
        assert!(!status.tasks.is_empty() && errors.is_empty(), "{errors:?}");
    }
    assert_eq!(founded.len(), 1);
}

/// Every node lists exactly the three, with the addresses at which they answer, one leader, and one
/// instance each.
#[test]
fn nodes_endpoint_lists_three_nodes() {
    for node in &*NODES {
        let mut listed = Vec::new();
        wait("it has heard of all", || {
            listed = read::<Nodes>(node, "/api/nodes").unwrap().nodes;
            listed.iter().all(|it| it.reachable && it.memory.resident > 1_000_000)
        });
        let seen: BTreeSet<_> = listed.iter().map(|it| (it.id.clone(), it.http.clone())).collect();
        let there = NODES.iter().map(|it| (it.id.clone(), it.http.to_string())).collect();
        assert_eq!((listed.len(), seen), (3, there));
        let leaders = listed.iter().filter(|it| it.role == Some(RaftRole::Leader)).count();
        let instances: Vec<u32> = listed.iter().map(|it| it.active_instances).collect();
        assert_eq!((leaders, instances), (1, vec![1; 3]));
    }
}

/// Every node lists the one slice with its counts, what it exports, and that it needs nobody.
#[test]
fn slices_endpoint_lists_slices() {
    for node in &*NODES {
        let listed: Slices = read(node, "/api/slices").unwrap();
        let [slice] = &listed.slices[..] else { panic!("{listed:?}") };
        assert_eq!((slice.app.as_str(), &*slice.artifact.to_string()), ("web", "t:web:1.0.1"));
        assert_eq!([slice.desired, slice.planned, slice.active], [3; 3]);
        assert_eq!(slice.exports, ["t:web/api@1.0.0"]);
        assert!(slice.dependencies.is_empty() && slice.reasons.is_empty(), "{slice:?}");
    }
}

/// Every node's numbers are for Prometheus by the letter of its format, are refused without a key,
/// and have what the status says of the group.
#[test]
fn prometheus_endpoint_tells_numbers() {
    for node in &*NODES {
        assert_eq!(http::get(node.api, "/metrics").unwrap().status, 401);
        let numbers = numbers(node);
        let status: Status = read(node, "/api/status").unwrap();
        assert_eq!(numbers["aether_raft_term"], status.raft.term as f64);
        let leads = f64::from(u8::from(status.raft.role == RaftRole::Leader));
        assert_eq!(numbers["aether_raft_is_leader"], leads);
        assert!(numbers["aether_raft_applied_index"] <= status.raft.applied_index as f64);
    }
}

/// The status of an application tells each instance with its node and state, the same on every
/// node, and what is told takes requests.
#[test]
fn slices_status_tells_instances() {
    let told = |node: &Node| read::<Application>(node, "/api/apps/web").unwrap();
    let first = told(&NODES[0]);
    let [slice] = &first.slices[..] else { panic!("{first:?}") };
    let on: BTreeSet<&str> = slice.instances.iter().map(|it| it.node.as_str()).collect();
    assert_eq!(on, NODES.iter().map(|node| node.id.as_str()).collect());
    let active = slice.instances.iter().filter(|it| it.state == InstanceState::Active);
    assert_eq!((active.count(), slice.instances.len()), (3, 3));
    for node in &*NODES {
        wait("all tell the same", || told(node) == first);
    }
    check_answers(&others(&*NODES, &[]), 1);
}

/// Three nodes with `web` and a pair of slices that call each other, for tests of counts.
static CALLED: LazyLock<[Node; 3]> = LazyLock::new(|| {
    let (nodes, _) = serving(cluster::<3>());
    let folder = nodes[0].folder("pair");
    write(&folder, "pair", &[slice("bottom", &[]), top()], "");
    nodes[0].deployed(&folder);
    nodes.iter().for_each(|node| node.wait_for("/top", 200));
    nodes
});

/// The functions that a node tells of, with this query.
fn functions(node: &Node, query: &str) -> Vec<FunctionMetrics> {
    read::<CallMetrics>(node, &format!("/api/metrics/calls{query}")).unwrap().functions
}

/// Every node tells how busy all three are: processors, memory, instances and disk, within what is
/// possible.
#[test]
fn metrics_endpoint_tells_all_nodes() {
    for node in &*NODES {
        let mut told = BTreeMap::new();
        wait("it has heard of all", || {
            told = read::<Metrics>(node, "/api/metrics").unwrap().nodes;
            told.len() == 3 && told.values().all(|it| it.disk_size > 0)
        });
        let ids: BTreeSet<&str> = told.keys().map(String::as_str).collect();
        assert_eq!(ids, NODES.iter().map(|node| node.id.as_str()).collect());
        for it in told.values() {
            assert!((0.0..=1.0).contains(&it.cpu_share) && it.processors > 0, "{it:?}");
            assert!((0.0..=1.0).contains(&it.machine_busy), "{it:?}");
            assert!(it.memory.resident > 1_000_000 && it.disk_free <= it.disk_size, "{it:?}");
        }
    }
}

/// Thirty requests are counted as thirty calls of the slice that they go to, and thirty of the one
/// that it calls, on every node.
#[test]
fn invocation_metrics_count_calls() {
    let counts = |node: &Node| {
        let of_pair = functions(node, "?app=pair").into_iter();
        of_pair.map(|it| (it.slice, (it.calls, it.failures))).collect::<BTreeMap<_, _>>()
    };
    // What each node has counted itself is exact at once.
    let counted = |slice: &str| {
        let labels = ["app=\"pair\"", &format!("slice=\"{slice}\"")];
        let own = |node| metric(&metrics(node, &node.key).text, "aether_calls_total", &labels);
        CALLED.iter().map(own).sum::<f64>() as u64
    };
    let slices = ["t:bottom:1.0.0", "t:top:1.0.0"];
    let after = BTreeMap::from(slices.map(|slice| (slice.to_owned(), (counted(slice) + 30, 0))));
    for turn in 0..30 {
        assert_eq!(CALLED[turn % 3].get("/top").status, 200);
    }
    for node in &*CALLED {
        wait("each request is counted once", || counts(node) == after);
    }
}

/// By application, slice or function, exactly those are told, and none where nothing has the name.
#[test]
fn invocation_metrics_filter() {
    let node = &CALLED[1];
    let seen = |query: &str| {
        functions(node, query).into_iter().map(|it| it.slice).collect::<Vec<_>>().join(" ")
    };
    let all = "t:bottom:1.0.0 t:top:1.0.0 t:web:1.0.1";
    wait("all were called", || seen("") == all);
    for (query, expected) in [
        ("?app=web", "t:web:1.0.1"),
        ("?app=pair", "t:bottom:1.0.0 t:top:1.0.0"),
        ("?slice=t:bottom", "t:bottom:1.0.0"),
        ("?slice=t:top:1.0.0", "t:top:1.0.0"),
        ("?slice=t:top:2.0.0", ""),
        ("?function=t:top/api%23f", "t:top:1.0.0"),
        ("?app=web&slice=t:top", ""),
        ("?app=none", ""),
    ] {
        assert_eq!(seen(query), expected, "{query}");
    }
}

/// Lets calls of `web` take longer on every node.
fn delay(nodes: &[Node], time: &str) {
    let calls = json!({ "slice": "t:web", "share": 1.0 });
    let kind = json!({ "call-delay": { "calls": calls, "time": time } });
    for node in nodes {
        let faults = json!({ "faults": [{ "kind": kind, "duration": "1h" }] });
        fault(node, "POST", Some(faults));
    }
}

fn set_strategy(node: &Node, strategy: &Value) -> u16 {
    ask(node, "PUT", "/api/slow-calls/strategy", json!({ "strategy": strategy })).status
}

/// Asks for `web` under a request id.
fn ask_as(door: &Node, id: &str) {
    assert_eq!(http::get_as(door.http, "/web", id).unwrap().status, 200);
}

/// The slow calls that a node knows of requests whose ids begin so.
fn slow(node: &Node, prefix: &str) -> Vec<SlowCall> {
    let calls = read::<SlowCalls>(node, "/api/slow-calls?limit=1000").unwrap().calls;
    calls.into_iter().filter(|call| call.request_id.starts_with(prefix)).collect()
}

/// Asks until every node tells of a slow call of these requests, and gives those of the last node.
fn noted(nodes: &[Node], prefix: &str) -> Vec<SlowCall> {
    let (mut found, mut turn) = (Vec::new(), 0);
    wait("every node tells of a slow call", || {
        ask_as(&nodes[turn % nodes.len()], &format!("{prefix}{turn}"));
        turn += 1;
        nodes.iter().all(|node| {
            found = slow(node, prefix);
            !found.is_empty()
        })
    });
    found
}

/// A call that takes longer than allowed is told by every node, once, with its request's id, place
/// and time.
#[test]
fn slow_invocations_are_listed() {
    let (nodes, _) = serving(sandboxed::<3>());
    assert!(set_strategy(&nodes[0], &json!({ "fixed": "200ms" })) < 300);
    delay(&nodes, "300ms");
    let found = noted(&nodes, "slow-");
    let ids: BTreeSet<&str> = found.iter().map(|call| call.request_id.as_str()).collect();
    assert_eq!(ids.len(), found.len(), "each once: {found:?}");
    for call in &found {
        assert!(call.took_us >= 300_000 && call.ending == "answered", "{call:?}");
        let of = (call.app.as_str(), call.slice.as_str(), &call.caller);
        assert_eq!(of, ("web", "t:web:1.0.1", &None));
        assert!(nodes.iter().any(|node| node.id == call.node), "{call:?}");
    }
}

/// What counts as slow is adaptive at first; what one node is told holds on all nodes and decides,
/// and what makes no sense changes nothing.
#[test]
fn invocation_strategy_is_shown_and_changed() {
    let (nodes, _) = serving(sandboxed::<3>());
    let strategy =
        |node: &Node| read::<Value>(node, "/api/slow-calls").unwrap()["strategy"].clone();
    for node in &nodes {
        assert_eq!(strategy(node), json!({ "adaptive": { "at-least": "10ms" } }));
    }
    delay(&nodes, "30ms");
    let counted = |node: &Node| functions(node, "?app=web").iter().map(|it| it.calls).sum::<u64>();
    for (at, strict) in ["10s", "20ms"].into_iter().enumerate() {
        let wanted = json!({ "fixed": strict });
        assert!(set_strategy(&nodes[at], &wanted) < 300);
        wait("all nodes show it", || nodes.iter().all(|node| strategy(node) == wanted));
        match strict {
            "10s" => {
                let ask = |turn: usize| ask_as(&nodes[turn % 3], &format!("quick-{turn}"));
                let before = nodes.each_ref().map(counted);
                (0..30).for_each(ask);
                // A node takes up what is slow whenever it says what it has counted.
                wait("all nodes have counted since", || {
                    let grown = |(node, before)| counted(node) >= before + 30;
                    nodes.iter().zip(before).all(grown)
                });
                (90..99).for_each(ask);
            }
            _ => drop(noted(&nodes, "slow-")),
        }
    }
    for node in &nodes {
        let quick = slow(node, "quick-9").into_iter().filter(|it| it.request_id != "quick-9");
        assert_eq!(quick.collect::<Vec<_>>(), [], "nothing took ten seconds");
    }
    for wrong in [json!({ "fixed": "0s" }), json!({ "sometimes": "1s" }), json!("fast")] {
        assert_eq!(set_strategy(&nodes[2], &wrong), 400, "{wrong}");
        assert_eq!(strategy(&nodes[0]), json!({ "fixed": "20ms" }));
    }
}

/// Three nodes with `web`, for tests of thresholds: each has a metric of its own.
static WATCHED: LazyLock<[Node; 3]> = LazyLock::new(|| serving(cluster::<3>()).0);

fn ask(node: &Node, method: &str, path: &str, body: Value) -> Answer {
    let body = (!body.is_null()).then(|| body.to_string());
    node.manage(&Request { method, path, body, ..Request::default() }).unwrap()
}

/// Sets a threshold of a warning that is raised and resolved at once.
fn warn_at(node: &Node, metric: &str, warning: f64) {
    let threshold = json!({ "warning": warning, "raise-after": "0s", "resolve-after": "0s" });
    let path = format!("/api/alerts/thresholds/{metric}");
    let answer = ask(node, "PUT", &path, threshold);
    assert_eq!(answer.status, 200, "{}", answer.body);
}

/// The active alerts of a metric.
fn active(node: &Node, metric: &str) -> Vec<Alert> {
    let mut alerts = read::<Alerts>(node, "/api/alerts").unwrap().alerts;
    alerts.retain(|alert| alert.metric == metric);
    alerts
}

/// What happened to alerts of a metric, as words.
fn happened(node: &Node, metric: &str) -> Vec<String> {
    let events = read::<AlertHistory>(node, "/api/alerts/history").unwrap().events.into_iter();
    events.filter(|event| event.metric == metric).map(|event| event.event).collect()
}

/// A threshold that is set through one node is read as it was set through all; one that makes no
/// sense, or has a key that there is not, is refused and changes nothing.
#[test]
fn thresholds_are_set_and_read() {
    let path = "/api/alerts/thresholds/node.cpu";
    let wanted = json!({ "metric": "node.cpu", "unit": "share", "warning": 0.7, "critical": 0.9,
                         "raise-after": "5s", "resolve-after": "7s" });
    let set =
        json!({ "warning": 0.7, "critical": 0.9, "raise-after": "5s", "resolve-after": "7s" });
    let answer = ask(&WATCHED[0], "PUT", path, set);
    assert_eq!(answer.status, 200, "{}", answer.body);
    for (bad, says) in [
        (json!({ "warning": 0.9, "critical": 0.7 }), "critical"),
        (json!({ "warning": 70 }), "0 to 1"),
        (json!({ "scaleUpThreshold": 0.8 }), "scaleUpThreshold"),
    ] {
        let refused = ask(&WATCHED[1], "PUT", path, bad);
        assert!(refused.status == 400 && refused.body.contains(says), "{}", refused.body);
    }
    for node in &*WATCHED {
        wait("it is read as it was set", || {
            read::<Value>(node, path).is_ok_and(|threshold| threshold == wanted)
        });
    }
}

/// A threshold that is deleted is read through no node, its alerts are over, and deleting it again
/// finds none.
#[test]
fn threshold_is_deleted() {
    let path = "/api/alerts/thresholds/node.memory";
    warn_at(&WATCHED[0], "node.memory", 0.0001);
    wait("it is raised", || !active(&WATCHED[1], "node.memory").is_empty());
    assert_eq!(ask(&WATCHED[2], "DELETE", path, Value::Null).status, 204);
    for node in &*WATCHED {
        wait("it is gone", || ask(node, "GET", path, Value::Null).status == 404);
        wait("its alerts are over", || active(node, "node.memory").is_empty());
    }
    assert_eq!(ask(&WATCHED[0], "DELETE", path, Value::Null).status, 404);
}

/// What is true of every node is one warning for each of them, with its value and threshold, the
/// same on all nodes.
#[test]
fn active_alerts_are_listed() {
    warn_at(&WATCHED[1], "node.disk-free", 1.0);
    let ids: BTreeSet<&str> = WATCHED.iter().map(|node| node.id.as_str()).collect();
    let mut first = Vec::new();
    wait("all nodes tell the same", || {
        first = active(&WATCHED[0], "node.disk-free");
        first.len() == 3 && WATCHED.iter().all(|node| active(node, "node.disk-free") == first)
    });
    assert_eq!(first.iter().map(|alert| alert.of.as_str()).collect::<BTreeSet<_>>(), ids);
    for alert in &first {
        assert_eq!((alert.severity, alert.threshold), (AlertSeverity::Warning, 1.0));
        assert!((0.0..1.0).contains(&alert.value) && alert.acknowledged.is_none(), "{alert:?}");
    }
}

/// An alert that comes with requests and goes with them is one that was raised and one that was
/// resolved, on every node.
#[test]
fn alert_history_is_kept() {
    warn_at(&WATCHED[0], "calls.rate", 20.0);
    let load = Load::start(2, WATCHED[1].http, "/web");
    wait("it is raised", || !active(&WATCHED[2], "calls.rate").is_empty());
    assert_eq!(load.stop(), Vec::<String>::new());
    for node in &*WATCHED {
        wait("it was raised and resolved", || {
            let events = happened(node, "calls.rate");
            let ends = (events.first().map(|it| &**it), events.last().map(|it| &**it));
            ends == (Some("raised"), Some("resolved")) && active(node, "calls.rate").is_empty()
        });
    }
}

/// Clearing the history through one node empties it on all of them, and leaves what is active.
#[test]
fn alert_history_is_cleared() {
    let nodes = cluster::<3>();
    warn_at(&nodes[0], "node.disk-free", 1.0);
    wait("each node has its alert", || happened(&nodes[1], "node.disk-free").len() == 3);
    assert_eq!(ask(&nodes[2], "DELETE", "/api/alerts/history", Value::Null).status, 204);
    for node in &nodes {
        wait("nothing happened", || happened(node, "node.disk-free").is_empty());
        assert_eq!(active(node, "node.disk-free").len(), 3);
    }
}

/// What is changed through one node is what all of them tell; a key that there is not, or a band
/// that makes no sense, is refused and changes nothing.
#[test]
fn controller_config_is_read_and_updated() {
    let path = "/api/controller/config";
    let told = |node: &Node| read::<Value>(node, path).unwrap();
    let mut wanted = told(&WATCHED[0]);
    wanted["busy"] = json!({ "up": 0.9, "down": 0.2 });
    wanted["warm-up"] = json!("3s");
    let change = json!({ "busy": { "up": 0.9, "down": 0.2 }, "warm-up": "3s" });
    let answer = ask(&WATCHED[0], "PUT", path, change);
    assert_eq!(answer.status, 200, "{}", answer.body);
    for (bad, says) in [
        (json!({ "scaleUpThreshold": 0.8 }), "scaleUpThreshold"),
        (json!({ "busy": { "up": 0.2, "down": 0.9 } }), "up"),
    ] {
        let refused = ask(&WATCHED[1], "PUT", path, bad);
        assert!(refused.status == 400 && refused.body.contains(says), "{}", refused.body);
    }
    for node in &*WATCHED {
        wait("it is told as it was set", || told(node) == wanted);
    }
}

/// Three nodes with a slice that may have one to three instances.
static SCALED: LazyLock<[Node; 3]> = LazyLock::new(|| {
    let nodes = cluster::<3>();
    let folder = nodes[0].folder("web");
    write(&folder, "web", &[crate::rollout::web(1)], "instances = 1\nmax-instances = 3");
    nodes[0].deployed(&folder);
    nodes.iter().for_each(|node| node.wait_for("/web", 200));
    nodes
});

/// Any node tells which node decides, which is the leader, and what it decided for the slice last,
/// from which bounds.
#[test]
fn controller_status_is_told() {
    let lead = &SCALED[leader(&*SCALED)].id;
    for node in &*SCALED {
        let mut told = None;
        wait("it has looked", || {
            let path = "/api/controller/status";
            told = read::<ControllerStatus>(node, path).ok();
            told.as_ref().is_some_and(|it| it.evaluated.is_some() && !it.verdicts.is_empty())
        });
        let told = told.unwrap();
        assert_eq!((told.enabled, &told.leader), (true, lead));
        let [it] = &told.verdicts[..] else { panic!("{told:?}") };
        assert_eq!((it.app.as_str(), &*it.decision, it.from, it.to), ("web", "keep", 1, 1));
        assert_eq!((it.min, it.max), (1, 3));
    }
}

/// Asked through any node, the controller looks now and says why one instance is enough.
#[test]
fn controller_evaluates() {
    for node in &*SCALED {
        let mut told = None;
        wait("it has warmed up", || {
            let answer = ask(node, "POST", "/api/controller/evaluate?dry-run=true", Value::Null);
            assert_eq!(answer.status, 200, "{}", answer.body);
            let status: ControllerStatus = serde_json::from_str(&answer.body).unwrap();
            told = status.verdicts.into_iter().next().filter(|it| it.code == "at-min");
            told.is_some()
        });
        let verdict = told.unwrap();
        assert_eq!((verdict.decision.as_str(), verdict.from, verdict.to), ("keep", 1, 1));
        assert!(!verdict.reason.is_empty(), "{verdict:?}");
    }
}
