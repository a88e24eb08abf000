//! Requests and guests that behave badly: the one request fails, everybody else is served.

use crate::apps::{web, write};
use crate::http::{self, post};
use crate::node::Node;
use std::time::{Duration, Instant};

const BLUEPRINT: &str = r#"
[[slices]]
artifact = "test:hostile:1.0.0"
file = "HOSTILE"
limits = { timeout = "500ms", memory = "16MiB" }
grants = { cache = ["mine"] }

[[slices]]
artifact = "test:hello:1.0.0"
file = "HELLO"
limits = { timeout = "500ms" }

[[slices]]
artifact = "test:echo:1.0.0"
file = "ECHO"

[cache.mine]

[[routes]]
route = "* /hello/**"
slice = "test:hello"
handler = "wasi:http"
"#;

/// A route for each function of a test guest.
fn routes() -> String {
    let hostile = ["spin", "trap", "recurse", "grow-forever", "huge-string", "exit", "open-bucket"];
    let mut text = String::new();
    for f in hostile {
        let route = format!("route = \"GET /hostile/{f}\"\nslice = \"test:hostile\"");
        text += &format!("[[routes]]\n{route}\ncall = \"test:hostile/acts#{f}\"\n");
    }
    text + "[[routes]]\nroute = \"POST /order\"\nslice = \"test:echo\"\n\
            call = \"test:types/all#echo-record-deep\"\n"
}

/// Sends the request; meanwhile another application must answer.
fn check(node: &Node, request: &[u8], status: u16, says: &[&str]) {
    let what = String::from_utf8_lossy(&request[..request.len().min(60)]).into_owned();
    let to = node.http;
    std::thread::scope(|scope| {
        let bad = scope.spawn(move || {
            let since = Instant::now();
            (http::raw(to, request), since.elapsed())
        });
        loop {
            let done = bad.is_finished();
            let answer = node.get("/good");
            assert_eq!(answer.status, 200, "during {what}: {}", answer.text);
            if done {
                break;
            }
        }
        let (answer, took) = bad.join().unwrap();
        let answer = answer.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(answer.status, status, "{what}: {}", answer.text);
        for part in says {
            assert!(answer.text.contains(part), "{what}: no {part:?} in {}", answer.text);
        }
        assert!(took < Duration::from_secs(5), "{what} took {took:?}");
    });
}

fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n").into_bytes()
}

#[test]
fn bad_guests_and_bodies_fail_alone() {
    let node = Node::start();
    let good = node.folder("good");
    write(&good, "good", &[web("good", "/good")], "");
    node.deployed(&good);
    let bad = node.folder("bad");
    let mut text = format!("[application]\nname = \"bad\"\nversion = \"1.0.0\"\n{BLUEPRINT}");
    for (name, guest) in [("HOSTILE", "hostile"), ("HELLO", "http-hello"), ("ECHO", "echo")] {
        let path = aether_test_guests::path(guest).canonicalize().unwrap();
        text = text.replace(name, path.to_str().unwrap());
    }
    std::fs::write(bad.join("blueprint.toml"), text + &routes()).unwrap();
    node.deployed(&bad);

    let problem = "application/problem+json";
    check(&node, &get("/hostile/spin"), 504, &[problem, "deadline-exceeded"]);
    check(&node, &get("/hostile/trap"), 502, &[problem, "callee-failed"]);
    check(&node, &get("/hostile/recurse?depth=1"), 502, &[problem, "callee-failed"]);
    check(&node, &get("/hostile/grow-forever"), 502, &[problem, "callee-failed"]);
    check(&node, &get("/hostile/exit?code=3"), 502, &[problem, "callee-failed"]);
    check(&node, &get("/hostile/open-bucket?name=other"), 422, &[problem, "other"]);
    check(&node, &get("/hello/spin"), 504, &[problem, "deadline-exceeded"]);
    check(&node, &get("/hello/trap"), 502, &[problem, "callee-failed"]);
    check(&node, &get("/hello/silent"), 502, &[problem, "callee-failed"]);
    check(&node, &get("/hello/headers"), 200, &["see the headers"]);
    check(&node, &get("/hello/hello"), 200, &["Hello, World!"]);
    bodies(&node);
}

fn bodies(node: &Node) {
    let order = |quantity: &str, more: &str| {
        let line = format!(
            r#"{{"product":"book","quantity":{quantity},"unit-price":1,"tags":["a"]{more}}}"#
        );
        let rest = r#""at":{"x":1,"y":2},"paid":true"#;
        post("/order", &format!(r#"{{"id":"1","lines":[{line}],{rest}}}"#))
    };
    check(node, &order("3", ""), 200, &["\"quantity\":3"]);
    check(node, &order("\"many\"", ""), 400, &["$.lines[0].quantity", "u32", "many"]);
    check(node, &order("-1", ""), 400, &["$.lines[0].quantity", "u32", "-1"]);
    check(node, &order("3", ",\"colour\":1"), 400, &["$.lines[0]", "colour"]);
    check(node, &post("/order", "{\"id\": "), 400, &["request-invalid"]);
    check(
        node,
        &post("/order", "[]"),
        400,
        &["\"path\":\"$\"", "wanted an object, found an array"],
    );
    let large = "POST /order HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\
                 content-type: application/json\r\ncontent-length: 99999999\r\n\r\n";
    check(node, large.as_bytes(), 413, &["body-too-large", "at most 8MiB"]);
    let problem = ["application/problem+json", "request-invalid", "x-request-id: "];
    check(node, b"GET / HTTP/1.1\r\nhost test\r\n\r\n", 400, &problem);
    let long = format!("GET / HTTP/1.1\r\nhost: test\r\nx: {}\r\n\r\n", "x".repeat(70_000));
    check(node, long.as_bytes(), 431, &problem);
    check(node, &get("/hello/caf%E9"), 400, &problem);
}
