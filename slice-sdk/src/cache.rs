//! The cache service: named buckets of short-lived values, shared by all instances of all slices
//! that the blueprint grants the bucket to. [`Bucket`] has the calls of the interface as they stand
//! in WIT, with limits and edges documented there, and the shorter ones below.

use std::time::Duration;

pub use crate::wit::aether::infra::cache::{
    Bucket, Condition, Entry, KeyPage, Lifetime, SetOptions, Stats, Versioned,
};
pub use crate::wit::aether::infra::types::{Cursor, Error};

/// How often [`Bucket::update`] starts anew. Each loss means that somebody else won, so the bucket
/// makes progress; a key that many want at once belongs in `increment` or in several keys.
const UPDATE_ATTEMPTS_MAX: u32 = 32;

impl Bucket {
    /// Writes a value, whatever is there, with the bucket's default time to live.
    pub fn put(&self, key: &str, value: impl AsRef<[u8]>) -> Result<(), Error> {
        let options = SetOptions { ttl_ms: None, condition: Condition::Always };
        self.set(key, value.as_ref(), options).map(drop)
    }

    /// Writes a value, whatever is there, that expires after `ttl` (whole milliseconds, at least
    /// 1).
    pub fn put_for(&self, key: &str, value: impl AsRef<[u8]>, ttl: Duration) -> Result<(), Error> {
        let ttl_ms = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
        let options = SetOptions { ttl_ms: Some(ttl_ms), condition: Condition::Always };
        self.set(key, value.as_ref(), options).map(drop)
    }

    /// Writes a value if the key does not exist; false if it does.
    pub fn add(&self, key: &str, value: impl AsRef<[u8]>) -> Result<bool, Error> {
        let options = SetOptions { ttl_ms: None, condition: Condition::IfAbsent };
        self.set(key, value.as_ref(), options)
    }

    /// The value as text; `invalid` if it is not UTF-8.
    pub fn get_text(&self, key: &str) -> Result<Option<String>, Error> {
        let Some(value) = self.get(key)? else { return Ok(None) };
        let text = String::from_utf8(value);
        text.map(Some).map_err(|_| Error::Invalid(format!("the value of {key:?} is not UTF-8")))
    }

    /// The value as the number that [`increment`](Bucket::increment) keeps; 0 for a missing key.
    pub fn get_number(&self, key: &str) -> Result<i64, Error> {
        let Some(text) = self.get_text(key)? else { return Ok(0) };
        let number = text.parse();
        number.map_err(|_| Error::Invalid(format!("the value of {key:?} is no number")))
    }

    /// Changes a value in one atomic step: `change` gets the present value and returns the next one
    /// and an answer; it is called again when somebody else wrote meanwhile, so it must be free of
    /// effects. An error of `change` leaves everything as it was.
    ///
    /// # Errors
    /// Those of `change`, those of the cache, and `conflict` if others were faster 32 times.
    pub fn update<T, E: From<Error>>(
        &self,
        key: &str,
        mut change: impl FnMut(Option<&[u8]>) -> Result<(Vec<u8>, T), E>,
    ) -> Result<T, E> {
        for _ in 0..UPDATE_ATTEMPTS_MAX {
            let present = self.get_versioned(key)?;
            let (next, answer) = change(present.as_ref().map(|it| it.value.as_slice()))?;
            let condition = match present {
                Some(it) => Condition::IfVersion(it.version),
                None => Condition::IfAbsent,
            };
            if self.set(key, &next, SetOptions { ttl_ms: None, condition })? {
                return Ok(answer);
            }
        }
        Err(Error::Conflict(format!("{key:?} is changed too often by others")).into())
    }
}
