//! The store of operators and tools: small values under keys. Knows not where it is kept.

use aether_types::Revision;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use utoipa::ToSchema;

/// Bytes of a key.
pub const STORE_KEY_BYTES_MAX: usize = 256;
/// Bytes of a value: larger things are artifacts.
pub const STORE_VALUE_BYTES_MAX: usize = 64 << 10;
/// Bytes of all keys and values, and 128 more for each entry: a quarter of the replicated map, so
/// that what Aether itself writes has room whatever tools do.
pub const STORE_BYTES_MAX: u64 = 16 << 20;

/// Names an entry: 1 to [`STORE_KEY_BYTES_MAX`] bytes, segments with `/` between them, none of them
/// empty, no control character.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct StoreKey(String);

/// A text that names no entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreKeyError {
    #[error("a key has 1 to {STORE_KEY_BYTES_MAX} bytes, this one has {0}")]
    Length(usize),
    #[error("the key {0:?} has an empty segment")]
    EmptySegment(String),
    #[error("the key {0:?} has a control character")]
    Control(String),
}

impl StoreKey {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for StoreKey {
    type Err = StoreKeyError;

    fn from_str(text: &str) -> Result<Self, StoreKeyError> {
        match text {
            _ if !(1..=STORE_KEY_BYTES_MAX).contains(&text.len()) => {
                Err(StoreKeyError::Length(text.len()))
            }
            _ if text.split('/').any(str::is_empty) => {
                Err(StoreKeyError::EmptySegment(text.to_owned()))
            }
            _ if text.chars().any(char::is_control) => Err(StoreKeyError::Control(text.to_owned())),
            _ => Ok(Self(text.to_owned())),
        }
    }
}

impl fmt::Display for StoreKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// What a writer of an entry takes for granted; otherwise nothing is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    Anything,
    Absent,
    Present,
    /// It was last written at this revision.
    At(Revision),
}

/// An entry as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreEntry {
    pub value: bytes::Bytes,
    /// At which it was written.
    pub revision: Revision,
}

/// Which entries to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryQuery {
    /// Keys that start with it; empty: all.
    pub prefix: String,
    /// Keys after this one.
    pub after: Option<String>,
    /// 1 to 1,000.
    pub limit: usize,
    /// What the node that answers has, which may be behind.
    pub stale: bool,
}

/// An entry was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct EntryWritten {
    /// Also in the `ETag`; give it as `If-Match` to change this version and no other.
    pub revision: u64,
}

/// An entry without its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct EntryView {
    pub key: String,
    pub revision: u64,
    /// Of the value.
    pub bytes: u64,
}

/// Entries in the order of their keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Entries {
    pub entries: Vec<EntryView>,
    /// Give the last key as `after` to get what comes next.
    pub more: bool,
}
