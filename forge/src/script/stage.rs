//! The cluster and the load as a scenario sees them while it runs: who leads, which nodes are
//! meant, what was counted. Does nothing to them.

use super::value::{Nodes, Value, pick};
use crate::forge::Shared;
use crate::http::{self, Answer, Request};
use crate::load::Report;
use crate::model::{NodeView, ProcessState, Refused};
use crate::node::{Member, Node};
use crate::wait::pause;
use anyhow::{Context, bail, ensure};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// How long a node that says nothing keeps somebody from looking at the others.
const SILENCE_MAX: Duration = Duration::from_secs(1);
/// How long an order that names the leader waits until there is one.
const LEADER_MAX: Duration = Duration::from_secs(10);

/// What every move and every look needs.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) shared: Arc<Shared>,
    /// Of the script: commands run here.
    pub(super) folder: PathBuf,
    begun: Instant,
    /// Somebody wants the end.
    cancelled: Arc<AtomicBool>,
    kept: Mutex<BTreeMap<usize, BTreeSet<usize>>>,
    loads: Mutex<Loads>,
}

/// All loads of a scenario.
#[derive(Debug, Default)]
struct Loads {
    /// Those that are over, and when each began, in seconds.
    over: Vec<(f64, Report)>,
    /// When the one that runs began.
    since: Option<f64>,
}

/// What the nodes that run say.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) nodes: Vec<NodeView>,
    said: BTreeMap<usize, Said>,
}

/// A part of what a node says of itself.
#[derive(Debug, Clone, Deserialize)]
struct Said {
    cluster: Cluster,
    raft: Raft,
    applications: Vec<Application>,
}

#[derive(Debug, Clone, Deserialize)]
struct Cluster {
    writable: bool,
}

#[derive(Debug, Clone, Deserialize)]
struct Raft {
    role: String,
}

#[derive(Debug, Clone, Deserialize)]
struct Application {
    name: String,
    active: u64,
}

impl Stage {
    pub(super) fn new(shared: Arc<Shared>, folder: PathBuf, cancelled: Arc<AtomicBool>) -> Self {
        let begun = Instant::now();
        let loads = Loads { since: shared.load_report().map(|_| 0.0), ..Loads::default() };
        let (kept, loads) = (Mutex::default(), Mutex::new(loads));
        Self { shared, folder, begun, cancelled, kept, loads }
    }

    /// Since the scenario began.
    pub(super) fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// # Errors
    /// If somebody wants the end.
    pub(super) fn go_on(&self) -> anyhow::Result<()> {
        ensure!(!self.cancelled.load(Ordering::Relaxed), "the scenario was ended from outside");
        Ok(())
    }

    /// Asks every node that runs.
    pub(super) fn look(&self) -> Seen {
        let nodes = self.shared.nodes.views();
        let running = nodes.iter().filter(|node| node.process == ProcessState::Running);
        let said = running.filter_map(|node| {
            let answer = self.ask(node, "/api/status").ok()?;
            Some((node.number, serde_json::from_str(&answer.body).ok()?))
        });
        let said = said.collect();
        Seen { nodes, said }
    }

    /// The members as the leader sees them, or else as the first one that answers.
    pub(super) fn members(&self, seen: &Seen) -> anyhow::Result<Vec<Member>> {
        #[derive(Deserialize)]
        struct Members {
            nodes: Vec<Member>,
        }
        let (first, leader) = (seen.said.keys().next().copied(), seen.leader());
        let number = leader.or(first).context("no node answers")?;
        let answer = self.ask(seen.node(number)?, "/api/nodes")?;
        Ok(serde_json::from_str::<Members>(&answer.body)?.nodes)
    }

    /// Instances that take calls, of one slice (`group:artifact`) or of all.
    pub(super) fn instances(&self, seen: &Seen, slice: Option<&str>) -> anyhow::Result<u64> {
        #[derive(Deserialize)]
        struct Whole {
            slices: Vec<Slice>,
        }
        #[derive(Deserialize)]
        struct Slice {
            artifact: String,
            active: u64,
        }
        let (first, leader) = (seen.said.keys().next().copied(), seen.leader());
        let number = leader.or(first).context("no node answers")?;
        let applications = &seen.said[&number].applications;
        let Some(slice) = slice else {
            return Ok(applications.iter().map(|it| it.active).sum());
        };
        let mut count = 0;
        for application in applications {
            let path = format!("/api/apps/{}", application.name);
            let answer = self.ask(seen.node(number)?, &path)?;
            let whole: Whole = serde_json::from_str(&answer.body)?;
            let of = |artifact: &str| artifact.rsplit_once(':').is_some_and(|(it, _)| it == slice);
            let mine = whole.slices.iter().filter(|it| of(&it.artifact));
            count += mine.map(|it| it.active).sum::<u64>();
        }
        Ok(count)
    }

    /// A question to the management API of a node.
    pub(super) fn ask(&self, node: &NodeView, path: &str) -> anyhow::Result<Answer> {
        let key = format!("Bearer {}", self.shared.nodes.key());
        let headers = [("authorization".to_owned(), key)].into();
        let silence_max = SILENCE_MAX;
        let request = Request { path, headers, silence_max, ..Request::default() };
        http::exchange(node.api.parse()?, &request)
    }

    /// `aether` with these words, through the leader where there is one.
    pub(super) fn command(&self, words: &[&str]) -> anyhow::Result<Command> {
        let command = |node: &Node| Ok(node.command(words));
        let mut command = match self.look().leader() {
            Some(leader) => self.shared.nodes.with(leader, command),
            None => self.shared.nodes.with_any(command),
        }?;
        // No folder at all is this one.
        if !self.folder.as_os_str().is_empty() {
            command.current_dir(&self.folder);
        }
        Ok(command)
    }

    /// Keeps the nodes of a set as they are now.
    pub(super) fn keep(&self, number: usize, nodes: &Nodes) -> anyhow::Result<BTreeSet<usize>> {
        let nodes = self.nodes(nodes)?;
        lock(&self.kept).insert(number, nodes.clone());
        Ok(nodes)
    }

    /// Which nodes are meant. Waits for a leader where one is needed to know it.
    pub(super) fn nodes(&self, nodes: &Nodes) -> anyhow::Result<BTreeSet<usize>> {
        Ok(match nodes {
            Nodes::These(nodes) => nodes.clone(),
            Nodes::Leader => [self.leader()?.0].into(),
            Nodes::Followers => {
                let (leader, seen) = self.leader()?;
                seen.running().into_iter().filter(|node| *node != leader).collect()
            }
            Nodes::Kept(number, name) => {
                let kept = lock(&self.kept).get(number).cloned();
                kept.with_context(|| format!("nobody knows who `{name}` is"))?
            }
            Nodes::Any { draw, count, of } => {
                let of: Vec<usize> = self.nodes(of)?.into_iter().collect();
                ensure!(of.len() >= *count, "{} are wanted, there are {}", count, of.len());
                pick(of, *count, *draw)
            }
            Nodes::And(one, other) => &self.nodes(one)? | &self.nodes(other)?,
            Nodes::But(one, other) => &self.nodes(one)? - &self.nodes(other)?,
        })
    }

    /// The same for a value, which has to mean somebody.
    pub(super) fn meant(&self, value: &Value) -> anyhow::Result<Vec<usize>> {
        let Value::Nodes(nodes) = value else { bail!("{value} are no nodes") };
        let meant: Vec<usize> = self.nodes(nodes)?.into_iter().collect();
        if meant.is_empty() {
            return Err(Refused::Invalid(format!("{nodes} are no nodes now")).into());
        }
        Ok(meant)
    }

    fn leader(&self) -> anyhow::Result<(usize, Seen)> {
        let deadline = Instant::now() + LEADER_MAX;
        loop {
            let seen = self.look();
            if let Some(leader) = seen.leader() {
                return Ok((leader, seen));
            }
            self.go_on()?;
            ensure!(Instant::now() < deadline, "no node led for {} s", LEADER_MAX.as_secs());
            pause();
        }
    }

    /// What came of the load that runs, or of the last one.
    pub(super) fn report(&self) -> Option<Report> {
        let running = self.shared.load_report();
        running.or_else(|| lock(&self.loads).over.last().map(|(_, report)| report.clone()))
    }

    pub(super) fn load_began(&self) {
        lock(&self.loads).since = Some(self.elapsed().as_secs_f64());
    }

    /// Ends the load that runs, if there is one, and remembers what came of it.
    pub(super) fn end_load(&self) -> anyhow::Result<Option<Report>> {
        if self.shared.load_report().is_none() {
            return Ok(None);
        }
        let report = self.shared.stop_load()?;
        let mut loads = lock(&self.loads);
        let since = loads.since.take().unwrap_or_default();
        loads.over.push((since, report.clone()));
        Ok(Some(report))
    }

    /// All that are over, with the second in which each began.
    pub(super) fn loads(&self) -> Vec<(f64, Report)> {
        lock(&self.loads).over.clone()
    }
}

impl Seen {
    /// Who says that it leads, and that it can write: a leader without a majority is none.
    pub(super) fn leader(&self) -> Option<usize> {
        let leads = |said: &Said| said.raft.role == "leader" && said.cluster.writable;
        self.said.iter().find(|(_, said)| leads(said)).map(|(number, _)| *number)
    }

    pub(super) fn writable(&self) -> bool {
        self.said.values().any(|said| said.cluster.writable)
    }

    /// Numbers of the nodes whose processes run.
    pub(super) fn running(&self) -> Vec<usize> {
        let running = self.nodes.iter().filter(|node| node.process == ProcessState::Running);
        running.map(|node| node.number).collect()
    }

    pub(super) fn node(&self, number: usize) -> anyhow::Result<&NodeView> {
        let found = self.nodes.iter().find(|node| node.number == number);
        found.with_context(|| format!("there is no node {number}"))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("nobody panics with it")
}
