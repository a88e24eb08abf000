//! The store of operators and tools: entries of the replicated map under a prefix of their own.
//! Knows no HTTP, and nothing of what Aether itself keeps there.

use crate::control::{Control, ControlError};
use crate::keys;
use aether_api::{
    ApiError, Entries, EntryQuery, EntryView, Expected, STORE_BYTES_MAX, StoreEntry, StoreKey,
};
use aether_consensus::Refusal;
use aether_control::Error;
use aether_kv::{Condition, Entry, Operation, Refused, Transaction};
use aether_types::code::Code;
use aether_types::{ErrorKind, Revision};
use bytes::Bytes;

/// One entry of the log, and nothing read before it.
pub(crate) async fn put(
    control: &Control,
    key: &StoreKey,
    value: Bytes,
    expected: Expected,
) -> Result<Revision, ApiError> {
    let name = keys::operator(key.as_str());
    let share = Condition::ShareWithin { key: keys::operators(), bytes: STORE_BYTES_MAX };
    let conditions = condition(&name, expected).into_iter().chain([share]).collect();
    let operations = vec![Operation::Put { key: name, value, lease: None }];
    let written = control.transact(Transaction { conditions, operations }).await;
    written.map_err(|error| refused(error, key))
}

pub(crate) async fn get(
    control: &Control,
    key: &StoreKey,
    stale: bool,
) -> Result<StoreEntry, ApiError> {
    be_fresh(control, stale).await?;
    let name = keys::operator(key.as_str());
    let found = control.read(|state| state.get(&name).cloned());
    let Entry { value, modified: revision, .. } = found.ok_or_else(|| unknown(key))?;
    Ok(StoreEntry { value, revision })
}

pub(crate) async fn delete(
    control: &Control,
    key: &StoreKey,
    expected: Expected,
) -> Result<(), ApiError> {
    let name = keys::operator(key.as_str());
    let condition = condition(&name, expected);
    let condition = condition.unwrap_or_else(|| Condition::Present { key: name.clone() });
    let operations = vec![Operation::Delete { key: name }];
    let written = control.transact(Transaction { conditions: vec![condition], operations }).await;
    match written.map(drop).map_err(|error| refused(error, key)) {
        // Whoever expected nothing learns no more than that there is none.
        Err(error) if error.revision == Some(Revision(0)) && expected == Expected::Anything => {
            Err(unknown(key))
        }
        result => result,
    }
}

pub(crate) async fn list(control: &Control, query: EntryQuery) -> Result<Entries, ApiError> {
    be_fresh(control, query.stale).await?;
    let prefix = format!("{}{}", keys::OPERATORS, query.prefix);
    let after = query.after.map(|after| format!("{}{after}", keys::OPERATORS));
    Ok(control.read(|state| {
        let found = state.range_after(&prefix, after.as_deref());
        let mut found = found.map(|(key, entry)| EntryView {
            key: key.as_str().strip_prefix(keys::OPERATORS).unwrap_or_default().to_owned(),
            revision: entry.modified.0,
            bytes: entry.value.len() as u64,
        });
        let entries = found.by_ref().take(query.limit).collect();
        Entries { entries, more: found.next().is_some() }
    }))
}

async fn be_fresh(control: &Control, stale: bool) -> Result<(), ApiError> {
    match stale {
        true => Ok(()),
        false => control.fresh().await.map_err(|error| unavailable(&error).help(STALE_HELP)),
    }
}

const STALE_HELP: &str = "retry, or read what this node has with `?stale=true`";

fn condition(key: &aether_kv::Key, expected: Expected) -> Option<Condition> {
    let key = key.clone();
    match expected {
        Expected::Anything => None,
        Expected::Absent => Some(Condition::Absent { key }),
        Expected::Present => Some(Condition::Present { key }),
        Expected::At(revision) => Some(Condition::ModifiedAt { key, revision }),
    }
}

fn unknown(key: &StoreKey) -> ApiError {
    ApiError::not_found(Code::UnknownEntry, format!("there is no entry {key}"))
        .help("`aether kv list` shows the entries")
}

fn refused(error: ControlError, key: &StoreKey) -> ApiError {
    match error {
        ControlError::Failed(Error::Refused(Refused::Conflict { current, .. })) => {
            let now = current.first().and_then(|(_, entry)| entry.as_ref());
            let now = now.map_or(Revision(0), |entry| entry.modified);
            let message = match now {
                Revision(0) => format!("there is no entry {key}"),
                now => format!("the entry {key} has revision {now}"),
            };
            ApiError::conflict(Code::PreconditionFailed, message)
                .help("read it again, and write with the revision that it has then")
                .revision(now)
        }
        ControlError::Failed(Error::Refused(Refused::ShareExhausted { bytes, max, .. })) => {
            let (bytes, max) = (aether_types::ByteSize(bytes), aether_types::ByteSize(max));
            let message = format!("the store would count {bytes}, more than {max}");
            ApiError::new(ErrorKind::Exhausted, Code::StoreFull, message)
                .help("delete what is not needed: `aether kv list` shows sizes")
        }
        error => unavailable(&error),
    }
}

/// What could not be asked or confirmed.
fn unavailable(error: &ControlError) -> ApiError {
    let busy = match error {
        ControlError::Busy => true,
        ControlError::Failed(Error::NotProposed(refusal)) => {
            matches!(refusal, Refusal::ProposalsExhausted | Refusal::ReadsExhausted)
        }
        _ => false,
    };
    match busy {
        true => ApiError::new(ErrorKind::Unavailable, Code::Overloaded, error)
            .help("retry in a moment, with fewer requests at a time"),
        false => super::management::control_error(error),
    }
}
