//! What nodes count: the graph of calls over all of them, and numbers for Prometheus.

use crate::apps::{slice, web, write};
use crate::http;
use crate::node::{Node, cluster, wait};
use aether_api::Graph;
use std::collections::BTreeMap;

/// `t:top`, which answers `GET /top` with what `t:bottom` says.
pub(crate) fn top() -> Vec<u8> {
    let text = "(component
        (import \"t:bottom/api@1.0.0\" (instance $b (export \"f\" (func (result u32)))))
        (core func $below (canon lower (func $b \"f\")))
        (core module $m
          (import \"b\" \"f\" (func $below (result i32)))
          (func (export \"f\") (result i32) (call $below)))
        (core instance $host (export \"f\" (func $below)))
        (core instance $i (instantiate $m (with \"b\" (instance $host))))
        (func $f (result u32) (canon lift (core func $i \"f\")))
        (instance $e (export \"f\" (func $f)))
        (export \"t:top/api@1.0.0\" (instance $e)))";
    let slice_toml = "[slice]\nartifact = \"t:top:1.0.0\"\n\
                      [[routes]]\nroute = \"GET /top\"\ncall = \"t:top/api#f\"";
    aether_slice_build::embed(&wat::parse_str(text).unwrap(), slice_toml).unwrap()
}

/// Calls of each edge, as a node has them.
fn edges(node: &Node) -> BTreeMap<String, u64> {
    let shown = node.aether(&["graph", "--json"]);
    let graph: Graph = serde_json::from_str(&shown.text).unwrap_or_else(|_| panic!("{shown:?}"));
    let edge = |e: aether_api::GraphEdge| {
        let caller = e.caller.as_deref().unwrap_or("outside");
        (format!("{caller} -> {} {}", e.callee, e.function), e.calls)
    };
    graph.edges.into_iter().map(edge).collect()
}

/// A number of `/metrics`; 0 where there is none.
pub(crate) fn metric(text: &str, name: &str, labels: &[&str]) -> f64 {
    let is = |line: &&str| {
        line.split(['{', ' ']).next() == Some(name) && labels.iter().all(|l| line.contains(l))
    };
    let values =
        text.lines().filter(is).filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
    values.sum()
}

pub(crate) fn metrics(node: &Node, key: &str) -> http::Answer {
    let request = format!(
        "GET /metrics HTTP/1.1\r\nhost: test\r\nconnection: close\r\nauthorization: Bearer {key}\r\n\r\n"
    );
    http::raw(node.api, request.as_bytes()).unwrap()
}

#[test]
fn every_node_has_the_calls_of_all_and_counts_its_own_for_prometheus() {
    let mut nodes = cluster::<3>();
    let folder = nodes[0].folder("pair");
    write(&folder, "pair", &[slice("bottom", &[]), top()], "");
    nodes[0].deployed(&folder);
    for node in &nodes {
        node.wait_for("/top", 200);
        (0..20).for_each(|_| assert_eq!(http::get(node.http, "/top").unwrap().status, 200));
    }
    let outside = "outside -> t:top:1.0.0 t:top/api@1.0.0#f";
    let inside = "t:top:1.0.0 -> t:bottom:1.0.0 t:bottom/api@1.0.0#f";
    let seen = |node: &Node, edge: &str| edges(node).get(edge).copied().unwrap_or(0);
    for node in &nodes {
        wait("a node has the calls of all", || {
            [outside, inside].iter().all(|e| seen(node, e) >= 60)
        });
        assert_eq!(edges(node).len(), 2);
    }
    let dot = nodes[2].aether(&["graph", "pair", "--dot"]).text;
    assert!(dot.contains("\"pair/t:top:1.0.0\" -> \"pair/t:bottom:1.0.0\""), "{dot}");

    let minted = nodes[0].aether(&["keys", "create", "prometheus", "--role", "viewer", "--json"]);
    let minted: aether_api::KeyCreated = serde_json::from_str(&minted.text).unwrap();
    let counted = |node: &Node| {
        let text = metrics(node, &minted.secret).text;
        assert!(text.contains("text/plain; version=0.0.4"), "{text}");
        let body = text.split_once("\r\n\r\n").unwrap().1;
        metric(body, "aether_calls_total", &["slice=\"t:top:1.0.0\"", "ending=\"answered\""])
    };
    let knows_key = |node: &Node| metrics(node, &minted.secret).status == 200;
    wait("every node knows the key", || nodes.iter().all(knows_key));
    // The one instance is on one of them.
    let before = [0, 1, 2].map(|i| counted(&nodes[i]));
    let host = before.iter().position(|calls| *calls >= 60.0).unwrap();
    assert_eq!(before.iter().sum::<f64>(), before[host], "{before:?}");
    assert_eq!(nodes[0].get("/top").status, 200);
    assert_eq!(counted(&nodes[host]), before[host] + 1.0);
    assert_eq!(metrics(&nodes[0], "nonsense").status, 401);
    let text = metrics(&nodes[0], &minted.secret).text;
    assert_eq!(metric(&text, "aether_link_up", &[]), 6.0, "two peers, three classes: {text}");
    assert!(metric(&text, "aether_node_resident_bytes", &[]) > 1e6);
    assert_eq!(metric(&text, "aether_raft_voters", &[]), 3.0);

    // Who is started again counts anew, and what it had counted is not lost to the others.
    let other = (host + 1) % 3;
    let last = before[host] as u64 + 1;
    wait("the other has the last call", || seen(&nodes[other], outside) >= last);
    nodes[host].restart();
    nodes[host].wait_for("/top", 200);
    wait("what was counted stays", || seen(&nodes[other], outside) > last);
}

#[test]
fn an_application_that_is_gone_is_in_no_graph() {
    let node = Node::start();
    let folder = node.folder("one");
    write(&folder, "one", &[web("one", "/one")], "");
    node.deployed(&folder);
    node.wait_for("/one", 200);
    wait("it is counted", || edges(&node).len() == 1);
    assert_eq!(node.aether(&["undeploy", "one"]).exit, 0);
    wait("it is forgotten", || edges(&node).is_empty());
}
