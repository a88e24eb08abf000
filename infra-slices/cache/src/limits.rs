//! What keys, values and batches may be. Knows no bucket.

/// Bytes of a key, at least 1.
pub const KEY_BYTES_MAX: usize = 1_024;
/// Bytes of a value: 1 MiB.
pub const VALUE_BYTES_MAX: usize = 1 << 20;
/// Keys of a batch or a page.
pub const BATCH_KEYS_MAX: usize = 1_000;
/// 3,650 days.
pub const TTL_MS_MAX: u64 = 3_650 * 24 * 3_600 * 1_000;
/// Counted for each entry beside key and value: the entry with its places in three ordered maps,
/// each some 40 bytes a key, and two allocations.
pub const ENTRY_BYTES_FIXED: u64 = 192;
/// Bytes of the values that one `get-many` may answer with: 64 full values.
pub const BATCH_BYTES_MAX: usize = 64 << 20;

/// A key within the limits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key(String);

/// Which rule the arguments break.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    #[error("a key has 1 to {KEY_BYTES_MAX} bytes; this one has {0}")]
    Key(usize),
    #[error("a value has at most {VALUE_BYTES_MAX} bytes; this one has {0}")]
    Value(usize),
    #[error("a batch has at most {BATCH_KEYS_MAX} keys; this one has {0}")]
    Batch(usize),
    #[error("a page has 1 to {BATCH_KEYS_MAX} keys; {0} were asked for")]
    Page(u32),
    #[error("a time to live is 1 to {TTL_MS_MAX} milliseconds; this one is {0}")]
    Ttl(u64),
    #[error("the answer has more than {BATCH_BYTES_MAX} bytes: ask for fewer keys")]
    Answer,
}

impl Key {
    pub fn new(text: String) -> Result<Self, Invalid> {
        match (1..=KEY_BYTES_MAX).contains(&text.len()) {
            true => Ok(Self(text)),
            false => Err(Invalid::Key(text.len())),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

pub(crate) fn value(bytes: &[u8]) -> Result<(), Invalid> {
    match bytes.len() <= VALUE_BYTES_MAX {
        true => Ok(()),
        false => Err(Invalid::Value(bytes.len())),
    }
}

pub(crate) fn keys(keys: Vec<String>) -> Result<Vec<Key>, Invalid> {
    match keys.len() <= BATCH_KEYS_MAX {
        true => keys.into_iter().map(Key::new).collect(),
        false => Err(Invalid::Batch(keys.len())),
    }
}

pub(crate) fn ttl(ms: u64) -> Result<u64, Invalid> {
    match (1..=TTL_MS_MAX).contains(&ms) {
        true => Ok(ms),
        false => Err(Invalid::Ttl(ms)),
    }
}
