//! Alerts on real nodes: raised without anybody who watches, once, and resolved, whoever leads; and
//! told to who wants to know.

mod webhook;

use crate::apps::write;
use crate::counts::metric;
use crate::node::{At, Node, cluster, leader, wait};
use crate::update::load::Load;
use aether_forge::http::Request;
use serde_json::Value;
use webhook::Receiver;

fn active(node: &Node) -> Vec<Value> {
    let alerts = node.json(&["alerts"]).unwrap();
    alerts["alerts"].as_array().unwrap().clone()
}

/// What happened to alerts of a metric.
fn events(node: &Node, metric: &str) -> Vec<String> {
    let history = node.json(&["alerts", "history"]).unwrap();
    let events = history["events"].as_array().unwrap().iter();
    let events = events.filter(|event| event["metric"] == metric);
    events.map(|event| event["event"].as_str().unwrap().to_owned()).collect()
}

/// Answers `GET /shop` with a trap.
fn traps() -> Vec<u8> {
    let text = "(component
        (core module $m (func (export \"f\") (result i32) unreachable))
        (core instance $i (instantiate $m))
        (func $f (result u32) (canon lift (core func $i \"f\")))
        (instance $e (export \"f\" (func $f)))
        (export \"t:shop/api@1.0.0\" (instance $e)))";
    let slice_toml = "[slice]\nartifact = \"t:shop:1.0.0\"\n\
                      [[routes]]\nroute = \"GET /shop\"\ncall = \"t:shop/api#f\"";
    aether_slice_build::embed(&wat::parse_str(text).unwrap(), slice_toml).unwrap()
}

fn set(node: &Node, metric: &str, flags: &[&str]) {
    let quick = ["--raise-after", "1s", "--resolve-after", "1s"];
    node.order(&[&["alerts", "set", metric], flags, &quick].concat()).unwrap();
}

#[test]
fn an_alert_is_raised_once_and_resolved_whoever_leads() {
    let mut nodes: [Node; 3] = cluster();
    let first = leader(&nodes);
    let (other, door) = ((first + 1) % 3, (first + 2) % 3);
    let receiver = with_webhook(&nodes[door]);
    // Nobody has so much disk: true on every node, for as long as the threshold stands.
    set(&nodes[other], "node.disk-free", &["--warning", "1"]);
    set(&nodes[other], "cluster.nodes-lost", &["--critical", "1"]);
    wait("each node has its alert", || active(&nodes[door]).len() == 3);
    the_first_refusal_is_tried_again(&nodes[first], &receiver);
    let id = active(&nodes[door])[0]["id"].as_u64().unwrap().to_string();
    nodes[door].order(&["alerts", "ack", &id]).unwrap();
    wait("the others know who looks", || active(&nodes[other])[0]["acknowledged-by"].is_string());
    let before = active(&nodes[other]);

    nodes[first].kill();
    wait("a lost node is an alert", || {
        active(&nodes[door]).iter().any(|alert| alert["metric"] == "cluster.nodes-lost")
    });
    let after = active(&nodes[door]);
    let lost = after.iter().find(|alert| alert["metric"] == "cluster.nodes-lost").unwrap();
    assert_eq!((&lost["severity"], &lost["of"]), (&"critical".into(), &"cluster".into()));
    let stays: Vec<&Value> = before.iter().filter(|alert| after.contains(alert)).collect();
    let lives = before.iter().filter(|alert| alert["of"] != nodes[first].id.as_str());
    assert!(lives.clone().all(|alert| stays.contains(&alert)), "{before:?} {after:?}");
    assert_eq!(lives.count(), 2, "those of the nodes that live, as they were");

    nodes[first].again(At::Another);
    wait("it is over when the node is back", || {
        events(&nodes[door], "cluster.nodes-lost")
            .starts_with(&["raised".into(), "resolved".into()])
    });
    nodes[door].order(&["alerts", "unset", "node.disk-free"]).unwrap();
    wait("without a threshold there is no alert", || active(&nodes[other]).is_empty());
    let disk = events(&nodes[other], "node.disk-free");
    let count = |event: &str| disk.iter().filter(|known| *known == event).count();
    // That of the node that was lost may have ended with it and have come again.
    assert!((3..=4).contains(&count("raised")), "{disk:?}");
    assert_eq!((count("raised"), count("acknowledged")), (count("resolved"), 1), "{disk:?}");
    each_event_was_told(&nodes[other], &receiver);
}

const PASSWORD: &str = "hidden-word";

/// Tells alerts to a receiver whose URL has two secrets.
fn with_webhook(node: &Node) -> Receiver {
    let basic = "authorization: Basic b3BzOmhpZGRlbi13b3Jk";
    let (address, receiver) = Receiver::start("POST /hidden-path HTTP/1.1", basic);
    let url = format!("http://ops:{PASSWORD}@{address}/hidden-path");
    let said = node.order(&["alerts", "webhook", "set", &url]).unwrap();
    let shown = node.order(&["alerts", "webhook", "show"]).unwrap();
    assert_eq!(shown.trim(), format!("http://…@{address}/…, 0 waiting"));
    assert!(!format!("{said}{shown}").contains("hidden"), "{said} {shown}");
    receiver
}

fn the_first_refusal_is_tried_again(leader: &Node, receiver: &Receiver) {
    wait("each is told", || receiver.taken().len() == 3);
    let told = receiver.told();
    let statuses: Vec<u16> = told.iter().map(|(_, status)| *status).collect();
    assert_eq!(statuses, [500, 200, 200, 200]);
    assert_eq!(told[0].0, told[1].0, "the same once more");
    let body = &told[0].0;
    for (key, value) in [
        ("metric", "node.disk-free"),
        ("unit", "share"),
        ("severity", "warning"),
        ("state", "raised"),
        ("event", "raised"),
        ("node", &leader.id),
    ] {
        assert_eq!(body[key], value, "{body}");
    }
    assert_eq!((&body["alert"], &body["threshold"]), (&1.into(), &1.0.into()), "{body}");
    assert_eq!(body["since"], body["at"]);
    let request = Request { path: "/metrics", ..Request::default() };
    // The node counts what it told when it has the answer.
    wait("each delivery is counted", || {
        let text = leader.manage(&request).unwrap().body;
        let count = |outcome: &str| {
            let label = format!("outcome=\"{outcome}\"");
            metric(&text, "aether_alert_deliveries_total", &[&label])
        };
        ["delivered", "failed", "given-up"].map(count) == [3.0, 1.0, 0.0]
    });
}

/// Whoever led then.
fn each_event_was_told(node: &Node, receiver: &Receiver) {
    let history = node.json(&["alerts", "history"]).unwrap();
    let events = history["events"].as_array().unwrap().iter();
    let events = events.filter(|event| event["event"] != "acknowledged");
    let event = |it: &Value| (it["id"].as_u64().unwrap(), it["event"].as_str().unwrap().to_owned());
    let expected: Vec<_> = events.map(event).collect();
    wait("all is told, in its order", || receiver.taken() == expected);
    wait("nothing waits", || node.json(&["alerts", "webhook", "show"]).unwrap()["waiting"] == 0);
    node.order(&["alerts", "webhook", "unset"]).unwrap();
    let shown = node.json(&["alerts", "webhook", "show"]).unwrap();
    assert_eq!(shown["url"], Value::Null);
    assert!(!node.log().unwrap().contains("hidden"), "secrets are not logged");
}

#[test]
fn thresholds_are_checked_and_errors_of_an_application_are_seen() {
    let node = Node::start();
    for (command, exit, says) in [
        (&["set", "cpu.usage", "--warning", "0.7"][..], 2, "is not a metric; there are node.cpu"),
        (&["set", "node.cpu", "--warning", "0.9", "--critical", "0.7"], 2, "below `critical`"),
        (&["set", "node.disk-free", "--warning", "0.1", "--critical", "0.2"], 2, "above"),
        (&["set", "node.cpu", "--warning", "70"], 2, "it must be 0 to 1"),
        (&["unset", "node.cpu"], 3, "unknown-alert"),
        (&["ack", "7"], 3, "unknown-alert"),
        (&["webhook", "set", "ftp://host/x"], 2, "must begin with http:// or https://"),
        (&["webhook", "set", "http://host:99999/x"], 2, "its port is no number"),
    ] {
        let refused = node.aether(&[&["alerts"], command].concat());
        assert_eq!(refused.exit, exit, "{}", refused.text);
        assert!(refused.text.contains(says), "{}", refused.text);
    }
    set(&node, "calls.error-rate", &["--warning", "0.1", "--critical", "0.5"]);
    set(&node, "calls.rate", &["--warning", "0.5"]);
    let folder = node.folder("shop");
    write(&folder, "shop", &[traps()], "");
    node.deployed(&folder);
    let load = Load::start(1, node.http, "/shop");
    wait("requests and their failures are seen", || {
        let raised = |metric| events(&node, metric).first().is_some_and(|e| e == "raised");
        raised("calls.rate") && raised("calls.error-rate")
    });
    let worst = |alert: &Value| alert["of"] == "shop" && alert["severity"] == "critical";
    wait("all fail", || active(&node).iter().any(worst));
    assert!(!load.stop().is_empty());
    wait("their end is seen", || events(&node, "calls.rate") == ["raised", "resolved"]);
    node.order(&["undeploy", "shop"]).unwrap();
    wait("what is gone has no alert", || active(&node).is_empty());
    node.order(&["alerts", "clear"]).unwrap();
    assert!(events(&node, "calls.rate").is_empty());
}
