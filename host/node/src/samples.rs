//! What nodes say of themselves every second: load, not state. Never goes through the log, and may
//! be lost.

use crate::clock::{Clock, Skews};
use crate::control::Control;
use crate::network::{Network, Notice};
use aether_engine::Engine;
use aether_transport::Class;
use aether_types::NodeId;
use aether_types::versioned::{Versioned, encode};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

/// How often a node says how it is.
const EVERY: Duration = Duration::from_secs(1);

/// A sample that is older says nothing any more.
const STALE_AFTER: Duration = Duration::from_secs(10);

/// How a node is.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sample {
    pub(crate) uptime_seconds: u64,
    /// Bytes that slices may use together.
    pub(crate) memory_budget: u64,
    /// Bytes that the admitted slices may use at most.
    pub(crate) memory_committed: u64,
    /// Bytes that the process holds.
    pub(crate) memory_resident: u64,
    /// How often it compiled a component.
    pub(crate) compiled: u64,
    /// Its wall clock: milliseconds since 1970.
    pub(crate) clock_ms: u64,
    /// Its disk has no room: it takes no part in decisions.
    pub(crate) disk_full: bool,
}

impl Versioned for Sample {
    const FORMAT: u8 = 3;
}

/// The newest sample of each node.
#[derive(Debug, Default, Clone)]
pub(crate) struct Samples {
    newest: Arc<Mutex<BTreeMap<NodeId, (Instant, Sample)>>>,
    clock: Clock,
    pub(crate) skews: Skews,
}

impl Samples {
    /// `clock`: this node's own.
    pub(crate) fn new(clock: Clock) -> Self {
        Self { clock, ..Self::default() }
    }

    pub(crate) fn note(&self, node: NodeId, sample: Sample) {
        self.skews.note(node, sample.clock_ms, self.clock.now_ms());
        self.newest.lock().insert(node, (Instant::now(), sample));
    }

    /// None where the node has said nothing for a while.
    pub(crate) fn of(&self, node: NodeId) -> Option<Sample> {
        let samples = self.newest.lock();
        let (at, sample) = samples.get(&node)?;
        (at.elapsed() < STALE_AFTER).then_some(*sample)
    }
}

/// What a sample is taken of.
#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) engine: Engine,
    pub(crate) control: Control,
    pub(crate) clock: Clock,
    pub(crate) started: Instant,
}

/// This node, now.
pub(crate) fn take(Node { engine, control, clock, started }: &Node) -> Sample {
    let usage = engine.usage();
    Sample {
        uptime_seconds: started.elapsed().as_secs(),
        memory_budget: usage.memory_budget.bytes(),
        memory_committed: usage.memory_admitted.bytes(),
        memory_resident: resident_bytes(),
        compiled: usage.compiled,
        clock_ms: clock.now_ms(),
        disk_full: control.is_disk_full(),
    }
}

/// Tells every other node.
pub(crate) async fn tell(
    node: Node,
    network: Network,
    shutdown: CancellationToken,
) -> Result<(), Infallible> {
    let mut every = tokio::time::interval(EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while shutdown.run_until_cancelled(every.tick()).await.is_some() {
        let Some(links) = network.links() else { continue };
        let bytes = bytes::Bytes::from(encode(&take(&node)));
        let statuses = links.statuses().borrow().clone();
        for (node, _) in statuses.iter().filter(|(_, status)| status.is_up()) {
            links.send(*node, Class::Calls, Notice::Sample as u64, bytes.clone());
        }
    }
    Ok(())
}

/// Memory that the process holds, in bytes; 0 where the system does not tell.
fn resident_bytes() -> u64 {
    const PAGE: u64 = 4_096;
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    text.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * PAGE
}
