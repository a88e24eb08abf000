//! What can go wrong with a disk, and what to do about it. Knows no caller.

use std::{
    io,
    path::{Path, PathBuf},
};

use aether_types::{Digest, ErrorKind, versioned::DecodeError};

/// Why something is not on disk, or cannot be read from it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("use {path}: {} uses it", user(*pid))]
    InUse { path: PathBuf, pid: Option<u32> },
    #[error("read {path}: it has format {found}, this version reads {known}")]
    Format { path: PathBuf, found: String, known: u32 },
    #[error("use {path}: it has files, but is not a data directory")]
    Foreign { path: PathBuf },
    #[error("read {path}: it is damaged, {what}")]
    Damaged { path: PathBuf, what: String },
    #[error("read artifact {digest}: it is not here")]
    NoArtifact { digest: Digest },
    #[error("write {path}: it was written before and never changes")]
    Identified { path: PathBuf },
    #[error("{action} {path}")]
    Io { action: &'static str, path: PathBuf, source: io::Error },
}

fn user(pid: Option<u32>) -> String {
    pid.map_or("another process".into(), |pid| format!("process {pid}"))
}

impl Error {
    /// The checksum is right, but not what is below it.
    pub(crate) fn undecodable(path: &Path, error: DecodeError) -> Self {
        let path = path.to_owned();
        match error {
            DecodeError::Format { found, known, .. } => {
                Self::Format { path, found: found.to_string(), known: known.into() }
            }
            DecodeError::Damaged { what } => {
                Self::Damaged { path, what: format!("in a record of {what}") }
            }
        }
    }

    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::InUse { .. } => ErrorKind::Unavailable,
            Self::Format { .. } | Self::Foreign { .. } => ErrorKind::Invalid,
            Self::Damaged { .. } => ErrorKind::Internal,
            Self::NoArtifact { .. } => ErrorKind::NotFound,
            Self::Identified { .. } => ErrorKind::Conflict,
            Self::Io { source, .. } => io_kind(source),
        }
    }
}

/// An operator frees space, or gives the disk back; everything else is a bug or a broken disk.
fn io_kind(error: &io::Error) -> ErrorKind {
    use io::ErrorKind::*;
    match error.kind() {
        StorageFull | QuotaExceeded | FileTooLarge | OutOfMemory => ErrorKind::Exhausted,
        PermissionDenied
        | ReadOnlyFilesystem
        | ResourceBusy
        | NotFound
        | StaleNetworkFileHandle => ErrorKind::Unavailable,
        _ => ErrorKind::Internal,
    }
}
