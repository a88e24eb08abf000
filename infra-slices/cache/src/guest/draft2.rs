//! `wasi:keyvalue@0.2.0-draft2`. Knows its own words only.

mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit/wasi-keyvalue-draft2",
        world: "imports",
        imports: { default: async | trappable },
        with: {
            "wasi:keyvalue/store.bucket": crate::guest::Open,
            "wasi:keyvalue/atomics.cas": super::Cas,
        },
    });
}

use super::{Failed, Open, by, delete_many, get_many, pairs};
use crate::backend::Bucket;
use crate::bucket::{Condition, Ttl, Versioned};
use crate::limits::{self, BATCH_KEYS_MAX, Invalid, Key};
use crate::{Cache, OpenError};
use aether_engine::{HostState, Infra, InfraView};
use bindings::wasi::keyvalue::atomics::{CasError, HostCas};
use bindings::wasi::keyvalue::store::{Error, Host, HostBucket, KeyResponse};
use bindings::wasi::keyvalue::{atomics, batch, store};
use bytes::Bytes;
use std::sync::Arc;
use tokio::time::Instant;
use wasmtime::component::{Linker, Resource};

type View<'a> = InfraView<'a, Cache>;
type Answer<T> = wasmtime::Result<Result<T, Error>>;

/// What a key was when a guest looked at it.
#[expect(unreachable_pub, reason = "bindgen re-exports the types of handles")]
pub struct Cas {
    bucket: Arc<dyn Bucket>,
    key: Key,
    seen: Option<Versioned>,
}

impl Cas {
    async fn look(bucket: Arc<dyn Bucket>, key: Key, deadline: Instant) -> Result<Self, Failed> {
        let seen = by(deadline, bucket.get(&key)).await?;
        Ok(Self { bucket, key, seen })
    }

    /// Whether the value was still the one that was seen, and is the new one now.
    async fn swap(&self, value: Vec<u8>, deadline: Instant) -> Result<bool, Failed> {
        limits::value(&value)?;
        let condition = match &self.seen {
            Some(seen) => Condition::IfVersion(seen.version),
            None => Condition::IfAbsent,
        };
        let set = self.bucket.set(&self.key, Bytes::from(value), Ttl::Default, condition);
        by(deadline, set).await
    }
}

pub(super) fn link(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    store::add_to_linker::<_, Infra<Cache>>(linker, HostState::infra::<Cache>)?;
    atomics::add_to_linker::<_, Infra<Cache>>(linker, HostState::infra::<Cache>)?;
    batch::add_to_linker::<_, Infra<Cache>>(linker, HostState::infra::<Cache>)
}

error_words!();

impl Host for View<'_> {
    async fn open(&mut self, identifier: String) -> Answer<Resource<Open>> {
        let bucket = ask!(self.state.open_standard(&identifier));
        Ok(Ok(self.table.push(Open { bucket })?))
    }
}

impl HostBucket for View<'_> {
    bucket_functions!(Open);

    async fn list_keys(
        &mut self,
        this: Resource<Open>,
        cursor: Option<String>,
    ) -> Answer<KeyResponse> {
        let bucket = &self.table.get(&this)?.bucket;
        let list = bucket.list("", BATCH_KEYS_MAX, cursor.as_deref());
        let page = ask!(by(self.call.deadline, list).await);
        Ok(Ok(KeyResponse { keys: page.keys, cursor: page.next }))
    }

    async fn drop(&mut self, this: Resource<Open>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

impl HostCas for View<'_> {
    async fn new(&mut self, this: Resource<Open>, key: String) -> Answer<Resource<Cas>> {
        let bucket = self.table.get(&this)?.bucket.clone();
        let key = ask!(Key::new(key));
        let cas = ask!(Cas::look(bucket, key, self.call.deadline).await);
        Ok(Ok(self.table.push(cas)?))
    }

    async fn current(&mut self, this: Resource<Cas>) -> Answer<Option<Vec<u8>>> {
        let cas = self.table.get(&this)?;
        Ok(Ok(cas.seen.as_ref().map(|seen| seen.value.to_vec())))
    }

    async fn drop(&mut self, this: Resource<Cas>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

impl atomics::Host for View<'_> {
    async fn increment(&mut self, this: Resource<Open>, key: String, delta: i64) -> Answer<i64> {
        let bucket = &self.table.get(&this)?.bucket;
        let key = ask!(Key::new(key));
        Ok(Ok(ask!(by(self.call.deadline, bucket.increment(&key, delta)).await)))
    }

    /// Uses the handle up; when somebody was faster, the guest gets one for what is there now.
    async fn swap(
        &mut self,
        cas: Resource<Cas>,
        value: Vec<u8>,
    ) -> wasmtime::Result<Result<(), CasError>> {
        let deadline = self.call.deadline;
        let cas = self.table.delete(cas)?;
        let failed = match cas.swap(value, deadline).await {
            Ok(true) => return Ok(Ok(())),
            Ok(false) => match Cas::look(cas.bucket, cas.key, deadline).await {
                Ok(again) => CasError::CasFailed(self.table.push(again)?),
                Err(failed) => CasError::StoreError(failed.into()),
            },
            Err(failed) => CasError::StoreError(failed.into()),
        };
        Ok(Err(failed))
    }
}

impl batch::Host for View<'_> {
    async fn get_many(
        &mut self,
        this: Resource<Open>,
        keys: Vec<String>,
    ) -> Answer<Vec<(String, Option<Vec<u8>>)>> {
        let bucket = &self.table.get(&this)?.bucket;
        let found = ask!(get_many(&**bucket, keys.clone(), self.call.deadline).await);
        let values = found.into_iter().map(|found| found.map(|v| v.value.into()));
        Ok(Ok(keys.into_iter().zip(values).collect()))
    }

    async fn set_many(
        &mut self,
        this: Resource<Open>,
        entries: Vec<(String, Vec<u8>)>,
    ) -> Answer<()> {
        let bucket = &self.table.get(&this)?.bucket;
        for (key, value) in ask!(pairs(entries)) {
            let set = bucket.set(&key, Bytes::from(value), Ttl::Default, Condition::Always);
            ask!(by(self.call.deadline, set).await);
        }
        Ok(Ok(()))
    }

    async fn delete_many(&mut self, this: Resource<Open>, keys: Vec<String>) -> Answer<()> {
        let bucket = &self.table.get(&this)?.bucket;
        ask!(delete_many(&**bucket, keys, self.call.deadline).await);
        Ok(Ok(()))
    }
}
