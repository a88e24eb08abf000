//! Everything that goes wrong with machines and cables. Knows no requests.

use aether_types::NodeId;

use super::{Event, World};
use crate::swarm::Ms;

/// How long an election goes on, about, and how long a node that flickers is away.
const FLICKER_MS: Ms = 20;

/// A leader that is lost by its messages sends so many at most.
const HUNT_MESSAGES_MAX: u64 = 4;

impl World {
    /// Power off: what was not durable is gone, and so is everything in memory.
    fn crash(&mut self, id: NodeId) {
        let down_ms = self.rng.around(self.swarm.down_ms);
        self.crash_for(id, down_ms);
    }

    fn crash_for(&mut self, id: NodeId, down_ms: Ms) {
        let Some(node) = self.nodes.get_mut(&id) else { return };
        if node.up.take().is_none() {
            return;
        }
        node.disk.crash(&mut self.rng);
        self.trace.add(self.now, format_args!("{id} crashes"));
        self.lose_on_the_way(|from, _| from == id);
        self.on_node_gone(id);
        for other in self.running() {
            let up = self.up(other).expect("it runs");
            let (run, is_awake) = (up.run, up.is_awake());
            if !is_awake {
                self.give_up(other, id);
            } else if self.rng.chance(500) {
                // The connection resets, unless there is nobody left to say so.
                self.after(0, Event::Unreachable { node: other, run, of: id });
            }
        }
        self.after(down_ms, Event::Restart(id));
    }

    /// What is still in a process, a machine or a cable may go with it.
    fn lose_on_the_way(&mut self, is_hit: impl Fn(NodeId, NodeId) -> bool) {
        if self.rng.chance(self.network.faults.lost_on_the_way) {
            let is_lost = |event: &Event| match event {
                Event::Deliver(message) => is_hit(message.from(), message.to()),
                _ => false,
            };
            self.queue.retain(|_, event| !is_lost(event));
        }
    }

    pub(super) fn on_restart(&mut self, id: NodeId) {
        if self.nodes.get(&id).is_some_and(|node| node.up.is_none()) {
            self.start(id);
        }
    }

    pub(super) fn on_disk_failure(&mut self, id: NodeId, run: u64) {
        if self.up_in(id, run).is_some() {
            self.trace.add(self.now, format_args!("{id} cannot write"));
            self.crash(id);
        }
    }

    pub(super) fn on_crash(&mut self) {
        if self.healed {
            return;
        }
        let running = self.running();
        if self.rng.chance(self.swarm.power_cut) {
            running.into_iter().for_each(|id| self.crash(id));
        } else if let Some(id) = self.rng.pick(&running) {
            self.crash(id);
        }
        self.repeat(self.swarm.crash, Event::Crash);
    }

    pub(super) fn on_partition(&mut self) {
        if self.healed {
            return;
        }
        let all: Vec<NodeId> = self.nodes.keys().copied().collect();
        let one = self.rng.pick(&all).expect("a cluster has nodes");
        let two = self.rng.pick(&all).expect("a cluster has nodes");
        let (in_half, both_ways) = (self.rng.draw(), self.rng.chance(600));
        let kind = self.rng.below(6);
        for from in &all {
            for to in all.iter().filter(|to| *to != from) {
                let half = |id: &NodeId| in_half >> (id.0 % 64) & 1 == 0;
                let cut = match kind {
                    0 | 1 => *from == one || (both_ways && *to == one),
                    2 => half(from) != half(to) && (both_ways || half(from)),
                    3 => self.rng.chance(200),
                    _ => [(one, two), (two, one)].contains(&(*from, *to)),
                };
                if cut {
                    self.network.cut(*from, *to);
                }
            }
        }
        self.trace.add(self.now, format_args!("partition {kind} around {one}"));
        let network = self.network.clone();
        self.lose_on_the_way(|from, to| network.is_cut(from, to));
        let wait = self.rng.around(self.swarm.partition_ms);
        self.after(wait, Event::Mend);
        self.repeat(self.swarm.partition, Event::Partition);
    }

    pub(super) fn on_mend(&mut self) {
        self.network.mend();
        self.trace.add(self.now, format_args!("the network is whole"));
        // One that has outlived it is hunted like a new one.
        if let Some((leader, _)) = self.draw_leader() {
            self.maybe_hunt(leader);
        }
    }

    /// A new leader is the best thing to lose, and one that repairs the logs of others: some time
    /// later, or some messages, so that any step of what it does can be its last.
    pub(super) fn maybe_hunt(&mut self, id: NodeId) {
        if self.healed || !self.rng.chance(self.swarm.hunt) {
            return;
        }
        let wait = self.rng.between(0, self.swarm.hunt_ms);
        let messages = self
            .rng
            .chance(self.swarm.hunt_by_messages)
            .then(|| self.rng.between(1, HUNT_MESSAGES_MAX));
        let up = self.up(id).expect("it runs");
        let hunt = Event::Hunt { node: id, run: up.run };
        match messages {
            Some(messages) => up.when_it_sends = Some((messages, hunt)),
            None => self.after(wait, hunt),
        }
    }

    /// Whoever is asked for a vote may have to remember what it said before it crashed.
    pub(super) fn maybe_flicker(&mut self, candidate: NodeId) {
        if !self.healed && self.rng.chance(self.swarm.flicker) {
            let mut others = self.running();
            others.retain(|id| *id != candidate);
            let Some(node) = self.rng.pick(&others) else { return };
            let at_once = self.rng.chance(500);
            let up = self.up(node).expect("it runs");
            let flicker = Event::Flicker { node, run: up.run };
            if at_once {
                up.when_it_sends = Some((1, flicker));
            } else {
                let wait = self.rng.between(0, FLICKER_MS);
                self.after(wait, flicker);
            }
        }
    }

    pub(super) fn on_flicker(&mut self, id: NodeId, run: u64) {
        if !self.healed && self.up_in(id, run).is_some() {
            let down_ms = self.rng.between(1, FLICKER_MS);
            self.crash_for(id, down_ms);
        }
    }

    pub(super) fn on_hunt(&mut self, id: NodeId, run: u64) {
        if self.healed || self.up_in(id, run).is_none() {
            return;
        }
        match self.rng.below(if self.swarm.stop.is_some() { 3 } else { 2 }) {
            0 => return self.crash(id),
            1 => {}
            _ => return self.stop(id),
        }
        self.trace.add(self.now, format_args!("{id} is cut off"));
        for other in self.nodes.keys().copied().collect::<Vec<_>>() {
            self.network.cut(id, other);
            self.network.cut(other, id);
        }
        self.lose_on_the_way(|from, to| from == id || to == id);
        let wait = self.rng.around(self.swarm.partition_ms);
        self.after(wait, Event::Mend);
    }
}
