//! Calls with the same key on three nodes: the same instance takes them, whatever node is asked,
//! and another one when it is lost.

use crate::counts::{metric, metrics};
use crate::http;
use crate::node::{Node, cluster, wait};
use std::collections::BTreeSet;

const BLUEPRINT: &str = r#"
[application]
name = "keyed"
version = "1.0.0"
[[slices]]
file = "echo.wasm"
instances = 3
[[slices]]
file = "caller.wasm"
instances = 3
[[slices]]
file = "hello.wasm"
instances = 3
[[routes]]
route = "GET /user/{value}"
slice = "test:echo"
call = "test:types/all#echo-string"
[[routes]]
route = "GET /via/{value}"
slice = "test:caller"
call = "test:types/forward#echo-string"
[[routes]]
route = "* /hello/**"
slice = "test:hello"
handler = "wasi:http"
affinity = "header:x-user"
"#;

struct Three {
    nodes: Vec<Node>,
    key: String,
}

impl Three {
    fn start() -> Self {
        let nodes = Vec::from(cluster::<3>());
        let minted = nodes[0].json(&["keys", "create", "counts", "--role", "viewer"]).unwrap();
        let key = minted["secret"].as_str().unwrap().to_owned();
        let folder = nodes[0].folder("keyed");
        std::fs::write(folder.join("blueprint.toml"), BLUEPRINT).unwrap();
        let by = "[functions.\"test:types/all#echo-string\"]\naffinity = \"param:value\"";
        for (name, guest, more) in
            [("echo", "echo", by), ("caller", "caller", ""), ("hello", "http-hello", "")]
        {
            let slice_toml = format!("[slice]\nartifact = \"test:{name}:1.0.0\"\n{more}");
            let bytes = aether_test_guests::bytes(guest);
            let bytes = aether_slice_build::embed(&bytes, &slice_toml).unwrap();
            std::fs::write(folder.join(format!("{name}.wasm")), bytes).unwrap();
        }
        nodes[0].deployed(&folder);
        let three = Self { nodes, key };
        wait("every node knows the key", || {
            three.nodes.iter().all(|node| metrics(node, &three.key).status == 200)
        });
        // All instances are known to all nodes.
        for node in &three.nodes {
            for path in ["/user/a", "/via/a", "/hello/hello"] {
                wait("all three can be chosen", || {
                    three.explained(node, path)["candidates"].as_array().unwrap().len() == 3
                });
            }
        }
        three
    }

    fn explained(&self, node: &Node, path: &str) -> serde_json::Value {
        node.json(&["explain", "GET", path]).unwrap()
    }

    /// What each node has taken of the calls of a slice.
    fn taken(&self, slice: &str) -> Vec<f64> {
        let labels = [format!("slice=\"test:{slice}:1.0.0\""), "ending=\"answered\"".to_owned()];
        let labels = labels.each_ref().map(String::as_str);
        let count =
            |node: &Node| metric(&metrics(node, &self.key).text, "aether_calls_total", &labels);
        self.nodes.iter().map(count).collect()
    }

    /// Who took the calls of the slice that two such requests to each node cause, as the place of
    /// the one node that did.
    fn one_takes(&self, slice: &str, path: &str, header: &str) -> usize {
        let before = self.taken(slice);
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n{header}\r\n");
        for node in self.nodes.iter().chain(&self.nodes) {
            let answer = http::raw(node.http, request.as_bytes()).unwrap();
            assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        }
        let after = self.taken(slice);
        let count = 2.0 * self.nodes.len() as f64;
        let one = (0..after.len()).find(|at| after[*at] == before[*at] + count);
        one.unwrap_or_else(|| panic!("{path}: {before:?} {after:?}"))
    }

    /// The node on which two of three instances are, none of them on the lost node, as all see it.
    fn crowded(&self, lost: &str) -> Option<usize> {
        let seen = self.nodes.iter().map(|node| {
            let explained = self.explained(node, "/user/a");
            let candidates = explained["candidates"].as_array().unwrap();
            let on = |id: &str| candidates.iter().filter(|it| it["node"] == *id).count();
            let two = self.nodes.iter().position(|node| on(&node.id) == 2);
            two.filter(|_| on(lost) == 0 && candidates.len() == 3)
        });
        let seen: BTreeSet<_> = seen.collect();
        seen.first().copied().flatten().filter(|_| seen.len() == 1)
    }

    /// The node that `explain` shows.
    fn shown(&self, from: usize, path: &str) -> usize {
        let explained = self.explained(&self.nodes[from], path);
        let candidates = explained["candidates"].as_array().unwrap();
        let chosen = candidates.iter().find(|candidate| candidate["chosen"] == true).unwrap();
        assert!(chosen["why"].as_str().unwrap().contains("the key of the call leads there"));
        self.nodes.iter().position(|node| chosen["node"] == *node.id).unwrap()
    }
}

#[test]
fn calls_with_the_same_key_go_to_the_same_instance_and_elsewhere_when_it_is_lost() {
    let mut three = Three::start();
    let users = ["ada", "bob", "eve", "joe", "kim", "lea", "max", "sam"];
    let mut places = Vec::new();
    for user in users {
        let place = three.one_takes("echo", &format!("/user/{user}"), "");
        // Who calls it from another slice finds the same one, and so does who asks.
        assert_eq!(three.one_takes("echo", &format!("/via/{user}"), ""), place, "{user}");
        assert_eq!(three.shown(place, &format!("/user/{user}")), place, "{user}");
        assert_eq!(three.shown((place + 1) % 3, &format!("/user/{user}")), place, "{user}");
        places.push(place);
    }
    let header = |user: &str| format!("x-user: {user}\r\n");
    let hello: Vec<usize> =
        users.iter().map(|user| three.one_takes("hello", "/hello/hello", &header(user))).collect();
    for places in [&places, &hello] {
        assert!(places.iter().collect::<BTreeSet<_>>().len() > 1, "{places:?}");
    }
    let said = three.explained(&three.nodes[0], "/hello/hello")["lines"].to_string();
    assert!(said.contains("requests with the same header x-user go to the same"), "{said}");

    let lost = places[0];
    let id = three.nodes[lost].id.clone();
    three.nodes.remove(lost).kill();
    // Another instance takes the place of the lost one, beside one of the two that are left.
    let mut beside = None;
    wait("three instances take calls again", || {
        beside = three.crowded(&id);
        beside.is_some()
    });
    for (user, place) in users.iter().zip(places) {
        let now = three.one_takes("echo", &format!("/user/{user}"), "");
        let kept = place.checked_sub(usize::from(place > lost)).filter(|_| place != lost);
        // Nothing moves but to what is new.
        let stayed = kept.is_none_or(|kept| kept == now);
        assert!(stayed || Some(now) == beside, "{user} moved from {place} to {now}");
    }
}
