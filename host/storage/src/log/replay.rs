//! Reads what is on disk, from the oldest segment that is needed to the end. Knows no Raft.

use std::{
    collections::{BTreeMap, VecDeque},
    path::Path,
};

use aether_consensus::{Entry, GroupId};

use super::segment::{self, Contents, Segment};
use super::{Kept, Record, Sequence, Step, indices, note};
use crate::{Error, files};

/// What the segments say.
pub(super) struct Replayed {
    pub(super) segments: Vec<Segment>,
    pub(super) kept: BTreeMap<GroupId, Kept>,
    pub(super) entries: BTreeMap<GroupId, VecDeque<Entry>>,
    pub(super) next: Sequence,
    /// A crash left a part of a record.
    pub(super) is_torn: bool,
}

/// There is a segment.
pub(super) fn replay(directory: &Path) -> Result<Replayed, Error> {
    let names = files::list(directory)?;
    let firsts: Vec<_> = names.iter().filter_map(|name| segment::number(name)).collect();
    let mut found = Replayed {
        segments: Vec::new(),
        kept: BTreeMap::new(),
        entries: BTreeMap::new(),
        next: Sequence(0),
        is_torn: false,
    };
    for first in firsts {
        // After a power cut a segment may be there that was removed, and one after it not.
        if first != found.next {
            found.segments.clear();
            found.entries.clear();
        }
        found.read(directory, first)?;
    }
    found.check(directory)?;
    Ok(found)
}

impl Replayed {
    fn read(&mut self, directory: &Path, first: Sequence) -> Result<(), Error> {
        let contents = Contents::read(directory, first)?;
        if self.is_torn {
            return Err(contents.damaged(first));
        }
        let mut steps = Vec::new();
        let mut begin = None;
        let end = contents.each(|record| match record {
            Record::Begin(kept) => begin = Some(kept),
            Record::Steps(taken) => steps.extend(taken),
        })?;
        let Some(begin) = begin else { return Err(contents.damaged(first)) };
        let mut segment = Segment::open(directory, first, end.at)?;
        self.kept = begin.into_iter().map(|kept| (kept.group, kept)).collect();
        for step in steps {
            segment.note(&step);
            note(&mut self.kept, &step);
            self.take(step);
        }
        self.segments.push(segment);
        (self.next, self.is_torn) = (end.next, end.is_torn);
        Ok(())
    }

    /// What the records name is there. It is not where the last record was damaged after segments
    /// were removed that only those before it need.
    fn check(&self, directory: &Path) -> Result<(), Error> {
        let is_whole = |kept: &Kept| {
            let found = self.entries.get(&kept.group).and_then(|entries| indices(entries.iter()));
            found.unwrap_or(kept.entries.start..kept.entries.start) == kept.entries
        };
        if self.kept.values().all(is_whole) {
            return Ok(());
        }
        let newest = self.segments.last().expect("there is a segment").first;
        Err(Contents::read(directory, newest)?.damaged(self.next))
    }

    fn take(&mut self, step: Step<'static>) {
        let entries = self.entries.entry(step.group).or_default();
        let index = |entry: Option<&Entry>| entry.map(|entry| entry.position.index);
        while index(entries.front()).is_some_and(|index| index < step.retain.start) {
            entries.pop_front();
        }
        while index(entries.back()).is_some_and(|index| index >= step.retain.end) {
            entries.pop_back();
        }
        entries.extend(step.entries.into_owned());
    }
}
