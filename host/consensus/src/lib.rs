//! Raft for groups of nodes: elections, replication, membership, linearizable reads, snapshots.
//! Knows no clock, thread, file or socket, and nothing of what the commands mean.
//!
//! A [`Group`] is stepped: inputs change it, [`Group::advance`] hands out what is to be done. A
//! shell waits for an event, feeds all that are ready, then advances once, and executes the effects
//! in order:
//!
//! ```text
//! group.tick() | on_message(m) | propose(..) | read_index(..) | on_persisted(n) | on_snapshot(..)
//! for effect in group.advance() {
//!     Persist(p)      -> make it durable in the order given, then on_persisted(p.number)
//!     Send(m)         -> hand to the link; losing it is fine
//!     Restore(s)      -> replace the state machine by the snapshot
//!     Apply(c)        -> apply to the state machine; answer the proposer c.id if it waits here
//!     ReadReady(id)   -> the state machine is fresh enough for this read now
//!     TakeSnapshot(i) -> encode the state machine as it is now, then on_snapshot(i, bytes)
//!     …
//! }
//! ```
//!
//! Nothing that needs durability leaves before `on_persisted`: the core holds it back.
#![forbid(unsafe_code)]

mod config;
mod convert;
mod effect;
mod entry;
mod group;
mod log;
mod membership;
mod message;
#[cfg(feature = "planted")]
mod planted;
mod reads;
mod restored;
mod screen;
#[cfg(test)]
mod tests;

pub use config::{Config, ConfigError, ENTRY_BYTES_MAX, READS_MAX, VOTERS_MAX};
pub use effect::{Committed, Effect, Loss, Persist, PersistNumber, Refusal};
pub use entry::{Entry, GroupId, HardState, Payload, Position, ProposalId, ReadId, Snapshot, Term};
pub use group::{Group, Role, StartError, Status};
pub use membership::{Change, Membership, MembershipChange, MembershipError};
pub use message::{Body, Message};
#[cfg(feature = "planted")]
pub use planted::Planted;
pub use restored::{Restored, RestoredError};
