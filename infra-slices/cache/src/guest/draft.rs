//! `wasi:keyvalue@0.2.0-draft`. Knows its own words only.

mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit/wasi-keyvalue-draft",
        world: "imports",
        imports: { default: async | trappable },
        with: { "wasi:keyvalue/store.bucket": super::Listing },
    });
}

use super::{Failed, by, delete_many, get_many, pairs};
use crate::backend::Bucket;
use crate::bucket::{Condition, Ttl};
use crate::limits::{self, BATCH_KEYS_MAX, Invalid, Key};
use crate::{Cache, OpenError};
use aether_engine::{HostState, Infra, InfraView};
use bindings::wasi::keyvalue::store::{Error, Host, HostBucket, KeyResponse};
use bindings::wasi::keyvalue::{atomics, batch, store};
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::Arc;
use wasmtime::component::{Linker, Resource};

type View<'a> = InfraView<'a, Cache>;
type Answer<T> = wasmtime::Result<Result<T, Error>>;

/// A bucket that a guest has open, and where its listings stand.
#[expect(unreachable_pub, reason = "bindgen re-exports the types of handles")]
pub struct Listing {
    bucket: Arc<dyn Bucket>,
    cursors: Cursors,
}

/// This draft's cursors are numbers: each stands for the last key of a page.
#[derive(Default)]
struct Cursors {
    /// The number of the first one in `keys`.
    first: u64,
    keys: VecDeque<String>,
}

/// Cursors of one handle that can still be used; with the longest keys they are 64 KiB.
const CURSORS_MAX: usize = 64;

impl Cursors {
    fn hand_out(&mut self, key: String) -> u64 {
        if self.keys.len() == CURSORS_MAX {
            self.keys.pop_front();
            self.first += 1;
        }
        self.keys.push_back(key);
        self.first + self.keys.len() as u64 - 1
    }

    fn key(&self, cursor: u64) -> Option<&str> {
        let place = usize::try_from(cursor.checked_sub(self.first)?).ok()?;
        self.keys.get(place).map(String::as_str)
    }
}

pub(super) fn link(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    store::add_to_linker::<_, Infra<Cache>>(linker, HostState::infra::<Cache>)?;
    atomics::add_to_linker::<_, Infra<Cache>>(linker, HostState::infra::<Cache>)?;
    batch::add_to_linker::<_, Infra<Cache>>(linker, HostState::infra::<Cache>)
}

error_words!();

impl Host for View<'_> {
    async fn open(&mut self, identifier: String) -> Answer<Resource<Listing>> {
        let bucket = ask!(self.state.open_standard(&identifier));
        Ok(Ok(self.table.push(Listing { bucket, cursors: Cursors::default() })?))
    }
}

impl HostBucket for View<'_> {
    bucket_functions!(Listing);

    async fn list_keys(
        &mut self,
        this: Resource<Listing>,
        cursor: Option<u64>,
    ) -> Answer<KeyResponse> {
        let deadline = self.call.deadline;
        let open = self.table.get_mut(&this)?;
        let after = match cursor.map(|cursor| open.cursors.key(cursor)) {
            Some(None) => return Ok(Err(Error::Other("this cursor is not valid".to_owned()))),
            Some(after) => after,
            None => None,
        };
        let page = ask!(by(deadline, open.bucket.list("", BATCH_KEYS_MAX, after)).await);
        let cursor = page.next.map(|key| open.cursors.hand_out(key));
        Ok(Ok(KeyResponse { keys: page.keys, cursor }))
    }

    async fn drop(&mut self, this: Resource<Listing>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

impl atomics::Host for View<'_> {
    /// This draft counts without a sign: what does not fit into an s64 is refused.
    async fn increment(&mut self, this: Resource<Listing>, key: String, delta: u64) -> Answer<u64> {
        let bucket = &self.table.get(&this)?.bucket;
        let key = ask!(Key::new(key));
        let too_large = || Error::Other(format!("{delta} is more than an s64 holds"));
        let delta = ask!(i64::try_from(delta).map_err(|_| too_large()));
        let sum = ask!(by(self.call.deadline, bucket.increment(&key, delta)).await);
        let negative = || Error::Other(format!("the number is {sum}, which is negative"));
        Ok(u64::try_from(sum).map_err(|_| negative()))
    }
}

impl batch::Host for View<'_> {
    async fn get_many(
        &mut self,
        this: Resource<Listing>,
        keys: Vec<String>,
    ) -> Answer<Vec<Option<(String, Vec<u8>)>>> {
        let bucket = &self.table.get(&this)?.bucket;
        let found = ask!(get_many(&**bucket, keys.clone(), self.call.deadline).await);
        let pairs = keys.into_iter().zip(found);
        Ok(Ok(pairs.map(|(key, found)| found.map(|v| (key, v.value.into()))).collect()))
    }

    async fn set_many(
        &mut self,
        this: Resource<Listing>,
        entries: Vec<(String, Vec<u8>)>,
    ) -> Answer<()> {
        let bucket = &self.table.get(&this)?.bucket;
        for (key, value) in ask!(pairs(entries)) {
            let set = bucket.set(&key, Bytes::from(value), Ttl::Default, Condition::Always);
            ask!(by(self.call.deadline, set).await);
        }
        Ok(Ok(()))
    }

    async fn delete_many(&mut self, this: Resource<Listing>, keys: Vec<String>) -> Answer<()> {
        let bucket = &self.table.get(&this)?.bucket;
        ask!(delete_many(&**bucket, keys, self.call.deadline).await);
        Ok(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_cursors_stay_valid() {
        let mut cursors = Cursors::default();
        let numbers: Vec<u64> = (0..100).map(|i| cursors.hand_out(i.to_string())).collect();
        assert_eq!(cursors.key(numbers[99]), Some("99"));
        assert_eq!(cursors.key(numbers[36]), Some("36"));
        assert_eq!(cursors.key(numbers[35]), None);
        assert_eq!(cursors.key(100), None);
    }
}
