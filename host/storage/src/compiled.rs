//! Where compiled code is. Knows nothing of the files: the engine owns them, with their number and
//! size, and can make every one of them again.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::directory::Lock;

/// The folder of compiled code; it stays locked as long as this lives.
#[derive(Debug, Clone)]
pub struct Compiled {
    path: PathBuf,
    _lock: Arc<Lock>,
}

impl Compiled {
    pub(crate) fn new(path: PathBuf, lock: Arc<Lock>) -> Self {
        Self { path, _lock: lock }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}
