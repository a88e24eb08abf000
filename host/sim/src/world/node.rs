//! What there is of one node: what a crash leaves, and what it does not. Decides nothing.

use std::collections::{BTreeMap, BTreeSet};

use aether_consensus::{Restored, Term};
use aether_control::{Member, Ticket};
use aether_kv::State;
use aether_lifecycle::{Reconciler, Tick};
use aether_routing::Table;
use aether_types::observed::Observed;
use aether_types::{LogIndex, NodeId};

use super::Event;
use super::inbox::Inbox;
use super::stops::Door;
use crate::disk::Disk;
use crate::guests::Guests;
use crate::history::OpId;
use crate::picture::Picture;
use crate::swarm::Ms;

pub(super) struct Node {
    pub(super) disk: Disk,
    /// Milliseconds between two ticks by its own clock.
    pub(super) tick_ms: Ms,
    pub(super) starts: u64,
    pub(super) up: Option<Up>,
}

/// A running process.
pub(super) struct Up {
    pub(super) run: u64,
    pub(super) since: Ms,
    pub(super) ticks: u64,
    /// How often it was stopped, and, if it is, what waits for it.
    pub(super) stops: u64,
    /// Happens when it has sent so many messages: it is stopped, or crashes.
    pub(super) when_it_sends: Option<(u64, Event)>,
    pub(super) door: Option<Door>,
    /// Nodes that have given up their connection to this one while it was stopped.
    pub(super) given_up: BTreeSet<NodeId>,
    pub(super) inbox: Inbox,
    /// Takes up events, and does what follows from all of them afterwards.
    pub(super) holds_back: bool,
    pub(super) member: Member,
    pub(super) state: State,
    /// Everything up to here was looked at by the oracle.
    pub(super) passed: LogIndex,
    /// Writes that the disk has not done, and whether the loop waits for them.
    pub(super) writes: u64,
    pub(super) waits_for_disk: bool,
    /// When the disk has done what it was asked for.
    pub(super) disk_done: Ms,
    pub(super) askers: BTreeMap<Ticket, Asker>,
    pub(super) leading: Option<Term>,
    pub(super) picture: Picture,
    pub(super) table: Table,
    pub(super) core: Reconciler,
    pub(super) guests: Guests,
    pub(super) looks_soon: bool,
    pub(super) is_planning: bool,
    pub(super) to_publish: Option<Observed>,
    pub(super) is_publishing: bool,
    /// Nodes that can be reached, with the run that their link speaks for.
    pub(super) runs: BTreeMap<NodeId, u64>,
    /// Nodes that cannot be reached, and since when.
    pub(super) unreachable: BTreeMap<NodeId, Ms>,
}

/// Who waits for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asker {
    Client(OpId),
    Operator,
    Planner,
    Publisher,
}

impl Node {
    pub(super) fn new(disk: Restored, tick_ms: Ms) -> Self {
        Self { disk: Disk::new(disk), tick_ms, starts: 0, up: None }
    }

    /// The process, if it is still the same.
    pub(super) fn up_in(&mut self, run: u64) -> Option<&mut Up> {
        self.up.as_mut().filter(|up| up.run == run)
    }
}

impl Up {
    /// By the node's own clock, since its start.
    pub(super) fn tick(&self, now: Ms) -> Tick {
        Tick(now - self.since)
    }

    /// Its loop waits for the disk, and takes nothing.
    pub(super) fn is_writing(&self) -> bool {
        self.waits_for_disk && self.writes > 0
    }
}
