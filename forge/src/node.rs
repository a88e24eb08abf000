//! One node as a process, with the commands that talk to it. Knows what it says of itself, never
//! what is inside.

use crate::http::{self, Answer, Request};
use crate::process::Process;
use crate::sandbox::{Sandbox, own_address, own_doors};
use crate::wait::{PATIENCE, pause, until};
use anyhow::{Context, bail, ensure};
use serde::Deserialize;
use serde_json::Value;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

/// A node of a sandbox, running or not. Its folder outlives its process.
#[derive(Debug)]
pub struct Node {
    /// Sixteen hexadecimal digits; the same after every start.
    pub id: String,
    /// The front door of the applications.
    pub http: SocketAddr,
    /// The management API.
    pub api: SocketAddr,
    /// Where other nodes reach it.
    pub cluster: String,
    /// An administrator's key of the cluster.
    pub key: String,
    /// Holds the node's `data` and its log.
    pub home: PathBuf,
    sandbox: Sandbox,
    process: Process,
}

/// How a node is started.
pub(crate) struct Start {
    pub(crate) sandbox: Sandbox,
    pub(crate) home: PathBuf,
    /// Where the node has none of its own.
    pub(crate) key: Option<String>,
    /// Addresses of the front door and of the management API.
    pub(crate) doors: [SocketAddr; 2],
    pub(crate) more: Vec<String>,
}

/// Where a node comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// Other nodes find it where it was.
    Same,
    /// They have to be told.
    Another,
}

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    /// -1 if a signal ended it.
    pub exit: i32,
    /// Standard output, then standard error.
    pub text: String,
}

/// A node as one of them sees it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Member {
    pub id: String,
    /// `leader`, `follower`, `candidate`, `learner`; none where it is no member yet.
    pub role: Option<String>,
    /// `ON_DUTY`, `DRAINING`, …
    pub state: String,
    pub reachable: bool,
    /// Why it is not as it should be.
    pub reason: Option<String>,
}

impl Member {
    pub fn leads(&self) -> bool {
        self.reachable && self.role.as_deref() == Some("leader")
    }

    /// Whether its vote counts now.
    pub fn votes(&self) -> bool {
        self.reachable && matches!(self.role.as_deref(), Some("leader" | "follower"))
    }
}

impl Node {
    /// Returns when the node listens; fails with its log if it ends before.
    pub(crate) fn start(start: Start) -> anyhow::Result<Self> {
        let Start { sandbox, home, key, doors, more } = start;
        let [http, api] = doors.map(|door| door.to_string());
        let mut command = Command::new(sandbox.program());
        command.args(["node", "--http", &http, "--api", &api, "--data"]);
        command.arg(home.join("data")).args(sandbox.arguments()).args(more);
        command.env("XDG_STATE_HOME", home.join("state"));
        let mut process = Process::start(&mut command, &home.join("log"))?;
        let greeting = Greeting::read(&mut process)?;
        let key = match key {
            Some(key) => key,
            None => {
                let file = home.join("data/admin.key");
                let key = std::fs::read_to_string(&file);
                key.with_context(|| file.display().to_string())?.trim().to_owned()
            }
        };
        let Greeting { id, http, api, cluster } = greeting;
        Ok(Self { id, http, api, cluster, key, home, sandbox, process })
    }

    /// Another node of the cluster of this one. Returns when it listens.
    pub fn joined(&self) -> anyhow::Result<Self> {
        self.joined_by(self.invitation()?)
    }

    /// The same with an [`Self::invitation`] that is there already.
    pub fn joined_by(&self, invitation: Vec<String>) -> anyhow::Result<Self> {
        let home = self.sandbox.home()?;
        let (key, doors, more) = (Some(self.key.clone()), own_doors(), invitation);
        Self::start(Start { sandbox: self.sandbox.clone(), home, key, doors, more })
    }

    /// Arguments with which a node joins this one's cluster.
    pub fn invitation(&self) -> anyhow::Result<Vec<String>> {
        let created = self.json(&["node", "token"])?;
        let token = created["token"].as_str().context("a token")?;
        let own = own_address().to_string();
        let words = ["--cluster", &own, "--join", &self.cluster, "--token", token];
        Ok(words.map(str::to_owned).to_vec())
    }

    /// Starts a node on a copy of this one's folder, with these arguments of `aether node`.
    pub fn copied(&self, arguments: &[&str]) -> anyhow::Result<Self> {
        let home = self.sandbox.home()?;
        copy(&self.home.join("data"), &home.join("data"))?;
        let more = arguments.iter().map(|&word| word.to_owned()).collect();
        let (key, doors) = (Some(self.key.clone()), own_doors());
        Self::start(Start { sandbox: self.sandbox.clone(), home, key, doors, more })
    }

    /// Copies what this node has on disk to a folder that is made for it.
    pub fn copy_data(&self, to: &Path) -> anyhow::Result<()> {
        copy(&self.home.join("data"), to)
    }

    /// Puts such a copy in place of what this node has on disk. It must have ended.
    pub fn restore_data(&mut self, from: &Path) -> anyhow::Result<()> {
        ensure!(self.process.ended()?.is_some(), "node {} still runs", self.id);
        let data = self.home.join("data");
        std::fs::remove_dir_all(&data).with_context(|| data.display().to_string())?;
        copy(from, &data)
    }

    /// Asks the node to end, and does not wait for it.
    pub fn ask_to_stop(&mut self) -> anyhow::Result<()> {
        self.process.ask_to_stop()
    }

    /// Waits until the node has ended by itself.
    pub fn wait(&mut self) -> anyhow::Result<ExitStatus> {
        self.process.wait()
    }

    /// kill -9.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.process.kill()
    }

    /// Asks the node to end, and waits for it.
    pub fn stop(&mut self) -> anyhow::Result<ExitStatus> {
        self.process.stop()
    }

    /// SIGSTOP.
    pub fn suspend(&mut self) -> anyhow::Result<()> {
        self.process.suspend()
    }

    /// SIGCONT.
    pub fn resume(&mut self) -> anyhow::Result<()> {
        self.process.resume()
    }

    /// Starts a node that has ended once more on its folder. Returns when it listens; its front
    /// door and its management API are where they were.
    pub fn start_again(&mut self, at: At) -> anyhow::Result<()> {
        let address = match at {
            At::Same => self.cluster.clone(),
            At::Another => own_address().to_string(),
        };
        self.start_again_with(&["--cluster", &address])
    }

    /// The same with these arguments of `aether node`.
    pub fn start_again_with(&mut self, arguments: &[&str]) -> anyhow::Result<()> {
        ensure!(self.process.ended()?.is_some(), "node {} still runs", self.id);
        let more = arguments.iter().map(|&word| word.to_owned()).collect();
        let (sandbox, home) = (self.sandbox.clone(), self.home.clone());
        let (key, doors) = (Some(self.key.clone()), [self.http, self.api]);
        *self = Self::start(Start { sandbox, home, key, doors, more })?;
        Ok(())
    }

    /// What the node has said since it was started the last time.
    pub fn log(&self) -> anyhow::Result<String> {
        self.process.log()
    }

    /// Whether there is no process any more.
    pub fn has_ended(&mut self) -> anyhow::Result<bool> {
        Ok(self.process.ended()?.is_some())
    }

    pub fn process(&self) -> &Process {
        &self.process
    }

    /// `aether` with these arguments, as this cluster's administrator and through this node.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.sandbox.program());
        command.args(arguments).env("AETHER_SERVER", format!("http://{}", self.api));
        command.env("AETHER_KEY", &self.key).env("XDG_STATE_HOME", self.home.join("state"));
        command
    }

    /// Runs [`Self::command`] to its end.
    pub fn aether(&self, arguments: &[&str]) -> anyhow::Result<Ended> {
        let output = self.command(arguments).output()?;
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        Ok(Ended { exit: output.status.code().unwrap_or(-1), text })
    }

    /// The same for a command that has to succeed. What it said.
    pub fn order(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let Ended { exit, text } = self.aether(arguments)?;
        ensure!(exit == 0, "aether {}: exit {exit}: {text}", arguments.join(" "));
        Ok(text)
    }

    /// What a command that has to succeed prints as JSON.
    pub fn json(&self, arguments: &[&str]) -> anyhow::Result<Value> {
        let output = self.command(arguments).arg("--json").output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "aether {}: {said}", arguments.join(" "));
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// A request to the management API, with the administrator's key.
    pub fn manage(&self, request: &Request<'_>) -> anyhow::Result<Answer> {
        let mut request = request.clone();
        let key = format!("Bearer {}", self.key);
        request.headers.insert("authorization".to_owned(), key);
        http::exchange(self.api, &request)
    }

    /// All nodes of the cluster, as this one sees them.
    pub fn members(&self) -> anyhow::Result<Vec<Member>> {
        self.members_within(Request::default().silence_max)
    }

    /// The same of a node that may say nothing at all.
    pub(crate) fn members_within(&self, silence_max: Duration) -> anyhow::Result<Vec<Member>> {
        #[derive(Deserialize)]
        struct Nodes {
            nodes: Vec<Member>,
        }
        let path = "/api/nodes";
        let answer = self.manage(&Request { path, silence_max, ..Request::default() })?;
        ensure!(answer.status == 200, "{path}: {} {}", answer.status, answer.body);
        Ok(serde_json::from_str::<Nodes>(&answer.body)?.nodes)
    }
}

/// The place of the leader among the nodes; none if there is none, or it is not among them.
pub fn leader(nodes: &[Node]) -> Option<usize> {
    nodes.iter().find_map(|node| {
        let members = node.members().ok()?;
        let leader = members.iter().find(|member| member.leads())?;
        nodes.iter().position(|node| node.id == leader.id)
    })
}

/// Waits until each of the nodes sees so many that vote.
pub fn wait_for_voters(nodes: &[Node], count: usize) -> anyhow::Result<()> {
    for node in nodes {
        until(&format!("{count} nodes vote, as {} sees it", node.id), || {
            let members = node.members().unwrap_or_default();
            members.iter().filter(|member| member.votes()).count() == count
        })?;
    }
    Ok(())
}

/// What a node says when it listens.
struct Greeting {
    id: String,
    http: SocketAddr,
    api: SocketAddr,
    cluster: String,
}

impl Greeting {
    fn read(process: &mut Process) -> anyhow::Result<Self> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            // First, so that the log is whole if it has ended.
            let ended = process.ended()?;
            let log = process.log()?;
            if let Some(greeting) = Self::parse(&log)? {
                return Ok(greeting);
            }
            if let Some(status) = ended {
                bail!("the node ended: {status}: {log}");
            }
            ensure!(Instant::now() < deadline, "the node did not start: {log}");
            pause();
        }
    }

    /// `None` until the last of the lines is there.
    fn parse(log: &str) -> anyhow::Result<Option<Self>> {
        let whole = log.rfind('\n').map_or("", |end| &log[..end]);
        let last_word = |verb: &str| {
            let line = whole.lines().find(|line| line.trim_start().starts_with(verb))?;
            line.split_whitespace().next_back()
        };
        let Some(cluster) = last_word("other nodes ") else { return Ok(None) };
        let said = |verb| last_word(verb).with_context(|| format!("no `{verb}` in: {whole}"));
        let address = |verb| -> anyhow::Result<SocketAddr> {
            let url = said(verb)?;
            url.trim_start_matches("http://").parse().with_context(|| url.to_owned())
        };
        Ok(Some(Self {
            id: said("Started ")?.to_owned(),
            http: address("applications ")?,
            api: address("management ")?,
            cluster: cluster.to_owned(),
        }))
    }
}

/// Copies a folder with all that is in it.
fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to)?;
        } else {
            std::fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}
