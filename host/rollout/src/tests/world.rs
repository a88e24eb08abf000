//! A cluster as a rollout sees it: instances that start, fail and die, routers that are late with
//! switches, requests by the weights that each router follows. Watches from outside that nothing is
//! done that must not be done.

use crate::{
    Command, Demand, Desired, Event, Look, Refused, Rollout, Seen, Start, Time, Version, Window,
};
use aether_types::rollout::Strategy;
use aether_types::traffic::{TrafficRevision, Weights};
use aether_types::versioned::{decode, encode};
use aether_types::{Coordinates, NodeId, Revision};
use std::collections::BTreeMap;

pub(super) const OLD: Revision = Revision(1);
pub(super) const NEW: Revision = Revision(2);
const TICK_MS: u64 = 1_000;
const ROUTERS: [NodeId; 3] = [NodeId(1), NodeId(2), NodeId(3)];

/// What instances of a version do, and calls to them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fate {
    pub(super) comes_up: ComesUp,
    pub(super) errors_percent: u64,
    pub(super) micros: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ComesUp {
    /// Ready after so many milliseconds.
    After(u64),
    /// Fails after two seconds.
    Never,
    /// Stays on its way.
    Hangs,
}

#[derive(Debug, Clone, Copy)]
struct Instance {
    born: u64,
    comes_up: ComesUp,
}

pub(super) struct World {
    pub(super) rollout: Rollout,
    pub(super) now: u64,
    pub(super) fates: BTreeMap<Revision, Fate>,
    /// Requests a second, over all routers.
    pub(super) rate: u64,
    /// Routers that take nothing up.
    pub(super) frozen: Vec<NodeId>,
    /// Whether another leader takes over after each step.
    pub(super) leaders_change: bool,
    /// How much less the leader's clock shows, in milliseconds.
    pub(super) clock_behind: u64,
    instances: BTreeMap<(Revision, Coordinates), Vec<Instance>>,
    follows: BTreeMap<NodeId, TrafficRevision>,
    switches: BTreeMap<TrafficRevision, Weights>,
    /// What old and new did since the rollout wants it counted.
    measured: (Option<Time>, [Window; 2]),
    served: [u64; 2],
    pub(super) log: Vec<String>,
}

pub(super) fn version(revision: Revision) -> Version {
    let slice = |name: &str, instances, min_ready| Demand {
        slice: format!("shop:{name}:{revision}.0.0").parse().unwrap(),
        instances,
        min_ready,
    };
    Version { revision, slices: vec![slice("web", 4, 2), slice("stock", 2, 1)] }
}

pub(super) const FINE: Fate =
    Fate { comes_up: ComesUp::After(3_000), errors_percent: 0, micros: 10_000 };

impl World {
    /// The old version runs and serves 100 requests a second.
    pub(super) fn new(strategy: Strategy) -> Self {
        let rollout = Rollout::start(Start {
            app: "shop".parse().unwrap(),
            strategy,
            old: version(OLD),
            new: version(NEW),
            after: TrafficRevision(0),
            together: false,
            now: Time(0),
        });
        let rollout = rollout.unwrap();
        let mut world = Self {
            now: 0,
            fates: BTreeMap::from([(OLD, FINE), (NEW, FINE)]),
            rate: 100,
            frozen: Vec::new(),
            leaders_change: false,
            clock_behind: 0,
            instances: BTreeMap::new(),
            follows: ROUTERS.map(|node| (node, TrafficRevision(0))).into(),
            switches: BTreeMap::from([(TrafficRevision(0), Weights::all(OLD))]),
            measured: (None, Default::default()),
            served: [0, 0],
            log: Vec::new(),
            rollout,
        };
        world.follow_desired();
        for instance in world.instances.values_mut().flatten() {
            instance.comes_up = ComesUp::After(0);
        }
        world.print(&world.rollout.history.clone());
        world
    }

    /// A second: routers, instances and requests first, then the leader looks.
    pub(super) fn tick(&mut self) {
        self.pass(TICK_MS);
    }

    fn pass(&mut self, ms: u64) {
        self.live(ms);
        let look = self.look();
        let before = self.rollout.clone();
        let events = self.rollout.tick(&look);
        assert!(events.is_empty() || self.rollout != before, "{events:?} of nothing");
        let mut again = self.rollout.clone();
        assert_eq!((again.tick(&look), &again), (vec![], &self.rollout), "looking twice");
        self.watch(&before, &look);
        self.commit(&events);
    }

    /// What goes on whether anybody leads or not.
    fn live(&mut self, ms: u64) {
        self.now += ms;
        for (node, follows) in &mut self.follows {
            if !self.frozen.contains(node) {
                *follows = *self.switches.keys().next_back().unwrap();
            }
        }
        self.serve();
    }

    /// The leader is lost with the step that it was about to take; after so many seconds another
    /// one leads, which knows what is stored and whose clock shows less.
    pub(super) fn lose_leader(&mut self, seconds: u64, clock_behind: u64) {
        let lost = self.look();
        self.rollout.clone().tick(&lost);
        self.rollout = decode(&encode(&self.rollout)).unwrap();
        (0..seconds).for_each(|_| self.live(TICK_MS));
        self.clock_behind = clock_behind;
    }

    pub(super) fn command(&mut self, command: Command) -> Result<(), Refused> {
        let before = self.rollout.clone();
        match self.rollout.command(Time(self.now), command) {
            Ok(events) => {
                self.commit(&events);
                Ok(())
            }
            Err(refused) => {
                assert_eq!(self.rollout, before);
                Err(refused)
            }
        }
    }

    fn commit(&mut self, events: &[Event]) {
        self.print(events);
        if self.leaders_change {
            self.rollout = decode(&encode(&self.rollout)).unwrap();
        }
        let traffic = &self.rollout.traffic;
        let known = self.switches.insert(traffic.revision, traffic.weights.clone());
        assert!(known.is_none_or(|known| known == traffic.weights), "a switch never changes");
        self.follow_desired();
    }

    fn print(&mut self, events: &[Event]) {
        let line = |e: &Event| format!("{:>6} s  {}", e.at.0 / 1_000, e.happened);
        self.log.extend(events.iter().map(line));
    }

    /// Starts what is wanted and is not there, takes away what is there and is not wanted.
    fn follow_desired(&mut self) {
        let wanted: BTreeMap<(Revision, Coordinates), u32> = self
            .rollout
            .desired()
            .into_iter()
            .flat_map(|Desired { version, slices }| {
                slices.into_iter().map(move |(slice, count)| ((version, slice), count))
            })
            .collect();
        self.instances.retain(|key, _| wanted.contains_key(key));
        for (key, count) in wanted {
            let comes_up = self.fates[&key.0].comes_up;
            let born = Instance { born: self.now, comes_up };
            self.instances.entry(key).or_default().resize(count as usize, born);
        }
    }

    /// All instances of a version die and are started anew.
    pub(super) fn kill(&mut self, version: Revision) {
        let fate = self.fates[&version].comes_up;
        for ((_, _), instances) in self.instances.iter_mut().filter(|((v, _), _)| *v == version) {
            instances.fill(Instance { born: self.now, comes_up: fate });
        }
    }

    fn seen(&self, key: &(Revision, Coordinates)) -> Seen {
        let mut seen = Seen::default();
        for instance in self.instances.get(key).into_iter().flatten() {
            let age = self.now - instance.born;
            match instance.comes_up {
                ComesUp::After(ms) if age >= ms => seen.ready += 1,
                ComesUp::Never if age >= 2_000 => seen.failed += 1,
                _ => seen.coming += 1,
            }
        }
        seen
    }

    pub(super) fn serves(&self, version: &Version) -> bool {
        version.slices.iter().all(|d| self.seen(&(version.revision, d.slice.clone())).ready > 0)
    }

    pub(super) fn look(&self) -> Look {
        let versions = [&self.rollout.old, &self.rollout.new];
        let keys =
            versions.iter().flat_map(|v| v.slices.iter().map(|d| (v.revision, d.slice.clone())));
        let (since, windows) = &self.measured;
        let [old, new] = windows.clone();
        Look {
            now: Time(self.now.saturating_sub(self.clock_behind)),
            seen: keys.map(|key| (key.clone(), self.seen(&key))).collect(),
            routers: self.follows.clone(),
            counted_since: *since,
            old,
            new,
        }
    }

    /// Each router shares its requests by the weights that it follows.
    fn serve(&mut self) {
        if self.measured.0 != self.rollout.measuring_since() {
            self.measured = (self.rollout.measuring_since(), Default::default());
        }
        for n in 0..self.rate {
            let router = ROUTERS[(n % 3) as usize];
            let weights = &self.switches[&self.follows[&router]];
            // The n-th of all requests so far, by the golden ratio: near enough to exact.
            let turn = self.served[0] + self.served[1];
            let point = (turn as f64 * 0.618_033_988_75).fract() * 10_000.0;
            let which = usize::from(point < f64::from(weights.get(NEW).hundredths()));
            let revision = [OLD, NEW][which];
            let fate = self.fates[&revision];
            self.served[which] += 1;
            let window = &mut self.measured.1[which];
            window.requests += 1;
            window.errors += u64::from(self.served[which] % 100 < fate.errors_percent);
            let spread = 80 + self.served[which] * 37 % 41;
            window.latencies.record(fate.micros * spread / 100);
        }
    }

    /// What must hold whatever happens.
    fn watch(&self, before: &Rollout, look: &Look) {
        let rollout = &self.rollout;
        let versions = [&rollout.old, &rollout.new];
        let desired = rollout.desired();
        // Whoever may still be sent to is not taken away.
        for (router, follows) in &self.follows {
            for (version, weight) in self.switches[follows].iter() {
                let wanted = desired.iter().any(|d| d.version == version);
                assert!(wanted, "{router} sends {weight} to revision {version}, which goes");
            }
        }
        for version in versions {
            let Some(desired) = desired.iter().find(|d| d.version == version.revision) else {
                continue;
            };
            for (demand, (slice, count)) in version.slices.iter().zip(&desired.slices) {
                assert_eq!(&demand.slice, slice);
                assert!((demand.min_ready.max(1)..=demand.instances).contains(count));
            }
        }
        // Nobody is given traffic who has nothing that is ready, while somebody else has.
        if rollout.traffic.revision != before.traffic.revision {
            let anybody = versions.iter().any(|v| self.serves(v));
            for version in versions.iter().filter(|_| anybody) {
                let dark = !self.serves(version);
                let weight = rollout.traffic.weights.get(version.revision).hundredths();
                assert!(!dark || weight == 0, "revision {} gets traffic", version.revision);
            }
        }
        assert_eq!(rollout.has_ended(), rollout.waits_for(look) == Some(crate::Wait::Nothing));
    }

    /// The same in steps of ten seconds: leaders may look as seldom as they like.
    pub(super) fn run_coarsely(&mut self, seconds: u64) {
        for _ in 0..seconds / 10 {
            if self.rollout.has_ended() {
                break;
            }
            self.pass(10 * TICK_MS);
        }
    }

    /// Ticks until nothing more happens by itself, or so many seconds have passed.
    pub(super) fn run(&mut self, seconds: u64) {
        for _ in 0..seconds {
            if self.rollout.has_ended() {
                break;
            }
            self.tick();
        }
    }
}
