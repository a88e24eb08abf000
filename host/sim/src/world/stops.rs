//! Processes that are stopped and go on later: nothing is lost, everything is late. What comes for
//! one waits at its door, and then it finds all of that at once. Knows no contents.

use std::collections::{BTreeMap, VecDeque};

use aether_types::NodeId;

use super::node::Up;
use super::{Event, World};
use crate::swarm::Ms;

/// Silence after which a node gives up its connection to another: about 16 ticks, as on real links.
const SILENCE_MS: (Ms, Ms) = (240, 360);

/// How long until a node that goes on has a new connection in place of one that was given up.
const RELINK_MS: Ms = 200;

/// What a node that goes on takes up before it acts: of so many places at most, half of the time
/// of one, and so much from each.
const PLACES_MAX: u64 = 4;
const BURST_MAX: u64 = 4;

/// How long until it takes up more, at most.
const PAUSE_MS: Ms = 3;

/// One stop of one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stop {
    node: NodeId,
    run: u64,
    number: u64,
}

/// Where something waits. What comes from one place keeps its order, and nothing else does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Link(NodeId),
    Disk,
    /// A timer that is due, a guest, a connection of a client: each has a place of its own.
    Alone(u64),
}

/// What waits for a process that is stopped, or has gone on and not taken up everything yet.
#[derive(Debug, Default)]
pub(super) struct Door {
    is_open: bool,
    waiting: BTreeMap<Place, VecDeque<Event>>,
    count: u64,
}

impl Door {
    fn add(&mut self, event: Event) {
        self.count += 1;
        let place = match &event {
            Event::Deliver(message) => Place::Link(message.from()),
            Event::Unreachable { of, .. } => Place::Link(*of),
            Event::Durable { .. } | Event::DiskFails { .. } => Place::Disk,
            _ => Place::Alone(self.count),
        };
        self.waiting.entry(place).or_default().push_back(event);
    }

    fn take(&mut self, place: Place) -> Option<Event> {
        let queue = self.waiting.get_mut(&place)?;
        let event = queue.pop_front();
        if queue.is_empty() {
            self.waiting.remove(&place);
        }
        event
    }
}

impl Up {
    /// Not stopped, though it may still have to take up what has waited.
    pub(super) fn is_awake(&self) -> bool {
        self.door.as_ref().is_none_or(|door| door.is_open)
    }
}

/// The process that an event is for: the node, and the run if it is for no other one.
fn addressee(event: &Event) -> Option<(NodeId, Option<u64>)> {
    match event {
        Event::Deliver(message) => Some((message.to(), None)),
        Event::Tick { node, run }
        | Event::Durable { node, run, .. }
        | Event::DiskFails { node, run }
        | Event::Unreachable { node, run, .. }
        | Event::Silence { node, run, .. }
        | Event::Turn { node, run }
        | Event::Snapshot { node, run, .. }
        | Event::Write { node, run, .. }
        | Event::HandOver { node, run, .. }
        | Event::Look { node, run }
        | Event::WritePlan { node, run, .. }
        | Event::Publish { node, run }
        | Event::Guest { node, run, .. }
        | Event::Ask { node, run, .. } => Some((*node, Some(*run))),
        Event::Client(_)
        | Event::GiveUp(_)
        | Event::Blueprint
        | Event::Members
        | Event::Transfer
        | Event::Drain
        | Event::Recall
        | Event::Crash
        | Event::Stop
        | Event::StopNow { .. }
        | Event::GoOn(_)
        | Event::Linked { .. }
        | Event::Partition
        | Event::Mend
        | Event::Flicker { .. }
        | Event::Hunt { .. }
        | Event::Restart(_)
        | Event::Heal
        | Event::Converge => None,
    }
}

impl World {
    /// Nodes that run and are not stopped.
    pub(super) fn awake(&self) -> Vec<NodeId> {
        let is_awake = |id: &NodeId| self.nodes[id].up.as_ref().is_some_and(Up::is_awake);
        self.running().into_iter().filter(is_awake).collect()
    }

    /// The event, unless it has to wait at a door.
    pub(super) fn unless_stopped(&mut self, event: Event) -> Option<Event> {
        let door = addressee(&event).and_then(|(node, run)| {
            let up = self.up(node).filter(|up| run.is_none_or(|run| run == up.run))?;
            up.door.as_mut()
        });
        let Some(door) = door else { return Some(event) };
        door.add(event);
        None
    }

    /// Whether the connection of two nodes was given up while one of them was stopped.
    pub(super) fn is_given_up(&self, one: NodeId, other: NodeId) -> bool {
        [(one, other), (other, one)].iter().any(|(node, by)| {
            let up = self.nodes.get(node).and_then(|node| node.up.as_ref());
            up.is_some_and(|up| up.given_up.contains(by))
        })
    }

    /// Any node, but often a leader. At once, or when it has sent something next:
    /// then the answers find it stopped.
    pub(super) fn on_stop(&mut self) {
        if self.healed {
            return;
        }
        let awake = self.awake();
        let leader = self
            .draw_leader()
            .map(|(leader, _)| leader)
            .filter(|_| self.rng.chance(self.swarm.stop_leader));
        if let Some(id) = leader.or_else(|| self.rng.pick(&awake)) {
            match self.rng.chance(500) {
                true => self.stop(id),
                false => {
                    let up = self.up(id).expect("it runs");
                    up.when_it_sends = Some((1, Event::StopNow { node: id, run: up.run }));
                }
            }
        }
        self.repeat(self.swarm.stop, Event::Stop);
    }

    pub(super) fn on_stop_now(&mut self, id: NodeId, run: u64) {
        if !self.healed && self.up_in(id, run).is_some() {
            self.stop(id);
        }
    }

    pub(super) fn stop(&mut self, id: NodeId) {
        let Some(up) = self.up(id).filter(|up| up.door.is_none()) else { return };
        up.when_it_sends = None;
        up.door = Some(Door::default());
        up.stops += 1;
        let stop = Stop { node: id, run: up.run, number: up.stops };
        self.trace.add(self.now, format_args!("{id} is stopped"));
        let stop_ms = self.rng.around(self.swarm.stop_ms);
        self.after(stop_ms, Event::GoOn(stop));
        for other in self.running().into_iter().filter(|other| *other != id) {
            let run = self.up(other).expect("it runs").run;
            let wait = self.rng.between(SILENCE_MS.0, SILENCE_MS.1);
            self.after(wait, Event::Silence { node: other, run, since: stop });
        }
    }

    pub(super) fn on_silence(&mut self, id: NodeId, run: u64, since: Stop) {
        if self.up_in(id, run).is_some() && self.stopped(since).is_some_and(|up| !up.is_awake()) {
            self.trace.add(self.now, format_args!("{id} gives up its link to {}", since.node));
            self.give_up(since.node, id);
            self.give(Event::Unreachable { node: id, run, of: since.node });
        }
    }

    /// The process, if it has not been stopped again since.
    fn stopped(&mut self, stop: Stop) -> Option<&mut Up> {
        self.up_in(stop.node, stop.run).filter(|up| up.stops == stop.number)
    }

    /// What was sent until now still gets to the one that is stopped, then the end of the
    /// connection, and nothing after it.
    pub(super) fn give_up(&mut self, stopped: NodeId, by: NodeId) {
        let Some(up) = self.up(stopped) else { return };
        let run = up.run;
        if let Some(door) = up.door.as_mut().filter(|_| up.given_up.insert(by)) {
            door.add(Event::Unreachable { node: stopped, run, of: by });
        }
    }

    pub(super) fn on_unreachable(&mut self, id: NodeId, run: u64, of: NodeId) {
        if let Some(up) = self.up_in(id, run) {
            up.member.on_unreachable(of);
            self.settle(id);
            self.look_soon(id);
        }
    }

    /// Takes up some of what waits, and does what follows from it; again, until there is nothing.
    /// What comes in the meantime waits too.
    pub(super) fn on_go_on(&mut self, stop: Stop) {
        let Stop { node: id, run, .. } = stop;
        let Some(up) = self.stopped(stop) else { return };
        let Some(door) = &mut up.door else { return };
        if !std::mem::replace(&mut door.is_open, true) {
            let waiting: usize = door.waiting.values().map(VecDeque::len).sum();
            let given_up = up.given_up.clone();
            self.trace.add(self.now, format_args!("{id} goes on, {waiting} wait at its door"));
            for other in given_up {
                let wait = self.rng.between(1, RELINK_MS);
                self.after(wait, Event::Linked { stop, other });
            }
        }
        self.up(id).expect("it runs").holds_back = true;
        let places = if self.rng.chance(500) { 1 } else { self.rng.between(2, PLACES_MAX) };
        for _ in 0..places {
            self.take_up_some(id, run);
        }
        let pause = self.rng.between(0, PAUSE_MS);
        let Some(up) = self.up_in(id, run) else { return };
        up.holds_back = false;
        if up.door.take_if(|door| door.waiting.is_empty()).is_none() {
            self.after(pause, Event::GoOn(stop));
        }
        self.settle(id);
    }

    /// The first few at any place.
    fn take_up_some(&mut self, id: NodeId, run: u64) {
        let Some(door) = self.up_in(id, run).and_then(|up| up.door.as_ref()) else { return };
        let places: Vec<Place> = door.waiting.keys().copied().collect();
        let Some(place) = self.rng.pick(&places) else { return };
        for _ in 0..self.rng.between(1, BURST_MAX) {
            let door = self.up_in(id, run).and_then(|up| up.door.as_mut());
            let Some(event) = door.and_then(|door| door.take(place)) else { return };
            self.steps += 1;
            self.give(event);
        }
    }

    pub(super) fn on_linked(&mut self, stop: Stop, other: NodeId) {
        if let Some(up) = self.stopped(stop) {
            up.given_up.remove(&other);
            self.look_soon(stop.node);
        }
    }

    /// Whoever is stopped goes on.
    pub(super) fn end_stops(&mut self) {
        for node in self.running() {
            let up = self.up(node).expect("it runs");
            if up.door.is_some() {
                let stop = Stop { node, run: up.run, number: up.stops };
                self.after(0, Event::GoOn(stop));
            }
        }
    }
}
