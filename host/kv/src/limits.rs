//! Every bound of the state machine, with its arithmetic. All nodes of a cluster agree on them.

/// Bytes of a key: the longest name that a key holds is a coordinate of at most 256 bytes.
pub const KEY_BYTES_MAX: usize = 512;

/// Bytes of a value. Larger things are artifacts: the map holds their digest.
pub const VALUE_BYTES_MAX: usize = 1 << 20;

/// Conditions of a transaction, and operations of a transaction.
pub const TRANSACTION_PARTS_MAX: usize = 1_000;

/// Bytes of all keys and values of a transaction: four values of the largest size. It travels as
/// one entry of the log.
pub const TRANSACTION_BYTES_MAX: usize = 4 * VALUE_BYTES_MAX;

/// Bytes of all keys and values held: 10,000 entries of 6 KiB. The state is in the memory of every
/// node, and a snapshot of it is one message.
pub const STATE_BYTES_MAX: u64 = 64 << 20;

/// What an entry costs in memory beside its key and value, about: two revisions, two pointers, its
/// places in the table and in the order. Counts in shares, so that a share bounds the number of
/// entries too.
pub const ENTRY_BYTES: u64 = 128;

/// Leases held at once: one for every node and every lock of a large cluster.
pub const LEASES_MAX: usize = 10_000;

/// Milliseconds that a lease lasts at most: a day.
pub const LEASE_TTL_MS_MAX: u64 = 24 * 60 * 60 * 1_000;

/// Events kept for watchers that are behind: ten transactions of the largest number of operations.
pub const HISTORY_EVENTS_MAX: usize = 10 * TRANSACTION_PARTS_MAX;

/// Bytes of those events: two transactions of the largest size.
pub const HISTORY_BYTES_MAX: u64 = 2 * TRANSACTION_BYTES_MAX as u64;
