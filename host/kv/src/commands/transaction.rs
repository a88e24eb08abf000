//! Compare, then put and delete: all or nothing. Knows no time.

use alloc::{collections::BTreeSet, vec::Vec};

use aether_types::Revision;
use bytes::Bytes;
use serde::{Deserialize, Serialize, Serializer};

use crate::{
    Done, Event, Key, LeaseId, Refused, State,
    entry::{share_weight, weight},
    limits::{STATE_BYTES_MAX, TRANSACTION_BYTES_MAX, TRANSACTION_PARTS_MAX, VALUE_BYTES_MAX},
};

/// What must be true of one key. The order of the variants is part of the format: append only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Condition {
    Absent {
        key: Key,
    },
    Present {
        key: Key,
    },
    /// The key was last put at this revision.
    ModifiedAt {
        key: Key,
        revision: Revision,
    },
    ValueIs {
        key: Key,
        value: Bytes,
    },
    /// After the operations, the entries whose first segment is `key` count at most so many bytes
    /// (see [`State::share`]), or no more than before.
    ShareWithin {
        key: Key,
        bytes: u64,
    },
}

/// What to do with one key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operation {
    /// The lease, if any, replaces the one that the key had.
    Put { key: Key, value: Bytes, lease: Option<LeaseId> },
    /// Deleting an absent key changes nothing.
    Delete { key: Key },
}

/// If all conditions hold, do all operations; else nothing.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transaction {
    pub conditions: Vec<Condition>,
    pub operations: Vec<Operation>,
}

/// A transaction within all limits and with at most one operation per key.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Transaction")]
pub struct ValidTransaction(Transaction);

impl Serialize for ValidTransaction {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

/// Why a transaction is never tried.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransactionError {
    #[error("a transaction has at most {TRANSACTION_PARTS_MAX} {what}, this one has {count}")]
    TooMany { what: &'static str, count: usize },
    #[error("the value of {key} has {bytes} bytes, more than {VALUE_BYTES_MAX}")]
    ValueTooLarge { key: Key, bytes: usize },
    #[error("a transaction has at most {TRANSACTION_BYTES_MAX} bytes, this one has {bytes}")]
    TooLarge { bytes: u64 },
    #[error("two operations on {key}")]
    Twice { key: Key },
}

impl Condition {
    fn key(&self) -> &Key {
        match self {
            Self::Absent { key }
            | Self::Present { key }
            | Self::ModifiedAt { key, .. }
            | Self::ValueIs { key, .. }
            | Self::ShareWithin { key, .. } => key,
        }
    }

    fn holds(&self, state: &State) -> bool {
        let entry = || state.get(self.key());
        match self {
            Self::Absent { .. } => entry().is_none(),
            Self::Present { .. } => entry().is_some(),
            Self::ModifiedAt { revision, .. } => entry().is_some_and(|e| e.modified == *revision),
            Self::ValueIs { value, .. } => entry().is_some_and(|e| e.value == *value),
            // It is about what comes after.
            Self::ShareWithin { .. } => true,
        }
    }

    fn value(&self) -> &[u8] {
        match self {
            Self::ValueIs { value, .. } => value,
            _ => &[],
        }
    }
}

impl Operation {
    pub fn key(&self) -> &Key {
        match self {
            Self::Put { key, .. } | Self::Delete { key } => key,
        }
    }

    fn value(&self) -> &[u8] {
        match self {
            Self::Put { value, .. } => value,
            Self::Delete { .. } => &[],
        }
    }

    fn lease(&self) -> Option<LeaseId> {
        match self {
            Self::Put { lease, .. } => *lease,
            Self::Delete { .. } => None,
        }
    }
}

impl TryFrom<Transaction> for ValidTransaction {
    type Error = TransactionError;

    fn try_from(transaction: Transaction) -> Result<Self, TransactionError> {
        let Transaction { conditions, operations } = &transaction;
        for (what, count) in [("conditions", conditions.len()), ("operations", operations.len())] {
            if count > TRANSACTION_PARTS_MAX {
                return Err(TransactionError::TooMany { what, count });
            }
        }
        let mut bytes = 0;
        let parts = conditions.iter().map(|c| (c.key(), c.value()));
        for (key, value) in parts.chain(operations.iter().map(|o| (o.key(), o.value()))) {
            if value.len() > VALUE_BYTES_MAX {
                return Err(TransactionError::ValueTooLarge {
                    key: key.clone(),
                    bytes: value.len(),
                });
            }
            bytes += weight(key, value);
        }
        if bytes > TRANSACTION_BYTES_MAX as u64 {
            return Err(TransactionError::TooLarge { bytes });
        }
        match twice(operations) {
            Some(key) => Err(TransactionError::Twice { key: key.clone() }),
            None => Ok(Self(transaction)),
        }
    }
}

/// A key with two operations.
fn twice(operations: &[Operation]) -> Option<&Key> {
    if let [_] = operations {
        return None;
    }
    let mut written = BTreeSet::new();
    operations.iter().map(Operation::key).find(|key| !written.insert(*key))
}

impl From<ValidTransaction> for Transaction {
    fn from(valid: ValidTransaction) -> Self {
        valid.0
    }
}

impl ValidTransaction {
    /// Bytes of all keys and values: at most [`TRANSACTION_BYTES_MAX`].
    pub fn bytes(&self) -> usize {
        let Transaction { conditions, operations } = &self.0;
        let conditions = conditions.iter().map(|it| it.key().as_str().len() + it.value().len());
        let operations = operations.iter().map(|it| it.key().as_str().len() + it.value().len());
        conditions.sum::<usize>() + operations.sum::<usize>()
    }

    pub(crate) fn apply(
        &self,
        state: &mut State,
        events: &mut Vec<Event>,
    ) -> Result<Done, Refused> {
        let Transaction { conditions, operations } = &self.0;
        let failed = conditions.iter().filter(|condition| !condition.holds(state));
        let current: Vec<_> =
            failed.map(|c| (c.key().clone(), state.get(c.key()).cloned())).collect();
        if !current.is_empty() {
            return Err(Refused::Conflict { revision: state.revision(), current });
        }
        let mut leases = operations.iter().filter_map(Operation::lease);
        if let Some(lease) = leases.find(|lease| !state.has_lease(*lease)) {
            return Err(Refused::LeaseNotFound { lease });
        }
        // What the operations replace is looked up only where it matters.
        let added: u64 = operations.iter().map(|o| share_weight(o.key(), o.value())).sum();
        if state.bytes() + added > STATE_BYTES_MAX {
            let bytes = bytes_after(state, operations);
            if bytes > STATE_BYTES_MAX && bytes > state.bytes() {
                return Err(Refused::StateExhausted { bytes });
            }
        }
        for condition in conditions {
            if let Condition::ShareWithin { key, bytes: max } = condition
                && state.share(key) + added > *max
            {
                let bytes = share_after(state, key, operations);
                if bytes > *max && bytes > state.share(key) {
                    return Err(Refused::ShareExhausted { segment: key.clone(), bytes, max: *max });
                }
            }
        }
        for operation in operations {
            match operation {
                Operation::Put { key, value, lease } => {
                    events.push(state.put(key, value, *lease));
                }
                Operation::Delete { key } => events.extend(state.delete(key)),
            }
        }
        Ok(Done::Transaction { revision: state.revision_after(events) })
    }
}

/// What the state would weigh after the operations, no two of which have the same key.
fn bytes_after(state: &State, operations: &[Operation]) -> u64 {
    let mut bytes = state.bytes();
    for operation in operations {
        let key = operation.key();
        bytes -= state.get(key).map_or(0, |entry| weight(key, &entry.value));
        if let Operation::Put { key, value, .. } = operation {
            bytes += weight(key, value);
        }
    }
    bytes
}

/// What the share of the segment would count after the operations.
fn share_after(state: &State, segment: &Key, operations: &[Operation]) -> u64 {
    let mut bytes = state.share(segment);
    for operation in operations {
        let key = operation.key();
        if key.first_segment() != segment.as_str() {
            continue;
        }
        bytes -= state.get(key).map_or(0, |entry| share_weight(key, &entry.value));
        if let Operation::Put { value, .. } = operation {
            bytes += share_weight(key, value);
        }
    }
    bytes
}
