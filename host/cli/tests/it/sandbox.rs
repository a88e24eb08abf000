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

fn is_writable(node: &Node) -> bool {
    node.json(&["status"]).is_ok_and(|status| status["cluster"]["writable"] == json!(true))
}

#[test]
fn a_leader_that_is_cut_off_refuses_writes_and_follows_when_it_is_healed() {
    let nodes = sandbox(&["--sandbox"]).cluster(3).unwrap();
    let cut = aether_forge::leader(&nodes).expect("a node leads");
    let others: Vec<usize> = (0..3).filter(|i| *i != cut).collect();
    let names: Vec<&str> = others.iter().map(|i| nodes[*i].id.as_str()).collect();
    nodes[cut].order(&["kv", "put", "t/before", "1"]).unwrap();

    assert_eq!(faults(&nodes[cut], "POST", &partition(&names)).0, 200);
    wait("the minority knows that it is one", || !is_writable(&nodes[cut]));
    let refused = nodes[cut].aether(&["kv", "put", "t/lost", "1"]).unwrap();
    assert_ne!(refused.exit, 0, "{}", refused.text);
    wait("the majority has a leader", || others.iter().all(|i| is_writable(&nodes[*i])));
    nodes[others[0]].order(&["kv", "put", "t/during", "2"]).unwrap();
    let (_, listed) = faults(&nodes[cut], "GET", &Value::Null);
    assert!(names.iter().all(|name| listed.contains(name)), "{listed}");

    assert_eq!(faults(&nodes[cut], "DELETE", &Value::Null).0, 204);
    wait("the minority is none any more", || is_writable(&nodes[cut]));
    let read = |key| nodes[cut].order(&["kv", "get", key]).unwrap().trim().to_owned();
    assert_eq!((read("t/before").as_str(), read("t/during").as_str()), ("1", "2"));
    let lost = nodes[cut].aether(&["kv", "get", "t/lost"]).unwrap();
    assert!(lost.text.contains("unknown-entry"), "{}", lost.text);
    wait("everybody sees everybody", || {
        nodes
            .iter()
            .all(|node| node.members().is_ok_and(|all| all.iter().all(|member| member.reachable)))
    });
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
