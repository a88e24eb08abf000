//! `aether:infra/cache@0.1.0`. Knows its own words only.

mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit/aether-infra",
        world: "imports",
        imports: { default: async | trappable },
        with: { "aether:infra/cache.bucket": crate::guest::Open },
    });
}

use super::{Failed, Open, by, delete_many, get_many, pairs};
use crate::backend::Error as BackendError;
use crate::bucket::{self, Refused, Ttl, Version, Versioned};
use crate::limits::{self, BATCH_KEYS_MAX, Invalid, Key};
use crate::{Cache, OpenError};
use aether_engine::{HostState, Infra, InfraView};
use bindings::aether::infra::cache::{
    Condition, Entry, Host, HostBucket, KeyPage, Lifetime, SetOptions, Stats, add_to_linker,
};
use bindings::aether::infra::types::{self, Error};
use bytes::Bytes;
use wasmtime::component::{Linker, Resource};

type View<'a> = InfraView<'a, Cache>;
type Answer<T> = wasmtime::Result<Result<T, Error>>;

pub(super) fn link(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    types::add_to_linker::<_, Infra<Cache>>(linker, HostState::infra::<Cache>)?;
    add_to_linker::<_, Infra<Cache>>(linker, HostState::infra::<Cache>)
}

impl types::Host for View<'_> {}
impl Host for View<'_> {}

impl From<Failed> for Error {
    fn from(failed: Failed) -> Self {
        let text = failed.to_string();
        match failed {
            Failed::Invalid(Invalid::Answer) => Self::QuotaExceeded(text),
            Failed::Invalid(_) => Self::Invalid(text),
            Failed::Backend(BackendError::Unavailable(_)) => Self::Unavailable(text),
            Failed::Backend(BackendError::Timeout) => Self::Timeout,
            Failed::Backend(BackendError::Refused(Refused::Full { .. })) => {
                Self::QuotaExceeded(text)
            }
            Failed::Backend(BackendError::Refused(Refused::NotANumber | Refused::Overflow)) => {
                Self::Invalid(text)
            }
        }
    }
}

impl From<Invalid> for Error {
    fn from(invalid: Invalid) -> Self {
        Failed::Invalid(invalid).into()
    }
}

fn ttl(ms: Option<u64>) -> Result<Ttl, Invalid> {
    ms.map_or(Ok(Ttl::Default), |ms| limits::ttl(ms).map(Ttl::Millis))
}

fn bytes(found: Option<Versioned>) -> Option<Vec<u8>> {
    found.map(|v| v.value.into())
}

impl HostBucket for View<'_> {
    async fn open(&mut self, name: String) -> Answer<Resource<Open>> {
        match self.state.open(&name) {
            Ok(bucket) => Ok(Ok(self.table.push(Open { bucket })?)),
            // Which buckets a blueprint has is no secret to its slices; what they may do is the
            // same.
            Err(error @ (OpenError::Denied(_) | OpenError::Unknown(_))) => {
                Ok(Err(Error::Denied(error.to_string())))
            }
        }
    }

    async fn get(&mut self, this: Resource<Open>, key: String) -> Answer<Option<Vec<u8>>> {
        let bucket = &self.table.get(&this)?.bucket;
        let key = ask!(Key::new(key));
        Ok(Ok(bytes(ask!(by(self.call.deadline, bucket.get(&key)).await))))
    }

    async fn get_versioned(
        &mut self,
        this: Resource<Open>,
        key: String,
    ) -> Answer<Option<bindings::aether::infra::cache::Versioned>> {
        let bucket = &self.table.get(&this)?.bucket;
        let key = ask!(Key::new(key));
        let found = ask!(by(self.call.deadline, bucket.get(&key)).await);
        Ok(Ok(found.map(|v| bindings::aether::infra::cache::Versioned {
            value: v.value.into(),
            version: v.version.0,
        })))
    }

    async fn set(
        &mut self,
        this: Resource<Open>,
        key: String,
        value: Vec<u8>,
        options: SetOptions,
    ) -> Answer<bool> {
        let bucket = &self.table.get(&this)?.bucket;
        let key = ask!(Key::new(key));
        ask!(limits::value(&value));
        let ttl = ask!(ttl(options.ttl_ms));
        let condition = match options.condition {
            Condition::Always => bucket::Condition::Always,
            Condition::IfAbsent => bucket::Condition::IfAbsent,
            Condition::IfVersion(version) => bucket::Condition::IfVersion(Version(version)),
        };
        let set = bucket.set(&key, Bytes::from(value), ttl, condition);
        Ok(Ok(ask!(by(self.call.deadline, set).await)))
    }

    async fn delete(&mut self, this: Resource<Open>, key: String) -> Answer<bool> {
        let bucket = &self.table.get(&this)?.bucket;
        let key = ask!(Key::new(key));
        Ok(Ok(ask!(by(self.call.deadline, bucket.delete(&key)).await)))
    }

    async fn exists(&mut self, this: Resource<Open>, key: String) -> Answer<bool> {
        let bucket = &self.table.get(&this)?.bucket;
        let key = ask!(Key::new(key));
        Ok(Ok(ask!(by(self.call.deadline, bucket.exists(&key)).await)))
    }

    async fn increment(
        &mut self,
        this: Resource<Open>,
        key: String,
        by_how_much: i64,
    ) -> Answer<i64> {
        let bucket = &self.table.get(&this)?.bucket;
        let key = ask!(Key::new(key));
        Ok(Ok(ask!(by(self.call.deadline, bucket.increment(&key, by_how_much)).await)))
    }

    async fn lifetime(&mut self, this: Resource<Open>, key: String) -> Answer<Lifetime> {
        let bucket = &self.table.get(&this)?.bucket;
        let key = ask!(Key::new(key));
        let lifetime = ask!(by(self.call.deadline, bucket.lifetime(&key)).await);
        Ok(Ok(match lifetime {
            bucket::Lifetime::Absent => Lifetime::Absent,
            bucket::Lifetime::Unlimited => Lifetime::Unlimited,
            bucket::Lifetime::Remaining(ms) => Lifetime::RemainingMs(ms),
        }))
    }

    async fn expire(&mut self, this: Resource<Open>, key: String, ttl_ms: u64) -> Answer<bool> {
        let bucket = &self.table.get(&this)?.bucket;
        let key = ask!(Key::new(key));
        let ttl = ask!(ttl(Some(ttl_ms)));
        Ok(Ok(ask!(by(self.call.deadline, bucket.expire(&key, ttl)).await)))
    }

    async fn get_many(
        &mut self,
        this: Resource<Open>,
        keys: Vec<String>,
    ) -> Answer<Vec<Option<Vec<u8>>>> {
        let bucket = &self.table.get(&this)?.bucket;
        let found = ask!(get_many(&**bucket, keys, self.call.deadline).await);
        Ok(Ok(found.into_iter().map(bytes).collect()))
    }

    async fn set_many(
        &mut self,
        this: Resource<Open>,
        entries: Vec<Entry>,
        ttl_ms: Option<u64>,
    ) -> Answer<()> {
        let bucket = &self.table.get(&this)?.bucket;
        let ttl = ask!(ttl(ttl_ms));
        for (key, value) in ask!(pairs(entries.into_iter().map(|e| (e.key, e.value)).collect())) {
            let set = bucket.set(&key, Bytes::from(value), ttl, bucket::Condition::Always);
            ask!(by(self.call.deadline, set).await);
        }
        Ok(Ok(()))
    }

    async fn delete_many(&mut self, this: Resource<Open>, keys: Vec<String>) -> Answer<u32> {
        let bucket = &self.table.get(&this)?.bucket;
        Ok(Ok(ask!(delete_many(&**bucket, keys, self.call.deadline).await)))
    }

    async fn list_keys(
        &mut self,
        this: Resource<Open>,
        prefix: String,
        limit: u32,
        after: Option<String>,
    ) -> Answer<KeyPage> {
        let bucket = &self.table.get(&this)?.bucket;
        let fits = usize::try_from(limit).ok().filter(|n| (1..=BATCH_KEYS_MAX).contains(n));
        let limit = ask!(fits.ok_or(Invalid::Page(limit)));
        let list = bucket.list(&prefix, limit, after.as_deref());
        let page = ask!(by(self.call.deadline, list).await);
        Ok(Ok(KeyPage { keys: page.keys, next: page.next }))
    }

    async fn stats(&mut self, this: Resource<Open>) -> Answer<Stats> {
        let bucket = &self.table.get(&this)?.bucket;
        let stats = ask!(by(self.call.deadline, bucket.stats()).await);
        let bucket::Stats { hits, misses, entries, bytes, evictions, expirations } = stats;
        Ok(Ok(Stats { hits, misses, entries, bytes, evictions, expirations }))
    }

    async fn drop(&mut self, this: Resource<Open>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}
