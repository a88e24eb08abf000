//! Buckets in the memory of this process. Knows no guests; nothing survives the process.

use crate::backend::{Backend, Bucket, BucketId, Error, Reply};
use crate::bucket::{self, Condition, KeyPage, Lifetime, Millis, Stats, Ttl, Version, Versioned};
use crate::limits::Key;
use aether_types::AppName;
use aether_types::blueprint::CacheBucket;
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::future::ready;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

/// Every bucket of every application on this node; they outlive the slices that use them.
#[derive(Debug)]
pub struct Embedded {
    started: Instant,
    buckets: Mutex<BTreeMap<BucketId, Arc<Local>>>,
}

#[derive(Debug)]
struct Local {
    started: Instant,
    /// One lock per bucket: the size and the order of use are those of the whole bucket.
    bucket: Mutex<bucket::Bucket>,
}

/// Versions that a bucket can hand out per millisecond without meeting those of an earlier process.
const VERSIONS_PER_MS: u64 = 1_000;

impl Embedded {
    pub fn new() -> Self {
        Self { started: Instant::now(), buckets: Mutex::default() }
    }

    /// Frees the buckets of an application that was undeployed.
    pub fn forget(&self, app: &AppName) {
        self.buckets.lock().retain(|id, _| id.app != *app);
    }
}

impl Default for Embedded {
    fn default() -> Self {
        Self::new()
    }
}

impl Backend for Embedded {
    fn open(&self, id: &BucketId, settings: &CacheBucket) -> Arc<dyn Bucket> {
        let mut buckets = self.buckets.lock();
        if let Some(found) = buckets.get(id) {
            found.configure(settings);
            return found.clone();
        }
        let bucket = Mutex::new(bucket::Bucket::new(settings.clone(), first_version()));
        let local = Arc::new(Local { started: self.started, bucket });
        buckets.insert(id.clone(), local.clone());
        local
    }
}

fn first_version() -> Version {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let ms = u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX);
    Version(ms.saturating_mul(VERSIONS_PER_MS))
}

impl Local {
    fn configure(&self, settings: &CacheBucket) {
        let mut bucket = self.bucket.lock();
        if bucket.settings() != settings {
            bucket.configure(settings.clone());
        }
    }

    /// Runs one operation at once.
    fn run<'a, T: Send + 'a>(
        &self,
        op: impl FnOnce(&mut bucket::Bucket, Millis) -> Result<T, bucket::Refused>,
    ) -> Reply<'a, T> {
        let now = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let done = op(&mut self.bucket.lock(), Millis(now)).map_err(Error::from);
        Box::pin(ready(done))
    }
}

impl Bucket for Local {
    fn get<'a>(&'a self, key: &'a Key) -> Reply<'a, Option<Versioned>> {
        self.run(|bucket, now| Ok(bucket.get(now, key)))
    }

    fn set<'a>(
        &'a self,
        key: &'a Key,
        value: Bytes,
        ttl: Ttl,
        condition: Condition,
    ) -> Reply<'a, bool> {
        self.run(|bucket, now| bucket.set(now, key, value, ttl, condition))
    }

    fn delete<'a>(&'a self, key: &'a Key) -> Reply<'a, bool> {
        self.run(|bucket, now| Ok(bucket.delete(now, key)))
    }

    fn exists<'a>(&'a self, key: &'a Key) -> Reply<'a, bool> {
        self.run(|bucket, now| Ok(bucket.exists(now, key)))
    }

    fn increment<'a>(&'a self, key: &'a Key, by: i64) -> Reply<'a, i64> {
        self.run(|bucket, now| bucket.increment(now, key, by))
    }

    fn lifetime<'a>(&'a self, key: &'a Key) -> Reply<'a, Lifetime> {
        self.run(|bucket, now| Ok(bucket.lifetime(now, key)))
    }

    fn expire<'a>(&'a self, key: &'a Key, ttl: Ttl) -> Reply<'a, bool> {
        self.run(|bucket, now| Ok(bucket.expire(now, key, ttl)))
    }

    fn list<'a>(
        &'a self,
        prefix: &'a str,
        limit: usize,
        after: Option<&'a str>,
    ) -> Reply<'a, KeyPage> {
        self.run(|bucket, now| Ok(bucket.list(now, prefix, limit, after)))
    }

    fn stats(&self) -> Reply<'_, Stats> {
        self.run(|bucket, now| Ok(bucket.stats(now)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aether_types::{ByteSize, TimeSpan};
    use std::time::Duration;

    fn id(app: &str) -> BucketId {
        BucketId { app: app.parse().unwrap(), name: "b".to_owned() }
    }

    fn key() -> Key {
        Key::new("k".to_owned()).unwrap()
    }

    async fn set(bucket: &dyn Bucket, value: &'static str) {
        let value = Bytes::from_static(value.as_bytes());
        let set = bucket.set(&key(), value, Ttl::Default, Condition::Always).await;
        assert_eq!(set, Ok(true));
    }

    async fn get(bucket: &dyn Bucket) -> Option<Bytes> {
        bucket.get(&key()).await.unwrap().map(|v| v.value)
    }

    #[tokio::test(start_paused = true)]
    async fn a_bucket_outlives_who_opened_it_until_its_application_is_forgotten() {
        let backend = Embedded::new();
        let settings = CacheBucket::default();
        set(&*backend.open(&id("shop"), &settings), "v").await;
        let again = backend.open(&id("shop"), &settings);
        assert_eq!(get(&*again).await.as_deref(), Some(b"v".as_slice()));
        assert_eq!(get(&*backend.open(&id("other"), &settings)).await, None);
        backend.forget(&"shop".parse().unwrap());
        assert_eq!(get(&*backend.open(&id("shop"), &settings)).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn time_passes_by_the_clock_of_the_process() {
        let backend = Embedded::new();
        let ttl = Some(TimeSpan::from_secs(10));
        let settings = CacheBucket { ttl, max_bytes: ByteSize::mib(1), ..CacheBucket::default() };
        let bucket = backend.open(&id("shop"), &settings);
        set(&*bucket, "v").await;
        tokio::time::advance(Duration::from_millis(9_999)).await;
        assert_eq!(bucket.lifetime(&key()).await, Ok(Lifetime::Remaining(1)));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(bucket.lifetime(&key()).await, Ok(Lifetime::Absent));
        assert_eq!(bucket.stats().await.unwrap().expirations, 1);
    }

    #[tokio::test]
    async fn versions_of_a_new_process_are_larger_than_those_before() {
        let version = async |backend: &Embedded| {
            let bucket = backend.open(&id("shop"), &CacheBucket::default());
            set(&*bucket, "v").await;
            bucket.get(&key()).await.unwrap().unwrap().version
        };
        let before = version(&Embedded::new()).await;
        let later = first_version();
        assert!(later.0 + VERSIONS_PER_MS > before.0 && before.0 > 1 << 50);
    }
}
