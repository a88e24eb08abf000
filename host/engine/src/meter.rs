//! Counts the memory of guests against the limit of an instance and the budget of the node.

use aether_types::ByteSize;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};
use wasmtime::ResourceLimiter;

/// Elements of one table: 2^20 entries of 8 bytes are 8 MiB.
pub const TABLE_ELEMENTS_MAX: usize = 1 << 20;
/// Core instances, tables and memories of one component; composed components have one set per part.
pub const CORE_INSTANCES_MAX: usize = 64;
pub const TABLES_MAX: usize = 32;
pub const MEMORIES_MAX: usize = 8;

/// Linear memory that all guests of the node hold, and the most they may hold.
#[derive(Debug)]
pub(crate) struct Budget {
    bytes_max: u64,
    bytes: AtomicU64,
}

/// The share of one `WasmInstance`; gives it back when it is dropped.
#[derive(Debug)]
pub(crate) struct Meter {
    budget: Arc<Budget>,
    bytes_max: u64,
    bytes: u64,
    refused: Option<Refused>,
}

/// Growth that a guest was refused; explains the trap that usually follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The instance is at the limit of its slice.
    Instance {
        limit: ByteSize,
    },
    /// The node is at its budget.
    Node {
        budget: ByteSize,
    },
    Table,
}

impl Budget {
    pub(crate) fn new(bytes_max: ByteSize) -> Arc<Self> {
        Arc::new(Self { bytes_max: bytes_max.bytes(), bytes: AtomicU64::new(0) })
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }

    fn take(&self, bytes: u64) -> bool {
        let more = |held: u64| held.checked_add(bytes).filter(|sum| *sum <= self.bytes_max);
        self.bytes.fetch_update(Relaxed, Relaxed, more).is_ok()
    }
}

impl Meter {
    pub(crate) fn new(budget: Arc<Budget>, bytes_max: ByteSize) -> Self {
        Self { budget, bytes_max: bytes_max.bytes(), bytes: 0, refused: None }
    }

    /// Takes what was refused since the last time.
    pub(crate) fn refused(&mut self) -> Option<Refused> {
        self.refused.take()
    }

    fn grow(&mut self, bytes: u64) -> Result<(), Refused> {
        if self.bytes + bytes > self.bytes_max {
            return Err(Refused::Instance { limit: ByteSize(self.bytes_max) });
        }
        if !self.budget.take(bytes) {
            return Err(Refused::Node { budget: ByteSize(self.budget.bytes_max) });
        }
        self.bytes += bytes;
        Ok(())
    }
}

impl ResourceLimiter for Meter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let granted = self.grow(desired.saturating_sub(current) as u64);
        self.refused = granted.err().or(self.refused);
        Ok(granted.is_ok())
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let fits = desired <= maximum.unwrap_or(usize::MAX).min(TABLE_ELEMENTS_MAX);
        if !fits {
            self.refused = Some(Refused::Table);
        }
        Ok(fits)
    }

    fn instances(&self) -> usize {
        CORE_INSTANCES_MAX
    }

    fn tables(&self) -> usize {
        TABLES_MAX
    }

    fn memories(&self) -> usize {
        MEMORIES_MAX
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.budget.bytes.fetch_sub(self.bytes, Relaxed);
    }
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Instance { limit } => write!(f, "it reached its memory limit of {limit}"),
            Self::Node { budget } => {
                write!(f, "the memory budget of the node, {budget}, is used up")
            }
            Self::Table => write!(f, "it reached the limit of {TABLE_ELEMENTS_MAX} table elements"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_counted_until_the_instance_is_gone() {
        let budget = Budget::new(ByteSize(100));
        let mut a = Meter::new(Arc::clone(&budget), ByteSize(80));
        let mut b = Meter::new(Arc::clone(&budget), ByteSize(80));
        assert!(a.memory_growing(0, 60, None).unwrap());
        assert!(!a.memory_growing(60, 90, None).unwrap());
        assert_eq!(a.refused(), Some(Refused::Instance { limit: ByteSize(80) }));
        assert!(!b.memory_growing(0, 50, None).unwrap());
        assert_eq!(b.refused(), Some(Refused::Node { budget: ByteSize(100) }));
        drop(a);
        assert!(b.memory_growing(0, 50, None).unwrap());
        assert_eq!(budget.bytes(), 50);
    }
}
