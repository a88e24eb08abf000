//! Aspects, switched on one node while another is called: lines of the log with the request's id,
//! and times of all calls instead of some.

use crate::apps::{slice, write};
use crate::counts::{metric, metrics, top};
use crate::http;
use crate::node::{At, Node, cluster, wait};
use aether_api::{AspectPoints, LogLine};
use serde_json::Value;
use std::path::Path;

/// The functions that can be called with what is done with their calls, as a node tells it.
fn shown(node: &Node) -> Vec<String> {
    let points = node.json(&["aspect", "list", "pair"]).unwrap();
    let AspectPoints { points } = serde_json::from_value(points).unwrap();
    points.iter().map(|it| format!("{} {} {}", it.slice, it.function, it.aspect)).collect()
}

/// Asks for `/top` with a request id; what the log has of the request then.
fn lines(node: &Node, id: &str) -> Vec<String> {
    let request = format!(
        "GET /top HTTP/1.1\r\nhost: test\r\nconnection: close\r\nx-request-id: {id}\r\n\r\n"
    );
    let answer = http::raw(node.http, request.as_bytes()).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text);
    let said = node.order(&["logs", "--json", "--request-id", id, "--limit", "1000"]).unwrap();
    let line = |line: LogLine| {
        let field = |name: &str| line.fields.get(name).map_or("", String::as_str);
        let (slice, caller) = (line.slice.as_deref().unwrap_or(""), field("caller"));
        format!("{slice} {}: {caller}{}", line.message, field("ending"))
    };
    said.lines().map(|text| line(serde_json::from_str(text).unwrap())).collect()
}

/// Calls of the bottom by the top whose time was taken, on all nodes.
fn timed(nodes: &[Node]) -> f64 {
    let labels = ["slice=\"t:bottom:1.0.0\"", "caller=\"t:top:1.0.0\""];
    let of =
        |node: &Node| metric(&metrics(node, &node.key).text, "aether_call_seconds_count", &labels);
    nodes.iter().map(of).sum()
}

const BEGIN: &str = "t:bottom:1.0.0 call begins: t:top:1.0.0";
const END: &str = "t:bottom:1.0.0 call ended: answered";

#[test]
fn aspects_are_switched_on_all_nodes_while_calls_go_on() {
    let mut nodes = cluster::<3>();
    let folder = nodes[0].folder("pair");
    write(&folder, "pair", &[slice("bottom", &[]), top()], "");
    nodes[0].deployed(&folder);
    nodes.iter().for_each(|node| node.wait_for("/top", 200));
    let (bottom, top) = ("t:bottom:1.0.0 t:bottom/api@1.0.0#f", "t:top:1.0.0 t:top/api@1.0.0#f");
    let expected = |aspect: &str| vec![format!("{bottom} {aspect}"), format!("{top} none")];
    assert_eq!(shown(&nodes[2]), expected("none"));
    assert_eq!(lines(&nodes[2], "before"), [""; 0]);

    nodes[0].order(&["aspect", "set", "pair", "t:bottom", "log"]).unwrap();
    wait("all nodes know it", || nodes.iter().all(|node| shown(node) == expected("log")));
    let mut asked = 0;
    wait("calls are lines of the log", || {
        asked += 1;
        !lines(&nodes[1], &format!("until-{asked}")).is_empty()
    });
    for (at, node) in nodes.iter().enumerate() {
        assert_eq!(lines(node, &format!("logged-{at}")), [BEGIN, END]);
    }

    // It outlives the nodes.
    nodes.iter_mut().for_each(Node::kill);
    nodes.iter_mut().for_each(|node| node.again(At::Same));
    nodes.iter().for_each(|node| node.wait_for("/top", 200));
    wait("it is as it was", || shown(&nodes[1]) == expected("log"));
    wait("calls are lines of the log again", || {
        asked += 1;
        !lines(&nodes[1], &format!("until-{asked}")).is_empty()
    });

    let function = ["--function", "t:bottom/api#f"];
    let metrics_of = ["aspect", "set", "pair", "t:bottom", "metrics"];
    nodes[2].order(&[metrics_of.as_slice(), &function].concat()).unwrap();
    wait("calls are no lines any more", || {
        asked += 1;
        lines(&nodes[0], &format!("until-{asked}")).is_empty()
    });
    assert_eq!(shown(&nodes[0]), expected("metrics"));
    let before = timed(&nodes);
    (0..32).for_each(|_| assert_eq!(nodes[0].get("/top").status, 200));
    assert_eq!(timed(&nodes), before + 32.0, "each call is timed");

    on_one_node(&nodes, &folder);

    let unknown = nodes[0].aether(&["aspect", "set", "pair", "t:middle", "log"]);
    assert_eq!(unknown.exit, 3, "{}", unknown.text);
    assert!(unknown.text.contains("[unknown-function]"), "{}", unknown.text);
    assert!(unknown.text.contains(bottom), "it says what there is: {}", unknown.text);
}

/// The same where the call stays on its node.
fn on_one_node(nodes: &[Node], folder: &Path) {
    let near = "[slices.placement]\nrequire-near = [\"t:bottom\"]\n";
    nodes[0].order(&["undeploy", "pair"]).unwrap();
    write(folder, "pair", &[slice("bottom", &[]), top()], near);
    nodes[0].deployed(folder);
    nodes.iter().for_each(|node| node.wait_for("/top", 200));
    let slices = nodes[0].json(&["slices"]).unwrap();
    let of = |slice: &Value| slice["instances"][0]["node"].clone();
    let homes: Vec<Value> = slices["slices"].as_array().unwrap().iter().map(of).collect();
    assert!(homes.len() == 2 && homes[0] == homes[1], "{slices}");
    nodes[1].order(&["aspect", "set", "pair", "t:bottom", "log-metrics"]).unwrap();
    let mut asked = 0;
    wait("calls on one node are lines of the log", || {
        asked += 1;
        !lines(&nodes[1], &format!("near-{asked}")).is_empty()
    });
    let before = timed(nodes);
    for (at, node) in nodes.iter().enumerate() {
        assert_eq!(lines(node, &format!("local-{at}")), [BEGIN, END]);
    }
    assert_eq!(timed(nodes), before + 3.0, "each call is timed");
}
