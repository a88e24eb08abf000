//! The simulated cluster: nodes, time and everything that waits for its time. One thread, one
//! source of chance. Knows no rules: what happens stands in the files below.

mod clients;
mod control;
mod converge;
mod inbox;
mod nemesis;
mod node;
mod operator;
mod shell;
mod stops;

use std::collections::{BTreeMap, BTreeSet};

use aether_consensus::{PersistNumber, Restored, Term};
use aether_control::{Message, Write};
use aether_kv::{State, Transaction};
use aether_lifecycle::AttemptId;
use aether_types::{AppName, LogIndex, NodeId, Revision};
use bytes::Bytes;

use crate::guests::Step;
use crate::history::{History, OpId};
use crate::network::Network;
use crate::oracle::Oracle;
use crate::rng::Rng;
use crate::swarm::{DiskFaults, Ms, NetworkFaults, Swarm};
use crate::trace::Trace;
use clients::{Clients, What};
use node::{Asker, Node};
use stops::Stop;

/// How long after the last fault everything must be as it should: a load that hangs is given up
/// after two minutes, tried again after at most 75 s, and so may what waits for it be.
const CONVERGENCE_MS_MAX: Ms = 420_000;

/// How often convergence is looked for.
const LOOK_MS: Ms = 50;

/// Which defect is in the code under test.
#[cfg(feature = "planted")]
pub(crate) type Planted = Option<aether_consensus::Planted>;
#[cfg(not(feature = "planted"))]
pub(crate) type Planted = ();

/// Something whose time comes.
#[derive(Debug)]
enum Event {
    Tick { node: NodeId, run: u64 },
    Deliver(Message),
    Durable { node: NodeId, run: u64, number: PersistNumber },
    DiskFails { node: NodeId, run: u64 },
    Look { node: NodeId, run: u64 },
    WritePlan { node: NodeId, run: u64, term: Term, transaction: Transaction },
    Publish { node: NodeId, run: u64 },
    Guest { node: NodeId, run: u64, attempt: AttemptId, step: Step },
    Unreachable { node: NodeId, run: u64, of: NodeId },
    Silence { node: NodeId, run: u64, since: Stop },
    Turn { node: NodeId, run: u64 },
    Snapshot { node: NodeId, run: u64, index: LogIndex, data: Bytes },
    Write { node: NodeId, run: u64, write: Write, decided: Option<Term>, asker: Asker },
    HandOver { node: NodeId, run: u64, to: NodeId },
    Client(u64),
    Ask { node: NodeId, run: u64, op: OpId, client: u64, what: What },
    GiveUp(OpId),
    Blueprint,
    Members,
    Transfer,
    Drain,
    Recall,
    Crash,
    Stop,
    StopNow { node: NodeId, run: u64 },
    GoOn(Stop),
    Linked { stop: Stop, other: NodeId },
    Partition,
    Mend,
    Flicker { node: NodeId, run: u64 },
    Hunt { node: NodeId, run: u64 },
    Restart(NodeId),
    Heal,
    Converge,
}

/// One run.
pub(crate) struct World {
    pub(crate) trace: Trace,
    pub(crate) now: Ms,
    swarm: Swarm,
    #[cfg_attr(not(feature = "planted"), expect(dead_code, reason = "there is nothing to plant"))]
    planted: Planted,
    rng: Rng,
    queue: BTreeMap<(Ms, u64), Event>,
    queued: u64,
    nodes: BTreeMap<NodeId, Node>,
    network: Network,
    disk_faults: DiskFaults,
    oracle: Oracle,
    history: History,
    clients: Clients,
    /// Nodes whose removal was asked for: they never come back.
    removed: BTreeSet<NodeId>,
    /// Applications in which a slice failed in a way that trying again cannot help.
    fatal: BTreeSet<(AppName, Revision)>,
    healed: bool,
    pub(crate) steps: u64,
}

impl World {
    pub(crate) fn new(seed: u64, planted: Planted, keep_trace: bool) -> Self {
        let mut rng = Rng::new(seed);
        let swarm = Swarm::draw(&mut rng);
        let mut world = Self {
            trace: Trace::new(keep_trace),
            now: 0,
            planted,
            queue: BTreeMap::new(),
            queued: 0,
            nodes: BTreeMap::new(),
            network: Network::new(swarm.network.clone()),
            disk_faults: swarm.disk.clone(),
            oracle: Oracle::default(),
            history: History::default(),
            clients: Clients::default(),
            removed: BTreeSet::new(),
            fatal: BTreeSet::new(),
            healed: false,
            steps: 0,
            rng,
            swarm,
        };
        world.trace.add(0, format_args!("{:?}", world.swarm));
        world.found();
        world.plan_faults();
        world
    }

    /// Founders with the same empty state on their disks, spares with nothing.
    fn found(&mut self) {
        let Swarm { voters, spares, tick_ms, drift, .. } = self.swarm;
        let founders = || (1..=voters).map(NodeId);
        let founding = Restored::founding(founders(), State::new().encode().into());
        for id in (1..=voters + spares).map(NodeId) {
            let disk = if id.0 <= voters { founding.clone() } else { Restored::default() };
            let away = self.rng.between(0, 2 * drift);
            let tick_ms = (tick_ms * (1_000 + away - drift) / 1_000).max(1);
            self.nodes.insert(id, Node::new(disk, tick_ms));
            self.start(id);
        }
        for client in 0..self.swarm.clients {
            self.after(50, Event::Client(client));
        }
    }

    fn plan_faults(&mut self) {
        self.after(self.swarm.faults_ms, Event::Heal);
        self.repeat(Some(1_000), Event::Blueprint);
        self.repeat(self.swarm.members, Event::Members);
        self.repeat(self.swarm.transfer, Event::Transfer);
        self.repeat(self.swarm.drain, Event::Drain);
        self.repeat(self.swarm.crash, Event::Crash);
        self.repeat(self.swarm.stop, Event::Stop);
        self.repeat(self.swarm.partition, Event::Partition);
    }

    /// Lets something happen once more, at a time around the mean.
    fn repeat(&mut self, mean: Option<Ms>, event: Event) {
        if let Some(mean) = mean.filter(|_| !self.healed) {
            let wait = self.rng.around(mean);
            self.after(wait, event);
        }
    }

    fn after(&mut self, wait: Ms, event: Event) {
        self.queued += 1;
        self.queue.insert((self.now + wait, self.queued), event);
    }

    /// Runs to the end.
    ///
    /// # Panics
    /// At the first thing that is not as it must be.
    pub(crate) fn run(&mut self) {
        while let Some(((at, _), event)) = self.queue.pop_first() {
            self.now = at;
            self.steps += 1;
            if matches!(event, Event::Converge) {
                let waits = self.waits();
                if waits.is_empty() {
                    break;
                }
                let over = self.now > self.swarm.faults_ms + CONVERGENCE_MS_MAX;
                assert!(!over, "no convergence: {}", converge::show(&waits));
                self.after(LOOK_MS, Event::Converge);
                continue;
            }
            if let Some(event) = self.unless_stopped(event) {
                self.give(event);
            }
        }
        let count = self.history.len();
        std::mem::take(&mut self.history).check(|op| self.oracle.place_of(op));
        let last = self.oracle.last();
        self.trace
            .add(self.now, format_args!("end: log up to {last}, {count} operations on registers"));
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Tick { node, run } => self.on_tick(node, run),
            Event::Deliver(message) => self.on_deliver(message),
            Event::Durable { node, run, number } => self.on_durable(node, run, number),
            Event::DiskFails { node, run } => self.on_disk_failure(node, run),
            Event::Look { node, run } => self.on_look(node, run),
            Event::WritePlan { node, run, term, transaction } => {
                self.on_write_plan(node, run, term, transaction);
            }
            Event::Publish { node, run } => self.on_publish(node, run),
            Event::Guest { node, run, attempt, step } => self.on_guest(node, run, attempt, step),
            Event::Unreachable { node, run, of } => self.on_unreachable(node, run, of),
            Event::Silence { node, run, since } => self.on_silence(node, run, since),
            Event::Turn { node, run } => self.on_turn(node, run),
            Event::Snapshot { node, run, index, data } => self.on_snapshot(node, run, index, data),
            Event::Write { node, run, write, decided, asker } => {
                self.on_write(node, run, write, decided, asker);
            }
            Event::HandOver { node, run, to } => self.on_hand_over(node, run, to),
            Event::Client(client) => self.on_client(client),
            Event::Ask { node, run, op, client, what } => self.on_ask(node, run, op, client, what),
            Event::GiveUp(op) => self.on_give_up(op),
            Event::Blueprint => self.on_blueprint(),
            Event::Members => self.on_members(),
            Event::Transfer => self.on_transfer(),
            Event::Drain => self.on_drain(),
            Event::Recall => self.on_recall(),
            Event::Crash => self.on_crash(),
            Event::Stop => self.on_stop(),
            Event::StopNow { node, run } => self.on_stop_now(node, run),
            Event::GoOn(stop) => self.on_go_on(stop),
            Event::Linked { stop, other } => self.on_linked(stop, other),
            Event::Partition => self.on_partition(),
            Event::Mend => self.on_mend(),
            Event::Flicker { node, run } => self.on_flicker(node, run),
            Event::Hunt { node, run } => self.on_hunt(node, run),
            Event::Restart(node) => self.on_restart(node),
            Event::Heal => self.on_heal(),
            Event::Converge => unreachable!("the loop looks itself"),
        }
    }

    /// No more faults: the rest must come into order by itself.
    fn on_heal(&mut self) {
        self.healed = true;
        self.network.faults = NetworkFaults::CALM;
        self.disk_faults = DiskFaults::CALM;
        self.swarm.busy = 0;
        self.network.mend();
        self.trace.add(self.now, format_args!("all faults end"));
        for node in self.nodes.keys().copied().collect::<Vec<_>>() {
            self.on_restart(node);
        }
        self.end_stops();
        self.after(LOOK_MS, Event::Recall);
        self.after(LOOK_MS, Event::Converge);
    }
}
