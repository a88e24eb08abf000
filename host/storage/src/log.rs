//! Log, hard state and snapshots of every Raft group in one redb file. Knows no Raft: it does what
//! a `Persist` says and gives back what is there.

#[cfg(test)]
mod tests;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use aether_consensus::{Entry, GroupId, HardState, Persist, Restored, Snapshot};
use aether_types::versioned::{self, DecodeError, Versioned};
use redb::{Builder, Database, ReadableDatabase, ReadableTable, TableDefinition};

use crate::{Error, directory::Lock, files};

const NAME: &str = "raft.redb";
const FORMAT: u32 = 1;
const FORMAT_KEY: &str = "format";

/// All that is hot is in memory already, in the core.
const CACHE_BYTES: usize = 4 << 20;

const META: TableDefinition<&str, u32> = TableDefinition::new("meta");
const HARD_STATES: TableDefinition<u32, &[u8]> = TableDefinition::new("hard-states");
const SNAPSHOTS: TableDefinition<u32, &[u8]> = TableDefinition::new("snapshots");
/// By group and index.
const ENTRIES: TableDefinition<(u32, u64), &[u8]> = TableDefinition::new("entries");

/// The Raft log of a node.
///
/// After an error of [`Log::persist`] it is unknown whether the steps are on disk. Whoever goes on
/// repeats them until they are: the file is opened anew for it, and a step that is there already
/// changes nothing. That helps where [`Error::kind`] says that the disk is full; otherwise the node
/// stops.
#[derive(Debug)]
pub struct Log {
    /// None after an error.
    database: Option<Database>,
    path: PathBuf,
    _lock: Arc<Lock>,
}

impl Log {
    pub(crate) fn open(directory: &Path, lock: Arc<Lock>) -> Result<Self, Error> {
        let path = directory.join(NAME);
        if !path.exists() {
            files::make_durably(directory, NAME, |unfinished| {
                let database = builder().create(unfinished).map_err(failed("create", &path))?;
                found(&database).map_err(failed("create", &path))
            })?;
        }
        let database = builder().open(&path).map_err(failed("open", &path))?;
        check_format(&database, &path)?;
        Ok(Self { database: Some(database), path, _lock: lock })
    }

    /// Makes all steps durable, in order, in one commit: they are there after a power cut, or none
    /// is. Several groups may share the commit.
    pub fn persist(&mut self, steps: &[Persist]) -> Result<(), Error> {
        let written = commit(self.database()?, steps);
        written.map_err(|error| {
            self.database = None;
            failed("write", &self.path)(error)
        })
    }

    /// What is kept of a group; none if nothing was ever persisted.
    pub fn load(&mut self, group: GroupId) -> Result<Option<Restored>, Error> {
        let records = read(self.database()?, group);
        let (hard_state, snapshot, entries) = records.map_err(failed("read", &self.path))?;
        let Some(hard_state) = hard_state else { return Ok(None) };
        let entries = entries.iter().map(|bytes| self.decode::<Entry>(bytes));
        Ok(Some(Restored {
            hard_state: self.decode::<HardState>(&hard_state)?,
            snapshot: match snapshot {
                Some(bytes) => self.decode::<Snapshot>(&bytes)?,
                None => Snapshot::default(),
            },
            entries: entries.collect::<Result<_, _>>()?,
        }))
    }

    /// Every group of which anything is kept.
    pub fn groups(&mut self) -> Result<Vec<GroupId>, Error> {
        let database = self.database()?;
        let read = || {
            let table = database.begin_read()?.open_table(HARD_STATES)?;
            let groups = table.iter()?.map(|row| Ok(GroupId(row?.0.value())));
            groups.collect::<Result<_, redb::Error>>()
        };
        read().map_err(failed("read", &self.path))
    }

    fn database(&mut self) -> Result<&Database, Error> {
        let database = match self.database.take() {
            Some(database) => database,
            None => builder().open(&self.path).map_err(failed("open", &self.path))?,
        };
        Ok(self.database.insert(database))
    }

    fn decode<T: Versioned>(&self, bytes: &[u8]) -> Result<T, Error> {
        versioned::decode(bytes).map_err(|error| match error {
            DecodeError::Format { found, known, .. } => Error::Format {
                path: self.path.clone(),
                found: found.to_string(),
                known: known.into(),
            },
            DecodeError::Damaged { what } => {
                Error::Damaged { path: self.path.clone(), what: format!("in a record of {what}") }
            }
        })
    }
}

fn builder() -> Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true);
    builder
}

fn failed<E: Into<redb::Error>>(action: &'static str, path: &Path) -> impl FnOnce(E) -> Error {
    move |error| match error.into() {
        redb::Error::Corrupted(what) => Error::Damaged { path: path.to_owned(), what },
        source => Error::Log { action, path: path.to_owned(), source: Box::new(source) },
    }
}

/// Creates every table, so that readers find them.
fn found(database: &Database) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    transaction.open_table(META)?.insert(FORMAT_KEY, FORMAT)?;
    transaction.open_table(HARD_STATES)?;
    transaction.open_table(SNAPSHOTS)?;
    transaction.open_table(ENTRIES)?;
    Ok(transaction.commit()?)
}

fn check_format(database: &Database, path: &Path) -> Result<(), Error> {
    let read = || {
        let table = database.begin_read()?.open_table(META)?;
        let format = table.get(FORMAT_KEY)?.map(|format| format.value());
        Ok::<_, redb::Error>(format)
    };
    match read().map_err(failed("open", path))? {
        Some(FORMAT) => Ok(()),
        found => {
            let found = found.map_or("none".into(), |found| found.to_string());
            Err(Error::Format { path: path.to_owned(), found, known: FORMAT })
        }
    }
}

fn commit(database: &Database, steps: &[Persist]) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    {
        let mut hard_states = transaction.open_table(HARD_STATES)?;
        let mut snapshots = transaction.open_table(SNAPSHOTS)?;
        let mut entries = transaction.open_table(ENTRIES)?;
        for step in steps {
            let group = step.group.0;
            hard_states.insert(group, &versioned::encode(&step.hard_state)[..])?;
            if let Some(snapshot) = &step.snapshot {
                snapshots.insert(group, &versioned::encode(snapshot)[..])?;
            }
            let (start, end) = (step.retain.start.0, step.retain.end.0);
            entries.retain_in((group, 0)..(group, start), |_, _| false)?;
            entries.retain_in((group, end.max(start))..=(group, u64::MAX), |_, _| false)?;
            for entry in &step.entries {
                let key = (group, entry.position.index.0);
                entries.insert(key, &versioned::encode(entry)[..])?;
            }
        }
    }
    Ok(transaction.commit()?)
}

type Records = (Option<Vec<u8>>, Option<Vec<u8>>, Vec<Vec<u8>>);

fn read(database: &Database, group: GroupId) -> Result<Records, redb::Error> {
    let transaction = database.begin_read()?;
    let entries = transaction.open_table(ENTRIES)?;
    let rows = entries.range((group.0, 0)..=(group.0, u64::MAX))?;
    let rows = rows.map(|row| Ok(row?.1.value().to_vec()));
    Ok((
        record(&transaction.open_table(HARD_STATES)?, group.0)?,
        record(&transaction.open_table(SNAPSHOTS)?, group.0)?,
        rows.collect::<Result<_, redb::Error>>()?,
    ))
}

fn record(
    table: &impl ReadableTable<u32, &'static [u8]>,
    key: u32,
) -> Result<Option<Vec<u8>>, redb::Error> {
    Ok(table.get(key)?.map(|bytes| bytes.value().to_vec()))
}
