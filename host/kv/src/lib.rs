//! The replicated key-value state machine: what every node holds after applying the same log.
//! Knows no clock, disk, network or Raft; does not know what its keys mean.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod command;
mod commands;
mod entries;
mod entry;
mod history;
mod key;
mod lease;
pub mod limits;
mod state;
#[cfg(test)]
mod tests;
mod watch;

pub use command::{Applied, Command, Done, Refused};
pub use commands::compact::Compact;
pub use commands::lease_expire::LeaseExpire;
pub use commands::lease_grant::LeaseGrant;
pub use commands::lease_keep_alive::LeaseKeepAlive;
pub use commands::lease_revoke::LeaseRevoke;
pub use commands::transaction::{
    Condition, Operation, Transaction, TransactionError, ValidTransaction,
};
pub use entry::{Entry, Event};
pub use key::{Key, KeyError};
pub use lease::{LeaseId, LeaseTime, LeaseTtl, LeaseTtlError};
pub use state::State;
pub use watch::{Watch, WatchError};
