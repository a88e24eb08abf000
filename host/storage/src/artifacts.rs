//! Artifacts: immutable bytes named by their SHA-256, one file each. Knows no coordinates and not
//! who refers to them.

use std::{fs, io, path::PathBuf, sync::Arc};

use aether_types::Digest;
use sha2::{Digest as _, Sha256};

use crate::{
    Error,
    directory::Lock,
    files::{clean, failed, list, remove, sync_directory, write_durably},
};

/// The artifacts of a node. Cheap to clone, to be used from any thread.
#[derive(Debug, Clone)]
pub struct Artifacts {
    path: PathBuf,
    _lock: Arc<Lock>,
}

impl Artifacts {
    pub(crate) fn open(path: PathBuf, lock: Arc<Lock>) -> Result<Self, Error> {
        clean(&path)?;
        Ok(Self { path, _lock: lock })
    }

    /// The name that these bytes have.
    pub fn digest(bytes: &[u8]) -> Digest {
        Digest(Sha256::digest(bytes).into())
    }

    /// Keeps the bytes. Keeping them twice is safe, and mends a damaged file.
    pub fn put(&self, bytes: &[u8]) -> Result<Digest, Error> {
        let digest = Self::digest(bytes);
        match self.get(&digest) {
            Ok(_) => Ok(digest),
            Err(Error::NoArtifact { .. } | Error::Damaged { .. }) => {
                write_durably(&self.path, &digest.to_string(), bytes).map(|()| digest)
            }
            Err(error) => Err(error),
        }
    }

    /// The bytes, which are those that were put: they are verified on every read.
    pub fn get(&self, digest: &Digest) -> Result<Vec<u8>, Error> {
        let path = self.path.join(digest.to_string());
        match fs::read(&path) {
            Ok(bytes) if Self::digest(&bytes) == *digest => Ok(bytes),
            Ok(bytes) => {
                let what = format!("its SHA-256 is {}", Self::digest(&bytes));
                Err(Error::Damaged { path, what })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(Error::NoArtifact { digest: *digest })
            }
            Err(error) => Err(failed("read", &path)(error)),
        }
    }

    /// Whether there is a file for it; only reading tells whether it is whole.
    pub fn contains(&self, digest: &Digest) -> bool {
        self.path.join(digest.to_string()).is_file()
    }

    /// Forgets the bytes, if they are here.
    pub fn remove(&self, digest: &Digest) -> Result<(), Error> {
        remove(&self.path.join(digest.to_string()))?;
        sync_directory(&self.path)
    }

    /// Every artifact here, in order.
    pub fn list(&self) -> Result<Vec<Digest>, Error> {
        Ok(list(&self.path)?.iter().filter_map(|name| name.parse().ok()).collect())
    }
}
