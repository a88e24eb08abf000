//! One bucket as a pure state machine: bounded, expiring, versioned. Knows no clock, lock or guest.
//!
//! Own structure, because caches that one can depend on evict approximately and some time later;
//! here the bound is exact, and keys are listed in order.

#[cfg(test)]
mod tests;

use crate::limits::{ENTRY_BYTES_FIXED, Key};
use aether_types::blueprint::{CacheBucket, Eviction};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

/// Milliseconds since the back end was made.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Millis(pub(crate) u64);

/// Grows with each write to a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u64);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versioned {
    pub value: Bytes,
    pub version: Version,
}

/// When a write takes place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    Always,
    IfAbsent,
    IfVersion(Version),
}

/// How long an entry that is written lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ttl {
    /// As the blueprint says; without a word there, until evicted.
    Default,
    Millis(u64),
}

/// How long an entry has to live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    Absent,
    Unlimited,
    /// Never 0.
    Remaining(u64),
}

/// Keys in ascending order; more follow after `next`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPage {
    pub keys: Vec<String>,
    pub next: Option<String>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Stats {
    pub hits: u64,
    pub misses: u64,
    pub entries: u64,
    pub bytes: u64,
    pub evictions: u64,
    pub expirations: u64,
}

/// What a bucket refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Larger than the whole bucket, or the bucket is full and evicts nothing.
    Full { bytes_max: u64 },
    /// The value to count with is not the decimal text of an s64.
    NotANumber,
    /// The sum leaves the range of s64.
    Overflow,
}

/// Place in the order of use.
type Use = u64;

#[derive(Debug)]
pub(crate) struct Bucket {
    settings: CacheBucket,
    entries: BTreeMap<Arc<str>, Entry>,
    /// The least recently used comes first.
    by_use: BTreeMap<Use, Arc<str>>,
    by_expiry: BTreeSet<(Millis, Arc<str>)>,
    last_use: Use,
    last_version: Version,
    stats: Stats,
}

#[derive(Debug)]
struct Entry {
    value: Bytes,
    version: Version,
    expires: Option<Millis>,
    used: Use,
}

impl Bucket {
    /// Versions begin after `before`, so that they keep growing over restarts of the process.
    pub(crate) fn new(settings: CacheBucket, before: Version) -> Self {
        Self {
            settings,
            entries: BTreeMap::new(),
            by_use: BTreeMap::new(),
            by_expiry: BTreeSet::new(),
            last_use: 0,
            last_version: before,
            stats: Stats::default(),
        }
    }

    /// Takes new settings over; a smaller size evicts at once where eviction is allowed.
    pub(crate) fn configure(&mut self, settings: CacheBucket) {
        self.settings = settings;
        if self.settings.eviction == Eviction::Lru {
            self.evict_down_to(self.settings.max_bytes.bytes());
        }
    }

    pub(crate) fn settings(&self) -> &CacheBucket {
        &self.settings
    }

    pub(crate) fn get(&mut self, now: Millis, key: &Key) -> Option<Versioned> {
        self.expire_due(now);
        let Some(entry) = self.entries.get_mut(key.as_str()) else {
            self.stats.misses += 1;
            return None;
        };
        self.stats.hits += 1;
        self.last_use += 1;
        let name = self.by_use.remove(&entry.used).expect("every entry has its place");
        entry.used = self.last_use;
        self.by_use.insert(entry.used, name);
        Some(Versioned { value: entry.value.clone(), version: entry.version })
    }

    /// False: the condition did not hold.
    pub(crate) fn set(
        &mut self,
        now: Millis,
        key: &Key,
        value: Bytes,
        ttl: Ttl,
        condition: Condition,
    ) -> Result<bool, Refused> {
        self.expire_due(now);
        let version = self.entries.get(key.as_str()).map(|entry| entry.version);
        let holds = match condition {
            Condition::Always => true,
            Condition::IfAbsent => version.is_none(),
            Condition::IfVersion(wanted) => version == Some(wanted),
        };
        if holds {
            let expires = self.expiry(now, ttl);
            self.write(key, value, expires)?;
        }
        Ok(holds)
    }

    pub(crate) fn delete(&mut self, now: Millis, key: &Key) -> bool {
        self.expire_due(now);
        self.remove(key.as_str())
    }

    pub(crate) fn exists(&mut self, now: Millis, key: &Key) -> bool {
        self.expire_due(now);
        self.entries.contains_key(key.as_str())
    }

    /// A missing key counts from 0; an existing one keeps its time to live.
    pub(crate) fn increment(&mut self, now: Millis, key: &Key, by: i64) -> Result<i64, Refused> {
        self.expire_due(now);
        let (old, expires) = match self.entries.get(key.as_str()) {
            None => (0, self.expiry(now, Ttl::Default)),
            Some(entry) => (number(&entry.value).ok_or(Refused::NotANumber)?, entry.expires),
        };
        let sum = old.checked_add(by).ok_or(Refused::Overflow)?;
        self.write(key, Bytes::from(sum.to_string()), expires)?;
        Ok(sum)
    }

    pub(crate) fn lifetime(&mut self, now: Millis, key: &Key) -> Lifetime {
        self.expire_due(now);
        match self.entries.get(key.as_str()).map(|entry| entry.expires) {
            None => Lifetime::Absent,
            Some(None) => Lifetime::Unlimited,
            // What is due was removed above: there is something left.
            Some(Some(at)) => Lifetime::Remaining(at.0 - now.0),
        }
    }

    /// False: no such key.
    pub(crate) fn expire(&mut self, now: Millis, key: &Key, ttl: Ttl) -> bool {
        self.expire_due(now);
        let expires = self.expiry(now, ttl);
        let Some((name, _)) = self.entries.get_key_value(key.as_str()) else { return false };
        let name = name.clone();
        let entry = self.entries.get_mut(&name).expect("it was just found");
        if let Some(at) = entry.expires {
            self.by_expiry.remove(&(at, name.clone()));
        }
        entry.expires = expires;
        self.by_expiry.extend(expires.map(|at| (at, name)));
        true
    }

    /// At most `limit` keys that begin with `prefix` and come after `after`.
    pub(crate) fn list(
        &mut self,
        now: Millis,
        prefix: &str,
        limit: usize,
        after: Option<&str>,
    ) -> KeyPage {
        self.expire_due(now);
        let from = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let mut found = self
            .entries
            .range::<str, _>((from, Bound::Unbounded))
            .map(|(key, _)| key)
            .take_while(|key| key.starts_with(prefix));
        let keys: Vec<String> = found.by_ref().take(limit).map(|key| key.to_string()).collect();
        let next = found.next().and(keys.last().cloned());
        KeyPage { keys, next }
    }

    pub(crate) fn stats(&mut self, now: Millis) -> Stats {
        self.expire_due(now);
        Stats { entries: self.entries.len() as u64, ..self.stats }
    }

    fn expiry(&self, now: Millis, ttl: Ttl) -> Option<Millis> {
        let ms = match ttl {
            Ttl::Default => self.settings.ttl.map(|ttl| ttl.as_millis()),
            Ttl::Millis(ms) => Some(ms),
        };
        ms.map(|ms| Millis(now.0.saturating_add(ms)))
    }

    fn write(&mut self, key: &Key, value: Bytes, expires: Option<Millis>) -> Result<(), Refused> {
        let bytes_max = self.settings.max_bytes.bytes();
        let needed = cost(key.as_str(), &value);
        let old = self.entries.get(key.as_str()).map_or(0, |e| cost(key.as_str(), &e.value));
        let fits = match self.settings.eviction {
            Eviction::Lru => needed <= bytes_max,
            Eviction::None => self.stats.bytes - old + needed <= bytes_max,
        };
        if !fits {
            return Err(Refused::Full { bytes_max });
        }
        // The old value goes first: it must not push others out.
        self.remove(key.as_str());
        self.evict_down_to(bytes_max - needed);
        self.insert(key, value, expires, needed);
        Ok(())
    }

    fn insert(&mut self, key: &Key, value: Bytes, expires: Option<Millis>, cost: u64) {
        let name: Arc<str> = Arc::from(key.as_str());
        self.last_use += 1;
        self.last_version.0 += 1;
        let (used, version) = (self.last_use, self.last_version);
        self.stats.bytes += cost;
        self.by_use.insert(used, name.clone());
        self.by_expiry.extend(expires.map(|at| (at, name.clone())));
        self.entries.insert(name, Entry { value, version, expires, used });
    }

    fn remove(&mut self, key: &str) -> bool {
        let Some((name, entry)) = self.entries.remove_entry(key) else { return false };
        self.stats.bytes -= cost(key, &entry.value);
        self.by_use.remove(&entry.used);
        if let Some(at) = entry.expires {
            self.by_expiry.remove(&(at, name));
        }
        true
    }

    fn evict_down_to(&mut self, bytes: u64) {
        while self.stats.bytes > bytes {
            let (_, name) = self.by_use.first_key_value().expect("bytes belong to entries");
            let name = name.clone();
            self.remove(&name);
            self.stats.evictions += 1;
        }
    }

    /// Removes what is due, so that nobody below has to think of it.
    fn expire_due(&mut self, now: Millis) {
        while let Some((at, name)) = self.by_expiry.first()
            && *at <= now
        {
            let name = name.clone();
            self.remove(&name);
            self.stats.expirations += 1;
        }
    }

    /// Every invariant, for tests.
    #[cfg(test)]
    pub(crate) fn check(&self) {
        let bytes: u64 = self.entries.iter().map(|(k, e)| cost(k, &e.value)).sum();
        assert_eq!(bytes, self.stats.bytes);
        assert_eq!(self.by_use.len(), self.entries.len());
        assert!(self.by_use.iter().all(|(used, k)| self.entries[k].used == *used));
        let expiring = self.entries.values().filter(|e| e.expires.is_some()).count();
        assert_eq!(self.by_expiry.len(), expiring);
        assert!(self.by_expiry.iter().all(|(at, k)| self.entries[k].expires == Some(*at)));
    }
}

pub(crate) fn cost(key: &str, value: &[u8]) -> u64 {
    (key.len() + value.len()) as u64 + ENTRY_BYTES_FIXED
}

/// The decimal text of an s64, as `increment` writes it: no plus, no leading zeros, no minus zero.
fn number(value: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(value).ok()?;
    let number: i64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}
