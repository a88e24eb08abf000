//! Faults that are put into this node on purpose, and their ends. Knows no sockets.

mod burden;
mod effects;
#[cfg(test)]
mod tests;

use crate::clock::Clock;
use crate::disk::DiskFaults;
use crate::tasks::{OnFailure, Tasks};
use crate::unix_ms;
use aether_api::{
    ApiError, CallFault, FAULT_CLOCK_MAX, FAULT_LATENCY_MAX, FAULT_MEMORY_MAX,
    FAULT_NAME_BYTES_MAX, FAULT_THREADS_MAX, FAULT_TIME_MAX, FAULTS_MAX, FaultKind, FaultView,
    Principal, rfc3339,
};
use aether_engine::Tampering;
use aether_transport::{Direction, Links};
use aether_types::code::Code;
use aether_types::{ErrorKind, NodeId, TimeSpan};
use burden::Burden;
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// A node has this many peers in any cluster that we know of; more names are a mistake.
const NODES_MAX: usize = 1_000;

/// Faults of this node. In a node that is not of a sandbox there is none of it.
#[derive(Clone)]
pub(crate) struct Faults(Arc<Shared>);

/// Where faults can be put.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    pub(crate) links: Links,
    pub(crate) clock: Clock,
    pub(crate) calls: Arc<Tampering>,
    pub(crate) disk: Arc<DiskFaults>,
}

struct Shared {
    node: NodeId,
    places: Places,
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
#[derive(Debug)]
struct Entry {
    fault: aether_api::Fault,
    /// Those whose links it is about.
    nodes: Vec<NodeId>,
    _burden: Option<Burden>,
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
        places: Places,
        tasks: &Tasks,
        stop: CancellationToken,
    ) -> Self {
        tracing::info!("this node is of a sandbox: an administrator can put faults into it");
        let (in_force, changed) = (Mutex::default(), Notify::new());
        let this = Self(Arc::new(Shared { node, places, in_force, changed }));
        let ending = this.clone();
        tasks.spawn("faults", OnFailure::StopNode, async move {
            stop.run_until_cancelled(ending.end_in_time()).await;
            ending.end(None);
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
            in_force.show(&self.0.places);
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

    /// Those with the name, or all.
    pub(crate) fn end(&self, name: Option<&str>) {
        self.retain(|entry| name.is_some_and(|name| entry.fault.name.as_deref() != Some(name)));
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
        in_force.show(&self.0.places);
    }

    fn entry(&self, fault: aether_api::Fault) -> Result<Entry, String> {
        let duration = fault.duration;
        if !(TimeSpan::from_millis(1)..=FAULT_TIME_MAX).contains(&duration) {
            return Err(format!("a fault lasts 1ms to {FAULT_TIME_MAX}, not {duration}"));
        }
        if fault.name.as_ref().is_some_and(|name| name.len() > FAULT_NAME_BYTES_MAX) {
            return Err(format!("a fault's name has at most {FAULT_NAME_BYTES_MAX} bytes"));
        }
        check(&fault.kind)?;
        let nodes = match effects::links(&fault.kind) {
            Some(links) => self.linked(&links.nodes)?,
            None => Vec::new(),
        };
        let burden = match &fault.kind {
            FaultKind::Cpu { threads } => Some(Burden::cpu(*threads).map_err(|e| e.to_string())?),
            FaultKind::Memory { size } => Some(Burden::memory(*size).map_err(|e| e.to_string())?),
            _ => None,
        };
        let ends_ms = unix_ms().saturating_add(duration.as_millis());
        let until = Instant::now() + duration.duration();
        Ok(Entry { fault, nodes, _burden: burden, until, ends_ms })
    }

    fn linked(&self, named: &[String]) -> Result<Vec<NodeId>, String> {
        if !(1..=NODES_MAX).contains(&named.len()) {
            return Err(format!("a fault names 1 to {NODES_MAX} other nodes"));
        }
        let statuses = self.0.places.links.statuses().borrow().clone();
        let node = |name: &String| match name.parse::<NodeId>() {
            Ok(id) if id == self.0.node => Err(format!("{name} is the node itself")),
            Ok(id) if statuses.contains_key(&id) => Ok(id),
            _ => Err(format!("{name} is no node with which this one is linked")),
        };
        named.iter().map(node).collect()
    }
}

impl InForce {
    /// Puts what is in force where it belongs, and nothing else.
    fn show(&mut self, places: &Places) {
        let Places { links, clock, calls, disk } = places;
        clock.set_offset_ms(effects::clock_offset_ms(&self.faults));
        let wanted = effects::on_links(&self.faults);
        for key in &self.set {
            if !wanted.contains_key(key) {
                links.faults().set(key.0, direction(*key), aether_transport::Fault::default());
            }
        }
        for (key, fault) in &wanted {
            links.faults().set(key.0, direction(*key), *fault);
        }
        self.set = wanted.into_keys().collect();
        calls.set(effects::on_calls(&self.faults));
        let (slow, sync_fails) = effects::on_disk(&self.faults);
        disk.set(slow, sync_fails);
    }
}

/// What makes no sense on any node.
fn check(kind: &FaultKind) -> Result<(), String> {
    let share = match kind {
        FaultKind::Loss { share, .. } => Some(*share),
        FaultKind::CallFailure { calls: CallFault { share, .. } }
        | FaultKind::CallDelay { calls: CallFault { share, .. }, .. }
        | FaultKind::Crash { calls: CallFault { share, .. } } => Some(*share),
        _ => None,
    };
    match kind {
        FaultKind::Latency { time, .. }
        | FaultKind::SlowDisk { time }
        | FaultKind::CallDelay { time, .. }
            if *time > FAULT_LATENCY_MAX =>
        {
            Err(format!("a latency is at most {FAULT_LATENCY_MAX}, not {time}"))
        }
        FaultKind::Clock { apart, .. } if *apart > FAULT_CLOCK_MAX => {
            Err(format!("a clock is at most {FAULT_CLOCK_MAX} wrong, not {apart}"))
        }
        FaultKind::Cpu { threads } if !(1..=FAULT_THREADS_MAX).contains(threads) => {
            Err(format!("1 to {FAULT_THREADS_MAX} threads can be busy, not {threads}"))
        }
        FaultKind::Memory { size } if *size > FAULT_MEMORY_MAX => {
            Err(format!("at most {FAULT_MEMORY_MAX} can be taken, not {size}"))
        }
        _ => match share.filter(|share| !(0.0..=1.0).contains(share)) {
            Some(share) => Err(format!("a share is from 0 to 1, not {share}")),
            None => Ok(()),
        },
    }
}

fn direction((_, way): Key) -> Direction {
    if way == OUT { Direction::Out } else { Direction::In }
}
