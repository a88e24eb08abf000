//! How the nodes of the cluster are and were, from what each says of itself every second. Knows no
//! network and no wall clock: moments are durations since one of the caller's.

use crate::ema;
use crate::history::{Points, Shift, Span, Step};
use aether_types::NodeId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// Nodes whose history is kept, those that are gone included. With 100 KiB each, 13 MB at most. Of
/// more, those go that were silent the longest.
const NODES_MAX: usize = 128;

/// What is older says nothing of how a node is now.
const SILENT_MAX: Duration = Duration::from_secs(10);

/// A second gets a point where the node was heard within this time: messages come a little earlier
/// or later, and one may be lost.
const POINT_AGE_MAX: Duration = Duration::from_millis(2_500);

/// What a node says of itself: times since a beginning, which only grow, and amounts as they are.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// Since the process began.
    pub uptime: Duration,
    /// Processor time of the process since it began.
    pub cpu: Duration,
    /// Processor time of everything on the machine since that began, over all its processors, and
    /// the time in which they had nothing to do.
    pub machine_busy: Duration,
    pub machine_idle: Duration,
    /// That the process may use.
    pub processors: u32,
    /// Bytes that the process holds, that its slices may use at most, and that all slices may.
    pub memory_resident: u64,
    pub memory_committed: u64,
    pub memory_budget: u64,
    /// Live `WasmInstance`s, idle ones included.
    pub instances: u32,
    /// Calls that run, and that wait for an instance.
    pub busy: u64,
    pub queued: u64,
    /// Bytes of the disk that holds the data folder.
    pub disk_free: u64,
    pub disk_size: u64,
}

/// How a node is now.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub struct NodeLoad {
    /// The newest.
    pub reading: Reading,
    /// Processors that the process keeps busy, as a mean that follows within 5 s: 1.5 is one and a
    /// half of them.
    pub cpu_cores: f64,
    /// Share of the machine's processors that are busy, with anything: 0 to 1; the same mean.
    pub machine_busy: f64,
    /// Calls that run, and that wait for an instance; the same mean.
    pub busy: f64,
    pub queued: f64,
}

/// What one node was like, slot by slot; None where it was not heard.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeHistory {
    pub node: NodeId,
    pub points: Vec<Option<NodePoint>>,
}

/// What a node was like in one slot. To seven digits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NodePoint {
    pub mean: Measures,
    /// The largest of a second.
    pub max: Measures,
}

/// What is kept of each second.
#[derive(Debug, Default, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Measures {
    /// Processors that the process keeps busy.
    pub cpu_cores: f32,
    /// Share of the machine's processors that are busy: 0 to 1.
    pub machine_busy: f32,
    /// Bytes.
    pub memory_resident: f32,
    pub memory_committed: f32,
    pub instances: f32,
    pub busy: f32,
    pub queued: f32,
    /// Bytes.
    pub disk_free: f32,
}

/// All nodes that were heard of in the last two hours.
#[derive(Debug, Default)]
pub struct Fleet {
    nodes: BTreeMap<NodeId, Node>,
}

/// The points of all nodes, for a node that starts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct FleetPast(Vec<(NodeId, NodePast)>);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct NodePast {
    fine: Vec<(u64, Measures)>,
    coarse: Vec<(u64, Spread)>,
}

#[derive(Debug)]
struct Node {
    /// The last time; of a node that only others have heard, when the newest point was.
    heard: Duration,
    load: Option<NodeLoad>,
    /// Of the time between the last two readings; none before there are two.
    now: Option<Measures>,
    fine: Points<Measures>,
    coarse: Points<Spread>,
}

/// Several seconds together.
#[derive(Debug, Default, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Spread {
    count: u16,
    sum: Measures,
    max: Measures,
}

impl NodeLoad {
    /// Share of the processors that the process may use that it keeps busy: 0 to 1.
    pub fn cpu_share(&self) -> f64 {
        self.cpu_cores / f64::from(self.reading.processors.max(1))
    }
}

impl Fleet {
    /// A node says how it is. What comes late or twice is not taken up.
    pub fn on_reading(&mut self, id: NodeId, now: Duration, reading: Reading) {
        if !self.nodes.contains_key(&id) && self.nodes.len() >= NODES_MAX {
            let silent = self.nodes.iter().min_by_key(|(_, node)| node.heard);
            let silent = silent.map(|(id, _)| *id);
            silent.map(|id| self.nodes.remove(&id));
        }
        self.nodes.entry(id).or_insert_with(|| Node::unheard(now)).follow(now, reading);
    }

    /// Keeps a point of every node that speaks: to be called once a second.
    pub fn tick(&mut self, now: Duration) {
        let [second, slot] = [Step::Second, Step::TenSeconds].map(|step| step.slot(now));
        self.nodes.retain(|_, node| {
            let speaks = now.saturating_sub(node.heard) <= POINT_AGE_MAX;
            // A second counts once.
            let is_new = node.fine.newest() != Some(second);
            if let Some(measures) = node.now.filter(|_| speaks && is_new) {
                *node.fine.at(second) = measures;
                node.coarse.at(slot).add(&measures);
            }
            node.fine.forget(second);
            node.coarse.forget(slot);
            !node.coarse.is_empty() || now.saturating_sub(node.heard) <= SILENT_MAX
        });
    }

    /// How a node is; None where it has said nothing for a while.
    pub fn load(&self, id: NodeId, now: Duration) -> Option<NodeLoad> {
        let node = self.nodes.get(&id)?;
        node.load.filter(|_| now.saturating_sub(node.heard) <= SILENT_MAX)
    }

    /// Whether there is a point of this node for the seconds from now on, if it goes on to speak.
    pub fn follows(&self, id: NodeId, now: Duration) -> bool {
        let speaks = |node: &&Node| now.saturating_sub(node.heard) <= POINT_AGE_MAX;
        self.nodes.get(&id).filter(speaks).is_some_and(|node| node.now.is_some())
    }

    /// How all nodes are that have said something lately.
    pub fn loads(&self, now: Duration) -> BTreeMap<NodeId, NodeLoad> {
        self.nodes.keys().filter_map(|id| Some((*id, self.load(*id, now)?))).collect()
    }

    /// How nodes were, also those that are gone. Without those of which there is no point.
    pub fn history(&self, span: &Span, wants: impl Fn(NodeId) -> bool) -> Vec<NodeHistory> {
        let history = self.nodes.iter().filter(|(id, _)| wants(**id)).map(|(id, node)| {
            let points = match span.step {
                Step::Second => span.each(&node.fine, |now| NodePoint { mean: *now, max: *now }),
                Step::TenSeconds => span.each(&node.coarse, Spread::point),
            };
            NodeHistory { node: *id, points }
        });
        history.filter(|history| history.points.iter().any(Option::is_some)).collect()
    }

    /// All points, for a node that starts.
    pub(crate) fn past(&self) -> FleetPast {
        let past = |node: &Node| NodePast {
            fine: node.fine.iter().copied().collect(),
            coarse: node.coarse.iter().copied().collect(),
        };
        FleetPast(self.nodes.iter().map(|(id, node)| (*id, past(node))).collect())
    }

    /// Takes up what another node has kept, in slots of which this one has nothing. Of more nodes
    /// than there is room for, those stay that are there.
    pub(crate) fn remember(&mut self, past: FleetPast, shift: &Shift) {
        for (id, past) in past.0 {
            if self.nodes.len() >= NODES_MAX && !self.nodes.contains_key(&id) {
                continue;
            }
            let node = self.nodes.entry(id).or_insert_with(|| Node::unheard(Duration::ZERO));
            node.remember(past, shift);
        }
        self.nodes.retain(|_, node| node.load.is_some() || !node.coarse.is_empty());
    }
}

impl Node {
    fn unheard(heard: Duration) -> Self {
        let (fine, coarse) = (Points::of(Step::Second), Points::of(Step::TenSeconds));
        Self { heard, load: None, now: None, fine, coarse }
    }

    fn follow(&mut self, now: Duration, reading: Reading) {
        let Some(load) = &mut self.load else { return self.begin(now, reading) };
        let before = load.reading;
        let elapsed = reading.uptime.saturating_sub(before.uptime);
        if elapsed.is_zero() {
            if reading.uptime < before.uptime {
                // It is a process that has begun after that one.
                self.begin(now, reading);
            }
            return;
        }
        let since =
            |of: fn(&Reading) -> Duration| of(&reading).saturating_sub(of(&before)).as_secs_f64();
        let cpu_cores = since(|reading| reading.cpu) / elapsed.as_secs_f64();
        let (busy, idle) = (since(|r| r.machine_busy), since(|r| r.machine_idle));
        // The system counts in hundredths: in a very short time it may have counted nothing.
        let machine_busy = if busy > 0.0 { busy / (busy + idle) } else { 0.0 };
        load.reading = reading;
        ema::follow(&mut load.cpu_cores, cpu_cores, elapsed);
        ema::follow(&mut load.machine_busy, machine_busy, elapsed);
        ema::follow(&mut load.busy, reading.busy as f64, elapsed);
        ema::follow(&mut load.queued, reading.queued as f64, elapsed);
        self.heard = now;
        self.now = Some(Measures::of(&reading, cpu_cores, machine_busy));
    }

    /// A process that is heard for the first time: how busy it is shows with the next reading.
    fn begin(&mut self, now: Duration, reading: Reading) {
        let (busy, queued) = (reading.busy as f64, reading.queued as f64);
        self.heard = now;
        self.load = Some(NodeLoad { reading, busy, queued, ..NodeLoad::default() });
        self.now = None;
    }

    fn remember(&mut self, past: NodePast, shift: &Shift) {
        let NodePast { fine, coarse } = past;
        self.fine.fill(shift.points(Step::Second, fine, Measures::is_sound));
        self.coarse.fill(shift.points(Step::TenSeconds, coarse, Spread::is_sound));
        // Where each second is there, ten of them say more than two halves that overlap.
        let whole = Step::Second.oldest(shift.now()).div_ceil(Step::TenSeconds.seconds());
        self.coarse.forget_from(whole);
        for (second, measures) in self.fine.iter() {
            let slot = second / Step::TenSeconds.seconds();
            if slot >= whole {
                self.coarse.at(slot).add(measures);
            }
        }
        if self.load.is_none() {
            let newest = self.coarse.newest().unwrap_or_default();
            self.heard = Duration::from_secs(newest * Step::TenSeconds.seconds());
        }
    }
}

impl Measures {
    fn of(reading: &Reading, cpu_cores: f64, machine_busy: f64) -> Self {
        Self {
            cpu_cores: cpu_cores as f32,
            machine_busy: machine_busy as f32,
            memory_resident: reading.memory_resident as f32,
            memory_committed: reading.memory_committed as f32,
            instances: reading.instances as f32,
            busy: reading.busy as f32,
            queued: reading.queued as f32,
            disk_free: reading.disk_free as f32,
        }
    }

    /// Whether a node can have measured this.
    fn is_sound(&self) -> bool {
        let Self { cpu_cores, machine_busy, memory_resident, memory_committed, .. } = *self;
        let Self { instances, busy, queued, disk_free, .. } = *self;
        let rest = [memory_resident, memory_committed, instances, busy, queued, disk_free];
        [cpu_cores, machine_busy].iter().chain(&rest).all(|n| n.is_finite() && n.is_sign_positive())
    }

    fn each(&self, other: &Self, with: impl Fn(f32, f32) -> f32) -> Self {
        Self {
            cpu_cores: with(self.cpu_cores, other.cpu_cores),
            machine_busy: with(self.machine_busy, other.machine_busy),
            memory_resident: with(self.memory_resident, other.memory_resident),
            memory_committed: with(self.memory_committed, other.memory_committed),
            instances: with(self.instances, other.instances),
            busy: with(self.busy, other.busy),
            queued: with(self.queued, other.queued),
            disk_free: with(self.disk_free, other.disk_free),
        }
    }
}

impl Spread {
    fn is_sound(&self) -> bool {
        let counts = 1..=Step::TenSeconds.seconds();
        counts.contains(&u64::from(self.count)) && self.sum.is_sound() && self.max.is_sound()
    }

    fn add(&mut self, now: &Measures) {
        self.count += 1;
        self.sum = self.sum.each(now, |sum, now| sum + now);
        self.max = self.max.each(now, f32::max);
    }

    fn point(&self) -> NodePoint {
        let count = f32::from(self.count);
        NodePoint { mean: self.sum.each(&self.sum, |sum, _| sum / count), max: self.max }
    }
}

#[cfg(test)]
mod tests;
