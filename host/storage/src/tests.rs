//! Data directories in temporary places: opened, killed, damaged, opened again.

mod artifacts;
mod directory;
mod log;
pub(crate) mod persists;

use std::path::{Path, PathBuf};

use crate::Storage;

fn open(path: &Path) -> Storage {
    Storage::open(path).expect("a data directory")
}

/// What kill -9 leaves: the files as they are while a process has them open.
fn killed(path: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    let mut left: Vec<PathBuf> = vec![path.to_owned()];
    while let Some(from) = left.pop() {
        let to = copy.path().join(from.strip_prefix(path).unwrap());
        if from.is_dir() {
            std::fs::create_dir_all(&to).unwrap();
            left.extend(std::fs::read_dir(&from).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            std::fs::copy(&from, &to).unwrap();
        }
    }
    copy
}
