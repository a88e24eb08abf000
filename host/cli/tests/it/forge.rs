//! Forge as its users have it: one command, a cluster with an application, nodes that are lost and
//! come back, load that notices, nothing left at the end.

use crate::apps::{web, write};
use crate::http;
use crate::node::wait;
use aether_forge::load::{Progress, Report};
use aether_forge::model::{NodeView, Overview, ProcessState};
use aether_forge::{Ended, Process};
use serde::Deserialize;
use std::path::Path;
use std::process::Command;

/// What `aether forge --json` says when all is there.
#[derive(Deserialize)]
struct Started {
    key: String,
    overview: Overview,
}

pub(crate) struct Forge {
    home: tempfile::TempDir,
    process: Process,
    pub(crate) key: String,
    pub(crate) folder: std::path::PathBuf,
}

fn aether(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aether"));
    command.args(arguments).env("XDG_STATE_HOME", home.join("state")).current_dir(home);
    command
}

impl Forge {
    /// With an application that answers `/shop` on every node.
    pub(crate) fn start(nodes: usize) -> Self {
        let home = tempfile::tempdir().unwrap();
        let app = home.path().join("shop");
        std::fs::create_dir(&app).unwrap();
        write(&app, "shop", &[web("shop", "/shop")], &format!("instances = {nodes}"));
        let nodes = nodes.to_string();
        let arguments = ["forge", "--json", "--listen", "127.0.0.1:0", "--nodes", &nodes];
        let mut command = aether(home.path(), &arguments);
        command.args(["--blueprint", "shop"]);
        let mut process = Process::start(&mut command, &home.path().join("log")).unwrap();
        let mut started = None;
        wait("the forge is there", || {
            let log = process.log().unwrap();
            assert_eq!(process.ended().unwrap(), None, "{log}");
            let line = log.lines().find(|line| line.starts_with('{'));
            started = line.and_then(|line| serde_json::from_str::<Started>(line).ok());
            started.is_some()
        });
        let Started { key, overview } = started.unwrap();
        Self { home, process, key, folder: overview.folder }
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        let output = aether(self.home.path(), &["forge"]).args(arguments).output().unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        Ended { exit: output.status.code().unwrap(), text }
    }

    pub(crate) fn order(&self, arguments: &[&str]) -> String {
        let ended = self.run(arguments);
        assert_eq!(ended.exit, 0, "{arguments:?}: {}", ended.text);
        ended.text
    }

    fn json<T: serde::de::DeserializeOwned>(&self, arguments: &[&str]) -> T {
        let text = self.order(&[arguments, &["--json"]].concat());
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    pub(crate) fn overview(&self) -> Overview {
        self.json(&["status"])
    }

    pub(crate) fn node(&self, number: usize) -> NodeView {
        self.overview().nodes.into_iter().find(|node| node.number == number).unwrap()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.home.path().join(name), text).unwrap();
    }

    pub(crate) fn load(&self) -> Report {
        self.json(&["load", "show"])
    }
}

fn answers(node: &NodeView) -> bool {
    http::get(node.http.parse().unwrap(), "/shop").is_ok_and(|answer| answer.status == 200)
}

#[test]
fn a_cluster_under_load_loses_nodes_and_gets_them_back() {
    let mut forge = Forge::start(3);
    assert!(forge.overview().nodes.iter().all(answers));
    forge.write("load.toml", "[[targets]]\npath = \"/shop\"\nrate = \"100/s\"\n");
    forge.order(&["load", "start", "load.toml"]);
    let more = |count| {
        let wanted = forge.load().total.good + count;
        wait("load is answered", || forge.load().total.good >= wanted);
    };
    more(50);

    // What is asked of Forge's address is answered by a node that runs.
    let server = forge.overview().url;
    let asks = |first: &str| {
        let mut command = aether(forge.home.path(), &["status", "--json", "--server", &server]);
        let status = command.args(["--key", &forge.key]).output().unwrap();
        let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
        assert_eq!(status["node"]["id"], *first, "{status}");
    };
    let one = forge.node(1);
    asks(&one.id);
    forge.order(&["node", "stop", "1"]);
    let before = forge.node(2);
    asks(&before.id);
    forge.order(&["node", "resume", "1"]);
    asks(&one.id);

    forge.order(&["node", "kill", "2"]);
    assert_eq!(forge.node(2).process, ProcessState::Down);
    assert!(!answers(&before));
    more(50);
    let refused = forge.run(&["node", "stop", "2"]);
    assert_eq!(refused.exit, 4, "{}", refused.text);
    forge.order(&["node", "restart", "2"]);
    let after = forge.node(2);
    assert_eq!((after.id, after.http, after.api), (before.id, before.http.clone(), before.api));
    more(50);

    forge.order(&["node", "stop", "3"]);
    assert_eq!(forge.node(3).process, ProcessState::Stopped);
    forge.order(&["node", "resume", "3"]);
    assert!(answers(&forge.node(3)));
    assert_eq!(forge.json::<NodeView>(&["node", "add"]).number, 4);
    forge.order(&["node", "drain", "4"]);
    wait("the cluster drains it", || forge.node(4).state.is_some_and(|state| state != "ON_DUTY"));
    assert_eq!(forge.run(&["node", "kill", "9"]).exit, 3);

    // Nothing failed while a node was killed; what a stopped one held may have.
    forge.order(&["load", "pause"]);
    assert_eq!(forge.load().progress, Progress::Paused);
    let report: Report = forge.json(&["load", "stop"]);
    let late = report.total.failures.get("no answer in time").copied().unwrap_or_default();
    assert_eq!(report.total.failed, late, "{:?}", report.total.failures);
    assert_eq!(forge.run(&["load", "show"]).exit, 3);

    // kill -9 of the forge takes all with it.
    forge.process.kill().unwrap();
    wait("no node is left", || !forge_is_left(&forge, &before.http));
    assert_eq!(forge.run(&["status"]).exit, 3);
}

fn forge_is_left(forge: &Forge, http: &str) -> bool {
    forge.folder.exists() || http::get(http.parse().unwrap(), "/shop").is_ok()
}

#[test]
fn what_cannot_be_started_says_why_and_leaves_nothing() {
    let home = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let output =
            aether(home.path(), &["forge", "--listen", "127.0.0.1:0"]).args(arguments).output();
        let output = output.unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let text = "[[targets]]\npath = \"/\"\nrate = \"1/s\"\nrat = 1\n";
    std::fs::write(home.path().join("load.toml"), text).unwrap();
    std::fs::create_dir(home.path().join("full")).unwrap();
    std::fs::write(home.path().join("full/precious"), "").unwrap();
    for (arguments, exit, says) in [
        (["--load", "load.toml"], 2, "load.toml:4:1: there is no key `rat` here"),
        (["--load", "none.toml"], 3, "none.toml"),
        (["--blueprint", "none.toml"], 1, "none.toml"),
        (["--keep", "full"], 1, "full is not empty"),
        (["--nodes", "0"], 1, "1 to 50 nodes"),
    ] {
        let (code, said) = run(&arguments);
        assert!(said.contains(says), "{arguments:?}: {said}");
        assert_eq!(code, exit, "{arguments:?}: {said}");
    }
    assert!(home.path().join("full/precious").exists());
}

#[test]
fn its_api_wants_its_key() {
    let forge = Forge::start(1);
    let url = forge.overview().url;
    let address = url.trim_start_matches("http://").parse().unwrap();
    let stranger = http::get(address, "/forge").unwrap();
    assert_eq!(stranger.status, 401, "{}", stranger.text);
    let key = format!("GET /forge HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}", forge.key);
    let friend = http::raw(address, format!("{key}\r\nconnection: close\r\n\r\n").as_bytes());
    assert_eq!(friend.unwrap().status, 200);
    assert_eq!(http::get(address, "/nothing").unwrap().status, 404);
    let page = http::get(address, "/").unwrap();
    assert!(page.status == 200 && page.text.contains("data-forge"), "{}", page.text);
    assert_eq!(http::get(address, "/api/nodes").unwrap().status, 401, "the node asks for a key");
    forge.order(&["end"]);
    wait("all has ended", || !forge.folder.exists());
}
