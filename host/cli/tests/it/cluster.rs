//! Several nodes are one Aether: joining, losing nodes, coming back, leaving.

use crate::apps::{part, web, write};
use crate::http;
use crate::node::{At, Node, cluster, leader, wait, wait_for_voters};
use std::net::TcpListener;
use std::process::{Command, Stdio};

#[test]
fn any_node_takes_any_request_and_losing_one_loses_nothing() {
    let mut nodes = cluster::<3>();
    let folder = nodes[0].folder("shop");
    write(&folder, "shop", &[web("shop", "/shop")], "");
    // Any node takes a deployment; one instance serves the requests of all nodes.
    nodes[1].deployed(&folder);
    for node in &nodes {
        node.wait_for("/shop", 200);
    }
    let lost = leader(&nodes);
    nodes[lost].kill();
    let others: Vec<usize> = (0..3).filter(|i| *i != lost).collect();
    for i in &others {
        nodes[*i].wait_for("/shop", 200);
    }
    // Writes go on with the two that are left.
    let folder = nodes[others[0]].folder("late");
    write(&folder, "late", &[web("late", "/late")], "");
    nodes[others[0]].deployed(&folder);
    // The lost one comes back as itself, at other addresses, and knows what it missed.
    let id = nodes[lost].id.clone();
    let back = &mut nodes[lost];
    back.again(At::Another);
    assert_eq!(back.id, id);
    back.wait_for("/shop", 200);
    back.wait_for("/late", 200);
    wait_for_voters(&nodes, 3);
}

#[test]
fn a_node_that_joins_answers_nothing_before_it_knows_what_is_deployed() {
    let first = Node::start();
    let folder = first.folder("shop");
    write(&folder, "shop", &[web("shop", "/shop")], "");
    first.deployed(&folder);
    let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (door, api) = (free(), free().to_string());
    let data = first.home.join("second").display().to_string();
    let mut second = Command::new(env!("CARGO_BIN_EXE_aether"));
    second.args(["node", "--data", &data, "--http", &door.to_string(), "--api", &api]);
    second.args(first.invitation().unwrap()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut second = second.spawn().unwrap();
    let mut first_answer = None;
    wait("its door is open", || {
        first_answer = http::get(door, "/shop").ok().map(|answer| answer.status);
        first_answer.is_some()
    });
    second.kill().unwrap();
    second.wait().unwrap();
    assert_eq!(first_answer, Some(200));
}

#[test]
fn a_node_is_drained_and_removed() {
    let nodes = cluster::<3>();
    let folder = nodes[0].folder("shop");
    write(&folder, "shop", &[web("shop", "/shop")], "");
    nodes[0].deployed(&folder);
    let gone = &nodes[2];
    let refused = nodes[0].aether(&["node", "remove", &gone.id]);
    assert!(refused.text.contains("node-in-use"), "{}", refused.text);
    let drained = nodes[0].aether(&["node", "drain", &gone.id]);
    assert_eq!(drained.exit, 0, "{}", drained.text);
    let state = |node: &Node| {
        let members = node.members().ok()?;
        members.into_iter().find(|member| member.id == gone.id).map(|member| member.state)
    };
    wait("it is drained", || state(&nodes[0]).as_deref() == Some("DECOMMISSIONED"));
    assert_eq!(nodes[0].get("/shop").status, 200);
    let removed = nodes[0].aether(&["node", "remove", &gone.id]);
    assert_eq!(removed.exit, 0, "{}", removed.text);
    wait("it is gone", || {
        nodes[1].members().is_ok_and(|members| members.iter().all(|member| member.id != gone.id))
    });
    assert_eq!(nodes[1].get("/shop").status, 200);
}

#[test]
fn the_founder_can_leave_when_somebody_can_take_its_vote() {
    let first = Node::start();
    first.order(&["node", "drain", &first.id]).unwrap();
    let own = |node: &Node| {
        let members = node.members().ok()?;
        members.into_iter().find(|member| member.id == first.id)
    };
    wait("it says what it waits for", || {
        let reason = own(&first).and_then(|member| member.reason);
        reason.is_some_and(|reason| reason.contains("the only vote"))
    });
    let second = first.another();
    wait("it has nothing left", || {
        own(&second).is_some_and(|member| member.state == "DECOMMISSIONED")
    });
    second.order(&["node", "remove", &first.id]).unwrap();
    let folder = second.folder("shop");
    write(&folder, "shop", &[web("shop", "/shop")], "");
    second.deployed(&folder);
    second.wait_for("/shop", 200);
}

#[test]
fn every_node_says_why_an_instance_is_nowhere() {
    let nodes = cluster::<3>();
    let folder = nodes[0].folder("shop");
    // A node has 4 GiB for slices.
    let large = part("shop", "", "[instances]\nmemory = \"3GiB\"");
    write(&folder, "shop", &[large], "instances = 6");
    let deploy = nodes[0].aether(&["deploy", "--no-wait", folder.to_str().unwrap()]);
    assert_eq!(deploy.exit, 0, "{}", deploy.text);
    for node in &nodes {
        wait("it says what is missing", || {
            node.aether(&["slices"]).text.contains("out-of-capacity")
        });
    }
}

#[test]
fn a_copy_of_a_node_is_refused_while_the_node_lives() {
    let nodes = cluster::<3>();
    let copy = nodes[2].copied(&["--cluster", "127.0.0.1:0"]).unwrap();
    assert_eq!(copy.id, nodes[2].id);
    wait("the copy says why nobody talks to it", || {
        let members = copy.members().unwrap_or_default();
        let refused = |reason: &String| reason.contains("duplicate identity");
        members.iter().filter(|member| member.reason.as_ref().is_some_and(refused)).count() == 2
    });
    // Nobody should send it anything; the one that it was copied from goes on.
    wait("it is not ready, and says why", || {
        let health = http::get(copy.api, "/health/ready");
        health.is_ok_and(|it| it.status == 503 && it.text.contains("duplicate identity"))
    });
    assert_eq!(http::get(nodes[2].api, "/health/ready").unwrap().status, 200);
    wait_for_voters(&nodes, 3);
}

#[test]
fn a_node_of_one_cluster_does_not_join_another() {
    let (one, mut other) = (Node::start(), Node::start());
    let invitation = one.invitation().unwrap();
    let invitation: Vec<&str> = invitation.iter().map(String::as_str).collect();
    other.kill();
    let refused = other.start_again_with(&invitation).unwrap_err().to_string();
    assert!(refused.contains("this data folder belongs to cluster"), "{refused}");
    assert_eq!(one.members().unwrap().len(), 1);
    // It is still what it was.
    other.again(At::Another);
    assert_eq!(other.members().unwrap().len(), 1);
}

#[test]
fn any_node_shows_the_logs_of_all() {
    let mut nodes = cluster::<3>();
    let said = |at: usize, arguments: &[&str]| -> Vec<serde_json::Value> {
        let said = nodes[at].order(&[&["logs", "--json"], arguments].concat()).unwrap();
        said.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let word = |line: &serde_json::Value, key: &str| line[key].as_str().unwrap().to_owned();
    let all = said(0, &["--limit", "1000"]);
    let times: Vec<String> = all.iter().map(|line| word(line, "time")).collect();
    assert!(times.is_sorted());
    for node in &nodes {
        let started = |line: &&serde_json::Value| {
            word(line, "node") == node.id && word(line, "message") == "node started"
        };
        assert_eq!(all.iter().filter(started).count(), 1, "{}", node.id);
    }
    let one = said(0, &["--node", &nodes[1].id]);
    assert!(!one.is_empty() && one.iter().all(|line| word(line, "node") == nodes[1].id));
    let unknown = nodes[0].aether(&["logs", "--node", "00000000000000ff"]);
    assert!(unknown.text.contains("unknown-node"), "{}", unknown.text);

    // What another node says comes while following, once.
    let mut follow = nodes[0].command(&["logs", "--follow", "--json", "--limit", "1"]);
    let mut follow = follow.stdout(Stdio::piped()).spawn().unwrap();
    let lines = crate::node::lines(follow.stdout.take().unwrap());
    lines.recv().unwrap();
    let folder = nodes[1].folder("shop");
    write(&folder, "shop", &[web("shop", "/shop")], "");
    nodes[1].deployed(&folder);
    let applied = lines.iter().find(|line| line.contains("blueprint applied")).unwrap();
    assert!(applied.contains(&nodes[1].id), "{applied}");
    follow.kill().unwrap();
    follow.wait().unwrap();
    assert!(lines.iter().all(|line| !line.contains("blueprint applied")));

    nodes[2].kill();
    let rest = nodes[0].aether(&["logs", "--limit", "1"]);
    assert!(rest.text.contains(&format!("the lines of node {}", nodes[2].id)), "{}", rest.text);
}
