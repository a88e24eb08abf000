//! What is held under a key, and what a watcher is told. Knows no commands.

use aether_types::Revision;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{Key, LeaseId, limits::ENTRY_BYTES};

/// A value and when it came to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub value: Bytes,
    /// The revision that put the key after it had been absent.
    pub created: Revision,
    /// The revision that put this value.
    pub modified: Revision,
    /// The lease whose end deletes the key.
    pub lease: Option<LeaseId>,
}

/// One change of one key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    pub revision: Revision,
    pub key: Key,
    /// What the key holds since then; `None` if it was deleted.
    pub entry: Option<Entry>,
}

impl Event {
    /// What the event weighs in the history, in bytes.
    pub(crate) fn weight(&self) -> u64 {
        weight(&self.key, self.entry.as_ref().map_or(&[], |entry| &entry.value))
    }
}

/// What a key and its value weigh, in bytes.
pub(crate) fn weight(key: &Key, value: &[u8]) -> u64 {
    (key.as_str().len() + value.len()) as u64
}

/// What an entry counts in the share of its first segment, in bytes.
pub(crate) fn share_weight(key: &Key, value: &[u8]) -> u64 {
    weight(key, value) + ENTRY_BYTES
}
