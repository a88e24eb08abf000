//! Snapshots: a file each, written once, with a checksum. Knows no group.

use std::{fs, path::Path};

use aether_consensus::Snapshot;
use aether_types::versioned;
use serde::{Deserialize, Serialize};

use super::Sequence;
use crate::{
    Error,
    files::{self, failed},
};

/// Bytes of the CRC-32 of what follows it.
const SUM: usize = 4;

/// The record that the snapshot came with, and which of its steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SnapshotName(u64, u32);

impl SnapshotName {
    fn file(self) -> String {
        format!("{:020}-{}.snapshot", self.0, self.1)
    }

    pub(super) fn is(self, name: &str) -> bool {
        self.file() == name
    }
}

/// Durable when it returns; nobody knows of it before a record names it.
pub(super) fn write(
    directory: &Path,
    (Sequence(record), place): (Sequence, usize),
    snapshot: &Snapshot,
) -> Result<SnapshotName, Error> {
    let place = u32::try_from(place).expect("a record has few steps");
    let name = SnapshotName(record, place);
    let mut bytes = Vec::with_capacity(SUM + snapshot.data.len() + 1_024);
    bytes.resize(SUM, 0);
    let mut bytes = versioned::extend(bytes, snapshot);
    let sum = crc32fast::hash(&bytes[SUM..]);
    bytes[..SUM].copy_from_slice(&sum.to_le_bytes());
    files::write_durably(directory, &name.file(), &bytes)?;
    Ok(name)
}

pub(super) fn read(directory: &Path, name: SnapshotName) -> Result<Snapshot, Error> {
    let path = directory.join(name.file());
    let bytes = fs::read(&path).map_err(failed("read", &path))?;
    let damaged = || Error::Damaged { path: path.clone(), what: "in the snapshot".to_owned() };
    let (sum, snapshot) = bytes.split_first_chunk().ok_or_else(damaged)?;
    if crc32fast::hash(snapshot) != u32::from_le_bytes(*sum) {
        return Err(damaged());
    }
    versioned::decode(snapshot).map_err(|error| Error::undecodable(&path, error))
}
