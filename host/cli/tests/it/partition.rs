//! Slices that call each other over a link that is cut: who has somebody else is served by them,
//! who has nobody is told so at once, and all is as before when the cut is healed.

use crate::http;
use crate::node::{Node, sandboxed, wait};
use aether_forge::http::Request;
use serde_json::{Value, json};
use std::path::Path;

/// `t:NAME`, which answers `GET /NAME` with what `t:NEEDS` returns; a number, if it needs nobody.
pub(crate) fn slice(name: &str, needs: Option<&str>) -> Vec<u8> {
    let (import, core, with) = match needs {
        Some(needs) => (
            format!(
                "(import \"t:{needs}/api@1.0.0\" (instance $p (export \"f\" (func (result u32)))))
                 (core func $g (canon lower (func $p \"f\")))"
            ),
            "(import \"p\" \"f\" (func $g (result i32)))
             (func (export \"f\") (result i32) call $g)",
            "(with \"p\" (instance (export \"f\" (func $g))))",
        ),
        None => (String::new(), "(func (export \"f\") (result i32) i32.const 42)", ""),
    };
    let text = format!(
        "(component {import} (core module $m {core}) (core instance $i (instantiate $m {with}))
          (func $f (result u32) (canon lift (core func $i \"f\")))
          (instance $e (export \"f\" (func $f)))
          (export \"t:{name}/api@1.0.0\" (instance $e)))"
    );
    let route = format!("[[routes]]\nroute = \"GET /{name}\"\ncall = \"t:{name}/api#f\"");
    let slice_toml = format!("[slice]\nartifact = \"t:{name}:1.0.0\"\n{route}");
    aether_slice_build::embed(&wat::parse_str(text).unwrap(), &slice_toml).unwrap()
}

/// An application of these slices: name, what it needs, what its entry says beyond its file.
fn write(folder: &Path, app: &str, slices: &[(&str, Option<&str>, &str)]) {
    let mut blueprint = format!("[application]\nname = \"{app}\"\nversion = \"1.0.0\"\n");
    for (name, needs, more) in slices {
        std::fs::write(folder.join(format!("{name}.wasm")), slice(name, *needs)).unwrap();
        blueprint += &format!("[[slices]]\nfile = \"{name}.wasm\"\n{more}\n");
    }
    std::fs::write(folder.join("blueprint.toml"), blueprint).unwrap();
}

/// The nodes that have an instance of the slice.
pub(crate) fn hosts(node: &Node, slice: &str) -> Vec<String> {
    let status = node.json(&["status", "web"]).unwrap();
    let slices = status["slices"].as_array().unwrap();
    let found = slices.iter().find(|s| s["artifact"] == json!(format!("t:{slice}:1.0.0"))).unwrap();
    let instances = found["instances"].as_array().unwrap().iter();
    instances.map(|instance| instance["node"].as_str().unwrap().to_owned()).collect()
}

/// Puts faults into a node, or ends them.
pub(crate) fn fault(node: &Node, method: &str, body: Option<Value>) {
    let body = body.map(|body| body.to_string());
    let request = Request { method, path: "/api/faults", body, ..Request::default() };
    let answer = node.manage(&request).unwrap();
    assert!(answer.status < 300, "{}", answer.body);
}

/// Cuts all links between a node and these others.
pub(crate) fn cut(node: &Node, from: &[&str]) {
    let kind = json!({ "partition": { "links": { "nodes": from } } });
    fault(node, "POST", Some(json!({ "faults": [{ "kind": kind, "duration": "1h" }] })));
}

/// Ends all faults of a node.
pub(crate) fn heal(node: &Node) {
    fault(node, "DELETE", None);
}

#[test]
fn calls_fail_over_fail_as_what_they_are_and_recover() {
    let nodes = sandboxed::<3>();
    let folder = nodes[0].folder("web");
    // `ping` calls `many`, which two other nodes have; the others call one that one node has.
    let apart = "[slices.placement]\nrequire-away-from = [\"t:many\"]";
    write(
        &folder,
        "web",
        &[
            ("many", None, "instances = 2"),
            ("ping", Some("many"), apart),
            ("left", None, "[slices.placement]\nrequire-near = [\"t:ping\"]"),
            ("right", None, "[slices.placement]\nrequire-away-from = [\"t:ping\"]"),
            ("to-right", Some("right"), "[slices.placement]\nrequire-near = [\"t:ping\"]"),
            ("to-left", Some("left"), "[slices.placement]\nrequire-near = [\"t:right\"]"),
        ],
    );
    nodes[0].order(&["deploy", folder.to_str().unwrap()]).unwrap();
    let at = |slice: &str| {
        let hosts = hosts(&nodes[0], slice);
        nodes.iter().find(|node| node.id == hosts[0]).unwrap()
    };
    let (here, there) = (at("ping"), at("right"));
    assert_eq!((&at("to-right").id, &at("to-left").id), (&here.id, &there.id));
    assert!(!hosts(here, "many").contains(&here.id));
    let get = |node: &Node, path| http::get(node.http, path).unwrap();
    let all = [(here, "/ping"), (here, "/to-right"), (there, "/to-left")];
    for (node, path) in all {
        wait(path, || get(node, path).status == 200);
    }
    cut(here, &[&there.id]);
    // Each request finds the other instance, also before the cut is known.
    for _ in 0..20 {
        let answer = get(here, "/ping");
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
    for (node, path) in &all[1..] {
        wait(&format!("{path} is refused"), || get(node, path).status == 503);
        let refused = get(node, path);
        assert!(refused.text.contains("urn:aether:error:unavailable"), "{}", refused.text);
        assert!(refused.text.to_lowercase().contains("retry-after: "), "{}", refused.text);
    }
    heal(here);
    for (node, path) in all {
        wait(path, || get(node, path).status == 200);
    }
}
