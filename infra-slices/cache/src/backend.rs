//! The seam between what guests see and where buckets live. Knows no guest and no storage.

use crate::bucket::{Condition, KeyPage, Lifetime, Refused, Stats, Ttl, Versioned};
use crate::limits::Key;
use aether_types::AppName;
use aether_types::blueprint::CacheBucket;
use bytes::Bytes;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

/// The answer of a back end; a distributed one takes its time.
pub type Reply<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

/// Where buckets live.
pub trait Backend: Send + Sync + 'static {
    /// The bucket of that name, made when it is not there; its settings become `settings`.
    fn open(&self, id: &BucketId, settings: &CacheBucket) -> Arc<dyn Bucket>;
}

/// Operations on one bucket: each is atomic for its key and linearizable.
pub trait Bucket: Send + Sync + 'static {
    fn get<'a>(&'a self, key: &'a Key) -> Reply<'a, Option<Versioned>>;
    /// False: the condition did not hold and nothing was changed.
    fn set<'a>(
        &'a self,
        key: &'a Key,
        value: Bytes,
        ttl: Ttl,
        condition: Condition,
    ) -> Reply<'a, bool>;
    /// False: there was no such key.
    fn delete<'a>(&'a self, key: &'a Key) -> Reply<'a, bool>;
    fn exists<'a>(&'a self, key: &'a Key) -> Reply<'a, bool>;
    fn increment<'a>(&'a self, key: &'a Key, by: i64) -> Reply<'a, i64>;
    fn lifetime<'a>(&'a self, key: &'a Key) -> Reply<'a, Lifetime>;
    /// False: there is no such key.
    fn expire<'a>(&'a self, key: &'a Key, ttl: Ttl) -> Reply<'a, bool>;
    fn list<'a>(
        &'a self,
        prefix: &'a str,
        limit: usize,
        after: Option<&'a str>,
    ) -> Reply<'a, KeyPage>;
    fn stats(&self) -> Reply<'_, Stats>;
}

/// Names a bucket in the whole cluster.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct BucketId {
    pub app: AppName,
    pub name: String,
}

/// Why a back end did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It cannot be reached; nothing was changed.
    #[error("{0}")]
    Unavailable(String),
    /// No answer in time; whether it took effect is unknown.
    #[error("no answer before the deadline")]
    Timeout,
    #[error("{0}")]
    Refused(Refused),
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full { bytes_max } => write!(f, "the bucket holds at most {bytes_max} bytes"),
            Self::NotANumber => f.write_str("the value is not the decimal text of an s64"),
            Self::Overflow => f.write_str("the sum leaves the range of s64"),
        }
    }
}

impl fmt::Display for BucketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.app, self.name)
    }
}
