//! kill -9 at several moments: the same node, the same applications, serving without being told.

use crate::apps::{web, write};
use crate::node::{Node, lines};
use std::process::Stdio;

#[test]
fn what_was_deployed_survives_kill_9() {
    let mut node = Node::start();
    let id = node.id.clone();
    for i in 0..5 {
        let name = format!("app-{i}");
        let folder = node.folder(&name);
        write(&folder, &name, &[web(&name, &format!("/{name}"))], "");
        node.deployed(&folder);
        node.restart();
        assert_eq!(node.id, id, "round {i}");
        for j in 0..=i {
            node.wait_for(&format!("/app-{j}"), 200);
        }
    }
}

#[test]
fn kill_9_in_the_middle_of_a_deploy_leaves_all_or_nothing() {
    let mut node = Node::start();
    let id = node.id.clone();
    let good = node.folder("good");
    write(&good, "good", &[web("good", "/good")], "");
    node.deployed(&good);
    // Each round lets the deploy say one line more before the node dies.
    for round in 0..5 {
        let name = format!("late-{round}");
        let folder = node.folder(&name);
        let path = format!("/{name}");
        write(&folder, &name, &[web(&name, &path)], "");
        let mut command = node.command(&["deploy", "--timeout", "5s", folder.to_str().unwrap()]);
        let mut deploy = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let said = lines(deploy.stderr.take().unwrap());
        // The channel ends when the deploy has ended.
        said.iter().take(round).for_each(drop);
        node.restart();
        let done = deploy.wait().unwrap().success();
        assert_eq!(node.id, id, "round {round}");
        node.wait_for("/good", 200);
        if done {
            node.wait_for(&path, 200);
        }
        let status = node.aether(&["status"]);
        assert_eq!(status.exit, 0, "{}", status.text);
        // Whatever was left, the same deploy again makes it whole.
        node.deployed(&folder);
        assert_eq!(node.get(&path).status, 200, "round {round}");
    }
}
