//! Applications come, grow, shrink and go. Knows one application, `web`.

use super::{deployed, loaded, placed, read, wait_for_placement};
use crate::apps::{slice, web, write};
use crate::counts::top;
use crate::node::{Node, cluster, wait};
use crate::rollout::answers;
use crate::update::load::Load;
use aether_api::{Application, Applications, Phase, Routes, Slices};

fn all(nodes: &[Node]) -> Vec<&Node> {
    nodes.iter().collect()
}

/// One instance is active on one node, as all nodes tell, and the front doors of all nodes answer
/// with what the slice returns.
#[test]
fn deploy_slice_becomes_active() {
    let nodes = cluster::<3>();
    deployed(&nodes[1], 7, 1);
    let app: Application = read(&nodes[1], "/api/apps/web").unwrap();
    assert_eq!((app.phase, app.slices[0].active), (Phase::Active, 1));
    for node in &nodes {
        node.wait_for("/web", 200);
        assert_eq!(answers(node, 5), "5 x 200 7");
        wait("all nodes tell of one instance", || {
            placed(node, &nodes).is_some_and(|placed| placed.iter().sum::<usize>() == 1)
        });
    }
    assert_eq!(nodes.iter().map(loaded).sum::<f64>(), 1.0);
}

/// Of three instances every node has exactly one, in the plan and in its memory, and answers.
#[test]
fn deploy_slice_multiple_instances_distributed() {
    let nodes = cluster::<3>();
    deployed(&nodes[0], 7, 3);
    wait_for_placement(&all(&nodes), &nodes, &[1, 1, 1]);
    for node in &nodes {
        assert_eq!(loaded(node), 1.0);
        assert_eq!(answers(node, 5), "5 x 200 7");
    }
}

/// From one instance to three and back to one: the counts and places are exact, the first instance
/// is the one that stays, and no request through its node fails meanwhile.
#[test]
fn scale_slice_adjusts_instance_count() {
    let nodes = cluster::<3>();
    deployed(&nodes[0], 7, 1);
    let mut one = None;
    wait("it is told where the one is", || {
        one = placed(&nodes[0], &nodes);
        one.is_some()
    });
    let one = one.unwrap();
    let at = &nodes[one.iter().position(|count| *count == 1).unwrap()];
    at.wait_for("/web", 200);
    let load = Load::start(1, at.http, "/web");
    deployed(&nodes[1], 7, 3);
    wait_for_placement(&all(&nodes), &nodes, &[1, 1, 1]);
    nodes.iter().for_each(|node| node.wait_for("/web", 200));
    deployed(&nodes[2], 7, 1);
    wait_for_placement(&all(&nodes), &nodes, &one);
    wait("two are out of memory", || nodes.iter().map(loaded).sum::<f64>() == 1.0);
    let failed = load.stop();
    assert!(failed.is_empty(), "{} failed, such as {}", failed.len(), failed[0]);
}

/// An application that is taken away has no status, slice, route or memory on any node, its path
/// answers 404, and another application is not touched.
#[test]
fn undeploy_slice_removes_from_cluster() {
    let nodes = cluster::<3>();
    let folder = nodes[0].folder("other");
    write(&folder, "other", &[web("other", "/other")], "");
    nodes[0].deployed(&folder);
    deployed(&nodes[0], 7, 3);
    nodes.iter().for_each(|node| node.wait_for("/web", 200));
    nodes[1].order(&["undeploy", "web"]).unwrap();
    for node in &nodes {
        node.wait_for("/web", 404);
        wait("no node has it in memory", || loaded(node) == 0.0);
        let apps: Applications = read(node, "/api/apps").unwrap();
        let names: Vec<&str> = apps.applications.iter().map(|app| app.name.as_str()).collect();
        assert_eq!(names, ["other"]);
        let slices: Slices = read(node, "/api/slices").unwrap();
        assert_eq!(slices.slices.len(), 1);
        let routes: Routes = read(node, "/api/routes").unwrap();
        let routes: Vec<String> = routes.routes.iter().map(|it| it.route.to_string()).collect();
        assert_eq!(routes, ["GET /other"]);
        assert_eq!(node.aether(&["status", "web"]).exit, 3);
        assert_eq!(node.get("/other").status, 200);
    }
}

/// The one instance of a slice is on a node that is killed: it comes up once on one of the others,
/// which both answer again.
#[test]
fn deploy_slice_survives_node_failure() {
    let mut nodes = cluster::<3>();
    deployed(&nodes[0], 7, 1);
    let mut lost = None;
    wait("it is told where it is", || {
        lost = placed(&nodes[0], &nodes).and_then(|at| at.iter().position(|count| *count == 1));
        lost.is_some()
    });
    let lost = lost.unwrap();
    nodes[lost].kill();
    let others: Vec<&Node> = (0..3).filter(|at| *at != lost).map(|at| &nodes[at]).collect();
    for node in &others {
        wait("one instance is on a node that lives", || {
            placed(node, &nodes).is_some_and(|at| at[lost] == 0 && at.iter().sum::<usize>() == 1)
        });
        node.wait_for("/web", 200);
        assert_eq!(answers(node, 5), "5 x 200 7");
    }
    assert_eq!(others.iter().map(|node| loaded(node)).sum::<f64>(), 1.0);
}

/// A blueprint with a slice that calls another one is active as a whole; applying it again changes
/// nothing, and applying a larger one changes what is new.
#[test]
fn blueprint_apply_deploys_slice() {
    let nodes = cluster::<3>();
    let folder = nodes[0].folder("pair");
    write(&folder, "pair", &[slice("bottom", &[]), top()], "");
    let app = || read::<Application>(&nodes[2], "/api/apps/pair").unwrap();
    nodes[0].deployed(&folder);
    let first = app();
    assert_eq!((first.phase, first.slices.len()), (Phase::Active, 2));
    for node in &nodes {
        node.wait_for("/top", 200);
        assert!(node.get("/top").text.ends_with("\r\n42"));
    }
    nodes[1].deployed(&folder);
    assert_eq!(app(), first);
    write(&folder, "pair", &[slice("bottom", &[]), top()], "instances = 2");
    nodes[1].deployed(&folder);
    let second = app();
    let counts: Vec<_> = second.slices.iter().map(|it| (it.desired, it.active)).collect();
    assert_eq!((second.revision > first.revision, counts), (true, vec![(1, 1), (2, 2)]));
}
