//! The log in memory, as raft reads it: all entries since the last compaction. What is on disk is
//! the same or a little older. Knows no disk.

use std::{cell::Cell, collections::VecDeque, ops::Range};

use aether_types::{LogIndex, NodeId};
use raft::{GetEntriesContext, RaftState, StorageError, eraftpb};

use crate::{Entry, HardState, Position, Restored, Snapshot, Term, convert};

/// Entries after `before`, in order, without a gap.
pub(crate) struct Log {
    hard_state: HardState,
    snapshot: Snapshot,
    before: Position,
    entries: VecDeque<eraftpb::Entry>,
    bytes: u64,
    /// Raft asked for a snapshot to send, and the one here is from before its receiver joined.
    outdated: Cell<bool>,
}

impl Log {
    /// `restored` has been validated.
    pub(crate) fn new(restored: Restored) -> Self {
        let Restored { mut hard_state, snapshot, mut entries } = restored;
        hard_state.commit = hard_state.commit.max(snapshot.position.index);
        // raft compares the entry before the first one. If it is not where the snapshot was taken,
        // the first entry serves: it is before the snapshot, so nobody reads it.
        let before = match entries.first() {
            Some(first) if first.position.index <= snapshot.position.index => {
                entries.remove(0).position
            }
            _ => snapshot.position,
        };
        let (nothing, outdated) = (VecDeque::new(), Cell::new(false));
        let mut log = Self { hard_state, snapshot, before, entries: nothing, bytes: 0, outdated };
        log.append(entries.iter().map(convert::entry_to_raft).collect());
        log
    }

    pub(crate) fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    pub(crate) fn last(&self) -> LogIndex {
        LogIndex(self.before.index.0 + self.entries.len() as u64)
    }

    pub(crate) fn is_snapshot_outdated(&self) -> bool {
        self.outdated.get()
    }

    /// The indexes of the entries here.
    pub(crate) fn range(&self) -> Range<LogIndex> {
        LogIndex(self.before.index.0 + 1)..LogIndex(self.last().0 + 1)
    }

    /// Entries since the snapshot, and bytes of all entries.
    pub(crate) fn weight(&self) -> (u64, u64) {
        (self.last().0 - self.snapshot.position.index.0, self.bytes)
    }

    pub(crate) fn term_at(&self, index: LogIndex) -> Option<Term> {
        if index == self.before.index {
            return Some(self.before.term);
        }
        let offset = index.0.checked_sub(self.before.index.0 + 1)?;
        self.entries.get(offset as usize).map(|entry| Term(entry.term))
    }

    pub(crate) fn hard_state(&self) -> HardState {
        self.hard_state
    }

    pub(crate) fn set_hard_state(&mut self, hard_state: HardState) {
        self.hard_state = hard_state;
    }

    /// Adds entries in place of all from the first of them on.
    pub(crate) fn append(&mut self, entries: Vec<eraftpb::Entry>) {
        let Some(first) = entries.first() else { return };
        let kept = (first.index - self.before.index.0 - 1) as usize;
        assert!(kept <= self.entries.len(), "a gap before index {}", first.index);
        self.bytes -= self.entries.drain(kept..).map(|entry| weight(&entry)).sum::<u64>();
        self.bytes += entries.iter().map(weight).sum::<u64>();
        self.entries.extend(entries);
    }

    /// Replaces everything by a snapshot that the leader sent.
    pub(crate) fn restore(&mut self, snapshot: Snapshot) {
        self.before = snapshot.position;
        self.snapshot = snapshot;
        self.entries.clear();
        self.bytes = 0;
    }

    /// Takes this node's own snapshot and drops the entries that it covers, but for the last
    /// `entries_kept` of them and `bytes_kept` in all.
    pub(crate) fn compact(&mut self, snapshot: Snapshot, entries_kept: u64, bytes_kept: u64) {
        let covered = snapshot.position.index.0;
        while let Some(entry) = self.entries.pop_front_if(|entry| {
            entry.index <= covered.saturating_sub(entries_kept)
                || (entry.index <= covered && self.bytes > bytes_kept)
        }) {
            self.bytes -= weight(&entry);
            self.before = Position { index: LogIndex(entry.index), term: Term(entry.term) };
        }
        self.snapshot = snapshot;
        self.outdated.set(false);
    }

    pub(crate) fn check(&self) {
        let indexes = self.entries.iter().map(|entry| entry.index);
        assert!(indexes.eq(self.before.index.0 + 1..=self.last().0), "the log has a gap");
        let terms = self.entries.iter().map(|entry| entry.term);
        assert!(terms.is_sorted(), "a term is out of order");
        assert_eq!(self.bytes, self.entries.iter().map(weight).sum::<u64>());
        assert!(self.before.index <= self.snapshot.position.index, "the snapshot leaves a gap");
        assert!(self.snapshot.position.index <= self.last().max(self.before.index));
    }
}

/// What an entry weighs in memory, about.
fn weight(entry: &eraftpb::Entry) -> u64 {
    const OVERHEAD: usize = size_of::<Entry>();
    (entry.data.len() + entry.context.len() + OVERHEAD) as u64
}

impl raft::Storage for Log {
    fn initial_state(&self) -> raft::Result<RaftState> {
        Ok(RaftState::new(
            convert::hard_state_to_raft(self.hard_state),
            convert::membership_to_raft(&self.snapshot.membership),
        ))
    }

    fn entries(
        &self,
        low: u64,
        high: u64,
        max_size: impl Into<Option<u64>>,
        _context: GetEntriesContext,
    ) -> raft::Result<Vec<eraftpb::Entry>> {
        let first = self.before.index.0 + 1;
        if low < first {
            return Err(StorageError::Compacted.into());
        }
        let range = (low - first) as usize..(high - first) as usize;
        let mut left = max_size.into().unwrap_or(raft::NO_LIMIT);
        let fits = |entry: &&eraftpb::Entry| {
            let weight = weight(entry);
            let fits = weight <= left || entry.index == low;
            left = left.saturating_sub(weight);
            fits
        };
        Ok(self.entries.range(range).take_while(fits).cloned().collect())
    }

    fn term(&self, index: u64) -> raft::Result<u64> {
        match self.term_at(LogIndex(index)) {
            Some(term) => Ok(term.0),
            None if index < self.before.index.0 => Err(StorageError::Compacted.into()),
            None => Err(StorageError::Unavailable.into()),
        }
    }

    fn first_index(&self) -> raft::Result<u64> {
        Ok(self.before.index.0 + 1)
    }

    fn last_index(&self) -> raft::Result<u64> {
        Ok(self.last().0)
    }

    fn snapshot(&self, _request_index: u64, to: u64) -> raft::Result<eraftpb::Snapshot> {
        // A node takes no snapshot of a group that it does not belong to.
        if !self.snapshot.membership.contains(NodeId(to)) {
            self.outdated.set(true);
            return Err(StorageError::SnapshotTemporarilyUnavailable.into());
        }
        Ok(convert::snapshot_to_raft(&self.snapshot))
    }
}
