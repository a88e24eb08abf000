//! The cache that slices share: `aether:infra/cache` and `wasi:keyvalue` over one back end. Knows
//! no node and no cluster: where buckets live is behind [`Backend`].
#![forbid(unsafe_code)]

mod backend;
mod bucket;
mod embedded;
mod guest;
mod limits;

pub use backend::{Backend, Bucket, BucketId, Error, Reply};
pub use bucket::{Condition, KeyPage, Lifetime, Refused, Stats, Ttl, Version, Versioned};
pub use embedded::Embedded;
pub use limits::{
    BATCH_BYTES_MAX, BATCH_KEYS_MAX, ENTRY_BYTES_FIXED, Invalid, KEY_BYTES_MAX, Key, TTL_MS_MAX,
    VALUE_BYTES_MAX,
};

use aether_engine::{AppContext, HostState, InfraSlice};
use aether_types::blueprint::CacheBucket;
use aether_types::{AppName, Problem};
use std::collections::BTreeMap;
use std::sync::Arc;
use wasmtime::component::Linker;

/// The infra slice.
pub struct Cache {
    backend: Arc<dyn Backend>,
}

/// What one slice may open.
pub struct Granted {
    backend: Arc<dyn Backend>,
    app: AppName,
    /// Granted buckets with their settings, and the other names of the blueprint with none.
    buckets: BTreeMap<String, Option<CacheBucket>>,
}

impl Cache {
    pub fn new(backend: Arc<dyn Backend>) -> Self {
        Self { backend }
    }
}

impl InfraSlice for Cache {
    type AppState = Arc<Granted>;
    type State = Arc<Granted>;

    fn interfaces(&self) -> &'static [&'static str] {
        &[
            "aether:infra/types@0.1.0",
            "aether:infra/cache@0.1.0",
            "wasi:keyvalue/store@0.2.0-draft",
            "wasi:keyvalue/atomics@0.2.0-draft",
            "wasi:keyvalue/batch@0.2.0-draft",
            "wasi:keyvalue/store@0.2.0-draft2",
            "wasi:keyvalue/atomics@0.2.0-draft2",
            "wasi:keyvalue/batch@0.2.0-draft2",
        ]
    }

    fn link(&self, linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
        guest::link(linker)
    }

    fn configure(&self, app: &AppContext) -> Result<Arc<Granted>, Problem> {
        let buckets = app.buckets.iter().map(|(name, settings)| {
            let granted = app.grants.cache.contains(name);
            (name.clone(), granted.then(|| settings.clone()))
        });
        let buckets = buckets.collect();
        Ok(Arc::new(Granted { backend: self.backend.clone(), app: app.app.clone(), buckets }))
    }

    fn instance(&self, app: &Arc<Granted>) -> Arc<Granted> {
        app.clone()
    }
}

/// Why a bucket cannot be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OpenError {
    #[error(
        "the blueprint does not grant the bucket {0:?} to this slice: add it to `grants.cache`"
    )]
    Denied(String),
    #[error("the blueprint has no bucket {0:?}: add [cache.{0}] and grant it in `grants.cache`")]
    Unknown(String),
}

impl Granted {
    pub(crate) fn open(&self, name: &str) -> Result<Arc<dyn Bucket>, OpenError> {
        match self.buckets.get(name) {
            None => Err(OpenError::Unknown(name.to_owned())),
            Some(None) => Err(OpenError::Denied(name.to_owned())),
            Some(Some(settings)) => {
                let id = BucketId { app: self.app.clone(), name: name.to_owned() };
                Ok(self.backend.open(&id, settings))
            }
        }
    }

    /// `wasi:keyvalue` leaves the meaning of names to the host: the empty one is `default`.
    pub(crate) fn open_standard(&self, identifier: &str) -> Result<Arc<dyn Bucket>, OpenError> {
        self.open(if identifier.is_empty() { "default" } else { identifier })
    }
}
