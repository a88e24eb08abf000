//! What a run has to live with: a subset of all faults, each with its own strength, drawn from the
//! seed. Subsets find more than everything at once. Knows no events.

use crate::rng::Rng;

/// Milliseconds of simulated time.
pub(crate) type Ms = u64;

/// The options of one run. A rate is a mean time between two; `None` means never.
#[derive(Debug, Clone)]
pub(crate) struct Swarm {
    pub(crate) voters: u64,
    /// Nodes that start with nothing.
    pub(crate) spares: u64,
    /// How long faults are injected.
    pub(crate) faults_ms: Ms,
    pub(crate) tick_ms: Ms,
    /// How far the clocks of nodes may be apart: per mille of a tick more or less.
    pub(crate) drift: u64,
    pub(crate) network: NetworkFaults,
    pub(crate) disk: DiskFaults,
    pub(crate) crash: Option<Ms>,
    pub(crate) down_ms: Ms,
    /// Among crashes, per mille that take all nodes at once.
    pub(crate) power_cut: u64,
    /// Processes that are stopped and go on.
    pub(crate) stop: Option<Ms>,
    pub(crate) stop_ms: Ms,
    /// Per mille of them that hit a leader.
    pub(crate) stop_leader: u64,
    /// Per mille of inputs that find the loop of their node away, and how long at most.
    pub(crate) busy: u64,
    pub(crate) busy_ms: Ms,
    pub(crate) partition: Option<Ms>,
    pub(crate) partition_ms: Ms,
    /// Per mille of new leaders that are cut off or crash soon after.
    pub(crate) hunt: u64,
    pub(crate) hunt_ms: Ms,
    /// Per mille of these that come after some messages instead of some time.
    pub(crate) hunt_by_messages: u64,
    /// Per mille of elections during which another node crashes and is back at once.
    pub(crate) flicker: u64,
    pub(crate) members: Option<Ms>,
    pub(crate) transfer: Option<Ms>,
    pub(crate) blueprints: Option<Ms>,
    pub(crate) drain: Option<Ms>,
    pub(crate) clients: u64,
    pub(crate) think_ms: Ms,
    /// Per mille of what they ask that is a read in any case.
    pub(crate) reads: u64,
    /// How long a client waits for an answer before it asks somebody else.
    pub(crate) patience_ms: Option<Ms>,
    /// Per mille of loads and starts that fail, and of these that are fatal.
    pub(crate) guest_failures: u64,
    pub(crate) guest_fatal: u64,
    pub(crate) load_ms: Ms,
    /// How long the leader's planner takes between deciding and writing.
    pub(crate) planner_ms: Ms,
    pub(crate) log_entries_max: u64,
    pub(crate) message_bytes_max: u64,
}

/// What happens to messages; chances per mille.
#[derive(Debug, Clone)]
pub(crate) struct NetworkFaults {
    pub(crate) delay_ms: Ms,
    pub(crate) jitter_ms: Ms,
    pub(crate) lose: u64,
    pub(crate) double: u64,
    /// Of a message that takes very long.
    pub(crate) straggle: u64,
    pub(crate) straggle_ms: Ms,
    /// Of everything that is on its way when its sender crashes or its link is cut, at once.
    pub(crate) lost_on_the_way: u64,
}

/// What happens to writes.
#[derive(Debug, Clone)]
pub(crate) struct DiskFaults {
    pub(crate) write_ms: Ms,
    /// Per mille of writes that take very long.
    pub(crate) slow: u64,
    pub(crate) slow_ms: Ms,
    /// Per mille of writes that fail: the node stops.
    pub(crate) fail: u64,
    /// The loop of a node waits for its writes; otherwise it goes on meanwhile.
    pub(crate) waits: bool,
}

impl NetworkFaults {
    pub(crate) const CALM: Self = Self {
        delay_ms: 1,
        jitter_ms: 2,
        lose: 0,
        double: 0,
        straggle: 0,
        straggle_ms: 0,
        lost_on_the_way: 0,
    };
}

impl DiskFaults {
    pub(crate) const CALM: Self = Self { write_ms: 1, slow: 0, slow_ms: 0, fail: 0, waits: true };
}

/// What kind of run it is. Most defects need several events of one kind in a row, and a mixture of
/// everything has them far apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Anything, with time in between.
    Calm,
    /// Leaders come and go as fast as they can be elected.
    Storm,
    /// Few nodes, contested elections, and leaders that are lost while they repair logs.
    Elections,
    /// Leaders that are stopped among many reads, on links that lose answers.
    Reads,
}

fn on(rng: &mut Rng, low: Ms, high: Ms) -> Option<Ms> {
    rng.chance(500).then(|| rng.between(low, high))
}

fn per_mille(rng: &mut Rng, high: u64) -> u64 {
    match rng.chance(500) {
        true => rng.between(1, high),
        false => 0,
    }
}

impl Swarm {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let kind = match rng.below(10) {
            0..3 => Kind::Calm,
            3..5 => Kind::Storm,
            5..8 => Kind::Elections,
            _ => Kind::Reads,
        };
        let mut swarm = Self::draw_any(rng, kind == Kind::Storm || kind == Kind::Elections);
        match kind {
            Kind::Calm | Kind::Storm => {}
            Kind::Elections => swarm.contest(rng),
            Kind::Reads => swarm.question(rng),
        }
        swarm
    }

    fn draw_any(rng: &mut Rng, storm: bool) -> Self {
        let voters = [1, 3, 3, 3, 5, 5, 7][rng.below(7) as usize];
        let tick_ms = 20;
        let calm_or = |rng: &mut Rng, calm: (Ms, Ms), stormy: (Ms, Ms)| {
            let (low, high) = if storm { stormy } else { calm };
            rng.between(low, high)
        };
        Self {
            voters,
            spares: rng.between(0, 7 - voters.min(7)).min(3),
            faults_ms: calm_or(rng, (5_000, 20_000), (4_000, 10_000)),
            tick_ms,
            drift: per_mille(rng, 500),
            network: NetworkFaults {
                delay_ms: rng.between(1, 10),
                jitter_ms: rng.between(0, 30),
                lose: per_mille(rng, 200),
                double: per_mille(rng, 100),
                straggle: per_mille(rng, 50),
                straggle_ms: rng.between(200, 5_000),
                lost_on_the_way: per_mille(rng, 1_000),
            },
            disk: DiskFaults {
                write_ms: rng.between(1, 10),
                slow: per_mille(rng, 100),
                slow_ms: rng.between(20, 500),
                fail: per_mille(rng, 2),
                waits: rng.chance(500),
            },
            crash: on(rng, 300, 5_000),
            down_ms: calm_or(rng, (20, 1_500), (10, 300)),
            power_cut: per_mille(rng, 200),
            partition: on(rng, 300, 4_000),
            partition_ms: calm_or(rng, (100, 2_000), (50, 500)),
            hunt: if storm { rng.between(400, 1_000) } else { per_mille(rng, 500) },
            hunt_ms: calm_or(rng, (5, 150), (1, 30)),
            flicker: if storm { per_mille(rng, 700) } else { 0 },
            members: on(rng, 500, 4_000),
            transfer: on(rng, 500, 4_000),
            blueprints: on(rng, 1_000, 5_000).filter(|_| !storm),
            drain: on(rng, 2_000, 8_000).filter(|_| !storm),
            clients: rng.between(1, 5),
            think_ms: calm_or(rng, (10, 300), (5, 60)),
            guest_failures: if storm { 0 } else { per_mille(rng, 300) },
            guest_fatal: per_mille(rng, 50),
            load_ms: rng.between(5, 500),
            planner_ms: rng.between(1, 400),
            log_entries_max: rng.between(8, 200),
            message_bytes_max: if storm || rng.chance(300) { 1 } else { 1 << 20 },
            stop: on(rng, 300, 4_000),
            stop_ms: calm_or(rng, (100, 2_000), (100, 1_000)),
            busy: per_mille(rng, 500),
            busy_ms: rng.between(0, 30),
            stop_leader: 500,
            hunt_by_messages: 500,
            patience_ms: on(rng, 50, 1_000),
            reads: per_mille(rng, 800),
        }
    }
    /// As few nodes as can disagree, and nothing but leaders that are lost: long enough for another
    /// to be elected, and not much longer.
    fn contest(&mut self, rng: &mut Rng) {
        self.voters = [3, 3, 3, 3, 3, 5][rng.below(6) as usize];
        self.spares = 0;
        (self.crash, self.partition, self.stop) = (None, None, None);
        (self.members, self.transfer) = (None, None);
        self.network.jitter_ms = rng.between(0, 30);
        self.network.lost_on_the_way = rng.between(500, 1_000);
        (self.hunt, self.hunt_ms) = (1_000, rng.between(20, 200));
        self.hunt_by_messages = rng.between(500, 1_000);
        (self.down_ms, self.partition_ms) = (rng.between(200, 800), rng.between(200, 800));
        self.faults_ms = rng.between(15_000, 25_000);
        self.flicker = per_mille(rng, 1_000);
        self.message_bytes_max = 1;
    }

    /// Processes that are stopped, most of them leaders, while everybody reads.
    fn question(&mut self, rng: &mut Rng) {
        self.voters = [3, 3, 3, 5][rng.below(4) as usize];
        self.spares = 0;
        (self.crash, self.partition, self.members) = (None, None, None);
        (self.blueprints, self.drain) = (None, None);
        self.network.lose = rng.between(10, 150);
        (self.stop, self.stop_ms) = (Some(rng.between(300, 1_000)), rng.between(300, 1_000));
        self.stop_leader = rng.between(500, 1_000);
        (self.clients, self.think_ms) = (rng.between(4, 8), rng.between(2, 20));
        self.patience_ms = Some(rng.between(50, 300));
        self.reads = rng.between(500, 900);
    }
}
