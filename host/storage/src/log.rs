//! Log, hard state and snapshots of every Raft group. Knows no Raft: it does what a `Persist` says
//! and gives back what is there.
//!
//! A step is one record at the end of the newest segment, and one sync. A segment that is full is
//! followed by another, which begins with what all groups must remember; one of which nothing is
//! needed any more is removed. Snapshots are files of their own. As in etcd's write-ahead log,
//! space for records is written before they are, so that a sync need not change the file's size.

mod replay;
mod segment;
mod snapshots;
#[cfg(test)]
mod tests;

use std::{
    borrow::Cow,
    collections::BTreeMap,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use aether_consensus::{Entry, GroupId, HardState, Persist, Restored};
use aether_types::{LogIndex, versioned, versioned::Versioned};
use serde::{Deserialize, Serialize};

use crate::{Error, directory::Lock, files};
use replay::{Replayed, replay};
use segment::{Frame, Segment};
use snapshots::SnapshotName;

pub(crate) const NAME: &str = "raft";

/// A segment that has as many bytes takes no further record.
const SEGMENT_BYTES: u64 = 16 << 20;

/// Counts records, over all segments, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Sequence(u64);

/// What a record says.
#[derive(Debug, Serialize, Deserialize)]
enum Record<'a> {
    /// The first one of a segment: what the segments before it leave, but for entries.
    Begin(Vec<Kept>),
    Steps(Vec<Step<'a>>),
}

impl Versioned for Record<'_> {
    const FORMAT: u8 = 2;
}

/// A `Persist`, with the name of its snapshot.
#[derive(Debug, Serialize, Deserialize)]
struct Step<'a> {
    group: GroupId,
    hard_state: HardState,
    snapshot: Option<SnapshotName>,
    retain: Range<LogIndex>,
    entries: Cow<'a, [Entry]>,
}

/// What is known of a group without reading its entries and its snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    group: GroupId,
    hard_state: HardState,
    snapshot: Option<SnapshotName>,
    /// The entries that are needed: what is read must have them all.
    entries: Range<LogIndex>,
}

/// The Raft log of a node.
///
/// After an error of [`Log::persist`] it is unknown whether the steps are on disk. Whoever goes on
/// repeats them until they are: they take the same place again. That helps where [`Error::kind`]
/// says that the disk is full; otherwise the node stops.
#[derive(Debug)]
pub struct Log {
    directory: PathBuf,
    /// Oldest first. Never empty; records go to the last one.
    segments: Vec<Segment>,
    kept: BTreeMap<GroupId, Kept>,
    next: Sequence,
    segment_bytes: u64,
    /// Its memory is used again.
    frame: Frame,
    _lock: Arc<Lock>,
}

impl Log {
    pub(crate) fn open(home: &Path, lock: Arc<Lock>) -> Result<Self, Error> {
        let directory = home.join(NAME);
        files::create_directory(&directory)?;
        let names = files::clean(&directory)?;
        let mut frame = Frame::default();
        if !names.iter().any(|name| segment::number(name).is_some()) {
            frame.encode(Sequence(1), &Record::Begin(Vec::new()));
            Segment::create(&directory, Sequence(1), &frame)?;
        }
        let Replayed { mut segments, kept, next, is_torn, .. } = replay(&directory)?;
        segments.last_mut().expect("there is a segment").settle(is_torn)?;
        let log = Self {
            directory,
            segments,
            kept,
            next,
            segment_bytes: SEGMENT_BYTES,
            frame,
            _lock: lock,
        };
        log.remove_unneeded(&names)?;
        Ok(log)
    }

    /// Makes all steps durable, in order, at once: they are there after a power cut, or none is.
    /// Several groups may share the record.
    pub fn persist(&mut self, steps: &[Persist]) -> Result<(), Error> {
        let last = self.segments.last().expect("a log has a segment");
        if last.bytes() >= self.segment_bytes {
            self.begin_segment()?;
        }
        let names = steps.iter().enumerate().map(|(place, step)| {
            let write = |snapshot| snapshots::write(&self.directory, (self.next, place), snapshot);
            step.snapshot.as_ref().map(write).transpose()
        });
        let names = names.collect::<Result<Vec<_>, _>>()?;
        let steps: Vec<_> =
            steps.iter().zip(names).map(|(step, name)| Step::of(step, name)).collect();
        let record = Record::Steps(steps);
        self.frame.encode(self.next, &record);
        let last = self.segments.last_mut().expect("a log has a segment");
        last.append(&self.frame)?;
        self.next.0 += 1;
        let Record::Steps(steps) = record else { unreachable!("it is made of steps") };
        let mut unneeded = false;
        for step in &steps {
            last.note(step);
            unneeded |= note(&mut self.kept, step);
        }
        if unneeded {
            self.shorten();
        }
        Ok(())
    }

    /// What is kept of a group; none if nothing was ever persisted. Reads the whole log.
    pub fn load(&mut self, group: GroupId) -> Result<Option<Restored>, Error> {
        let Replayed { mut entries, .. } = replay(&self.directory)?;
        let Some(kept) = self.kept.get(&group) else { return Ok(None) };
        let snapshot = kept.snapshot.map(|name| snapshots::read(&self.directory, name));
        Ok(Some(Restored {
            hard_state: kept.hard_state,
            snapshot: snapshot.transpose()?.unwrap_or_default(),
            entries: entries.remove(&group).unwrap_or_default().into(),
        }))
    }

    /// Every group of which anything is kept.
    pub fn groups(&self) -> Vec<GroupId> {
        self.kept.keys().copied().collect()
    }

    fn begin_segment(&mut self) -> Result<(), Error> {
        let begin = Record::Begin(self.kept.values().cloned().collect());
        self.frame.encode(self.next, &begin);
        let segment = Segment::create(&self.directory, self.next, &self.frame)?;
        self.segments.push(segment);
        self.next.0 += 1;
        Ok(())
    }

    /// Removes the oldest segments, as long as no group needs an entry of theirs, and snapshots
    /// that were replaced. What cannot be removed now is removed when the log is opened.
    fn shorten(&mut self) {
        let is_needed = |segment: &Segment| {
            let first = |group| self.kept.get(group).map(|kept| kept.entries.start);
            segment.lasts().any(|(group, last)| first(group).is_none_or(|first| last >= first))
        };
        let old = &self.segments[..self.segments.len() - 1];
        let count = old.iter().take_while(|segment| !is_needed(segment)).count();
        self.segments.drain(..count);
        if let Ok(names) = files::list(&self.directory) {
            let _ = self.remove_unneeded(&names);
        }
    }

    fn remove_unneeded(&self, names: &[String]) -> Result<(), Error> {
        let oldest = self.segments[0].first;
        for name in names {
            let is_needed = match segment::number(name) {
                Some(first) => first >= oldest,
                None => self.kept.values().any(|kept| kept.snapshot.is_some_and(|it| it.is(name))),
            };
            if !is_needed {
                files::remove(&self.directory.join(name))?;
            }
        }
        Ok(())
    }
}

impl<'a> Step<'a> {
    fn of(step: &'a Persist, snapshot: Option<SnapshotName>) -> Self {
        Self {
            group: step.group,
            hard_state: step.hard_state,
            snapshot,
            retain: step.retain.clone(),
            entries: Cow::Borrowed(&step.entries),
        }
    }
}

/// Whether something of the group is no longer needed.
fn note(kept: &mut BTreeMap<GroupId, Kept>, step: &Step<'_>) -> bool {
    let Step { group, hard_state, snapshot, retain, .. } = step;
    let (group, hard_state) = (*group, *hard_state);
    let old = kept.remove(&group);
    let entries = old.as_ref().map(|kept| kept.entries.clone());
    let entries = entries_after(entries.unwrap_or_default(), step);
    let unneeded =
        old.as_ref().is_some_and(|old| snapshot.is_some() || old.entries.start < retain.start);
    let snapshot = snapshot.or(old.and_then(|old| old.snapshot));
    kept.insert(group, Kept { group, hard_state, snapshot, entries });
    unneeded
}

/// Which entries are kept of a group that had these.
fn entries_after(before: Range<LogIndex>, step: &Step<'_>) -> Range<LogIndex> {
    let retained = before.start.max(step.retain.start)..before.end.min(step.retain.end);
    match (indices(step.entries.iter()), retained.is_empty()) {
        (None, true) => step.retain.start..step.retain.start,
        (None, false) => retained,
        (Some(new), true) => new,
        (Some(new), false) => retained.start..new.end,
    }
}

/// From the first to the last; none of no entries.
fn indices<'a>(entries: impl DoubleEndedIterator<Item = &'a Entry>) -> Option<Range<LogIndex>> {
    let mut entries = entries.map(|entry| entry.position.index);
    let first = entries.next()?;
    let last = entries.next_back().unwrap_or(first);
    Some(first..LogIndex(last.0 + 1))
}
