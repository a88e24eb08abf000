//! What guests see of the cache, in three dialects. Knows no back end but the seam.

/// Evaluates to the answer of a back end, or returns its error to the guest.
macro_rules! ask {
    ($result:expr) => {
        match $result {
            Ok(value) => value,
            Err(error) => return Ok(Err(Error::from(error))),
        }
    };
}

/// What both drafts of `wasi:keyvalue` say alike: their types differ, each has its own bindings.
macro_rules! error_words {
    () => {
        impl From<Failed> for Error {
            fn from(failed: Failed) -> Self {
                Self::Other(failed.to_string())
            }
        }

        impl From<Invalid> for Error {
            fn from(invalid: Invalid) -> Self {
                Self::Other(invalid.to_string())
            }
        }

        impl From<OpenError> for Error {
            fn from(error: OpenError) -> Self {
                match error {
                    OpenError::Denied(_) => Self::AccessDenied,
                    OpenError::Unknown(_) => Self::NoSuchStore,
                }
            }
        }
    };
}

/// Functions of a bucket that both drafts have alike.
macro_rules! bucket_functions {
    ($handle:ty) => {
        async fn get(&mut self, this: Resource<$handle>, key: String) -> Answer<Option<Vec<u8>>> {
            let bucket = &self.table.get(&this)?.bucket;
            let key = ask!(Key::new(key));
            let found = ask!(by(self.call.deadline, bucket.get(&key)).await);
            Ok(Ok(found.map(|v| v.value.into())))
        }

        async fn set(
            &mut self,
            this: Resource<$handle>,
            key: String,
            value: Vec<u8>,
        ) -> Answer<()> {
            let bucket = &self.table.get(&this)?.bucket;
            let key = ask!(Key::new(key));
            ask!(limits::value(&value));
            let set = bucket.set(&key, Bytes::from(value), Ttl::Default, Condition::Always);
            ask!(by(self.call.deadline, set).await);
            Ok(Ok(()))
        }

        async fn delete(&mut self, this: Resource<$handle>, key: String) -> Answer<()> {
            let bucket = &self.table.get(&this)?.bucket;
            let key = ask!(Key::new(key));
            ask!(by(self.call.deadline, bucket.delete(&key)).await);
            Ok(Ok(()))
        }

        async fn exists(&mut self, this: Resource<$handle>, key: String) -> Answer<bool> {
            let bucket = &self.table.get(&this)?.bucket;
            let key = ask!(Key::new(key));
            Ok(Ok(ask!(by(self.call.deadline, bucket.exists(&key)).await)))
        }
    };
}

mod draft;
mod draft2;
mod infra;

use crate::backend::{Bucket, Error, Reply};
use crate::bucket::Versioned;
use crate::limits::{self, BATCH_BYTES_MAX, Invalid, Key};
use aether_engine::HostState;
use std::sync::Arc;
use tokio::time::{Instant, timeout_at};
use wasmtime::component::Linker;

/// A bucket that a guest has open.
#[expect(unreachable_pub, reason = "bindgen re-exports the types of handles")]
pub struct Open {
    bucket: Arc<dyn Bucket>,
}

/// Why an operation has no answer, in no dialect yet.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("{0}")]
    Invalid(#[from] Invalid),
    #[error("{0}")]
    Backend(#[from] Error),
}

pub(crate) fn link(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    infra::link(linker)?;
    draft::link(linker)?;
    draft2::link(linker)
}

/// Waits for the back end, not longer than the call may take.
async fn by<T>(deadline: Instant, reply: Reply<'_, T>) -> Result<T, Failed> {
    let answered = timeout_at(deadline, reply).await;
    answered.unwrap_or(Err(Error::Timeout)).map_err(Failed::Backend)
}

/// One answer per key, in the order asked.
async fn get_many(
    bucket: &dyn Bucket,
    keys: Vec<String>,
    deadline: Instant,
) -> Result<Vec<Option<Versioned>>, Failed> {
    let keys = limits::keys(keys)?;
    let mut found = Vec::with_capacity(keys.len());
    let mut bytes = 0;
    for key in &keys {
        let value = by(deadline, bucket.get(key)).await?;
        bytes += value.as_ref().map_or(0, |v| v.value.len());
        if bytes > BATCH_BYTES_MAX {
            return Err(Invalid::Answer.into());
        }
        found.push(value);
    }
    Ok(found)
}

/// How many of the keys existed.
async fn delete_many(
    bucket: &dyn Bucket,
    keys: Vec<String>,
    deadline: Instant,
) -> Result<u32, Failed> {
    let mut deleted = 0;
    for key in &limits::keys(keys)? {
        deleted += u32::from(by(deadline, bucket.delete(key)).await?);
    }
    Ok(deleted)
}

/// Pairs whose keys and values are all within the limits.
fn pairs(entries: Vec<(String, Vec<u8>)>) -> Result<Vec<(Key, Vec<u8>)>, Failed> {
    if entries.len() > limits::BATCH_KEYS_MAX {
        return Err(Invalid::Batch(entries.len()).into());
    }
    let checked = entries.into_iter().map(|(key, value)| {
        limits::value(&value)?;
        Ok((Key::new(key)?, value))
    });
    checked.collect()
}
