//! One file of records: frames with a checksum, one after the other, then zeros. Knows where a
//! frame ends, and nothing of what is in it but its number.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use super::{Record, SEGMENT_BYTES, Sequence, Step, versioned};
use crate::{
    Error,
    files::{self, failed},
};
use aether_consensus::GroupId;
use aether_types::LogIndex;

/// A frame begins with the CRC-32 of what follows it, the number of bytes of its record, and the
/// record's number. It is filled up with zeros to a multiple of eight bytes.
const HEAD: usize = 16;
const ALIGNMENT: usize = 8;

/// A file grows by as many zeros at a time. Little of it in tests, so that files do grow.
const ROOM: u64 = if cfg!(test) { 2 << 10 } else { 1 << 20 };

/// Bytes of a record as they are written.
#[derive(Debug, Default)]
pub(super) struct Frame(Vec<u8>);

impl Frame {
    pub(super) fn encode(&mut self, sequence: Sequence, record: &Record<'_>) {
        let mut bytes = std::mem::take(&mut self.0);
        bytes.clear();
        // A large record is rare.
        bytes.shrink_to(ROOM as usize);
        bytes.resize(HEAD, 0);
        let mut bytes = versioned::extend(bytes, record);
        let length = u32::try_from(bytes.len() - HEAD).expect("a record is below 4 GiB");
        bytes[4..8].copy_from_slice(&length.to_le_bytes());
        bytes[8..HEAD].copy_from_slice(&sequence.0.to_le_bytes());
        let sum = crc32fast::hash(&bytes[4..]);
        bytes[..4].copy_from_slice(&sum.to_le_bytes());
        bytes.resize(bytes.len().next_multiple_of(ALIGNMENT), 0);
        self.0 = bytes;
    }
}

/// A file of the log.
#[derive(Debug)]
pub(super) struct Segment {
    /// The number of its first record.
    pub(super) first: Sequence,
    file: File,
    path: PathBuf,
    /// Where the next frame goes.
    end: u64,
    /// Bytes of the file. Those after `end` are zeros, or were left by a write that failed.
    length: u64,
    /// Of each group, the last entry that a record of this file holds.
    lasts: BTreeMap<GroupId, LogIndex>,
}

impl Segment {
    /// Makes a file that begins with the frame, durably.
    pub(super) fn create(directory: &Path, first: Sequence, frame: &Frame) -> Result<Self, Error> {
        let path = directory.join(name(first));
        files::make_durably(directory, &name(first), |unfinished| {
            let make = || {
                let mut options = File::options();
                let file = options.write(true).create_new(true).mode(0o600).open(unfinished)?;
                file.write_all_at(&frame.0, 0)?;
                fill(&file, frame.0.len() as u64, ROOM)?;
                file.sync_all()
            };
            make().map_err(failed("write", &path))
        })?;
        Self::open(directory, first, frame.0.len() as u64)
    }

    /// A file whose frames end at `end`.
    pub(super) fn open(directory: &Path, first: Sequence, end: u64) -> Result<Self, Error> {
        let path = directory.join(name(first));
        let open = || {
            let file = File::options().write(true).open(&path)?;
            let length = file.metadata()?.len();
            Ok((file, length))
        };
        let (file, length) = open().map_err(failed("open", &path))?;
        Ok(Self { first, file, path, end, length, lasts: BTreeMap::new() })
    }

    /// Makes durable what a process wrote that ended before it could, and cuts off what a crash
    /// left of a record.
    pub(super) fn settle(&mut self, is_torn: bool) -> Result<(), Error> {
        let mut settle = || {
            if is_torn {
                self.file.set_len(self.end)?;
                self.length = self.end;
            }
            self.file.sync_all()
        };
        settle().map_err(failed("write", &self.path))
    }

    /// Durable when it returns. After an error the next frame takes the same place.
    pub(super) fn append(&mut self, Frame(frame): &Frame) -> Result<(), Error> {
        let end = self.end + frame.len() as u64;
        let length = self.length;
        let append = || {
            self.file.write_all_at(frame, self.end)?;
            if end <= length {
                self.file.sync_data()?;
                return Ok(length);
            }
            let length = end + ROOM;
            fill(&self.file, end, length)?;
            self.file.sync_all()?;
            Ok(length)
        };
        self.length = append().map_err(failed("write", &self.path))?;
        self.end = end;
        Ok(())
    }

    /// Bytes of the frames in it.
    pub(super) fn bytes(&self) -> u64 {
        self.end
    }

    #[cfg(test)]
    pub(super) fn replace(&mut self, file: File) -> File {
        std::mem::replace(&mut self.file, file)
    }

    pub(super) fn note(&mut self, step: &Step<'_>) {
        let Some(entry) = step.entries.last() else { return };
        let last = self.lasts.entry(step.group).or_default();
        *last = entry.position.index.max(*last);
    }

    pub(super) fn lasts(&self) -> impl Iterator<Item = (&GroupId, LogIndex)> {
        self.lasts.iter().map(|(group, last)| (group, *last))
    }
}

fn fill(file: &File, from: u64, to: u64) -> io::Result<()> {
    let zeros = vec![0; to.saturating_sub(from) as usize];
    file.write_all_at(&zeros, from)
}

/// In order of the numbers.
fn name(first: Sequence) -> String {
    format!("{:020}.log", first.0)
}

/// The number of the first record, if this is the name of a segment.
pub(super) fn number(name: &str) -> Option<Sequence> {
    Some(Sequence(name.strip_suffix(".log")?.parse().ok()?))
}

/// What is in a file.
pub(super) struct Contents {
    bytes: Vec<u8>,
    first: Sequence,
    path: PathBuf,
}

/// Where the good frames of a file end, and how.
pub(super) struct End {
    pub(super) at: u64,
    pub(super) next: Sequence,
    /// Something other than zeros follows.
    pub(super) is_torn: bool,
}

impl Contents {
    pub(super) fn read(directory: &Path, first: Sequence) -> Result<Self, Error> {
        let path = directory.join(name(first));
        let bytes = fs::read(&path).map_err(failed("read", &path))?;
        Ok(Self { bytes, first, path })
    }

    /// Hands out every record, in order.
    pub(super) fn each(&self, mut take: impl FnMut(Record<'static>)) -> Result<End, Error> {
        let (mut at, mut next) = (0, self.first);
        while let Some((record, length)) = frame(&self.bytes, at, next) {
            let record = versioned::decode(record);
            let record = record.map_err(|error| Error::undecodable(&self.path, error))?;
            take(record);
            at += length;
            next.0 += 1;
        }
        let rest = &self.bytes[at..];
        let is_torn = rest.iter().any(|byte| *byte != 0);
        if next == self.first || is_torn && goes_on(rest, next) {
            return Err(self.damaged(next));
        }
        Ok(End { at: at as u64, next, is_torn })
    }

    pub(super) fn damaged(&self, sequence: Sequence) -> Error {
        let what = format!("at record {}", sequence.0);
        Error::Damaged { path: self.path.clone(), what }
    }
}

/// The record of the frame at a place, and the length of the frame; none where there is no frame
/// with this number.
fn frame(bytes: &[u8], at: usize, sequence: Sequence) -> Option<(&[u8], usize)> {
    let (head, rest) = bytes.get(at..)?.split_at_checked(HEAD)?;
    let (sum, head) = head.split_first_chunk()?;
    let (length, number) = head.split_first_chunk()?;
    let length = u32::from_le_bytes(*length) as usize;
    if number != sequence.0.to_le_bytes() {
        return None;
    }
    let record = rest.get(..length)?;
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(head);
    hasher.update(record);
    let is_whole = hasher.finalize() == u32::from_le_bytes(*sum);
    is_whole.then_some((record, (HEAD + length).next_multiple_of(ALIGNMENT)))
}

/// Whether records were written after the one that cannot be read: then it was whole once, and is
/// not what a crash left of it. Each record is synced before the next one is written.
fn goes_on(rest: &[u8], broken: Sequence) -> bool {
    let number = |at: usize| {
        let bytes = rest.get(at + 8..at + HEAD)?.first_chunk()?;
        Some(Sequence(u64::from_le_bytes(*bytes)))
    };
    let most = Sequence(broken.0 + SEGMENT_BYTES / HEAD as u64);
    let mut places = (0..rest.len()).step_by(ALIGNMENT);
    places.any(|at| {
        number(at).is_some_and(|it| it > broken && it <= most && frame(rest, at, it).is_some())
    })
}
