//! From one version to the next under requests, by shares. Knows no verdicts.

use super::{check_answers, deployed, loaded, others, placed, read, wait_for_placement};
use crate::apps::write;
use crate::counts::{metric, metrics};
use crate::node::{At, Node, cluster, leader, wait, wait_for_voters};
use crate::rollout::{answers, command, reaches, roll, status, web};
use crate::update::load::Load;
use aether_api::{Application, RolloutPhase};
use std::path::PathBuf;

const STEPS: &str =
    "rolling = { steps = [\"25%\", \"50%\", \"75%\", \"100%\"], pause = \"1h\", grace = \"1h\" }";

/// Version 1 of `web` has an instance on each of three nodes.
fn first() -> ([Node; 3], PathBuf) {
    let nodes = cluster::<3>();
    deployed(&nodes[0], 1, 3);
    wait_for_placement(&others(&nodes, &[]), &nodes, &[1, 1, 1]);
    nodes.iter().for_each(|node| node.wait_for("/web", 200));
    let folder = nodes[0].folder("web");
    (nodes, folder)
}

/// Begins the change to version 2.
fn begin(nodes: &[Node; 3], folder: &std::path::Path, strategy: &str) {
    write(folder, "web", &[web(2)], "instances = 3");
    roll(&nodes[1], folder, strategy);
}

/// Instances of a version that each node has in memory.
fn of_version(nodes: &[Node], version: u32) -> Vec<f64> {
    let slice = format!("slice=\"t:web:1.0.{version}\"");
    let count = |node: &Node| {
        metric(&metrics(node, &node.key).text, "aether_slice_loaded", &["app=\"web\"", &slice])
    };
    nodes.iter().map(count).collect()
}

/// Waits until the rollout holds its stage, and checks that the answers of 40 requests to each node
/// are shared as said.
fn check_shares(nodes: &[Node; 3], stage: u32, shares: &str) {
    wait(&format!("stage {stage} holds"), || {
        let status = status(&nodes[0]);
        status.stage == Some(stage) && status.phase == RolloutPhase::Holding
    });
    for node in nodes {
        assert_eq!(answers(node, 40), shares, "stage {stage} of {}", node.id);
    }
}

/// A new version that waits for its switch is active on all nodes beside the old one, and of sixty
/// requests none goes there.
#[test]
fn deploys_new_version_without_traffic() {
    let (nodes, folder) = first();
    begin(&nodes, &folder, "blue-green = { switch = \"manual\", keep = \"1h\" }");
    let held = reaches(&nodes[2], RolloutPhase::Holding);
    assert!(held.needs_command, "{held:?}");
    let shares: Vec<&str> = held.weights.values().map(String::as_str).collect();
    assert_eq!(shares, ["100%"], "{held:?}");
    for version in [1, 2] {
        assert_eq!(of_version(&nodes, version), [1.0; 3], "version {version}");
    }
    for node in &nodes {
        assert_eq!(answers(node, 20), "20 x 200 1");
    }
}

/// With weights of 1:3, 1:1 and 3:1, of 40 requests to each node exactly 10, 20 and 30 are answered
/// by the new version.
#[test]
fn gradually_shifts_traffic() {
    let (nodes, folder) = first();
    begin(&nodes, &folder, STEPS);
    for (stage, shares) in [
        (1, "30 x 200 1, 10 x 200 2"),
        (2, "20 x 200 1, 20 x 200 2"),
        (3, "10 x 200 1, 30 x 200 2"),
    ] {
        check_shares(&nodes, stage, shares);
        command(&nodes[stage as usize % 3], "promote");
    }
    wait("the last stage has all", || nodes.iter().all(|node| answers(node, 10) == "10 x 200 2"));
}

/// A completed rollout leaves the new version alone: on all nodes it answers, and the old one is in
/// no list and no memory.
#[test]
fn completion_removes_old_version() {
    let (nodes, folder) = first();
    begin(&nodes, &folder, STEPS);
    check_shares(&nodes, 1, "30 x 200 1, 10 x 200 2");
    command(&nodes[2], "complete");
    let ended = reaches(&nodes[0], RolloutPhase::Ended);
    assert_eq!(ended.outcome.as_deref(), Some("completed"), "{ended:?}");
    let all = others(&nodes, &[]);
    wait_for_placement(&all, &nodes, &[1, 1, 1]);
    for node in &all {
        let app: Application = read(node, "/api/apps/web").unwrap();
        let slices: Vec<String> = app.slices.iter().map(|it| it.artifact.to_string()).collect();
        assert_eq!((app.revision, slices), (ended.new, vec!["t:web:1.0.2".to_owned()]));
    }
    wait("the old one is out of memory", || of_version(&nodes, 1) == [0.0; 3]);
    assert_eq!(of_version(&nodes, 2), [1.0; 3]);
    check_answers(&all, 2);
}

/// A rollback at half of the traffic gives all of it back: the old revision is active as before,
/// and the new version is in no list and no memory.
#[test]
fn rollback_restores_old_version() {
    let (nodes, folder) = first();
    let before: Application = read(&nodes[0], "/api/apps/web").unwrap();
    begin(&nodes, &folder, STEPS);
    check_shares(&nodes, 1, "30 x 200 1, 10 x 200 2");
    command(&nodes[0], "promote");
    check_shares(&nodes, 2, "20 x 200 1, 20 x 200 2");
    command(&nodes[1], "rollback");
    let ended = reaches(&nodes[2], RolloutPhase::Ended);
    assert_eq!(ended.outcome.as_deref(), Some("rolled back: somebody wanted it"));
    let all = others(&nodes, &[]);
    check_answers(&all, 1);
    wait("the new one is out of memory", || of_version(&nodes, 2) == [0.0; 3]);
    for node in &all {
        wait("the application is as before", || {
            read::<Application>(node, "/api/apps/web").is_ok_and(|app| app == before)
        });
        assert_eq!(placed(node, &nodes), Some(vec![1, 1, 1]));
    }
    assert_eq!(nodes.each_ref().map(loaded), [1.0; 3]);
}

/// Requests to all nodes never stop while four strategies bring four versions: none fails, and
/// after each only the new version answers.
#[test]
fn maintains_request_continuity() {
    let nodes = cluster::<3>();
    let folder = nodes[0].folder("web");
    write(&folder, "web", &[web(0)], "instances = 2");
    nodes[0].deployed(&folder);
    nodes.iter().for_each(|node| node.wait_for("/web", 200));
    let loads: Vec<Load> = nodes.iter().map(|node| Load::start(1, node.http, "/web")).collect();
    let strategies = [
        "immediate",
        "rolling = { steps = [\"50%\", \"100%\"], pause = \"500ms\", grace = \"500ms\" }",
        "blue-green = { switch = \"manual\", keep = \"1h\" }",
        "a-b = { weight = \"50%\", sticky = { header = \"user\" } }",
    ];
    for (i, strategy) in strategies.iter().enumerate() {
        let version = i as u32 + 1;
        write(&folder, "web", &[web(version)], "instances = 2");
        let by = &nodes[i % 3];
        roll(by, &folder, strategy);
        match version {
            3 => {
                reaches(by, RolloutPhase::Holding);
                assert!(!answers(by, 10).contains(" 3"), "nothing is switched by itself");
                command(by, "promote");
                wait("it is switched", || status(by).stage == Some(2));
                reaches(by, RolloutPhase::Holding);
                command(by, "complete");
            }
            4 => {
                reaches(by, RolloutPhase::Holding);
                let ended = by.aether(&["rollout", "conclude", "web", "--winner", "new"]);
                assert_eq!(ended.exit, 0, "{}", ended.text);
            }
            _ => {}
        }
        let ended = reaches(by, RolloutPhase::Ended);
        assert_eq!(ended.outcome.as_deref(), Some("completed"), "{ended:?}");
        for node in &nodes {
            assert_eq!(answers(node, 5), format!("5 x 200 {version}"));
        }
    }
    let failed: Vec<String> = loads.into_iter().flat_map(Load::stop).collect();
    assert!(failed.is_empty(), "{} failed, such as {:?}", failed.len(), &failed[0]);
}

/// The leader is killed at weights of 1:1: the others keep exactly these, and complete; it comes
/// back with the new version.
#[test]
fn node_failure_continues_update() {
    let (mut nodes, folder) = first();
    begin(&nodes, &folder, STEPS);
    check_shares(&nodes, 1, "30 x 200 1, 10 x 200 2");
    command(&nodes[0], "promote");
    check_shares(&nodes, 2, "20 x 200 1, 20 x 200 2");
    let lost = leader(&nodes);
    nodes[lost].kill();
    let left = others(&nodes, &[lost]);
    super::agreed(&left);
    for node in &left {
        assert_eq!(answers(node, 40), "20 x 200 1, 20 x 200 2");
    }
    let by = left[0];
    assert_eq!((status(by).phase, status(by).stage), (RolloutPhase::Holding, Some(2)));
    wait("somebody completes", || by.aether(&["rollout", "complete", "web"]).exit == 0);
    let ended = reaches(by, RolloutPhase::Ended);
    assert_eq!(ended.outcome.as_deref(), Some("completed"), "{ended:?}");
    check_answers(&left, 2);
    nodes[lost].again(At::Another);
    nodes[lost].wait_for("/web", 200);
    wait_for_voters(&nodes, 3);
    check_answers(&others(&nodes, &[]), 2);
}
