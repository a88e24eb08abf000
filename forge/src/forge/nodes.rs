//! The nodes of a Forge by number: what is done to them, and how they are. Knows nothing of
//! applications.

use crate::http::{self, Request};
use crate::load::Doors;
use crate::model::{NodeAction, NodeView, ProcessState, Refused};
use crate::node::{At, Member, Node};
use crate::sandbox::Sandbox;
use crate::wait::until;
use anyhow::{Context, ensure};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// How long a node that says nothing keeps somebody from looking at the others.
const LOOK_MAX: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(crate) struct Nodes {
    seats: Mutex<BTreeMap<usize, Seat>>,
    pub(crate) doors: Doors,
    key: String,
}

/// A node and what is known of it without waiting for whoever works with it.
#[derive(Debug, Clone)]
struct Seat {
    view: NodeView,
    node: Arc<Mutex<Node>>,
}

impl Nodes {
    /// A cluster in which all vote that can. Nodes join one after the other.
    pub(crate) fn start(sandbox: &Sandbox, count: usize) -> anyhow::Result<Self> {
        let first = sandbox.found()?;
        let key = first.key.clone();
        let nodes = Self { seats: Mutex::default(), doors: Doors::default(), key };
        nodes.seat(first);
        (1..count).try_for_each(|_| nodes.add().map(drop))?;
        Ok(nodes)
    }

    /// An administrator's key of the cluster.
    pub(crate) fn key(&self) -> String {
        self.key.clone()
    }

    /// Another node. Returns when it is on duty.
    pub(crate) fn add(&self) -> anyhow::Result<NodeView> {
        ensure!(self.seats().len() < super::NODES_MAX, too_many());
        let invitation = self.with_any(Node::invitation)?;
        let node = self.with_any(|any| any.joined_by(invitation.clone()))?;
        let id = node.id.clone();
        until(&format!("node {id} is on duty"), || {
            let members = self.with_any(Node::members).unwrap_or_default();
            members.iter().any(|it| it.id == id && it.reachable && it.state == "ON_DUTY")
        })?;
        let number = self.seat(node);
        self.view(number)
    }

    /// Does it, and waits for it where that is a matter of seconds.
    pub(crate) fn act(&self, number: usize, action: NodeAction) -> anyhow::Result<NodeView> {
        let seat = self.find(number)?;
        let state = self.now(&seat).process;
        let refuse = |why: &str| Err(Refused::Conflict(format!("node {number} {why}")).into());
        match (action, state) {
            (_, ProcessState::Changing) => return refuse("is on its way up or down"),
            (NodeAction::Restart, _) => {}
            (NodeAction::Kill, ProcessState::Running | ProcessState::Stopped) => {}
            (NodeAction::Resume, ProcessState::Stopped) => {}
            (NodeAction::Resume, ProcessState::Running) => return refuse("is not stopped"),
            (_, ProcessState::Running) => {}
            (NodeAction::Resume | NodeAction::Kill, _) => {
                return refuse("is down: `aether forge node restart` brings it back");
            }
            (_, ProcessState::Stopped) => {
                return refuse("is stopped: `aether forge node resume` lets it go on");
            }
            (_, ProcessState::Down) => {
                return refuse("is down: `aether forge node restart` brings it back");
            }
        }
        let id = seat.view.id.clone();
        match action {
            NodeAction::Kill => self.change(number, &seat, ProcessState::Down, Node::kill)?,
            NodeAction::Stop => self.change(number, &seat, ProcessState::Stopped, Node::suspend)?,
            NodeAction::Resume => {
                self.change(number, &seat, ProcessState::Running, Node::resume)?;
            }
            NodeAction::Restart => self.restart(number, &seat, state)?,
            NodeAction::Drain | NodeAction::Activate => {
                self.with_any(|node| node.order(&["node", action.word(), &id]))?;
            }
        }
        self.view(number)
    }

    /// As a balancer would see it: no new requests, then the end; requests again when it is ready.
    fn restart(&self, number: usize, seat: &Seat, state: ProcessState) -> anyhow::Result<()> {
        self.doors.set(number, None);
        self.change(number, seat, ProcessState::Running, |node| {
            match state {
                ProcessState::Running => drop(node.stop()?),
                ProcessState::Stopped => node.kill()?,
                ProcessState::Down | ProcessState::Changing => {}
            }
            node.start_again(At::Same)?;
            wait_until_ready(node)
        })?;
        self.doors.set(number, seat.view.http.parse().ok());
        Ok(())
    }

    /// How all of them are, also as the cluster sees it.
    pub(crate) fn views(&self) -> Vec<NodeView> {
        let seats: Vec<Seat> = self.seats().values().cloned().collect();
        let members = self.with_any(members_soon).unwrap_or_default();
        let views = seats.iter().map(|seat| {
            let view = self.now(seat);
            let member = members.iter().find(|member| member.id == view.id);
            match member.filter(|_| view.process == ProcessState::Running) {
                Some(Member { role, state, .. }) => {
                    NodeView { role: role.clone(), state: Some(state.clone()), ..view }
                }
                None => view,
            }
        });
        views.collect()
    }

    /// How their processes are; nobody is asked.
    pub(crate) fn processes(&self) -> Vec<NodeView> {
        let seats: Vec<Seat> = self.seats().values().cloned().collect();
        seats.iter().map(|seat| self.now(seat)).collect()
    }

    /// Management APIs of those that run, by number.
    pub(crate) fn apis(&self) -> Vec<(usize, SocketAddr)> {
        let running = self.processes().into_iter().filter(|it| it.process == ProcessState::Running);
        running.filter_map(|view| Some((view.number, view.api.parse().ok()?))).collect()
    }

    fn view(&self, number: usize) -> anyhow::Result<NodeView> {
        let found = self.views().into_iter().find(|view| view.number == number);
        Ok(found.ok_or_else(|| unknown(number))?)
    }

    /// What `ask` gets from the first node that runs and answers it.
    pub(crate) fn with_any<T>(
        &self,
        ask: impl Fn(&Node) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let seats: Vec<Seat> = self.seats().values().cloned().collect();
        let mut last = None;
        let mut busy = Vec::new();
        for seat in &seats {
            if self.now(seat).process != ProcessState::Running {
                continue;
            }
            let Ok(node) = seat.node.try_lock() else {
                busy.push(seat);
                continue;
            };
            match ask(&node) {
                Ok(answer) => return Ok(answer),
                Err(error) => last = Some(error),
            }
        }
        // Those whom somebody else asks just now, or who are on their way up or down.
        for seat in busy {
            let node = lock(&seat.node);
            if self.process(seat.view.number) == Some(ProcessState::Running) {
                match ask(&node) {
                    Ok(answer) => return Ok(answer),
                    Err(error) => last = Some(error),
                }
            }
        }
        Err(last.unwrap_or_else(|| Refused::Conflict("no node runs".to_owned()).into()))
    }

    /// What `ask` gets from this node.
    pub(crate) fn with<T>(
        &self,
        number: usize,
        ask: impl FnOnce(&Node) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let seat = self.find(number)?;
        if self.now(&seat).process != ProcessState::Running {
            return Err(Refused::Conflict(format!("node {number} does not run")).into());
        }
        ask(&lock(&seat.node))
    }

    /// Numbers of the nodes that run.
    pub(crate) fn running(&self) -> Vec<usize> {
        self.apis().into_iter().map(|(number, _)| number).collect()
    }

    pub(crate) fn process(&self, number: usize) -> Option<ProcessState> {
        let seat = self.find(number).ok()?;
        Some(self.now(&seat).process)
    }

    pub(crate) fn id(&self, number: usize) -> Result<String, Refused> {
        Ok(self.find(number)?.view.id)
    }

    pub(crate) fn wait_until_ready(&self) -> anyhow::Result<()> {
        let seats: Vec<Seat> = self.seats().values().cloned().collect();
        seats.iter().try_for_each(|seat| wait_until_ready(&lock(&seat.node)))
    }

    fn seat(&self, node: Node) -> usize {
        let mut seats = self.seats();
        let number = seats.keys().last().map_or(1, |last| last + 1);
        let view = NodeView {
            number,
            id: node.id.clone(),
            process: ProcessState::Running,
            pid: node.process().id(),
            role: None,
            state: None,
            http: node.http.to_string(),
            api: node.api.to_string(),
            cluster: node.cluster.clone(),
            log: node.home.join("log"),
        };
        self.doors.set(number, Some(node.http));
        seats.insert(number, Seat { view, node: Arc::new(Mutex::new(node)) });
        number
    }

    /// Does something to a process, which is in the other state then.
    fn change(
        &self,
        number: usize,
        seat: &Seat,
        then: ProcessState,
        act: impl FnOnce(&mut Node) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mut node = lock(&seat.node);
        self.set(number, ProcessState::Changing);
        let done = act(&mut node);
        let ended = node.has_ended()?;
        let pid = node.process().id();
        self.seats().entry(number).and_modify(|seat| seat.view.pid = pid);
        self.set(number, if ended { ProcessState::Down } else { then });
        if ended {
            self.doors.set(number, None);
        }
        done.with_context(|| format!("node {number}"))
    }

    fn set(&self, number: usize, process: ProcessState) {
        if let Some(seat) = self.seats().get_mut(&number) {
            seat.view.process = process;
        }
    }

    /// The view, with the end of a process that nobody has noticed yet.
    fn now(&self, seat: &Seat) -> NodeView {
        let number = seat.view.number;
        let ended = seat.node.try_lock().is_ok_and(|mut node| node.has_ended().unwrap_or(false));
        if ended {
            self.set(number, ProcessState::Down);
            self.doors.set(number, None);
        }
        self.seats().get(&number).map_or_else(|| seat.view.clone(), |seat| seat.view.clone())
    }

    fn find(&self, number: usize) -> Result<Seat, Refused> {
        self.seats().get(&number).cloned().ok_or_else(|| unknown(number))
    }

    fn seats(&self) -> MutexGuard<'_, BTreeMap<usize, Seat>> {
        self.seats.lock().expect("nobody panics with it")
    }
}

fn lock(node: &Mutex<Node>) -> MutexGuard<'_, Node> {
    node.lock().expect("nobody panics with it")
}

/// What a node says of the cluster, if it says it soon.
fn members_soon(node: &Node) -> anyhow::Result<Vec<Member>> {
    node.members_within(LOOK_MAX)
}

fn wait_until_ready(node: &Node) -> anyhow::Result<()> {
    let request = Request { path: "/health/ready", ..Request::default() };
    until(&format!("node {} is ready", node.id), || {
        http::exchange(node.api, &request).is_ok_and(|answer| answer.status == 200)
    })
}

fn unknown(number: usize) -> Refused {
    Refused::NotFound(format!("there is no node {number}"))
}

fn too_many() -> Refused {
    Refused::Conflict(format!("a Forge has at most {} nodes", super::NODES_MAX))
}
