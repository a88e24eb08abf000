//! Leases: time-limited ownership of keys. Knows no clock: time arrives inside commands.

use alloc::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{Key, limits::LEASE_TTL_MS_MAX};

/// Names a lease. Drawn by whoever asks for it, so that asking twice is safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LeaseId(pub u64);

/// Milliseconds on the cluster's own clock, which advances only while there is a leader.
///
/// A new leader starts at [`State::lease_time`](crate::State::lease_time) and adds what its
/// monotonic clock counts from then on. So no wall clock is trusted, and the time without a leader
/// ends no lease.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LeaseTime(pub u64);

/// How long a lease lasts without being kept alive: 1 ms to a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct LeaseTtl(u64);

/// A time that a lease cannot last.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a lease lasts 1 to {LEASE_TTL_MS_MAX} milliseconds, not {0}")]
pub struct LeaseTtlError(u64);

impl LeaseTtl {
    pub fn from_ms(ms: u64) -> Result<Self, LeaseTtlError> {
        match (1..=LEASE_TTL_MS_MAX).contains(&ms) {
            true => Ok(Self(ms)),
            false => Err(LeaseTtlError(ms)),
        }
    }

    pub fn ms(self) -> u64 {
        self.0
    }
}

impl TryFrom<u64> for LeaseTtl {
    type Error = LeaseTtlError;
    fn try_from(ms: u64) -> Result<Self, LeaseTtlError> {
        Self::from_ms(ms)
    }
}

impl From<LeaseTtl> for u64 {
    fn from(ttl: LeaseTtl) -> u64 {
        ttl.0
    }
}

/// A lease that has not ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lease {
    pub(crate) ttl: LeaseTtl,
    pub(crate) expires: LeaseTime,
    pub(crate) keys: BTreeSet<Key>,
}
