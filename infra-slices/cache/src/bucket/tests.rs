//! A bucket against a model that does everything the slow and obvious way. Time is a number.

use super::*;
use aether_types::{ByteSize, TimeSpan};
use proptest::prelude::*;

fn settings(max_bytes: u64, ttl_ms: Option<u64>, eviction: Eviction) -> CacheBucket {
    let ttl = ttl_ms.map(TimeSpan::from_millis);
    CacheBucket { max_bytes: ByteSize(max_bytes), ttl, eviction }
}

fn key(text: &str) -> Key {
    Key::new(text.to_owned()).expect("a short key")
}

#[derive(Debug, Clone)]
enum Op {
    Wait(u64),
    Get(String),
    Set(String, Vec<u8>, Ttl, Condition),
    /// Only if the version is still the one that the last `get` of the key saw.
    Swap(String, Vec<u8>),
    Delete(String),
    Increment(String, i64),
    Lifetime(String),
    Expire(String, u64),
    List(String, usize),
    Stats,
}

/// Entries in the order of their last use, oldest first.
#[derive(Default)]
struct Model {
    now: u64,
    entries: Vec<(String, Vec<u8>, Option<u64>, u64)>,
    versions: u64,
    stats: Stats,
}

impl Model {
    fn tick(&mut self) {
        let before = self.entries.len();
        self.entries.retain(|(_, _, expires, _)| expires.is_none_or(|at| at > self.now));
        self.stats.expirations += (before - self.entries.len()) as u64;
    }

    fn find(&self, key: &str) -> Option<usize> {
        self.entries.iter().position(|(k, ..)| k == key)
    }

    fn bytes(&self) -> u64 {
        self.entries.iter().map(|(k, v, ..)| cost(k, v)).sum()
    }

    fn write(
        &mut self,
        settings: &CacheBucket,
        key: &str,
        value: &[u8],
        expires: Option<u64>,
    ) -> Result<(), Refused> {
        let bytes_max = settings.max_bytes.bytes();
        let mut others = self.entries.clone();
        others.retain(|(k, ..)| k != key);
        let mut evicted = 0;
        let held = |entries: &[(String, Vec<u8>, Option<u64>, u64)]| -> u64 {
            entries.iter().map(|(k, v, ..)| cost(k, v)).sum()
        };
        while held(&others) + cost(key, value) > bytes_max {
            if settings.eviction == Eviction::None || others.is_empty() {
                return Err(Refused::Full { bytes_max });
            }
            others.remove(0);
            evicted += 1;
        }
        self.stats.evictions += evicted;
        self.versions += 1;
        others.push((key.to_owned(), value.to_vec(), expires, self.versions));
        self.entries = others;
        Ok(())
    }

    fn expiry(&self, settings: &CacheBucket, ttl: Ttl) -> Option<u64> {
        match ttl {
            Ttl::Default => settings.ttl.map(|ttl| self.now + ttl.as_millis()),
            Ttl::Millis(ms) => Some(self.now + ms),
        }
    }

    fn increment(&mut self, settings: &CacheBucket, key: &str, by: i64) -> Result<i64, Refused> {
        let (old, expires) = match self.find(key).map(|at| self.entries[at].clone()) {
            None => (Some(0), self.expiry(settings, Ttl::Default)),
            Some((_, value, expires, _)) => {
                let text = String::from_utf8_lossy(&value).into_owned();
                (text.parse::<i64>().ok().filter(|n| n.to_string() == text), expires)
            }
        };
        let sum = old.ok_or(Refused::NotANumber)?.checked_add(by).ok_or(Refused::Overflow)?;
        self.write(settings, key, sum.to_string().as_bytes(), expires)?;
        Ok(sum)
    }

    /// What the operation answers, as text.
    fn run(&mut self, settings: &CacheBucket, op: &Op) -> String {
        self.tick();
        match op {
            Op::Wait(ms) => {
                self.now += ms;
                String::new()
            }
            Op::Get(key) => {
                let found = self.find(key).map(|at| self.entries.remove(at));
                match &found {
                    Some(entry) => {
                        self.entries.push(entry.clone());
                        self.stats.hits += 1;
                    }
                    None => self.stats.misses += 1,
                }
                format!("{:?}", found.map(|(_, value, _, version)| (value, version)))
            }
            Op::Set(key, value, ttl, condition) => {
                let version = self.find(key).map(|at| self.entries[at].3);
                let holds = match condition {
                    Condition::Always => true,
                    Condition::IfAbsent => version.is_none(),
                    Condition::IfVersion(wanted) => version == Some(wanted.0),
                };
                let expires = self.expiry(settings, *ttl);
                let written = match holds {
                    true => self.write(settings, key, value, expires).map(|()| true),
                    false => Ok(false),
                };
                format!("{written:?}")
            }
            Op::Swap(..) => unreachable!("replaced by a set before it runs"),
            Op::Delete(key) => {
                format!("{:?}", self.find(key).map(|at| self.entries.remove(at)).is_some())
            }
            Op::Increment(key, by) => format!("{:?}", self.increment(settings, key, *by)),
            Op::Lifetime(key) => {
                let expires = self.find(key).map(|at| self.entries[at].2);
                format!(
                    "{:?}",
                    match expires {
                        None => Lifetime::Absent,
                        Some(None) => Lifetime::Unlimited,
                        Some(Some(at)) => Lifetime::Remaining(at - self.now),
                    }
                )
            }
            Op::Expire(key, ttl_ms) => {
                let at = self.find(key);
                if let Some(at) = at {
                    self.entries[at].2 = Some(self.now + ttl_ms);
                }
                format!("{:?}", at.is_some())
            }
            Op::List(prefix, _) => {
                let keys = self.entries.iter().map(|(k, ..)| k.clone());
                let mut keys: Vec<String> = keys.filter(|k| k.starts_with(prefix)).collect();
                keys.sort();
                format!("{keys:?}")
            }
            Op::Stats => {
                let (entries, bytes) = (self.entries.len() as u64, self.bytes());
                format!("{:?}", Stats { entries, bytes, ..self.stats })
            }
        }
    }
}

fn run(bucket: &mut Bucket, now: Millis, op: &Op) -> String {
    match op {
        Op::Wait(_) => String::new(),
        Op::Get(k) => {
            let found = bucket.get(now, &key(k));
            format!("{:?}", found.map(|v| (v.value.to_vec(), v.version.0)))
        }
        Op::Set(k, value, ttl, condition) => {
            let value = Bytes::from(value.clone());
            format!("{:?}", bucket.set(now, &key(k), value, *ttl, *condition))
        }
        Op::Swap(..) => unreachable!("replaced by a set before it runs"),
        Op::Delete(k) => format!("{:?}", bucket.delete(now, &key(k))),
        Op::Increment(k, by) => format!("{:?}", bucket.increment(now, &key(k), *by)),
        Op::Lifetime(k) => format!("{:?}", bucket.lifetime(now, &key(k))),
        Op::Expire(k, ms) => format!("{:?}", bucket.expire(now, &key(k), Ttl::Millis(*ms))),
        Op::List(prefix, limit) => {
            // Page by page, until there are no more.
            let (mut keys, mut after) = (Vec::new(), None);
            loop {
                let page = bucket.list(now, prefix, *limit, after.as_deref());
                assert!(
                    page.keys.len() <= *limit && (page.next.is_none() || !page.keys.is_empty())
                );
                keys.extend(page.keys);
                match page.next {
                    Some(next) => after = Some(next),
                    None => return format!("{keys:?}"),
                }
            }
        }
        Op::Stats => format!("{:?}", bucket.stats(now)),
    }
}

fn any_key() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "aa", "ab", "b", "ba", "c", "ü", "zzzz"]).prop_map(str::to_owned)
}

fn any_value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..700),
        any::<i64>().prop_map(|n| n.to_string().into_bytes()),
        prop::sample::select(vec!["7", "-0", "+1", "007", "9223372036854775807", " 1"])
            .prop_map(|text| text.as_bytes().to_vec()),
    ]
}

fn any_ttl() -> impl Strategy<Value = Ttl> {
    prop_oneof![Just(Ttl::Default), (1..50_u64).prop_map(Ttl::Millis)]
}

fn any_op() -> impl Strategy<Value = Op> {
    let condition = prop_oneof![
        3 => Just(Condition::Always),
        1 => Just(Condition::IfAbsent),
        1 => (0..40_u64).prop_map(|v| Condition::IfVersion(Version(v))),
    ];
    prop_oneof![
        2 => (0..30_u64).prop_map(Op::Wait),
        3 => any_key().prop_map(Op::Get),
        4 => (any_key(), any_value(), any_ttl(), condition)
            .prop_map(|(k, v, t, c)| Op::Set(k, v, t, c)),
        1 => (any_key(), any_value()).prop_map(|(k, v)| Op::Swap(k, v)),
        1 => any_key().prop_map(Op::Delete),
        2 => (any_key(), -5..5_i64).prop_map(|(k, by)| Op::Increment(k, by)),
        1 => any_key().prop_map(Op::Lifetime),
        1 => (any_key(), 1..50_u64).prop_map(|(k, ms)| Op::Expire(k, ms)),
        1 => (prop::sample::select(vec!["", "a", "b", "x"]), 1..4_usize)
            .prop_map(|(p, n)| Op::List(p.to_owned(), n)),
        1 => Just(Op::Stats),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn a_bucket_does_what_the_model_does(
        max_bytes in 300..2_500_u64,
        ttl_ms in prop::option::of(1..40_u64),
        evicts in any::<bool>(),
        ops in prop::collection::vec(any_op(), 1..120),
    ) {
        let eviction = if evicts { Eviction::Lru } else { Eviction::None };
        let settings = settings(max_bytes, ttl_ms, eviction);
        let mut bucket = Bucket::new(settings.clone(), Version(0));
        let mut model = Model::default();
        for op in ops {
            let op = match op {
                Op::Swap(k, value) => {
                    let seen = model.find(&k).map_or(0, |at| model.entries[at].3);
                    Op::Set(k, value, Ttl::Default, Condition::IfVersion(Version(seen)))
                }
                op => op,
            };
            let now = Millis(model.now);
            prop_assert_eq!(run(&mut bucket, now, &op), model.run(&settings, &op), "{:?}", op);
            bucket.check();
            prop_assert!(bucket.stats.bytes <= max_bytes);
        }
    }
}

#[test]
fn a_smaller_size_evicts_at_once_or_refuses_new_values() {
    for (eviction, left) in [(Eviction::Lru, 1), (Eviction::None, 3)] {
        let mut bucket = Bucket::new(settings(2_000, None, eviction), Version(0));
        for name in ["a", "b", "c"] {
            let value = Bytes::from(vec![0; 300]);
            let set = bucket.set(Millis(0), &key(name), value, Ttl::Default, Condition::Always);
            assert_eq!(set, Ok(true));
        }
        bucket.configure(settings(600, None, eviction));
        bucket.check();
        assert_eq!(bucket.stats(Millis(0)).entries, left);
        let set = bucket.set(
            Millis(0),
            &key("d"),
            Bytes::from_static(b"d"),
            Ttl::Default,
            Condition::Always,
        );
        assert_eq!(set.is_ok(), eviction == Eviction::Lru);
        bucket.check();
    }
}
