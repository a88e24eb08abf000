//! The data directory: its layout, its version, its single user. Knows no contents of the parts.

use std::{
    fs::{File, TryLockError},
    io::{Read, Seek, Write},
    path::{Path, PathBuf},
    process,
    sync::Arc,
};

use crate::{
    Artifacts, Certificates, Compiled, Error, Identity, Log,
    files::{self, failed},
    starts,
};

const FORMAT: u32 = 2;
const FORMAT_NAME: &str = "FORMAT";
const LOCK_NAME: &str = "lock";

/// An opened data directory. The parts may go to different threads: the directory stays locked
/// until the last of them is dropped.
#[derive(Debug)]
pub struct Storage {
    /// None on the first start: draw one and [`Storage::identify`].
    pub identity: Option<Identity>,
    pub log: Log,
    pub artifacts: Artifacts,
    pub compiled: Compiled,
    directory: PathBuf,
}

impl Storage {
    /// Opens a data directory, or creates it. Refuses one that another process uses, of another
    /// format, or with files that are not a node's.
    ///
    /// Reads the whole Raft log and checks it: a few milliseconds for each megabyte.
    pub fn open(directory: &Path) -> Result<Self, Error> {
        files::create_directory(directory)?;
        let lock = Arc::new(Lock::take(directory)?);
        check_format(directory)?;
        let (artifacts, compiled) = (directory.join("artifacts"), directory.join("compiled"));
        files::create_directory(&artifacts)?;
        files::create_directory(&compiled)?;
        Ok(Self {
            identity: Identity::read(directory)?,
            log: Log::open(directory, lock.clone())?,
            artifacts: Artifacts::open(artifacts, lock.clone())?,
            compiled: Compiled::new(compiled, lock),
            directory: directory.to_owned(),
        })
    }

    /// Writes down who this node is, once and for ever.
    pub fn identify(&mut self, identity: Identity) -> Result<(), Error> {
        identity.write(&self.directory)?;
        self.identity = Some(identity);
        Ok(())
    }

    /// Counts a start of the node, durably: a copy of the directory does not know of later ones.
    /// The first start is 1.
    pub fn count_start(&mut self) -> Result<u64, Error> {
        starts::count(&self.directory)
    }

    /// What the node proves its identity with; none before it belongs to a cluster.
    pub fn certificates(&self) -> Result<Option<Certificates>, Error> {
        Certificates::read(&self.directory)
    }

    pub fn set_certificates(&mut self, certificates: &Certificates) -> Result<(), Error> {
        certificates.write(&self.directory)
    }
}

fn check_format(directory: &Path) -> Result<(), Error> {
    let path = directory.join(FORMAT_NAME);
    let names = files::clean(directory)?;
    if names.iter().any(|name| name == FORMAT_NAME) {
        let found = std::fs::read_to_string(&path).map_err(failed("read", &path))?;
        return match found.trim() == FORMAT.to_string() {
            true => Ok(()),
            false => {
                Err(Error::Format { path, found: format!("{:?}", found.trim()), known: FORMAT })
            }
        };
    }
    match names.iter().all(|name| name == LOCK_NAME) {
        true => files::write_durably(directory, FORMAT_NAME, format!("{FORMAT}\n").as_bytes()),
        false => Err(Error::Foreign { path: directory.to_owned() }),
    }
}

/// Held by the one process that uses a directory. The system releases it with the process.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    fn take(directory: &Path) -> Result<Self, Error> {
        let path = directory.join(LOCK_NAME);
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(&path).map_err(failed("lock", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                // A pid is a help, not a must.
                let _ = file.read_to_string(&mut text);
                let pid = text.trim().parse().ok();
                return Err(Error::InUse { path: directory.to_owned(), pid });
            }
            Err(TryLockError::Error(error)) => return Err(failed("lock", &path)(error)),
        }
        let mut note = || {
            file.set_len(0)?;
            file.rewind()?;
            writeln!(file, "{}", process::id())
        };
        note().map_err(failed("lock", &path))?;
        Ok(Self { _file: file })
    }
}
