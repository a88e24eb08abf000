//! The controller on real nodes: load makes a slice larger, its end makes it smaller, whoever
//! leads; what is set on one node holds on all.

use crate::apps::write;
use crate::node::{Node, cluster, leader, wait};
use crate::update::load::Load;
use serde_json::Value;

/// One instance takes four calls at a time, there are one to three of them.
const SLICE: &str = "instances = 1\nmax-instances = 3\n\
    [slices.limits]\nmax-concurrency = 4\n\
    [[routes]]\nroute = \"* /web/**\"\nslice = \"t:web\"\nhandler = \"wasi:http\"\n";

/// Only how many calls run or wait counts; nobody waits for long.
const SETTINGS: [&str; 14] = [
    "--calls",
    "off",
    "--cpu",
    "off",
    "--busy",
    "0.8:0.3",
    "--up-cool-down",
    "1s",
    "--down-cool-down",
    "1s",
    "--down-after",
    "1s",
    "--warm-up",
    "1s",
];

fn deploy(node: &Node, more: &str) {
    let folder = node.folder("web");
    let bytes = aether_test_guests::bytes("http3-hello");
    let bytes = aether_slice_build::embed(&bytes, "[slice]\nartifact = \"t:web:1.0.0\"").unwrap();
    write(&folder, "web", &[bytes], more);
    node.deployed(&folder);
}

fn slice(node: &Node) -> Value {
    node.json(&["slices"]).unwrap()["slices"][0].clone()
}

/// How many instances are wanted, and how many are planned.
fn instances(node: &Node) -> (u64, u64) {
    let slice = slice(node);
    (slice["desired"].as_u64().unwrap(), slice["planned"].as_u64().unwrap())
}

fn verdict(node: &Node, command: &[&str]) -> Option<Value> {
    let status = node.json(&[&["controller"], command].concat()).ok()?;
    Some(status["verdicts"][0].clone())
}

/// Every event of the log that says how many instances there are from then on.
fn scaled(node: &Node) -> Vec<(String, String)> {
    let lines = node.order(&["logs", "--json", "--limit", "1000"]).unwrap();
    let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let of = |line: Value| {
        let field = |name: &str| line["fields"][name].as_str().unwrap_or_default().to_owned();
        (format!("{} -> {}", field("from"), field("to")), field("reason"))
    };
    lines.filter(|line| line["message"] == "slice scaled").map(of).collect()
}

#[test]
fn load_makes_a_slice_larger_and_its_end_smaller_whoever_leads() {
    let mut nodes: [Node; 3] = cluster();
    let first = leader(&nodes);
    let (other, door) = ((first + 1) % 3, (first + 2) % 3);
    nodes[other].order(&[&["controller", "config"], &SETTINGS[..]].concat()).unwrap();
    deploy(&nodes[other], SLICE);
    nodes[door].wait_for("/web/hello", 200);
    assert_eq!(instances(&nodes[other]), (1, 1));
    let set = nodes[other].json(&["controller", "config"]).unwrap();
    for node in &nodes {
        wait("what is set on one node holds on all", || {
            node.json(&["controller", "config"]).is_ok_and(|config| config == set)
        });
    }
    wait("every node has said how busy it is, and one instance is enough", || {
        let idle = verdict(&nodes[door], &["evaluate", "--dry-run"]);
        idle.is_some_and(|verdict| verdict["code"] == "at-min")
    });

    let load = Load::start(12, nodes[door].http, "/web/wait?200");
    wait("load makes it larger", || instances(&nodes[other]) == (3, 3));
    wait("all of them take calls", || slice(&nodes[other])["active"] == 3);
    let events = scaled(&nodes[other]);
    let steps: Vec<&str> = events.iter().map(|(step, _)| step.as_str()).collect();
    assert_eq!(steps, ["1 -> 2", "2 -> 3"], "by doubling, and within the bounds");
    for (_, why) in &events {
        assert!(why.ends_with("of max-concurrency busy or queued, at or above 80 %"), "{why}");
    }
    let slice = slice(&nodes[door]);
    assert_eq!(slice["scaling"]["max"], 3, "{slice}");
    assert_eq!(slice["scaling"]["changed"]["reason"], events[1].1, "{slice}");
    // There is more to do than three can, and it stays at three.
    wait("any node says why there are no more", || {
        verdict(&nodes[door], &["status"]).is_some_and(|verdict| verdict["code"] == "at-max")
    });

    nodes[first].kill();
    let led = |node: &Node| {
        let status = node.json(&["controller", "status"]).ok()?;
        let verdict = status["verdicts"][0].clone();
        let decides = status["leader"] != nodes[first].id.as_str();
        (decides && verdict["from"] == 3).then_some(verdict)
    };
    wait("the next leader decides, from what there is", || led(&nodes[door]).is_some());
    assert_eq!(nodes[other].json(&["controller", "config"]).unwrap(), set);
    wait("three are wanted still, and there", || instances(&nodes[other]) == (3, 3));

    let failed = load.stop();
    wait("without load it is as small as before", || instances(&nodes[other]) == (1, 1));
    // What was under way to the node that was lost may have begun, and may be lost with it.
    assert!(failed.len() <= 12, "{} failed, such as {:?}", failed.len(), failed[0]);
    let lowest = verdict(&nodes[other], &["evaluate"]).unwrap();
    assert_eq!((&lowest["code"], &lowest["to"]), (&Value::from("at-min"), &Value::from(1)));
}

#[test]
fn settings_that_make_no_sense_are_refused_and_bounds_follow_the_blueprint() {
    let node = Node::start();
    for (flags, says) in [
        (&["--busy", "0.2:0.8"][..], "`up` must be above `down`"),
        (&["--cpu", "1.5:0.2"], "it must be 0.001 to 1"),
        (&["--warm-up", "25h"], "it must be at most 1d"),
    ] {
        let refused = node.aether(&[&["controller", "config"], flags].concat());
        assert_eq!(refused.exit, 2, "{}", refused.text);
        assert!(refused.text.contains(says), "{}", refused.text);
    }
    node.order(&[&["controller", "config"], &SETTINGS[..]].concat()).unwrap();
    deploy(&node, SLICE);
    let load = Load::start(8, node.http, "/web/wait?100");
    wait("load makes it larger", || instances(&node) == (3, 3));
    // Off: what was set stays, and nothing changes.
    node.order(&["controller", "config", "--enabled", "false"]).unwrap();
    wait("it says that it is off", || {
        verdict(&node, &["status"]).is_some_and(|verdict| verdict["code"] == "off")
    });
    let failed = load.stop();
    assert!(failed.is_empty(), "{failed:?}");
    assert_eq!(instances(&node), (3, 3));
    // Another blueprint has other bounds, and a slice without `max-instances` is left alone.
    deploy(&node, &SLICE.replace("max-instances = 3", "max-instances = 2"));
    wait("what is beyond the bounds goes", || instances(&node) == (2, 2));
    deploy(&node, &SLICE.replace("max-instances = 3\n", ""));
    wait("as the blueprint says", || instances(&node) == (1, 1));
    node.order(&["undeploy", "web"]).unwrap();
    deploy(&node, SLICE);
    assert_eq!(instances(&node).0, 1, "an application that comes anew begins anew");
}
