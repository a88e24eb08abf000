//! A node's process and the commands that talk to it. Kills what it started.

use crate::http::{self, Answer};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
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
        Self::start_in(tempfile::tempdir().unwrap())
    }

    fn start_in(home: TempDir) -> Self {
        let mut process = Command::new(AETHER)
            .args(["node", "--http", "127.0.0.1:0", "--api", "127.0.0.1:0", "--data"])
            .arg(home.path().join("data"))
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
        Self { process, id, http, api, home }
    }

    /// kill -9.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// kill -9, then the same command again on the same folder.
    pub(crate) fn restart(mut self) -> Self {
        self.kill();
        let empty = tempfile::tempdir().unwrap();
        Self::start_in(std::mem::replace(&mut self.home, empty))
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
        command.env("XDG_STATE_HOME", self.home.path().join("state"));
        command
    }

    pub(crate) fn aether(&self, args: &[&str]) -> Ended {
        Ended::of(self.command(args).output().unwrap())
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
