//! Faults that are put into links on purpose. Knows not who may do that.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use aether_types::NodeId;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::{DownReason, frame::Frame, links::Shared};

/// As seen from this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    In,
    Out,
}

/// What happens to everything that goes to, or comes from, one peer.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub struct Fault {
    /// Nothing gets through, not even a dial: a partition. TCP needs both ways, so after
    /// [`crate::limits::SILENCE_MAX`] a cut of one direction is a cut of both.
    pub cut: bool,
    /// Added to each frame.
    pub latency: Duration,
    /// Share of the one-way messages that is lost, from 0 to 1.
    pub loss: f64,
}

/// Sets faults, for tests and forge.
#[derive(Clone)]
pub struct Faults {
    table: Arc<FaultTable>,
    links: Weak<Shared>,
}

impl std::fmt::Debug for Faults {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.table.fmt(f)
    }
}

impl Faults {
    pub(crate) fn new(table: Arc<FaultTable>, links: Weak<Shared>) -> Self {
        Self { table, links }
    }

    /// Replaces what was set for this peer and direction.
    pub fn set(&self, peer: NodeId, direction: Direction, fault: Fault) {
        let mut all = self.table.all.lock();
        match fault == Fault::default() {
            true => all.remove(&(peer, direction)),
            false => all.insert((peer, direction), fault),
        };
        self.table.any.store(!all.is_empty(), Ordering::Release);
    }

    /// Removes all faults.
    pub fn heal(&self) {
        let mut all = self.table.all.lock();
        all.clear();
        self.table.any.store(false, Ordering::Release);
    }

    /// Cuts the links to a peer now, without a goodbye. They are dialed again.
    pub fn reset(&self, peer: NodeId) {
        let Some(links) = self.links.upgrade() else { return };
        links.each_link(peer, |link| link.close(DownReason::Fault));
    }
}

#[derive(Debug, Default)]
pub(crate) struct FaultTable {
    any: AtomicBool,
    all: Mutex<HashMap<(NodeId, Direction), Fault>>,
}

impl FaultTable {
    /// One relaxed load when no fault is set.
    pub(crate) fn of(&self, peer: NodeId, direction: Direction) -> Option<Fault> {
        match self.any.load(Ordering::Relaxed) {
            false => None,
            true => self.all.lock().get(&(peer, direction)).copied(),
        }
    }

    /// A dial needs both ways.
    pub(crate) fn is_cut(&self, peer: NodeId) -> bool {
        let cut = |direction| self.of(peer, direction).is_some_and(|fault| fault.cut);
        cut(Direction::In) || cut(Direction::Out)
    }
}

/// Frames that are held back.
#[derive(Debug, Default)]
pub(crate) struct Delayed {
    frames: VecDeque<(Instant, Frame)>,
    bytes: usize,
}

impl Delayed {
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Order is kept also when the latency shrinks.
    pub(crate) fn push(&mut self, due: Instant, frame: Frame) {
        let due = self.frames.back().map_or(due, |(last, _)| due.max(*last));
        self.bytes += frame.body.len();
        self.frames.push_back((due, frame));
    }

    pub(crate) fn pop(&mut self, now: Instant) -> Option<Frame> {
        let (due, _) = self.frames.front()?;
        if *due > now {
            return None;
        }
        let (_, frame) = self.frames.pop_front()?;
        self.bytes -= frame.body.len();
        Some(frame)
    }

    pub(crate) fn due(&self) -> Option<Instant> {
        self.frames.front().map(|(due, _)| *due)
    }
}
