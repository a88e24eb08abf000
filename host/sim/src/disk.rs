//! A node's disk: what was asked of it, and what of that is there after a crash. Knows no Raft.

use std::collections::VecDeque;

use aether_consensus::{Entry, Persist, PersistNumber, Restored, Term};
use aether_types::LogIndex;

use crate::rng::Rng;

/// Steps become durable in order, each whole or not at all: the store is transactional.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    durable: Restored,
    /// Asked for and not yet durable.
    writing: VecDeque<Persist>,
    /// Everything that was asked for, as the node itself sees it.
    view: Restored,
}

impl Disk {
    pub(crate) fn new(founding: Restored) -> Self {
        Self { durable: founding.clone(), writing: VecDeque::new(), view: founding }
    }

    pub(crate) fn write(&mut self, persist: Persist) {
        write(&mut self.view, persist.clone());
        self.writing.push_back(persist);
    }

    /// Writes have come to their end. The entries that are durable now.
    pub(crate) fn on_durable(&mut self, number: PersistNumber) -> Vec<Entry> {
        let mut entries = Vec::new();
        while let Some(persist) = self.writing.pop_front_if(|persist| persist.number <= number) {
            entries.extend(persist.entries.iter().cloned());
            write(&mut self.durable, persist);
        }
        entries
    }

    /// The power is gone: of what was not durable yet, some first steps may be there all the same.
    pub(crate) fn crash(&mut self, rng: &mut Rng) {
        let survive = rng.below(self.writing.len() as u64 + 1);
        for _ in 0..survive {
            let persist = self.writing.pop_front().expect("at most as many as there are");
            write(&mut self.durable, persist);
        }
        self.writing.clear();
        self.view = self.durable.clone();
    }

    /// What a node that starts finds.
    pub(crate) fn load(&self) -> Restored {
        self.durable.clone()
    }

    pub(crate) fn view(&self) -> &Restored {
        &self.view
    }

    /// The term of the entry at an index; none if it is not in the log.
    pub(crate) fn term_at(&self, index: LogIndex) -> Option<Term> {
        if index == self.view.snapshot.position.index {
            return Some(self.view.snapshot.position.term);
        }
        let first = self.view.entries.first()?.position.index.0;
        let at = usize::try_from(index.0.checked_sub(first)?).ok()?;
        self.view.entries.get(at).map(|entry: &Entry| entry.position.term)
    }
}

fn write(disk: &mut Restored, persist: Persist) {
    disk.hard_state = persist.hard_state;
    if let Some(snapshot) = persist.snapshot {
        disk.snapshot = snapshot;
    }
    disk.entries.retain(|entry| persist.retain.contains(&entry.position.index));
    disk.entries.extend(persist.entries);
}
