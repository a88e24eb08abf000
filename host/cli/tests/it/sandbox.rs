//! Faults that an administrator puts into nodes of a sandbox: a partition, what it does, its end.

use crate::node::wait;
use aether_forge::http::Request;
use aether_forge::{Node, Sandbox, Settings};
use serde_json::{Value, json};

fn sandbox(arguments: &[&str]) -> Sandbox {
    let program = env!("CARGO_BIN_EXE_aether").into();
    let arguments = arguments.iter().map(|&word| word.to_owned()).collect();
    Sandbox::new(Settings { program, folder: None, arguments }).unwrap()
}

fn faults(node: &Node, method: &str, body: &Value) -> (u16, String) {
    let body = (!body.is_null()).then(|| body.to_string());
    let request = Request { method, path: "/api/faults", body, ..Request::default() };
    let answer = node.manage(&request).unwrap();
    (answer.status, answer.body)
}

fn partition(from: &[&str]) -> Value {
    let kind = json!({ "partition": { "links": { "nodes": from } } });
    json!({ "faults": [{ "kind": kind, "duration": "1h" }] })
}

#[test]
fn a_node_that_is_not_of_a_sandbox_refuses_faults() {
    let node = sandbox(&[]).found().unwrap();
    for (method, body) in
        [("POST", partition(&["1"])), ("GET", Value::Null), ("DELETE", Value::Null)]
    {
        let (status, text) = faults(&node, method, &body);
        assert_eq!(status, 403, "{text}");
        assert!(text.contains("not-a-sandbox") && text.contains("--sandbox"), "{text}");
    }
}

#[test]
fn a_wrong_clock_is_told_by_the_others_and_keeps_new_nodes_out() {
    let nodes = sandbox(&["--sandbox"]).cluster(3).unwrap();
    let clock = |apart: &str| {
        let kind = json!({ "clock": { "apart": apart, "side": "ahead" } });
        let body = json!({ "faults": [{ "kind": kind, "duration": "1h" }] });
        assert_eq!(faults(&nodes[0], "POST", &body).0, 200);
    };
    let reason = |seen_by: usize, of: usize| {
        let members = nodes[seen_by].members().unwrap();
        let member = members.into_iter().find(|member| member.id == nodes[of].id).unwrap();
        member.reason.unwrap_or_default()
    };
    clock("4s");
    wait("the others tell of it", || {
        (1..3).all(|at| reason(at, 0).contains("ahead of this node's"))
    });
    wait("it sees the others behind", || reason(0, 1).contains("behind this node's"));
    assert_eq!(reason(1, 2), "");
    assert!(nodes[1].log().unwrap().contains("the clocks of nodes differ"));

    // Links that are there stay: a jump of one clock does not take a cluster down.
    clock("15s");
    nodes[1].order(&["kv", "put", "t/during", "1"]).unwrap();
    let refused = nodes[0].joined().unwrap_err().to_string();
    assert!(refused.contains("clock skew: the clocks differ by"), "{refused}");
    assert_eq!(faults(&nodes[0], "DELETE", &Value::Null).0, 204);
    wait("nobody is apart any more", || reason(1, 0).is_empty() && reason(0, 2).is_empty());
    nodes[0].joined().unwrap();
}
