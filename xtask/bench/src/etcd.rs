//! etcd clusters under measurement, with etcd's defaults: where the program is had, and how its
//! members are started and asked.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use aether_forge::http::{Request, exchange};
use aether_forge::{Process, until};
use anyhow::{Context, ensure};
use serde::Deserialize;
use serde_json::Value;

use crate::kv::{Door, Language};
use crate::replicas::Replicas;
use crate::server::free_address;
use crate::tools;

pub(crate) const NAME: &str = "etcd 3.4";
const PACKAGE: &str = "etcd-server";
const VERSION: &str = "etcd Version: 3.4.";

/// The program, below `folder`, fetched if it is not there yet.
pub(crate) fn program(folder: &Path) -> anyhow::Result<PathBuf> {
    let program = tools::debian(PACKAGE, "usr/bin/etcd", folder)?;
    let said = Command::new(&program).arg("--version").output()?;
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    ensure!(said.starts_with(VERSION), "{} is another version: {said}", program.display());
    Ok(program)
}

/// A member, running or not.
pub(crate) struct Member {
    name: String,
    client: SocketAddr,
    peer: SocketAddr,
    program: PathBuf,
    home: PathBuf,
    /// Whether there was a cluster when it was made, and all members of it.
    initial: [String; 2],
    process: Option<Process>,
}

/// Members of one cluster.
pub(crate) struct Etcd {
    pub(crate) members: Vec<Member>,
}

/// What a member says of itself. Numbers are text in etcd's JSON.
#[derive(Deserialize)]
struct Status {
    header: Header,
    #[serde(default)]
    leader: String,
}

#[derive(Deserialize)]
struct Header {
    member_id: String,
}

impl Etcd {
    /// A new cluster below `home`.
    pub(crate) fn start(program: &Path, home: &Path, members: usize) -> anyhow::Result<Self> {
        if home.exists() {
            std::fs::remove_dir_all(home).with_context(|| home.display().to_string())?;
        }
        let members = (0..members).map(|at| Member::new(program, home, at));
        let mut members = members.collect::<anyhow::Result<Vec<_>>>()?;
        let all = initial(&members);
        for member in &mut members {
            member.initial = ["new".to_owned(), all.clone()];
            member.start()?;
        }
        let etcd = Self { members };
        etcd.wait_until_whole()?;
        Ok(etcd)
    }

    /// Adds a member that is not running yet.
    pub(crate) fn add(&mut self) -> anyhow::Result<&mut Member> {
        let first = &self.members[0];
        let home = first.home.parent().context("a member's folder is in the cluster's")?;
        let mut member = Member::new(&first.program, home, self.members.len())?;
        let body = serde_json::json!({ "peerURLs": [url(member.peer)] });
        // Not before its members have known each other for five seconds.
        until("etcd takes a member", || first.ask("/v3/cluster/member/add", &body).is_ok())?;
        let all = initial(self.members.iter().chain([&member]));
        member.initial = ["existing".to_owned(), all];
        self.members.push(member);
        Ok(self.members.last_mut().expect("it was just pushed"))
    }

    fn statuses(&self) -> anyhow::Result<Vec<Status>> {
        self.members.iter().map(Member::status).collect()
    }
}

fn initial<'a>(members: impl IntoIterator<Item = &'a Member>) -> String {
    let all = members.into_iter().map(|it| format!("{}={}", it.name, url(it.peer)));
    all.collect::<Vec<_>>().join(",")
}

fn url(address: SocketAddr) -> String {
    format!("http://{address}")
}

impl Member {
    fn new(program: &Path, home: &Path, at: usize) -> anyhow::Result<Self> {
        let name = format!("member-{at}");
        let home = home.join(&name);
        std::fs::create_dir_all(&home)?;
        let (client, peer) = (free_address()?, free_address()?);
        let (program, initial, process) = (program.to_owned(), Default::default(), None);
        Ok(Self { name, client, peer, program, home, initial, process })
    }

    /// Starts the process; does not wait for anything.
    pub(crate) fn start(&mut self) -> anyhow::Result<()> {
        let (client, peer) = (url(self.client), url(self.peer));
        let mut command = Command::new(&self.program);
        command.arg("--data-dir").arg(self.home.join("data"));
        command.args(["--name", &self.name, "--logger", "zap", "--log-level", "warn"]);
        command.args(["--listen-client-urls", &client, "--advertise-client-urls", &client]);
        command.args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer]);
        command.args(["--initial-cluster-state", &self.initial[0]]);
        command.args(["--initial-cluster", &self.initial[1]]);
        self.process = Some(Process::start(&mut command, &self.home.join("log"))?);
        Ok(())
    }

    pub(crate) fn door(&self) -> Door {
        Door { address: self.client, language: Language::Etcd }
    }

    fn process(&mut self) -> anyhow::Result<&mut Process> {
        self.process.as_mut().context("the member was never started")
    }

    fn status(&self) -> anyhow::Result<Status> {
        let status = self.ask("/v3/maintenance/status", &Value::Object(Default::default()))?;
        Ok(serde_json::from_value(status)?)
    }

    fn ask(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let body = Some(body.to_string());
        let request = Request { method: "POST", path, body, ..Request::default() };
        let answer = exchange(self.client, &request)?;
        ensure!(answer.status == 200, "{path}: {} {}", answer.status, answer.body);
        Ok(serde_json::from_str(&answer.body)?)
    }
}

impl Replicas for Etcd {
    fn name(&self) -> &'static str {
        NAME
    }

    fn leader(&self) -> anyhow::Result<usize> {
        let leads = |it: &Status| it.header.member_id == it.leader;
        self.statuses()?.iter().position(leads).context("nobody leads")
    }

    fn door(&self, at: usize) -> Door {
        self.members[at].door()
    }

    fn kill(&mut self, at: usize) -> anyhow::Result<()> {
        self.members[at].process()?.kill()
    }

    fn suspend(&mut self, at: usize) -> anyhow::Result<()> {
        self.members[at].process()?.suspend()
    }

    fn resume(&mut self, at: usize) -> anyhow::Result<()> {
        self.members[at].process()?.resume()
    }

    fn start_again(&mut self, at: usize) -> anyhow::Result<()> {
        self.members[at].start()
    }

    fn wait_until_whole(&self) -> anyhow::Result<()> {
        until("all members of etcd follow one leader", || {
            self.statuses().is_ok_and(|all| {
                let leader = &all[0].leader;
                all.iter().all(|it| it.leader == *leader)
                    && all.iter().any(|it| it.header.member_id == *leader)
            })
        })
    }
}
