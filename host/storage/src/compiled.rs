//! The directory of compiled code, bounded by size. Knows no format: the engine names and writes
//! the files, and can make every one of them again.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use crate::{Error, directory::Lock, files};

/// Compiled code. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Compiled {
    path: PathBuf,
    _lock: Arc<Lock>,
}

/// What an eviction removed and what is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Evicted {
    pub files: usize,
    pub bytes: u64,
    pub bytes_left: u64,
}

impl Compiled {
    pub(crate) fn open(path: PathBuf, lock: Arc<Lock>) -> Result<Self, Error> {
        files::clean(&path)?;
        Ok(Self { path, _lock: lock })
    }

    /// Where the files are. A file whose name begins with `.unfinished-` is removed on open.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Notes that a file was used. Forgotten by a power cut, which only costs a better choice.
    pub fn touch(&self, name: &str, now: SystemTime) -> Result<(), Error> {
        let path = self.path.join(name);
        let touch = || fs::File::options().append(true).open(&path)?.set_modified(now);
        touch().map_err(files::failed("touch", &path))
    }

    /// Removes the files that were not used for longest until the rest fits into `bytes_max`.
    /// A file that is mapped stays usable for whoever has it.
    pub fn evict(&self, bytes_max: u64) -> Result<Evicted, Error> {
        let mut found = Vec::new();
        for name in files::list(&self.path)? {
            let path = self.path.join(name);
            // One that is gone by now needs no eviction.
            let Ok(metadata) = fs::metadata(&path) else { continue };
            if metadata.is_file() {
                let used = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                found.push((used, path, metadata.len()));
            }
        }
        found.sort();
        let bytes_left = found.iter().map(|(_, _, bytes)| bytes).sum();
        let mut evicted = Evicted { files: 0, bytes: 0, bytes_left };
        for (_, path, bytes) in found {
            if evicted.bytes_left <= bytes_max {
                break;
            }
            files::remove(&path)?;
            evicted.files += 1;
            evicted.bytes += bytes;
            evicted.bytes_left -= bytes;
        }
        Ok(evicted)
    }
}
