//! Nodes that are lost while they work: what they had is done by others.

use crate::apps::write;
use crate::counts::{metric, metrics};
use crate::node::{Node, cluster, wait};
use crate::rollout::{answers, reaches, roll};
use crate::soak::components;
use aether_api::RolloutPhase;
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;

const CALLS: usize = 100;

/// The ids of the nodes that have an instance.
fn hosts(node: &Node, app: &str) -> Vec<String> {
    let status = node.json(&["status", app]).unwrap();
    let text = status.to_string();
    let members = node.members().unwrap();
    members.into_iter().map(|member| member.id).filter(|id| text.contains(id.as_str())).collect()
}

/// The ids of the requests of which the node says that it made them again.
fn repeated(node: &Node) -> Vec<String> {
    let lines = node.order(&["logs", "--json", "--limit", "1000", "--node", &node.id]).unwrap();
    let lines = lines.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let again = lines.filter(|l| l["message"] == "a call that may have begun is made again");
    again.map(|line| line["request-id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn calls_in_flight_to_a_node_that_is_lost_are_answered_by_another() {
    let mut nodes: [Node; 3] = cluster();
    let folder = nodes[0].folder("web");
    let bytes = aether_test_guests::bytes("http3-hello");
    let bytes = aether_slice_build::embed(&bytes, "[slice]\nartifact = \"t:web:1.0.0\"").unwrap();
    let more = "instances = 2\n\
        [[routes]]\nroute = \"* /web/**\"\nslice = \"t:web\"\nhandler = \"wasi:http\"\n";
    write(&folder, "web", &[bytes], more);
    nodes[0].deployed(&folder);
    let minted = nodes[0].json(&["keys", "create", "counts", "--role", "viewer"]).unwrap();
    let key = minted["secret"].as_str().unwrap();
    for node in &nodes {
        node.wait_for("/web/hello", 200);
    }
    let hosts = hosts(&nodes[0], "web");
    assert_eq!(hosts.len(), 2, "two of three nodes have an instance: {hosts:?}");
    let door = nodes.iter().find(|node| !hosts.contains(&node.id)).unwrap().http;
    let request = "GET /web/wait?1000 HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n";
    let ask = |_| {
        let mut stream = TcpStream::connect(door).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        stream
    };
    let asked: Vec<TcpStream> = (0..CALLS).map(ask).collect();
    // What was asked later is answered: the others are where they are to be answered.
    let entry = nodes.iter().find(|node| !hosts.contains(&node.id)).unwrap();
    assert_eq!(entry.get("/web/hello").status, 200);
    let entry = nodes.iter().position(|node| !hosts.contains(&node.id)).unwrap();
    wait("the entry knows the key", || metrics(&nodes[entry], key).status == 200);
    nodes.iter_mut().find(|node| node.id == hosts[0]).unwrap().kill();
    let answers = asked.into_iter().map(|mut stream| {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    });
    let failed: Vec<String> = answers.filter(|a| !a.starts_with("HTTP/1.1 200 ")).collect();
    assert!(failed.is_empty(), "{} of {CALLS} failed, such as {}", failed.len(), failed[0]);
    // Those that may have run twice are told, each once.
    let ids = repeated(&nodes[entry]);
    assert!(!ids.is_empty() && ids.len() <= CALLS, "{} of {CALLS}", ids.len());
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "none ran three times");
    let counted = metrics(&nodes[entry], key).text;
    let perhaps = metric(&counted, "aether_calls_repeated_total", &["begun=\"perhaps\""]);
    assert_eq!(perhaps, ids.len() as f64);
}

/// `t:web` of the new version calls `t:part` of its own version, and that is lost: requests go to
/// the old version. No leader is left that could take the new one's share away.
#[test]
fn requests_of_a_version_that_has_lost_a_slice_are_answered_by_the_other() {
    let mut nodes: [Node; 3] = cluster();
    let folder = nodes[0].folder("web");
    let write = |number, instances, apart| {
        let mut blueprint = "[application]\nname = \"web\"\nversion = \"1.0.0\"\n".to_owned();
        for (i, bytes) in components(number).iter().enumerate() {
            std::fs::write(folder.join(format!("{i}.wasm")), bytes).unwrap();
            blueprint += &format!("[[slices]]\nfile = \"{i}.wasm\"\ninstances = {instances}\n");
        }
        blueprint += apart;
        std::fs::write(folder.join("blueprint.toml"), blueprint).unwrap();
    };
    write(0, 3, "");
    nodes[0].deployed(&folder);
    write(1, 1, "[slices.placement]\nrequire-away-from = [\"t:web\"]");
    roll(&nodes[0], &folder, "canary = { stages = [\"50%\", \"100%\"], requests-min = 1000000 }");
    reaches(&nodes[0], RolloutPhase::Holding);
    nodes.iter().for_each(|node| assert_eq!(answers(node, 20), "10 x 200 0, 10 x 200 1001"));

    let status = nodes[0].json(&["status", "web"]).unwrap();
    let slices = status["slices"].as_array().unwrap();
    let caller = slices.iter().find(|slice| slice["artifact"] == "t:web:1.0.1").unwrap();
    let [here, others @ ..] = {
        nodes.sort_by_key(|node| node.id != caller["instances"][0]["node"]);
        &mut nodes
    };
    others.iter_mut().for_each(Node::kill);
    assert_eq!(answers(here, 40), "40 x 200 0");
}
