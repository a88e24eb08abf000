//! Faults of a whole cluster: what goes to which node, and what ends with the time. Knows nodes by
//! number, and the words of the fault API of a node.

use super::nodes::Nodes;
use crate::http::Request;
use crate::model::{FaultOrder, FaultView, NodeAction, ProcessState, Refused, Trouble};
use crate::node::Node;
use anyhow::Context;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Most that a fault lasts, as in a node.
const TIME_MAX: Duration = Duration::from_secs(3_600);

#[derive(Debug, Default)]
pub(crate) struct Faults {
    in_force: Mutex<Vec<InForce>>,
}

#[derive(Debug)]
struct InForce {
    number: u64,
    order: FaultOrder,
    until: Instant,
    /// Faults of processes end in a thread, which ends early when it hears from here.
    end: Option<(Sender<()>, JoinHandle<()>)>,
}

/// What one node is told, in the words of its API.
type Share = (usize, Value);

impl Faults {
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
        let end = match &order.trouble {
            Trouble::Kill { node } => {
                nodes.act(*node, NodeAction::Kill)?;
                Some(later(nodes, *node, &[NodeAction::Restart], duration))
            }
            Trouble::Stop { node } => {
                nodes.act(*node, NodeAction::Stop)?;
                Some(later(nodes, *node, &[NodeAction::Resume], duration))
            }
            trouble => {
                let shares = shares(nodes, trouble)?;
                for (number, kind) in shares {
                    let fault = json!({ "kind": kind, "duration": order.duration });
                    let body = json!({ "faults": [fault] });
                    nodes.with(number, |node| tell(node, "POST", Some(body.to_string())))?;
                }
                // A node that could not sync has stopped, or is about to: only a new start helps.
                match trouble {
                    Trouble::FailedSync { node } => Some(later(
                        nodes,
                        *node,
                        &[NodeAction::Kill, NodeAction::Restart],
                        duration,
                    )),
                    _ => None,
                }
            }
        };
        let mut in_force = self.in_force();
        let number = in_force.last().map_or(1, |last| last.number + 1);
        let until = Instant::now() + duration;
        in_force.push(InForce { number, order: order.clone(), until, end });
        drop(in_force);
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

    /// Ends all of them. Returns when all is as it was before.
    pub(crate) fn end_all(&self, nodes: &Nodes) -> anyhow::Result<()> {
        let ending = std::mem::take(&mut *self.in_force());
        // These are started anew, and may be on their way down.
        let anew = ending.iter().filter_map(|fault| match fault.order.trouble {
            Trouble::FailedSync { node } => Some(node),
            _ => None,
        });
        let anew: BTreeSet<usize> = anew.collect();
        for view in nodes.views() {
            if view.process == ProcessState::Running && !anew.contains(&view.number) {
                nodes.with(view.number, |node| tell(node, "DELETE", None))?;
            }
        }
        for InForce { end, .. } in ending {
            if let Some((sender, thread)) = end {
                drop(sender);
                thread.join().ok().context("a fault's end panicked")?;
            }
        }
        Ok(())
    }

    fn in_force(&self) -> MutexGuard<'_, Vec<InForce>> {
        self.in_force.lock().expect("nobody panics with it")
    }
}

/// Restores a process when the time is over, or when the sender is gone.
fn later(
    nodes: &Arc<Nodes>,
    number: usize,
    actions: &'static [NodeAction],
    after: Duration,
) -> (Sender<()>, JoinHandle<()>) {
    let (sender, ended) = mpsc::channel();
    let nodes = Arc::downgrade(nodes);
    let thread = std::thread::spawn(move || {
        // Nothing is ever sent: the time is over, or the sender is gone.
        let _ = ended.recv_timeout(after);
        // At the end of a Forge there is nothing to restore.
        let Some(nodes) = nodes.upgrade() else { return };
        for action in actions {
            // Somebody may have brought it back by hand.
            let runs = nodes.process(number) == Some(ProcessState::Running);
            if *action != NodeAction::Restart || !runs {
                // One that is there already is refused. What keeps a node from starting is in its
                // log, and `status` shows it down.
                let _ = nodes.act(number, *action);
            }
        }
    });
    (sender, thread)
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

fn tell(node: &Node, method: &str, body: Option<String>) -> anyhow::Result<()> {
    let request = Request { method, path: "/api/faults", body, ..Request::default() };
    let answer = node.manage(&request)?;
    match answer.status {
        200 | 204 => Ok(()),
        400 => {
            let said: Value = serde_json::from_str(&answer.body).unwrap_or_default();
            let why = said["detail"].as_str().unwrap_or(&answer.body).to_owned();
            Err(Refused::Invalid(why).into())
        }
        status => anyhow::bail!("{method} /api/faults: {status} {}", answer.body),
    }
}
