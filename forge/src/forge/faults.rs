//! Faults of a whole cluster: what goes to which node, and what ends with the time. Knows nodes by
//! number, and the words of the fault API of a node.

use super::marks::{Marks, now_ms};
use super::nodes::Nodes;
use crate::http::Request;
use crate::model::{FaultOrder, FaultView, Happening, NodeAction, ProcessState, Refused, Trouble};
use crate::node::Node;
use anyhow::Context;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Faults of a node.
const ALL: &str = "/api/faults";
/// Most that a fault lasts, as in a node.
const TIME_MAX: Duration = Duration::from_secs(3_600);

#[derive(Debug)]
pub(crate) struct Faults {
    in_force: Mutex<Vec<InForce>>,
    last: AtomicU64,
    marks: Arc<Marks>,
}

#[derive(Debug)]
struct InForce {
    number: u64,
    mark: u64,
    order: FaultOrder,
    until: Instant,
    /// Faults of processes end in a thread, which ends early when it hears from here.
    end: Option<(Sender<()>, JoinHandle<()>)>,
}

/// What one node is told, in the words of its API.
type Share = (usize, Value);

impl Faults {
    pub(crate) fn new(marks: Arc<Marks>) -> Self {
        Self { in_force: Mutex::default(), last: AtomicU64::new(0), marks }
    }

    /// All of it, or an error that names the node where it could not be.
    pub(crate) fn begin(
        &self,
        nodes: &Arc<Nodes>,
        order: &FaultOrder,
    ) -> anyhow::Result<Vec<FaultView>> {
        let duration = order.duration.duration();
        if duration.is_zero() || duration > TIME_MAX {
            return Err(Refused::Invalid("a fault lasts 1ms to 1h".to_owned()).into());
        }
        let number = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        let from_ms = now_ms();
        let restored: Option<(usize, &[NodeAction])> = match &order.trouble {
            Trouble::Kill { node } => {
                nodes.act(*node, NodeAction::Kill)?;
                Some((*node, &[NodeAction::Restart]))
            }
            Trouble::Stop { node } => {
                nodes.act(*node, NodeAction::Stop)?;
                Some((*node, &[NodeAction::Resume]))
            }
            trouble => {
                spread(nodes, number, order)?;
                // A node that could not sync has stopped, or is about to: only a new start helps.
                match trouble {
                    Trouble::FailedSync { node } => {
                        Some((*node, &[NodeAction::Kill, NodeAction::Restart]))
                    }
                    _ => None,
                }
            }
        };
        let until = Instant::now() + duration;
        let until_ms = from_ms.saturating_add(order.duration.as_millis());
        let mark = self.marks.put(Happening::Fault(order.trouble.clone()), from_ms, until_ms);
        let end = restored.map(|(node, actions)| {
            let restoring = Restoring { nodes: Arc::downgrade(nodes), node, actions };
            restoring.later(duration, (self.marks.clone(), mark))
        });
        self.in_force().push(InForce { number, mark, order: order.clone(), until, end });
        Ok(self.views())
    }

    /// Those in force.
    pub(crate) fn views(&self) -> Vec<FaultView> {
        let now = Instant::now();
        let mut in_force = self.in_force();
        // One that restores a process is there until that is done.
        in_force.retain(|fault| match &fault.end {
            Some((_, thread)) => !thread.is_finished(),
            None => fault.until > now,
        });
        let view = |fault: &InForce| FaultView {
            number: fault.number,
            trouble: fault.order.trouble.clone(),
            left_ms: u64::try_from(fault.until.saturating_duration_since(now).as_millis())
                .unwrap_or(u64::MAX),
        };
        in_force.iter().map(view).collect()
    }

    /// Ends one of them. Returns when all is as it was before it.
    pub(crate) fn end(&self, nodes: &Nodes, number: u64) -> anyhow::Result<()> {
        let ending = {
            let mut in_force = self.in_force();
            let place = in_force.iter().position(|fault| fault.number == number);
            let none = || Refused::NotFound(format!("there is no fault {number} any more"));
            vec![in_force.remove(place.ok_or_else(none)?)]
        };
        self.lift(nodes, ending, &format!("{ALL}/{number}"))
    }

    /// Ends all of them. Returns when all is as it was before.
    pub(crate) fn end_all(&self, nodes: &Nodes) -> anyhow::Result<()> {
        let ending = std::mem::take(&mut *self.in_force());
        self.lift(nodes, ending, ALL)
    }

    /// `path`: what the nodes are told to forget.
    fn lift(&self, nodes: &Nodes, ending: Vec<InForce>, path: &str) -> anyhow::Result<()> {
        // These are started anew, and may be on their way down.
        let anew = ending.iter().filter_map(|fault| match fault.order.trouble {
            Trouble::FailedSync { node } => Some(node),
            _ => None,
        });
        let anew: BTreeSet<usize> = anew.collect();
        for number in nodes.running() {
            if !anew.contains(&number) {
                nodes.with(number, |node| tell(node, "DELETE", path, None))?;
            }
        }
        for InForce { end, mark, .. } in ending {
            if let Some((sender, thread)) = end {
                drop(sender);
                thread.join().ok().context("a fault's end panicked")?;
            }
            self.marks.end(mark);
        }
        Ok(())
    }

    fn in_force(&self) -> MutexGuard<'_, Vec<InForce>> {
        self.in_force.lock().expect("nobody panics with it")
    }
}

/// A process that is as it was before, some time.
struct Restoring {
    nodes: Weak<Nodes>,
    node: usize,
    actions: &'static [NodeAction],
}

impl Restoring {
    /// When the time is over, or when the sender is gone; then the mark ends.
    fn later(
        self,
        after: Duration,
        (marks, mark): (Arc<Marks>, u64),
    ) -> (Sender<()>, JoinHandle<()>) {
        let (sender, ended) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            // Nothing is ever sent: the time is over, or the sender is gone.
            let _ = ended.recv_timeout(after);
            self.now();
            marks.end(mark);
        });
        (sender, thread)
    }

    fn now(self) {
        let Self { nodes, node, actions } = self;
        // At the end of a Forge there is nothing to restore.
        let Some(nodes) = nodes.upgrade() else { return };
        for action in actions {
            // Somebody may have brought it back by hand.
            let runs = nodes.process(node) == Some(ProcessState::Running);
            if *action != NodeAction::Restart || !runs {
                // One that is there already is refused. What keeps a node from starting is in its
                // log, and `status` shows it down.
                let _ = nodes.act(node, *action);
            }
        }
    }
}

/// Tells the nodes, all or none; they know the fault by its number.
fn spread(nodes: &Nodes, number: u64, order: &FaultOrder) -> anyhow::Result<()> {
    let shares = shares(nodes, &order.trouble)?;
    for (place, (node, kind)) in shares.iter().enumerate() {
        let fault = json!({
            "kind": kind, "duration": order.duration, "name": number.to_string()
        });
        let body = json!({ "faults": [fault] }).to_string();
        let told = nodes.with(*node, |node| tell(node, "POST", ALL, Some(body)));
        if let Err(error) = told {
            for (told, _) in &shares[..place] {
                let path = format!("{ALL}/{number}");
                // One that cannot be told forgets it by itself.
                let _ = nodes.with(*told, |node| tell(node, "DELETE", &path, None));
            }
            return Err(error);
        }
    }
    Ok(())
}

/// What each node has to be told.
fn shares(nodes: &Nodes, trouble: &Trouble) -> anyhow::Result<Vec<Share>> {
    let links = |from: &[usize], to: &[usize], direction: &str, more: Value, word: &str| {
        let ids = to.iter().map(|number| nodes.id(*number)).collect::<Result<Vec<_>, _>>()?;
        let mut body = json!({ "links": { "nodes": ids, "direction": direction } });
        if let (Some(body), Some(more)) = (body.as_object_mut(), more.as_object()) {
            body.extend(more.clone());
        }
        anyhow::Ok(from.iter().map(|number| (*number, json!({ word: body }))).collect::<Vec<_>>())
    };
    let on = |at: &[usize], kind: Value| {
        let at = if at.is_empty() { nodes.running() } else { at.to_vec() };
        at.into_iter().map(|number| (number, kind.clone())).collect::<Vec<_>>()
    };
    Ok(match trouble {
        Trouble::Partition { groups, one_way } => {
            let [from, to] = groups;
            disjoint(from, to)?;
            let mut shares = links(from, to, "out", json!({}), "partition")?;
            if !one_way {
                shares.extend(links(to, from, "out", json!({}), "partition")?);
            }
            shares
        }
        Trouble::Latency { from, to, time } => {
            disjoint(from, to)?;
            links(from, to, "both", json!({ "time": time }), "latency")?
        }
        Trouble::Loss { from, to, share } => {
            disjoint(from, to)?;
            links(from, to, "both", json!({ "share": share }), "loss")?
        }
        Trouble::SlowDisk { node, time } => on(&[*node], json!({ "slow-disk": { "time": time } })),
        Trouble::FailedSync { node } => on(&[*node], json!("failed-sync")),
        Trouble::Cpu { node, threads } => on(&[*node], json!({ "cpu": { "threads": threads } })),
        Trouble::Memory { node, size } => on(&[*node], json!({ "memory": { "size": size } })),
        Trouble::Clock { node, apart, behind } => {
            let side = if *behind { "behind" } else { "ahead" };
            on(&[*node], json!({ "clock": { "apart": apart, "side": side } }))
        }
        Trouble::CallFailure { calls } => {
            on(&calls.nodes, json!({ "call-failure": { "calls": calls.to_json() } }))
        }
        Trouble::CallDelay { calls, time } => {
            on(&calls.nodes, json!({ "call-delay": { "calls": calls.to_json(), "time": time } }))
        }
        Trouble::Crash { calls } => {
            on(&calls.nodes, json!({ "crash": { "calls": calls.to_json() } }))
        }
        Trouble::Kill { .. } | Trouble::Stop { .. } => unreachable!("these are of processes"),
    })
}

fn disjoint(from: &[usize], to: &[usize]) -> Result<(), Refused> {
    let (one, other): (BTreeSet<_>, BTreeSet<_>) = (from.iter().collect(), to.iter().collect());
    match one.is_empty() || other.is_empty() || one.intersection(&other).next().is_some() {
        true => Err(Refused::Invalid("two groups of different nodes are wanted".to_owned())),
        false => Ok(()),
    }
}

fn tell(node: &Node, method: &str, path: &str, body: Option<String>) -> anyhow::Result<()> {
    let request = Request { method, path, body, ..Request::default() };
    let answer = node.manage(&request)?;
    match answer.status {
        200 | 204 => Ok(()),
        400 => {
            let said: Value = serde_json::from_str(&answer.body).unwrap_or_default();
            let why = said["detail"].as_str().unwrap_or(&answer.body).to_owned();
            Err(Refused::Invalid(why).into())
        }
        status => anyhow::bail!("{method} {path}: {status} {}", answer.body),
    }
}
