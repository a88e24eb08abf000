//! Calls over two hops: `top` calls `middle`, which calls `bottom`, each on a node of its own, and
//! requests enter at a fifth. Slices stall, loop, trap and are overloaded; callers go away.

use crate::counts::{metric, metrics};
use crate::http::{self, Answer};
use crate::node::{Node, cluster, wait};
use aether_api::LogLine;
use aether_forge::http::Request;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

/// An application of the three; its routes begin with its name.
struct Chain {
    app: &'static str,
    /// The last part of the version of its slices.
    patch: u32,
    /// What their `slice.toml` say beside the coordinates.
    middle: &'static str,
    bottom: &'static str,
    /// How many of the last one.
    bottoms: u32,
}

/// Times are so long that nothing ends by itself, or as short as its test needs.
const CHAINS: [Chain; 3] = [
    Chain {
        app: "limited",
        patch: 0,
        middle: "[functions.\"test:chain/middle#stall\"]\ntimeout = \"1s\"",
        bottom: "[functions.\"test:chain/bottom#hang\"]\ntimeout = \"400ms\"\n\
                 [functions.\"test:chain/bottom#stall-once\"]\nretry = \"never\"",
        bottoms: 2,
    },
    Chain { app: "patient", patch: 1, middle: "", bottom: "", bottoms: 1 },
    Chain {
        app: "narrow",
        patch: 2,
        middle: "",
        bottom: "max-concurrency = 1\nqueue = 0",
        bottoms: 1,
    },
];

impl Chain {
    fn write(&self, folder: &Path) {
        let Self { app, patch, middle, bottom, bottoms } = self;
        let mut routes = String::new();
        for (path, function) in [
            ("descend", "descend"),
            ("fail", "fail"),
            ("hang", "hang"),
            ("stall/{ms}/{tag}", "stall"),
            ("once/{ms}/{tag}", "stall-once"),
        ] {
            routes += &format!(
                "[[routes]]\nroute = \"GET /{app}/{path}\"\ncall = \"test:chain/top#{function}\"\n"
            );
        }
        let mut blueprint = format!("[application]\nname = \"{app}\"\nversion = \"1.0.0\"\n");
        for (name, more, count) in
            [("top", &*routes, 1), ("middle", middle, 1), ("bottom", bottom, *bottoms)]
        {
            let slice_toml = format!(
                "[slice]\nartifact = \"test:chain-{name}:1.0.{patch}\"\n\
                 [instances]\ntimeout = \"10m\"\n{more}"
            );
            let bytes = aether_test_guests::bytes(&format!("chain-{name}"));
            let bytes = aether_slice_build::embed(&bytes, &slice_toml).unwrap();
            std::fs::write(folder.join(format!("{name}.wasm")), bytes).unwrap();
            let others = ["top", "middle", "bottom"].into_iter().filter(|other| *other != name);
            let others: Vec<_> = others.map(|other| format!("\"test:chain-{other}\"")).collect();
            blueprint += &format!(
                "[[slices]]\nfile = \"{name}.wasm\"\ninstances = {count}\n\
                 [slices.placement]\nrequire-away-from = [{}]\n",
                others.join(", ")
            );
        }
        std::fs::write(folder.join("blueprint.toml"), blueprint).unwrap();
    }
}

/// Five nodes, and the numbers that they count.
struct Five {
    nodes: [Node; 5],
    key: String,
}

/// What a node counts of a slice: a metric, and what its labels contain.
type Number<'a> = (&'a str, &'a [&'a str]);

impl Five {
    fn start() -> Self {
        let nodes = cluster::<5>();
        let minted = nodes[0].json(&["keys", "create", "counts", "--role", "viewer"]).unwrap();
        let key = minted["secret"].as_str().unwrap().to_owned();
        let five = Self { nodes, key };
        wait("every node knows the key", || {
            five.nodes.iter().all(|node| metrics(node, &five.key).status == 200)
        });
        five
    }

    fn deploy(&self, chain: &Chain) {
        let folder = self.nodes[0].folder(chain.app);
        chain.write(&folder);
        self.nodes[0].deployed(&folder);
        for node in &self.nodes {
            node.wait_for(&format!("/{}/descend", chain.app), 200);
        }
    }

    /// The number of each node that lives.
    fn of_each(&self, (name, labels): Number<'_>) -> Vec<f64> {
        let count = |node: &Node| match node.members() {
            Ok(_) => metric(&metrics(node, &self.key).text, name, labels),
            Err(_) => 0.0,
        };
        self.nodes.iter().map(count).collect()
    }

    fn sum(&self, number: Number<'_>) -> f64 {
        self.of_each(number).iter().sum()
    }

    /// Calls of the application that run now, in all its slices.
    fn busy(&self, app: &str) -> f64 {
        self.sum(("aether_slice_busy", &[&format!("app=\"{app}\"")]))
    }

    /// Calls of a function that ended in this way, on all nodes.
    fn ended(&self, app: &str, function: &str, ending: &str) -> f64 {
        let labels =
            [format!("app=\"{app}\""), format!("#{function}\""), format!("ending=\"{ending}\"")];
        self.sum(("aether_calls_total", &labels.each_ref().map(String::as_str)))
    }

    /// A node that has no instance of the application: whatever it is asked, others do.
    fn door(&self, app: &str) -> &Node {
        let loaded = self.of_each(("aether_slice_loaded", &[&format!("app=\"{app}\"")]));
        &self.nodes[loaded.iter().position(|loaded| *loaded == 0.0).unwrap()]
    }
}

/// Sends a request and does not wait for its answer.
fn ask(door: &Node, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(door.http).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

fn answer(mut stream: TcpStream) -> String {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[track_caller]
fn check(answer: &Answer, status: u16, says: &[&str]) {
    assert_eq!(answer.status, status, "{}", answer.text);
    for part in says {
        assert!(answer.text.contains(part), "no {part:?} in {}", answer.text);
    }
}

#[test]
fn failures_keep_their_kind_over_two_hops_and_stop_what_nobody_waits_for() {
    let mut five = Five::start();
    CHAINS.iter().for_each(|chain| five.deploy(chain));
    kinds(&five);
    names(&five);
    late_answers(&five);
    overload(&five);
    callers_that_go_away(&five);
    lost_while_it_may_not_be_repeated(&mut five);
}

fn kinds(five: &Five) {
    let door = five.door("limited");
    let descended = door.get("/limited/descend");
    check(&descended, 200, &["chain-top", "chain-middle", "chain-bottom"]);
    // The middle's own limit; the bottom, which has ten minutes, is stopped with it.
    let late = ["deadline-exceeded", "\"trace-id\":\""];
    check(&door.get("/limited/stall/500000/1"), 504, &late);
    // The bottom's limit interrupts its loop.
    check(&door.get("/limited/hang"), 504, &late);
    wait("what nobody waits for is stopped", || five.busy("limited") == 0.0);
    let hung = five.ended("limited", "hang", "deadline-exceeded");
    assert_eq!(hung, 3.0, "at each of the three");
    // A trap is an answer: the other instance of the bottom is not asked.
    let slice = "slice=\"test:chain-bottom:1.0.0\"";
    let failed = ["app=\"limited\"", slice, "ending=\"callee-failed\""];
    for asked in 1..=3 {
        check(&door.get("/limited/fail"), 502, &["callee-failed"]);
        assert_eq!(five.sum(("aether_calls_total", &failed)), f64::from(asked));
    }
    check(&door.get("/limited/descend"), 200, &["chain-bottom"]);
}

/// The answer to a call that failed two nodes away, and every line that a slice has left of it on
/// whatever node, have the same names.
fn names(five: &Five) {
    let door = five.door("limited");
    let body = json!({ "function": "test:chain/top#fail", "params": {} }).to_string();
    let path = "/api/apps/limited/call";
    let request = Request { method: "POST", path, body: Some(body), ..Request::default() };
    let problem: Value = serde_json::from_str(&door.manage(&request).unwrap().body).unwrap();
    assert_eq!(problem["code"], "callee-failed", "{problem}");
    let name = |key: &str| match &problem[key] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let expected = ["variant", "trace-id", "principal"].map(name);
    assert!(expected.iter().all(|name| name != "null"), "{problem}");
    let id = name("request-id");
    assert!(name("help").contains(&format!("aether logs --request-id {id}")), "{problem}");
    let mut lines: Vec<LogLine> = Vec::new();
    wait("the guest's last words are in the log", || {
        let said = door.order(&["logs", "--json", "--request-id", &id]).unwrap();
        let all = said.lines().map(|line| serde_json::from_str::<LogLine>(line).unwrap());
        lines = all.filter(|line| line.slice.is_some()).collect();
        lines.iter().any(|line| line.message == "a guest failed")
    });
    assert!(lines.len() > 1, "it has said something itself: {lines:?}");
    for line in &lines {
        let field = |key: &str| line.fields.get(key).cloned().unwrap_or_default();
        assert_eq!(["variant", "trace_id", "principal"].map(field), expected, "{line:?}");
    }
}

/// Answers around the deadline of a second: those that come too late are nobody's.
fn late_answers(five: &Five) {
    let door = five.door("limited");
    let tags = 1..=20;
    let asked: Vec<_> = tags
        .map(|tag| (tag, ask(door, &format!("/limited/stall/{}/{tag}", 800 + 20 * tag))))
        .collect();
    for (tag, stream) in asked {
        let answer = answer(stream);
        let own = answer.starts_with("HTTP/1.1 200 ") && answer.ends_with(&format!("\n{tag}"));
        assert!(own || answer.starts_with("HTTP/1.1 504 "), "{tag}: {answer}");
    }
    for tag in 100..110 {
        let answer = door.get(&format!("/limited/stall/1/{tag}"));
        check(&answer, 200, &[&format!("\n{tag}")]);
    }
}

fn overload(five: &Five) {
    let door = five.door("narrow");
    let first = ask(door, "/narrow/stall/500000/1");
    wait("the one place is taken", || five.busy("narrow") == 3.0);
    let refused = door.get("/narrow/descend");
    check(&refused, 503, &["overloaded", "retry-after: "]);
    drop(first);
    wait("the place is free", || five.busy("narrow") == 0.0);
    check(&door.get("/narrow/descend"), 200, &["chain-bottom"]);
}

/// A client of the front door, and one of the management API, that do not wait for the end.
fn callers_that_go_away(five: &Five) {
    let door = five.door("patient");
    for (path, function) in [("/patient/hang", "hang"), ("/patient/stall/500000/1", "stall")] {
        let client = ask(door, path);
        wait("all three are at work", || five.busy("patient") == 3.0);
        drop(client);
        wait("all three are stopped", || five.busy("patient") == 0.0);
        assert_eq!(five.ended("patient", function, "abandoned"), 3.0, "{path}");
        check(&door.get("/patient/descend"), 200, &["chain-bottom"]);
    }
    let mut call = door.command(&["call", "patient", "test:chain/top#hang"]);
    let mut call = call.stdout(std::process::Stdio::null()).spawn().unwrap();
    wait("all three are at work", || five.busy("patient") == 3.0);
    call.kill().unwrap();
    call.wait().unwrap();
    wait("all three are stopped", || five.busy("patient") == 0.0);
    assert_eq!(five.ended("patient", "hang", "abandoned"), 6.0);
    check(&door.get("/patient/descend"), 200, &["chain-bottom"]);
}

fn lost_while_it_may_not_be_repeated(five: &mut Five) {
    let slice = "slice=\"test:chain-bottom:1.0.0\"";
    let door = five.door("limited").http;
    let request = ask(five.door("limited"), "/limited/once/500000/1");
    let mut at_work = None;
    wait("an instance of the bottom works", || {
        let busy = five.of_each(("aether_slice_busy", &["app=\"limited\"", slice]));
        at_work = busy.iter().position(|busy| *busy > 0.0);
        at_work.is_some()
    });
    five.nodes[at_work.unwrap()].kill();
    let answer = answer(request);
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("unavailable"), "{answer}");
    let busy = five.sum(("aether_slice_busy", &["app=\"limited\"", slice]));
    assert_eq!(busy, 0.0, "the other instance was not asked");
    // What may be repeated goes to the other one.
    check(&http::get(door, "/limited/descend").unwrap(), 200, &["chain-bottom"]);
}

/// Handlers of HTTP of both kinds of reuse, on another node than the client's.
#[test]
fn a_handler_on_another_node_is_stopped_when_its_client_goes_away() {
    let nodes = cluster::<3>();
    let minted = nodes[0].json(&["keys", "create", "counts", "--role", "viewer"]).unwrap();
    let key = minted["secret"].as_str().unwrap();
    let folder = nodes[0].folder("web");
    let mut blueprint = "[application]\nname = \"web\"\nversion = \"1.0.0\"\n".to_owned();
    for reuse in ["serial", "fresh"] {
        let slice_toml = format!(
            "[slice]\nartifact = \"t:{reuse}:1.0.0\"\n[instances]\nreuse = \"{reuse}\"\n\
             timeout = \"10m\"\n[[routes]]\nroute = \"* /{reuse}/**\"\nhandler = \"wasi:http\""
        );
        let bytes = aether_test_guests::bytes("http-hello");
        let bytes = aether_slice_build::embed(&bytes, &slice_toml).unwrap();
        std::fs::write(folder.join(format!("{reuse}.wasm")), bytes).unwrap();
        blueprint += &format!("[[slices]]\nfile = \"{reuse}.wasm\"\n");
    }
    std::fs::write(folder.join("blueprint.toml"), blueprint).unwrap();
    nodes[0].deployed(&folder);
    for reuse in ["serial", "fresh"] {
        let hello = format!("/{reuse}/hello");
        nodes.iter().for_each(|node| node.wait_for(&hello, 200));
        wait("every node knows the key", || nodes.iter().all(|n| metrics(n, key).status == 200));
        let slice = format!("slice=\"t:{reuse}:1.0.0\"");
        let count = |node: &Node, name: &str, more: &str| {
            metric(&metrics(node, key).text, name, &[&slice, more])
        };
        let host = nodes.iter().position(|n| count(n, "aether_slice_loaded", "") > 0.0).unwrap();
        let (host, door) = (&nodes[host], &nodes[(host + 1) % 3]);
        let client = ask(door, &format!("/{reuse}/spin"));
        wait("it loops", || count(host, "aether_slice_busy", "") == 1.0);
        drop(client);
        wait("it is stopped", || count(host, "aether_slice_busy", "") == 0.0);
        assert_eq!(count(host, "aether_calls_total", "ending=\"abandoned\""), 1.0);
        assert_eq!(door.get(&hello).status, 200);
    }
}

/// Calls that fail because a neighbour in their instance traps: nobody was asked who could not
/// answer, and nobody is asked for a while.
#[test]
fn an_instance_that_keeps_failing_is_left_alone_and_tried_again() {
    let nodes = cluster::<3>();
    let minted = nodes[0].json(&["keys", "create", "counts", "--role", "viewer"]).unwrap();
    let key = minted["secret"].as_str().unwrap();
    let folder = nodes[0].folder("web");
    let bytes = aether_test_guests::bytes("http3-hello");
    let slice_toml = "[slice]\nartifact = \"t:web:1.0.0\"\n[instances]\nreuse = \"concurrent\"\n\
                      timeout = \"10m\"\n[[routes]]\nroute = \"* /web/**\"\nhandler = \"wasi:http\"";
    let bytes = aether_slice_build::embed(&bytes, slice_toml).unwrap();
    crate::apps::write(&folder, "web", &[bytes], "");
    nodes[0].deployed(&folder);
    nodes.iter().for_each(|node| node.wait_for("/web/hello", 200));
    wait("every node knows the key", || nodes.iter().all(|n| metrics(n, key).status == 200));
    let count = |node: &Node, name: &str| metric(&metrics(node, key).text, name, &["t:web:1.0.0"]);
    let host = nodes.iter().position(|n| count(n, "aether_slice_loaded") > 0.0).unwrap();
    let (host, door) = (&nodes[host], &nodes[(host + 1) % 3]);
    let waiting: Vec<_> = (0..8).map(|_| ask(door, "/web/wait?500000")).collect();
    wait("all wait in one instance", || count(host, "aether_slice_busy") == 8.0);
    assert_eq!(host.get("/web/trap").status, 502);
    for stream in waiting {
        let answer = answer(stream);
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    }
    let said = |words: &str| door.order(&["logs", "--limit", "1000"]).unwrap().contains(words);
    assert!(said("an instance keeps failing: it gets no calls for a while"));
    door.wait_for("/web/hello", 200);
    assert!(said("an instance that kept failing answers again"));
    let explained = door.order(&["explain", "GET", "/web/hello"]).unwrap();
    assert!(!explained.contains("keeps failing"), "{explained}");
}
