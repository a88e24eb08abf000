//! Faults that are put into this node on purpose, and their ends. Knows no sockets.

use crate::clock::Clock;
use crate::tasks::{OnFailure, Tasks};
use crate::unix_ms;
use aether_api::{
    ApiError, ClockSide, FAULT_CLOCK_MAX, FAULT_LATENCY_MAX, FAULT_TIME_MAX, FAULTS_MAX,
    FaultDirection, FaultKind, FaultLinks, FaultView, Principal, rfc3339,
};
use aether_transport::{Direction, Links};
use aether_types::code::Code;
use aether_types::{ErrorKind, NodeId, TimeSpan};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::Arc;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

#[cfg(test)]
mod tests;

/// A node has this many peers in any cluster that we know of; more names are a mistake.
const NODES_MAX: usize = 1_000;

/// Faults of this node. In a node that is not of a sandbox there is none of it.
#[derive(Clone)]
pub(crate) struct Faults(Arc<Shared>);

struct Shared {
    node: NodeId,
    links: Links,
    clock: Clock,
    in_force: Mutex<InForce>,
    changed: Notify,
}

#[derive(Default)]
struct InForce {
    faults: Vec<Entry>,
    /// What was set on the links.
    set: BTreeSet<Key>,
}

/// A fault in force.
#[derive(Debug, Clone)]
struct Entry {
    fault: aether_api::Fault,
    nodes: Vec<NodeId>,
    until: Instant,
    /// Milliseconds since 1970.
    ends_ms: u64,
}

/// What goes to a peer, or comes from it.
type Key = (NodeId, bool);

const OUT: bool = true;
const IN: bool = false;

impl Faults {
    /// Ends faults when their time is over, until `stop`.
    pub(crate) fn start(
        node: NodeId,
        (links, clock): (Links, Clock),
        tasks: &Tasks,
        stop: CancellationToken,
    ) -> Self {
        tracing::info!("this node is of a sandbox: an administrator can put faults into it");
        let (in_force, changed) = (Mutex::default(), Notify::new());
        let this = Self(Arc::new(Shared { node, links, clock, in_force, changed }));
        let ending = this.clone();
        tasks.spawn("faults", OnFailure::StopNode, async move {
            stop.run_until_cancelled(ending.end_in_time()).await;
            ending.end_all();
            Ok::<(), Infallible>(())
        });
        this
    }

    /// All or none of them.
    pub(crate) fn inject(
        &self,
        faults: Vec<aether_api::Fault>,
        by: &Principal,
    ) -> Result<aether_api::Faults, ApiError> {
        let entries: Result<Vec<Entry>, String> =
            faults.into_iter().map(|fault| self.entry(fault)).collect();
        let entries =
            entries.map_err(|message| ApiError::invalid(Code::RequestInvalid, message))?;
        {
            let mut in_force = self.0.in_force.lock();
            if in_force.faults.len() + entries.len() > FAULTS_MAX {
                let message = format!("a node has at most {FAULTS_MAX} faults at the same time");
                return Err(ApiError::new(ErrorKind::Exhausted, Code::RequestInvalid, message)
                    .help("`DELETE /api/faults` ends all of them"));
            }
            for entry in &entries {
                tracing::info!(by = by.name, fault = ?entry.fault, "fault begins");
            }
            in_force.faults.extend(entries);
            in_force.show(&self.0);
        }
        self.0.changed.notify_one();
        Ok(self.all())
    }

    pub(crate) fn all(&self) -> aether_api::Faults {
        let in_force = self.0.in_force.lock();
        let view =
            |entry: &Entry| FaultView { fault: entry.fault.clone(), ends: rfc3339(entry.ends_ms) };
        aether_api::Faults { faults: in_force.faults.iter().map(view).collect() }
    }

    pub(crate) fn end_all(&self) {
        self.retain(|_| false);
    }

    async fn end_in_time(&self) {
        loop {
            let next = self.0.in_force.lock().faults.iter().map(|entry| entry.until).min();
            let over = async {
                match next {
                    Some(next) => tokio::time::sleep_until(next).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.0.changed.notified() => {}
                () = over => self.retain(|entry| entry.until > Instant::now()),
            }
        }
    }

    fn retain(&self, stays: impl Fn(&Entry) -> bool) {
        let mut in_force = self.0.in_force.lock();
        in_force.faults.retain(|entry| {
            let stays = stays(entry);
            if !stays {
                tracing::info!(fault = ?entry.fault, "fault ends");
            }
            stays
        });
        in_force.show(&self.0);
    }

    fn entry(&self, fault: aether_api::Fault) -> Result<Entry, String> {
        let duration = fault.duration;
        if !(TimeSpan::from_millis(1)..=FAULT_TIME_MAX).contains(&duration) {
            return Err(format!("a fault lasts 1ms to {FAULT_TIME_MAX}, not {duration}"));
        }
        match &fault.kind {
            FaultKind::Latency { time, .. } if *time > FAULT_LATENCY_MAX => {
                return Err(format!("a latency is at most {FAULT_LATENCY_MAX}, not {time}"));
            }
            FaultKind::Loss { share, .. } if !(0.0..=1.0).contains(share) => {
                return Err(format!("a share is from 0 to 1, not {share}"));
            }
            FaultKind::Clock { apart, .. } if *apart > FAULT_CLOCK_MAX => {
                return Err(format!("a clock is at most {FAULT_CLOCK_MAX} wrong, not {apart}"));
            }
            _ => {}
        }
        let nodes = links(&fault.kind).map_or(Ok(Vec::new()), |links| self.named(links))?;
        let ends_ms = unix_ms().saturating_add(duration.as_millis());
        Ok(Entry { fault, nodes, until: Instant::now() + duration.duration(), ends_ms })
    }

    fn named(&self, links: &FaultLinks) -> Result<Vec<NodeId>, String> {
        if !(1..=NODES_MAX).contains(&links.nodes.len()) {
            return Err(format!("a fault names 1 to {NODES_MAX} other nodes"));
        }
        let statuses = self.0.links.statuses().borrow().clone();
        let node = |name: &String| match name.parse::<NodeId>() {
            Ok(id) if id == self.0.node => Err(format!("{name} is the node itself")),
            Ok(id) if statuses.contains_key(&id) => Ok(id),
            _ => Err(format!("{name} is no node with which this one is linked")),
        };
        links.nodes.iter().map(node).collect()
    }
}

impl InForce {
    /// Sets on the links what is in force, and nothing else.
    fn show(&mut self, Shared { links, clock, .. }: &Shared) {
        clock.set_offset_ms(clock_offset_ms(&self.faults));
        let wanted = together(&self.faults);
        for key in &self.set {
            if !wanted.contains_key(key) {
                links.faults().set(key.0, direction(*key), aether_transport::Fault::default());
            }
        }
        for (key, fault) in &wanted {
            links.faults().set(key.0, direction(*key), *fault);
        }
        self.set = wanted.into_keys().collect();
    }
}

/// What all faults together do to each peer and direction: the worst of each kind counts.
fn together(faults: &[Entry]) -> BTreeMap<Key, aether_transport::Fault> {
    let mut all = BTreeMap::<Key, aether_transport::Fault>::new();
    for Entry { fault, nodes, .. } in faults {
        let Some(links) = links(&fault.kind) else { continue };
        let directions: &[bool] = match links.direction {
            FaultDirection::Both => &[IN, OUT],
            FaultDirection::In => &[IN],
            FaultDirection::Out => &[OUT],
        };
        for key in nodes.iter().flat_map(|node| directions.iter().map(|way| (*node, *way))) {
            let both = all.entry(key).or_default();
            match &fault.kind {
                FaultKind::Partition { .. } => both.cut = true,
                FaultKind::Latency { time, .. } => {
                    both.latency = both.latency.max(time.duration());
                }
                FaultKind::Loss { share, .. } => both.loss = both.loss.max(*share),
                FaultKind::Clock { .. } => {}
            }
        }
    }
    all
}

fn links(kind: &FaultKind) -> Option<&FaultLinks> {
    match kind {
        FaultKind::Partition { links }
        | FaultKind::Latency { links, .. }
        | FaultKind::Loss { links, .. } => Some(links),
        FaultKind::Clock { .. } => None,
    }
}

/// The newest fault of the clock counts.
fn clock_offset_ms(faults: &[Entry]) -> i64 {
    let offset = faults.iter().rev().find_map(|entry| match &entry.fault.kind {
        FaultKind::Clock { apart, side } => {
            let apart = i64::try_from(apart.as_millis()).unwrap_or(i64::MAX);
            Some(if *side == ClockSide::Ahead { apart } else { -apart })
        }
        _ => None,
    });
    offset.unwrap_or(0)
}

fn direction((_, way): Key) -> Direction {
    if way == OUT { Direction::Out } else { Direction::In }
}
