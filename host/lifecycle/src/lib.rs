//! Brings one node's instances to where the plan wants them, and says where they are. Pure: time,
//! completions and the plan come in, effects go out. Knows no engine, no clock and no network.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod instance;
pub mod limits;
mod phase;
mod reconcile;
mod reconciler;
mod status;
#[cfg(test)]
mod tests;
mod wanted;

pub use reconciler::{AttemptId, Effect, Outbox, Reconciler, Settings, Tick};
pub use wanted::active_elsewhere;
