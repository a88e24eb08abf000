//! Requests to slices, well-formed and not, through all nodes. Knows one application, `shop`.

use super::read;
use crate::apps::{self, web};
use crate::counts::{metric, metrics};
use crate::http::{self, Answer, post};
use crate::node::{Node, cluster, wait};
use aether_api::Routes;
use std::sync::LazyLock;

const BLUEPRINT: &str = r#"
[application]
name = "shop"
version = "1.0.0"
[[slices]]
file = "echo.wasm"
[[routes]]
route = "GET /user/{value}"
slice = "test:echo"
call = "test:types/all#echo-string"
[[routes]]
route = "GET /number/{value}"
slice = "test:echo"
call = "test:types/all#echo-u32"
[[routes]]
route = "POST /order"
slice = "test:echo"
call = "test:types/all#echo-record-deep"
[[routes]]
route = "POST /join"
slice = "test:echo"
call = "test:types/all#join"
[[routes]]
route = "POST /nothing"
slice = "test:echo"
call = "test:types/all#nothing"
"#;

const ORDER: &str = r#"{"id":"a-1",
"lines":[{"product":"tea","quantity":2,"unit-price":350,"tags":["hot","green"]}],
"note":null,"at":{"x":-1,"y":2},"paid":true}"#;

/// Three nodes with one instance, for all tests of the class: each counts calls of a function that
/// no other one counts.
struct Shop {
    nodes: [Node; 3],
}

static SHOP: LazyLock<Shop> = LazyLock::new(Shop::start);

impl Shop {
    fn start() -> Self {
        let nodes = cluster::<3>();
        let folder = nodes[0].folder("shop");
        let bytes = aether_test_guests::bytes("echo");
        let slice_toml = "[slice]\nartifact = \"test:echo:1.0.0\"";
        let bytes = aether_slice_build::embed(&bytes, slice_toml).unwrap();
        std::fs::write(folder.join("echo.wasm"), bytes).unwrap();
        std::fs::write(folder.join("blueprint.toml"), BLUEPRINT).unwrap();
        nodes[0].deployed(&folder);
        nodes.iter().for_each(|node| node.wait_for("/user/first", 200));
        Self { nodes }
    }

    /// Calls of the function that ended on each node, however they did.
    fn called(&self, function: &str) -> Vec<f64> {
        let labels = ["app=\"shop\"", &format!("#{function}\"")];
        let count =
            |node: &Node| metric(&metrics(node, &node.key).text, "aether_calls_total", &labels);
        self.nodes.iter().map(count).collect()
    }
}

/// What stands behind the head.
fn body(answer: &Answer) -> &str {
    answer.text.split_once("\r\n\r\n").unwrap().1
}

/// The request is refused by a problem document with this code.
#[track_caller]
fn check_refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!(answer.status, status, "{}", answer.text);
    assert!(answer.text.contains("content-type: application/problem+json"), "{}", answer.text);
    let problem: serde_json::Value = serde_json::from_str(body(answer)).unwrap();
    assert_eq!(problem["type"], format!("urn:aether:error:{code}"), "{problem}");
    assert_eq!(problem["status"], status);
}

/// A path that no application has answers 404 with a problem document, on every node.
#[test]
fn invoke_non_existent_route_returns_404() {
    for node in &SHOP.nodes {
        for path in ["/none", "/user", "/user/a/b", "/"] {
            check_refused(&node.get(path), 404, "unknown-endpoint");
        }
    }
}

/// A path with another method answers 405 and names the methods that it takes, on every node.
#[test]
fn invoke_with_invalid_method_returns_405() {
    for node in &SHOP.nodes {
        for (method, path, takes) in
            [("POST", "/user/ada", "GET, HEAD, OPTIONS"), ("GET", "/order", "OPTIONS, POST")]
        {
            let request = format!(
                "{method} {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\
                 content-length: 0\r\n\r\n"
            );
            let answer = http::raw(node.http, request.as_bytes()).unwrap();
            check_refused(&answer, 405, "method-not-allowed");
            assert!(answer.text.contains(&format!("allow: {takes}\r\n")), "{}", answer.text);
        }
    }
}

/// Every node lists exactly the routes of the blueprint, with application, slice, function, and
/// that they are served.
#[test]
fn routes_endpoint_lists_routes() {
    for node in &SHOP.nodes {
        let routes: Routes = read(node, "/api/routes").unwrap();
        let of_shop = routes.routes.into_iter().filter(|route| route.app.as_str() == "shop");
        let mut seen: Vec<String> = of_shop
            .map(|route| {
                assert!(route.active, "{route:?}");
                let function = route.call.unwrap().to_string();
                format!("{} {} {function}", route.route, route.artifact)
            })
            .collect();
        seen.sort();
        expect_test::expect![[r#"
            GET /number/{value} test:echo:1.0.0 test:types/all@1.0.0#echo-u32
            GET /user/{value} test:echo:1.0.0 test:types/all@1.0.0#echo-string
            POST /join test:echo:1.0.0 test:types/all@1.0.0#join
            POST /nothing test:echo:1.0.0 test:types/all@1.0.0#nothing
            POST /order test:echo:1.0.0 test:types/all@1.0.0#echo-record-deep"#]]
        .assert_eq(&seen.join("\n"));
    }
}

/// The route of an application that is deployed later is unknown before, and then listed and
/// answered by every node.
#[test]
fn routes_visible_after_deploy() {
    let nodes = &SHOP.nodes;
    for node in nodes {
        check_refused(&node.get("/late"), 404, "unknown-endpoint");
    }
    let folder = nodes[1].folder("late");
    apps::write(&folder, "late", &[web("late", "/late")], "");
    nodes[1].deployed(&folder);
    for node in nodes {
        node.wait_for("/late", 200);
        assert_eq!(body(&node.get("/late")), "42");
        let routes: Routes = read(node, "/api/routes").unwrap();
        let late: Vec<_> = routes.routes.iter().filter(|it| it.app.as_str() == "late").collect();
        assert!(late.len() == 1 && late[0].active, "{late:?}");
        assert_eq!(late[0].route.to_string(), "GET /late");
    }
}

/// A body that does not fit the function's types is refused with the place that is wrong, before
/// the slice is called; the right one comes back as it was sent.
#[test]
fn malformed_body_is_refused() {
    let shop = &*SHOP;
    let before = shop.called("echo-record-deep");
    let node = &shop.nodes[1];
    for (bad, says) in [
        (ORDER.replace("\"id\":\"a-1\"", "\"id\":7"), "id"),
        (ORDER.replace("\"quantity\":2", "\"quantity\":-2"), "lines[0].quantity"),
        (ORDER.replace(",\"paid\":true", ""), "paid"),
        (ORDER.replace("\"paid\"", "\"payed\""), "payed"),
        (ORDER[..40].to_owned(), ""),
        ("[]".to_owned(), ""),
    ] {
        let answer = http::raw(node.http, &post("/order", &bad)).unwrap();
        check_refused(&answer, 400, "request-invalid");
        assert!(body(&answer).contains(says), "{says} in {}", answer.text);
    }
    assert_eq!(shop.called("echo-record-deep"), before, "the slice was not called");
    let answer = http::raw(node.http, &post("/order", ORDER)).unwrap();
    let seen: serde_json::Value = serde_json::from_str(body(&answer)).unwrap();
    let sent: serde_json::Value = serde_json::from_str(ORDER).unwrap();
    assert_eq!((answer.status, seen), (200, sent));
    let after: f64 = shop.called("echo-record-deep").iter().sum();
    assert_eq!(after, before.iter().sum::<f64>() + 1.0);
}

/// An empty body is refused where the function needs one, without calling it, and is right where it
/// needs none.
#[test]
fn empty_body_is_handled() {
    let shop = &*SHOP;
    for node in &shop.nodes {
        let answer = http::raw(node.http, &post("/join", "")).unwrap();
        check_refused(&answer, 400, "request-invalid");
        let answer = http::raw(node.http, &post("/nothing", "")).unwrap();
        assert_eq!((answer.status, body(&answer)), (204, ""));
    }
    assert_eq!(shop.called("join").iter().sum::<f64>(), 0.0);
    assert_eq!(shop.called("nothing").iter().sum::<f64>(), 3.0);
    let answer = http::raw(shop.nodes[2].http, &post("/join", r#"{"left":"a","right":""}"#));
    assert_eq!(body(&answer.unwrap()), "\"a|\"");
}

/// An application answers until it is taken away; then every node says 404, and goes on with the
/// other one.
#[test]
fn after_undeploy_route_is_not_found() {
    let nodes = &SHOP.nodes;
    let folder = nodes[0].folder("gone");
    apps::write(&folder, "gone", &[web("gone", "/gone")], "");
    nodes[0].deployed(&folder);
    nodes.iter().for_each(|node| node.wait_for("/gone", 200));
    nodes[2].order(&["undeploy", "gone"]).unwrap();
    for node in nodes {
        node.wait_for("/gone", 404);
        check_refused(&node.get("/gone"), 404, "unknown-endpoint");
        assert_eq!(node.get("/user/ada").status, 200);
    }
}

/// Thirty requests through three front doors reach the one instance on its node: each answer is
/// that of its own request, and each call is counted once.
#[test]
fn all_nodes_can_handle_requests() {
    let shop = &*SHOP;
    let before = shop.called("echo-u32");
    for turn in 0..10 {
        for (at, node) in shop.nodes.iter().enumerate() {
            let number = (turn * 10 + at).to_string();
            let answer = node.get(&format!("/number/{number}"));
            assert_eq!((answer.status, body(&answer)), (200, &*number));
        }
    }
    let grown: Vec<f64> =
        shop.called("echo-u32").iter().zip(&before).map(|(after, before)| after - before).collect();
    let mut sorted = grown.clone();
    sorted.sort_by(f64::total_cmp);
    assert_eq!(sorted, [0.0, 0.0, 30.0], "one instance: {grown:?}");
}

/// Requests to any node at the same time are each answered with what they sent, under the request
/// id that they brought.
#[test]
fn request_to_any_node_succeeds() {
    let ask = |client: usize| {
        for turn in 0..20 {
            let node = &SHOP.nodes[(client + turn) % 3];
            let (user, id) = (format!("u-{client}-{turn}"), format!("e2e-{client}-{turn}"));
            let request = format!(
                "GET /user/{user} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\
                 x-request-id: {id}\r\n\r\n"
            );
            let answer = http::raw(node.http, request.as_bytes()).unwrap();
            assert_eq!((answer.status, body(&answer)), (200, &*format!("\"{user}\"")));
            assert!(answer.text.contains(&format!("x-request-id: {id}\r\n")), "{}", answer.text);
        }
    };
    std::thread::scope(|scope| {
        for client in 0..4 {
            scope.spawn(move || ask(client));
        }
    });
    wait("all are counted", || SHOP.called("echo-string").iter().sum::<f64>() >= 80.0);
}
