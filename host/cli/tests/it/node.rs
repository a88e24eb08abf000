//! A node's process and the commands that talk to it. Kills what it started.

use crate::http::{self, Answer};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const AETHER: &str = env!("CARGO_BIN_EXE_aether");
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A running node with a data folder; the folder outlives the process.
pub(crate) struct Node {
    process: Child,
    pub(crate) id: String,
    pub(crate) http: SocketAddr,
    api: String,
    /// Address for other nodes.
    cluster: String,
    /// An administrator's key, where the node has none of its own.
    key: Option<String>,
    home: TempDir,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) exit: i32,
    /// Standard output, then standard error.
    pub(crate) text: String,
}

impl Node {
    pub(crate) fn start() -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), &["--cluster", &own_address()], None)
    }

    /// Another node of the cluster of this one.
    pub(crate) fn joined(&self) -> Self {
        let token = self.json(&["node", "token"]).expect("an administrator creates tokens");
        let (token, own) = (token["token"].as_str().unwrap(), own_address());
        let join = ["--cluster", &own, "--join", &self.cluster, "--token", token];
        Self::start_in(tempfile::tempdir().unwrap(), &join, Some(self.key()))
    }

    fn key(&self) -> String {
        let file = || std::fs::read_to_string(self.home.path().join("data/admin.key")).unwrap();
        self.key.clone().unwrap_or_else(|| file().trim().to_owned())
    }

    fn start_in(home: TempDir, more: &[&str], key: Option<String>) -> Self {
        let mut process = Command::new(AETHER)
            .args(["node", "--http", "127.0.0.1:0", "--api", "127.0.0.1:0"])
            .arg("--data")
            .arg(home.path().join("data"))
            .args(more)
            .env("XDG_STATE_HOME", home.path().join("state"))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = lines(process.stderr.take().unwrap());
        let mut seen = Vec::new();
        let mut find = |word: &str, before: &str| loop {
            let Ok(line) = lines.recv_timeout(PATIENCE) else {
                panic!("the node did not start:\n{}", seen.join("\n"));
            };
            let mut words = line.split_whitespace();
            if words.next() == Some(word)
                && let Some(found) = words.next_back().and_then(|w| w.strip_prefix(before))
            {
                return found.to_owned();
            }
            seen.push(line);
        };
        let id = find("Started", "");
        let http = find("applications", "http://").parse().unwrap();
        let api = find("management", "");
        let cluster = find("other", "");
        Self { process, id, http, api, cluster, key, home }
    }

    /// kill -9.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// kill -9, then the same command again on the same folder.
    pub(crate) fn restart(mut self) -> Self {
        self.kill();
        self.again()
    }

    /// A killed node, started once more on its folder, at other addresses.
    pub(crate) fn again(self) -> Self {
        self.again_with(&["--cluster", "127.0.0.1:0"])
    }

    /// The same, but other nodes find it where it was. Needs an address that nobody else takes.
    pub(crate) fn again_there(self) -> Self {
        let address = self.cluster.clone();
        self.again_with(&["--cluster", &address])
    }

    fn again_with(mut self, address: &[&str]) -> Self {
        let empty = tempfile::tempdir().unwrap();
        let key = self.key.clone();
        Self::start_in(std::mem::replace(&mut self.home, empty), address, key)
    }

    /// A folder for an application's files.
    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        let folder = self.home.path().join("apps").join(name);
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(AETHER);
        command.args(args).env_remove("AETHER_KEY").env("AETHER_SERVER", &self.api);
        if let Some(key) = &self.key {
            command.env("AETHER_KEY", key);
        }
        command.env("XDG_STATE_HOME", self.home.path().join("state"));
        command
    }

    pub(crate) fn aether(&self, args: &[&str]) -> Ended {
        Ended::of(self.command(args).output().unwrap())
    }

    /// Prints JSON, for as long as it takes to succeed.
    pub(crate) fn json(&self, args: &[&str]) -> Option<serde_json::Value> {
        let output = self.command(args).arg("--json").output().unwrap();
        output.status.success().then(|| serde_json::from_slice(&output.stdout).unwrap())
    }

    pub(crate) fn deploy(&self, folder: &Path) -> Ended {
        self.aether(&["deploy", folder.to_str().unwrap()])
    }

    /// A deploy that has to succeed.
    pub(crate) fn deployed(&self, folder: &Path) -> String {
        let ended = self.deploy(folder);
        assert_eq!(ended.exit, 0, "{}", ended.text);
        ended.text
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        http::get(self.http, path).unwrap()
    }

    /// Waits until the path answers with the status.
    pub(crate) fn wait_for(&self, path: &str, status: u16) {
        wait(&format!("{path} answers {status}"), || {
            http::get(self.http, path).is_ok_and(|answer| answer.status == status)
        });
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Ended {
    pub(crate) fn of(output: Output) -> Self {
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        Self { exit: output.status.code().unwrap_or(-1), text }
    }
}

/// An address of the loopback network that no other node has, in this process or another.
fn own_address() -> String {
    static COUNT: AtomicU8 = AtomicU8::new(1);
    let [_, _, high, low] = std::process::id().to_be_bytes();
    format!("127.{}.{low}.{}:0", high.max(1), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Lines of a stream as they come. Reads on when nobody listens, so that the writer never blocks.
pub(crate) fn lines(stream: impl std::io::Read + Send + 'static) -> mpsc::Receiver<String> {
    let (tell, lines) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let _ = tell.send(line);
        }
    });
    lines
}

/// Polls until the condition holds.
pub(crate) fn wait(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        pause();
    }
}

#[expect(clippy::disallowed_methods, reason = "between two looks at another process")]
fn pause() {
    std::thread::sleep(LOOK_EVERY);
}
