//! What guests see of the cache, in three dialects. Knows no back end but the seam.

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
