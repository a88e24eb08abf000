//! What nodes say of themselves every second: load, not state. Never goes through the log, and may
//! be lost.

use crate::clock::{Clock, Skews, Timeline};
use crate::control::Control;
use crate::counts::Counting;
use crate::network::{Network, Notice};
use aether_engine::{Engine, Stats};
use aether_telemetry::{Fleet, NodeHistory, NodeLoad, Reading, Span};
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

/// How a node is.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sample {
    pub(crate) uptime_millis: u64,
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
    /// Time that the processors of the machine were busy, and idle, since it began, together.
    pub(crate) machine_busy_millis: u64,
    pub(crate) machine_idle_millis: u64,
    /// That this process may use.
    pub(crate) processors: u32,
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
    const FORMAT: u8 = 5;
}

/// What all nodes have said of themselves, this one included.
#[derive(Debug, Clone)]
pub(crate) struct Samples {
    newest: Arc<Mutex<BTreeMap<NodeId, Sample>>>,
    fleet: Arc<Mutex<Fleet>>,
    pub(crate) timeline: Timeline,
    clock: Clock,
    pub(crate) skews: Skews,
}

impl Samples {
    /// `clock`: this node's own.
    pub(crate) fn new(clock: Clock) -> Self {
        let (newest, fleet, skews) = Default::default();
        Self { newest, fleet, timeline: Timeline::begin(), clock, skews }
    }

    /// Another node says how it is.
    pub(crate) fn note(&self, node: NodeId, sample: Sample) {
        self.skews.note(node, sample.clock_ms, self.clock.now_ms());
        self.keep(node, sample);
    }

    fn keep(&self, node: NodeId, sample: Sample) {
        self.fleet.lock().on_reading(node, self.timeline.now(), sample.reading());
        self.newest.lock().insert(node, sample);
    }

    /// None where the node has said nothing for a while.
    pub(crate) fn of(&self, node: NodeId) -> Option<Sample> {
        self.load(node)?;
        self.newest.lock().get(&node).copied()
    }

    /// How busy a node is; None where it has said nothing for a while.
    pub(crate) fn load(&self, node: NodeId) -> Option<NodeLoad> {
        self.fleet.lock().load(node, self.timeline.now())
    }

    /// How busy all nodes are that have said something in the last 10 s, this one included. Who
    /// wants to know who is there now asks [`crate::reach`].
    pub(crate) fn loads(&self) -> BTreeMap<NodeId, NodeLoad> {
        self.fleet.lock().loads(self.timeline.now())
    }

    /// How nodes were, also those that are gone.
    pub(crate) fn history(&self, span: &Span, wants: impl Fn(NodeId) -> bool) -> Vec<NodeHistory> {
        self.fleet.lock().history(span, wants)
    }

    /// Whether there are points of this node from now on, as long as it speaks.
    pub(crate) fn follows(&self, node: NodeId) -> bool {
        self.fleet.lock().follows(node, self.timeline.now())
    }

    /// For what is done with nodes and requests together.
    pub(crate) fn with_fleet<R>(&self, act: impl FnOnce(&mut Fleet) -> R) -> R {
        act(&mut self.fleet.lock())
    }
}

impl Sample {
    fn reading(&self) -> Reading {
        Reading {
            uptime: Duration::from_millis(self.uptime_millis),
            cpu: Duration::from_millis(self.cpu_millis),
            machine_busy: Duration::from_millis(self.machine_busy_millis),
            machine_idle: Duration::from_millis(self.machine_idle_millis),
            processors: self.processors,
            memory_resident: self.memory_resident,
            memory_committed: self.memory_committed,
            memory_budget: self.memory_budget,
            instances: self.wasm_instances,
            busy: self.calls_busy,
            queued: self.calls_queued,
            disk_free: self.disk_free,
            disk_size: self.disk_size,
        }
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
    /// Of the machine, as far as this process may use them.
    pub(crate) processors: u32,
}

impl Node {
    /// How it is now.
    pub(crate) fn take(&self) -> Sample {
        let usage = self.engine.usage();
        let loads = self.counting.loads();
        let sum = |of: fn(&Stats) -> usize| loads.iter().map(|load| of(&load.stats) as u64).sum();
        let (machine_busy_millis, machine_idle_millis) = machine_millis();
        let disk = rustix::fs::statvfs(&*self.data);
        let blocks = |blocks: fn(&StatVfs) -> u64| {
            disk.as_ref().map_or(0, |disk| blocks(disk).saturating_mul(disk.f_frsize))
        };
        Sample {
            uptime_millis: u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            memory_budget: usage.memory_budget.bytes(),
            memory_committed: usage.memory_admitted.bytes(),
            memory_resident: resident_bytes(),
            compiled: usage.compiled,
            clock_ms: self.clock.now_ms(),
            disk_full: self.control.is_disk_full(),
            cpu_millis: cpu_millis(),
            machine_busy_millis,
            machine_idle_millis,
            processors: self.processors,
            wasm_instances: usage.wasm_instances,
            calls_busy: sum(|stats| stats.busy),
            calls_queued: sum(|stats| stats.queued),
            disk_free: blocks(|disk| disk.f_bavail),
            disk_size: blocks(|disk| disk.f_blocks),
        }
    }
}

/// Tells every other node, and keeps what all have said.
pub(crate) async fn tell(
    (own, node): (NodeId, Node),
    samples: Samples,
    network: Network,
    shutdown: CancellationToken,
) -> Result<(), Infallible> {
    let mut every = tokio::time::interval(EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while shutdown.run_until_cancelled(every.tick()).await.is_some() {
        let sample = node.take();
        samples.keep(own, sample);
        samples.fleet.lock().tick(samples.timeline.now());
        let Some(links) = network.links() else { continue };
        let bytes = bytes::Bytes::from(encode(&sample));
        let statuses = links.statuses().borrow().clone();
        for (node, _) in statuses.iter().filter(|(_, status)| status.is_up()) {
            links.send(*node, Class::Calls, Notice::Sample as u64, bytes.clone());
        }
    }
    Ok(())
}

/// Linux counts processor time in hundredths of a second, on every machine that we build for.
const TICK_MILLIS: u64 = 10;

/// Processor time of all threads, in user code and in the system; 0 where the system does not tell.
fn cpu_millis() -> u64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name of the process, in parentheses, may hold anything.
    let fields = text.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace();
    let ticks = fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok());
    ticks.sum::<u64>() * TICK_MILLIS
}

/// Time that all processors of the machine together were busy, and idle, since it began; 0 where
/// the system does not tell.
fn machine_millis() -> (u64, u64) {
    busy_and_idle_millis(&std::fs::read_to_string("/proc/stat").unwrap_or_default())
}

/// From the first line: user, nice, system, idle, iowait, irq, softirq, steal, and guests, which
/// are in the first two.
fn busy_and_idle_millis(stat: &str) -> (u64, u64) {
    let line = stat.lines().next().and_then(|line| line.strip_prefix("cpu "));
    let ticks = line.unwrap_or_default().split_whitespace().take(8).map(str::parse::<u64>);
    let (mut busy, mut idle) = (0, 0);
    for (place, ticks) in ticks.enumerate() {
        let sum = if matches!(place, 3 | 4) { &mut idle } else { &mut busy };
        *sum += ticks.unwrap_or(0) * TICK_MILLIS;
    }
    (busy, idle)
}

/// Memory that the process holds, in bytes; 0 where the system does not tell.
fn resident_bytes() -> u64 {
    const PAGE: u64 = 4_096;
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    text.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * PAGE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_is_busy_with_all_but_idling() {
        let stat = "cpu  100 20 30 9000 800 4 5 6 70 80\ncpu0 50 10 15 1 1 1 1 1 1 1\n";
        assert_eq!(busy_and_idle_millis(stat), (1_650, 98_000));
        assert_eq!(busy_and_idle_millis("cpu0 1 2"), (0, 0));
        let (busy, idle) = machine_millis();
        assert!(busy > 0 && idle > 0, "this is Linux");
    }
}
