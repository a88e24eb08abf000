//! What decides how many instances there are. Knows one application, `web`, with one to three of
//! them.

use super::{agreed, others, read};
use crate::apps::write;
use crate::node::{At, Node, cluster, leader, wait, wait_for_voters};
use crate::update::load::Load;
use aether_api::{Application, ControllerConfig, ControllerStatus};
use aether_forge::http::Request;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

const CONFIG: &str = "/api/controller/config";

/// Only how many calls run or wait counts, and nobody waits for long.
fn settings() -> Value {
    json!({ "calls": null, "cpu": null, "busy": { "up": 0.8, "down": 0.3 },
            "up-cool-down": "1s", "down-cool-down": "1s", "down-after": "1s", "warm-up": "1s" })
}

/// An instance takes four calls at a time.
fn deployed(node: &Node) {
    const MORE: &str = "instances = 1\nmax-instances = 3\n[slices.limits]\nmax-concurrency = 4\n\
        [[routes]]\nroute = \"* /web/**\"\nslice = \"t:web\"\nhandler = \"wasi:http\"\n";
    let folder = node.folder("web");
    let bytes = aether_test_guests::bytes("http3-hello");
    let bytes = aether_slice_build::embed(&bytes, "[slice]\nartifact = \"t:web:1.0.0\"").unwrap();
    write(&folder, "web", &[bytes], MORE);
    node.deployed(&folder);
}

fn change(node: &Node, change: &Value) -> (u16, String) {
    let body = Some(change.to_string());
    let request = Request { method: "PUT", path: CONFIG, body, ..Request::default() };
    let answer = node.manage(&request).unwrap();
    (answer.status, answer.body)
}

fn config(node: &Node) -> anyhow::Result<Value> {
    read(node, CONFIG)
}

fn status(node: &Node) -> anyhow::Result<ControllerStatus> {
    read(node, "/api/controller/status")
}

/// Wanted and active instances, as a node tells.
fn instances(node: &Node) -> Option<(u32, u32)> {
    let app: Application = read(node, "/api/apps/web").ok()?;
    let slice = app.slices.first()?;
    Some((slice.desired, slice.active))
}

/// The settings of a new cluster are those of the documents, the same on every node.
#[test]
fn config_is_read_on_all_nodes() {
    let nodes = cluster::<3>();
    let first: ControllerConfig = read(&nodes[0], CONFIG).unwrap();
    assert!(first.enabled, "{first:?}");
    for band in [first.busy, first.cpu].into_iter().flatten() {
        assert!(0.0 < band.down && band.down < band.up && band.up <= 1.0, "{band:?}");
    }
    for node in &nodes {
        assert_eq!(read::<ControllerConfig>(node, CONFIG).unwrap(), first);
    }
}

/// A change through a follower holds on every node, keeps what it does not name, and decides: with
/// the controller off, nothing is scaled.
#[test]
fn config_update_holds_on_all_nodes() {
    let nodes = cluster::<3>();
    let by = &nodes[(leader(&nodes) + 1) % 3];
    let mut wanted = config(by).unwrap();
    let changed = settings();
    for (key, value) in changed.as_object().unwrap() {
        wanted[key] = value.clone();
    }
    wanted["enabled"] = json!(false);
    assert_eq!(change(by, &changed).0, 200);
    assert_eq!(change(by, &json!({ "enabled": false })).0, 200);
    for node in &nodes {
        wait("it holds", || config(node).is_ok_and(|it| it == wanted));
    }
    deployed(&nodes[0]);
    nodes[0].wait_for("/web/hello", 200);
    let load = Load::start(8, nodes[0].http, "/web/wait?100");
    wait("it says that it is off", || {
        status(by).is_ok_and(|it| it.verdicts.first().is_some_and(|it| it.code == "off"))
    });
    wait("there is load", || load.asked.load(Ordering::Relaxed) > 100);
    assert_eq!(instances(by), Some((1, 1)));
    assert_eq!(load.stop(), Vec::<String>::new());
}

/// All nodes lose power: what was set is there again, on each of them.
#[test]
fn config_persists_across_restart() {
    let mut nodes = cluster::<3>();
    assert_eq!(change(&nodes[1], &settings()).0, 200);
    let set = config(&nodes[1]).unwrap();
    nodes.iter_mut().for_each(Node::kill);
    nodes.iter_mut().for_each(|node| node.again(At::Same));
    wait_for_voters(&nodes, 3);
    for node in &nodes {
        wait("it is as it was set", || config(node).is_ok_and(|it| it == set));
    }
}

/// Under load the status of every node says from which numbers and by which rule the slice became
/// as large as it may, and that it is.
#[test]
fn status_tells_what_was_decided() {
    let nodes = cluster::<3>();
    assert_eq!(change(&nodes[0], &settings()).0, 200);
    deployed(&nodes[0]);
    nodes[2].wait_for("/web/hello", 200);
    let load = Load::start(12, nodes[2].http, "/web/wait?200");
    wait("load makes it larger", || instances(&nodes[1]) == Some((3, 3)));
    for node in &nodes {
        let mut seen = None;
        wait("it is as large as it may be", || {
            seen = status(node).ok().and_then(|it| it.verdicts.into_iter().next());
            seen.as_ref().is_some_and(|it| it.code == "at-max")
        });
        let seen = seen.unwrap();
        assert_eq!((seen.from, seen.to, seen.min, seen.max), (3, 3, 1, 3));
        assert!(seen.busy.is_some_and(|busy| busy >= 0.8), "{seen:?}");
    }
    assert_eq!(load.stop(), Vec::<String>::new());
}

/// Asked to look now, through any node, the controller decides at once and does it: with nothing to
/// do, three become one.
#[test]
fn evaluate_decides_now() {
    let nodes = cluster::<3>();
    assert_eq!(change(&nodes[0], &settings()).0, 200);
    deployed(&nodes[0]);
    nodes[1].wait_for("/web/hello", 200);
    let load = Load::start(12, nodes[1].http, "/web/wait?200");
    wait("load makes it larger", || instances(&nodes[1]) == Some((3, 3)));
    assert_eq!(load.stop(), Vec::<String>::new());
    let mut turn = 0;
    wait("it is as small as before", || {
        turn += 1;
        let path = "/api/controller/evaluate";
        let request = Request { method: "POST", path, ..Request::default() };
        let answer = nodes[turn % 3].manage(&request).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
        instances(&nodes[2]) == Some((1, 1))
    });
    nodes[0].wait_for("/web/hello", 200);
}

/// Every node names the leader as the one that decides, and only the leader's log has decisions.
#[test]
fn runs_only_on_leader() {
    let nodes = cluster::<3>();
    assert_eq!(change(&nodes[0], &settings()).0, 200);
    deployed(&nodes[0]);
    nodes[0].wait_for("/web/hello", 200);
    let load = Load::start(12, nodes[0].http, "/web/wait?200");
    wait("load makes it larger", || instances(&nodes[0]) == Some((3, 3)));
    assert_eq!(load.stop(), Vec::<String>::new());
    let (lead, _) = agreed(&others(&nodes, &[]));
    for node in &nodes {
        wait("it names the leader", || status(node).is_ok_and(|it| it.leader == lead));
    }
    let said = |node: &Node| {
        let words = ["logs", "--json", "--limit", "1000", "--node", &node.id];
        node.order(&words).unwrap().matches("\"slice scaled\"").count()
    };
    for node in &nodes {
        assert_eq!(said(node) >= 2, node.id == lead, "{} of {lead}", said(node));
        assert!(said(node) == 0 || node.id == lead);
    }
}

/// The leader is killed while three instances are wanted: the next one has the settings, decides
/// from what there is, and without load makes it one again.
#[test]
fn survives_leader_failure() {
    let mut nodes = cluster::<3>();
    assert_eq!(change(&nodes[0], &settings()).0, 200);
    let set = config(&nodes[0]).unwrap();
    deployed(&nodes[0]);
    let lost = leader(&nodes);
    let door = (lost + 1) % 3;
    nodes[door].wait_for("/web/hello", 200);
    let load = Load::start(12, nodes[door].http, "/web/wait?200");
    wait("load makes it larger", || instances(&nodes[door]) == Some((3, 3)));
    nodes[lost].kill();
    let (lead, _) = agreed(&others(&nodes, &[lost]));
    for node in others(&nodes, &[lost]) {
        wait("the next leader decides from three", || {
            status(node).is_ok_and(|it| {
                it.leader == lead && it.verdicts.first().is_some_and(|verdict| verdict.from == 3)
            })
        });
        assert_eq!(config(node).unwrap(), set);
    }
    load.stop();
    wait("without load there is one", || instances(&nodes[door]) == Some((1, 1)));
    nodes[door].wait_for("/web/hello", 200);
}
