//! What nodes say of themselves every second: load, not state. Never goes through the log, and may
//! be lost.

use crate::clock::{Clock, Skews};
use crate::control::Control;
use crate::counts::Counting;
use crate::network::{Network, Notice};
use aether_engine::{Engine, Stats};
use aether_transport::Class;
use aether_types::NodeId;
use aether_types::versioned::{Versioned, encode};
use parking_lot::Mutex;
use rustix::fs::StatVfs;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::Path;
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
    /// Processor time that the process has used, in milliseconds.
    pub(crate) cpu_millis: u64,
    /// Live `WasmInstance`s, idle ones included.
    pub(crate) wasm_instances: u32,
    /// Calls that run, and that wait for an instance.
    pub(crate) calls_busy: u64,
    pub(crate) calls_queued: u64,
    /// Bytes of the disk that holds the data folder.
    pub(crate) disk_free: u64,
    pub(crate) disk_size: u64,
}

impl Versioned for Sample {
    const FORMAT: u8 = 4;
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
    pub(crate) counting: Counting,
    pub(crate) clock: Clock,
    pub(crate) started: Instant,
    /// The data folder.
    pub(crate) data: Arc<Path>,
}

impl Node {
    /// How it is now.
    pub(crate) fn take(&self) -> Sample {
        let usage = self.engine.usage();
        let loads = self.counting.loads();
        let sum = |of: fn(&Stats) -> usize| loads.iter().map(|load| of(&load.stats) as u64).sum();
        let disk = rustix::fs::statvfs(&*self.data);
        let blocks = |blocks: fn(&StatVfs) -> u64| {
            disk.as_ref().map_or(0, |disk| blocks(disk).saturating_mul(disk.f_frsize))
        };
        Sample {
            uptime_seconds: self.started.elapsed().as_secs(),
            memory_budget: usage.memory_budget.bytes(),
            memory_committed: usage.memory_admitted.bytes(),
            memory_resident: resident_bytes(),
            compiled: usage.compiled,
            clock_ms: self.clock.now_ms(),
            disk_full: self.control.is_disk_full(),
            cpu_millis: cpu_millis(),
            wasm_instances: usage.wasm_instances,
            calls_busy: sum(|stats| stats.busy),
            calls_queued: sum(|stats| stats.queued),
            disk_free: blocks(|disk| disk.f_bavail),
            disk_size: blocks(|disk| disk.f_blocks),
        }
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
        let bytes = bytes::Bytes::from(encode(&node.take()));
        let statuses = links.statuses().borrow().clone();
        for (node, _) in statuses.iter().filter(|(_, status)| status.is_up()) {
            links.send(*node, Class::Calls, Notice::Sample as u64, bytes.clone());
        }
    }
    Ok(())
}

/// Processor time of all threads, in user code and in the system; 0 where the system does not tell.
fn cpu_millis() -> u64 {
    /// Linux counts it in hundredths of a second, on every machine that we build for.
    const TICK_MILLIS: u64 = 10;
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name of the process, in parentheses, may hold anything.
    let fields = text.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace();
    let ticks = fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok());
    ticks.sum::<u64>() * TICK_MILLIS
}

/// Memory that the process holds, in bytes; 0 where the system does not tell.
fn resident_bytes() -> u64 {
    const PAGE: u64 = 4_096;
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    text.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * PAGE
}
