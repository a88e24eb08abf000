//! A node that learns of every change later than the others: what it sends to instances that are
//! there no more, it sends to those that came instead.

use crate::node::{Node, leader, sandboxed, wait};
use crate::partition::{fault, heal, hosts, slice};
use crate::update::load::Load;
use serde_json::json;
use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;

/// `t:near` calls `t:far`, which is on another node, as is `t:hello`. Every round is a new revision
/// of all of them.
fn deploy(node: &Node, folder: &Path, round: usize) {
    let hello = "[slice]\nartifact = \"t:hello:1.0.0\"";
    let hello = aether_slice_build::embed(&aether_test_guests::bytes("http-hello"), hello);
    let files = [("near", slice("near", Some("far"))), ("far", slice("far", None))];
    for (name, bytes) in files.into_iter().chain([("hello", hello.unwrap())]) {
        std::fs::write(folder.join(format!("{name}.wasm")), bytes).unwrap();
    }
    let blueprint = format!(
        "[application]\nname = \"web\"\nversion = \"1.0.0\"
        [[slices]]\nfile = \"far.wasm\"\n[slices.config]\nround = \"{round}\"
        [[slices]]\nfile = \"near.wasm\"\ninstances = 2
        [slices.placement]\nrequire-away-from = [\"t:far\"]
        [[slices]]\nfile = \"hello.wasm\"
        [slices.placement]\nrequire-near = [\"t:far\"]
        [[routes]]\nroute = \"* /hello/**\"\nslice = \"t:hello\"\nhandler = \"wasi:http\"\n"
    );
    std::fs::write(folder.join("blueprint.toml"), blueprint).unwrap();
    node.order(&["deploy", folder.to_str().unwrap()]).unwrap();
}

/// An import, a typed route and a handler, each of which another node has. With 100 ms of latency
/// each call that is on its way while the instance is replaced comes too late.
#[test]
fn no_request_fails_on_a_node_that_learns_late_of_an_update() {
    let nodes = sandboxed::<3>();
    let folder = nodes[0].folder("web");
    deploy(&nodes[0], &folder, 0);
    let leads = leader(&nodes);
    let near = hosts(&nodes[0], "near");
    let late = (0..3).find(|at| *at != leads && near.contains(&nodes[*at].id)).unwrap();
    let others = (0..3).filter(|at| *at != late).map(|at| &*nodes[at].id).collect::<Vec<_>>();
    let late = &nodes[late];
    let paths = ["/near", "/far", "/hello/hello"];
    for path in paths {
        wait(path, || crate::http::get(late.http, path).is_ok_and(|answer| answer.status == 200));
    }
    let kind = json!({ "latency": { "links": { "nodes": others }, "time": "100ms" } });
    fault(late, "POST", Some(json!({ "faults": [{ "kind": kind, "duration": "1h" }] })));
    let loads = paths.map(|path| Load::start(4, late.http, path));
    for round in 1..=3 {
        let before = loads.each_ref().map(|load| load.asked.load(Relaxed));
        deploy(&nodes[leads], &folder, round);
        wait("clients were answered", || {
            let mut each = loads.iter().zip(before);
            each.all(|(load, before)| load.asked.load(Relaxed) > before + 20)
        });
    }
    heal(late);
    for (path, load) in paths.iter().zip(loads) {
        let failed = load.stop();
        assert!(failed.is_empty(), "{path}: {} failed, such as {}", failed.len(), failed[0]);
    }
}
