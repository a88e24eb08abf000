//! The last changes, for watchers that are behind. Knows no watchers and no current values.

use alloc::collections::VecDeque;

use aether_types::Revision;
use serde::{Deserialize, Serialize};

use crate::{
    Event,
    limits::{HISTORY_BYTES_MAX, HISTORY_EVENTS_MAX},
};

/// Events in order of revision, complete from `first` on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct History {
    events: VecDeque<Event>,
    weight: u64,
    first: Revision,
}

impl History {
    pub(crate) fn new() -> Self {
        Self { events: VecDeque::new(), weight: 0, first: Revision(1) }
    }

    /// The oldest revision from which every change is here.
    pub(crate) fn first(&self) -> Revision {
        self.first
    }

    /// Every event of `from` and later. `from` must not be older than [`Self::first`].
    pub(crate) fn since(&self, from: Revision) -> impl Iterator<Item = &Event> {
        assert!(from >= self.first, "revision {from} is compacted");
        let start = self.events.partition_point(|event| event.revision < from);
        self.events.range(start..)
    }

    /// Adds the events of one new revision and drops the oldest revisions beyond the limits.
    pub(crate) fn extend(&mut self, events: &[Event]) {
        self.weight += events.iter().map(Event::weight).sum::<u64>();
        self.events.extend(events.iter().cloned());
        while self.weight > HISTORY_BYTES_MAX || self.events.len() > HISTORY_EVENTS_MAX {
            let oldest = self.events.front().expect("an empty history is within its limits");
            self.drop_before(Revision(oldest.revision.0 + 1));
        }
    }

    /// Drops every event older than `revision`.
    pub(crate) fn drop_before(&mut self, revision: Revision) {
        while let Some(event) = self.events.pop_front_if(|event| event.revision < revision) {
            self.weight -= event.weight();
        }
        self.first = self.first.max(revision);
    }

    /// Whether order, weight and first revision agree with the events.
    pub(crate) fn is_consistent(&self) -> bool {
        self.events.iter().is_sorted_by_key(|event| event.revision)
            && self.events.front().is_none_or(|event| event.revision >= self.first)
            && self.events.iter().map(Event::weight).sum::<u64>() == self.weight
    }

    pub(crate) fn last(&self) -> Option<Revision> {
        self.events.back().map(|event| event.revision)
    }
}
