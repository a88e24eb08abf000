//! Artifacts are as safe as what is written of them, whichever nodes come and go. Knows a node's
//! folder of artifacts by its size alone.

use crate::apps::{web, write};
use crate::node::{Node, cluster, wait, wait_for_voters};

fn kept(node: &Node) -> usize {
    std::fs::read_dir(node.home.join("data/artifacts")).map_or(0, Iterator::count)
}

#[test]
fn where_a_blueprint_can_be_written_its_artifacts_can_be_stored() {
    let first = Node::start();
    let mut second = first.another();
    let deployed = |name: &str| {
        let folder = first.folder(name);
        write(&folder, name, &[web(name, &format!("/{name}"))], "");
        first.deployed(&folder);
        first.wait_for(&format!("/{name}"), 200);
    };
    deployed("both");
    // The second one holds the state and does not vote: the first decides alone.
    wait("both have it", || kept(&first) == 1 && kept(&second) == 1);
    second.kill();
    deployed("alone");
    first.order(&["node", "remove", &second.id]).unwrap();
    deployed("removed");
}

#[test]
fn an_artifact_outlives_all_nodes_that_it_was_uploaded_to() {
    let mut nodes = cluster::<3>();
    let folder = nodes[0].folder("shop");
    write(&folder, "shop", &[web("shop", "/shop")], "");
    nodes[0].deployed(&folder);
    nodes.iter().for_each(|node| assert_eq!(kept(node), 1, "before the deployment was over"));
    let status = nodes[0].json(&["status", "shop"]).unwrap();
    let runs = status["slices"][0]["instances"][0]["node"].as_str().unwrap().to_owned();
    let at = nodes.iter().position(|node| node.id == runs).unwrap();
    let newer = [nodes[at].another(), nodes[at].another()];
    assert_eq!(newer.each_ref().map(kept), [0, 0], "they do not vote");
    // First those that do not run it, then the one that does.
    for turn in [1, 2, 0] {
        let gone = &mut nodes[(at + turn) % 3];
        gone.kill();
        newer[0].order(&["node", "remove", &gone.id]).unwrap();
        if turn > 0 {
            wait_for_voters(&newer, 3);
            wait("who got the vote has it", || newer.iter().map(kept).sum::<usize>() == turn);
        }
    }
    newer.iter().for_each(|node| node.wait_for("/shop", 200));
}

#[test]
fn what_no_node_has_whole_any_more_comes_with_the_next_deployment() {
    let mut node = Node::start();
    let folder = node.folder("shop");
    write(&folder, "shop", &[web("shop", "/shop")], "");
    node.deployed(&folder);
    node.kill();
    let files: Vec<_> = std::fs::read_dir(node.home.join("data/artifacts")).unwrap().collect();
    let [Ok(file)] = &files[..] else { panic!("one artifact: {files:?}") };
    let whole = std::fs::read(file.path()).unwrap();
    std::fs::write(file.path(), &whole[1..]).unwrap();
    node.restart();
    wait("it says what it misses", || {
        let status = node.json(&["status", "shop"]).unwrap();
        status["slices"][0]["instances"][0]["reason"]["code"] == "artifact-missing"
    });
    let said = node.deployed(&folder);
    assert!(said.contains("Uploading"), "{said}");
    node.wait_for("/shop", 200);
    assert_eq!(std::fs::read(file.path()).unwrap(), whole);
    // What is there is not uploaded again.
    assert!(!node.deployed(&folder).contains("Uploading"));
}
