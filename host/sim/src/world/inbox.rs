//! A node's loop under load: while its disk writes, or its processor does something else, inputs
//! wait, and then it takes all of them before it acts. Knows no contents.

use std::collections::VecDeque;

use aether_types::NodeId;

use super::{Event, World};
use crate::swarm::Ms;

/// Inputs of the loop that wait for its next turn, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    waiting: VecDeque<Event>,
    /// Its next turn is in the queue of the world.
    is_due: bool,
}

/// The process whose loop takes an event as an input: the node, and the run if it is for no other
/// one. None for what other threads do, and for the disk, for which the loop waits itself.
fn loop_of(event: &Event) -> Option<(NodeId, Option<u64>)> {
    match event {
        Event::Deliver(message) => Some((message.to(), None)),
        Event::Tick { node, run }
        | Event::Unreachable { node, run, .. }
        | Event::Snapshot { node, run, .. }
        | Event::HandOver { node, run, .. }
        | Event::Write { node, run, .. }
        | Event::Ask { node, run, .. } => Some((*node, Some(*run))),
        _ => None,
    }
}

impl World {
    /// Something comes to a process that is not stopped: it happens now, or waits for the loop.
    pub(super) fn give(&mut self, event: Event) {
        let Some((node, run)) = loop_of(&event) else { return self.on_event(event) };
        let up = self.nodes.get_mut(&node).and_then(|node| node.up.as_mut());
        let Some(up) = up.filter(|up| run.is_none_or(|run| run == up.run)) else { return };
        let is_away = up.is_writing() || !up.inbox.waiting.is_empty();
        if !is_away && !self.rng.chance(self.swarm.busy) {
            return self.on_event(event);
        }
        up.inbox.waiting.push_back(event);
        let run = up.run;
        let wait = self.rng.between(0, self.swarm.busy_ms);
        self.turn_after(wait, node, run);
    }

    /// Lets the loop take what waits, unless it is away: then it does so when it is back.
    pub(super) fn turn_after(&mut self, wait: Ms, node: NodeId, run: u64) {
        let Some(up) = self.up_in(node, run) else { return };
        if !up.is_writing() && !up.inbox.waiting.is_empty() && !up.inbox.is_due {
            up.inbox.is_due = true;
            self.after(wait, Event::Turn { node, run });
        }
    }

    /// All that waits, the clock last, and then what follows from it.
    pub(super) fn on_turn(&mut self, id: NodeId, run: u64) {
        let Some(up) = self.up_in(id, run) else { return };
        up.inbox.is_due = false;
        if up.is_writing() {
            return;
        }
        let waiting = std::mem::take(&mut up.inbox.waiting);
        let held_back = std::mem::replace(&mut up.holds_back, true);
        let (ticks, others): (Vec<_>, Vec<_>) =
            waiting.into_iter().partition(|event| matches!(event, Event::Tick { .. }));
        for event in others.into_iter().chain(ticks) {
            self.on_event(event);
        }
        if let Some(up) = self.up_in(id, run) {
            up.holds_back = held_back;
            self.settle(id);
        }
    }
}
