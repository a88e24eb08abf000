//! What a node keeps on disk: identity, Raft log, artifacts, compiled code. Knows no network and no
//! meaning of what it keeps.
//!
//! Everything here blocks: a shell calls it from threads of its own, never from an async task.
//! Every write is durable when the call returns, or it failed.
//!
//! ```text
//! FORMAT      version of this layout
//! lock        held while a process uses the directory; names its pid
//! identity    who this node is; written once
//! starts      how often it has started; counted up by each start
//! tls/        its certificates and keys, or that they are elsewhere; written once
//! raft/       log, hard state and snapshots of every group
//! artifacts/  one file per artifact, named by its SHA-256
//! compiled/   compiled code; may be deleted at any time
//! ```
#![forbid(unsafe_code)]

mod artifacts;
mod compiled;
mod directory;
mod error;
mod files;
mod identity;
mod log;
mod starts;
#[cfg(test)]
mod tests;
mod tls;

pub use artifacts::Artifacts;
pub use compiled::Compiled;
pub use directory::Storage;
pub use error::Error;
pub use identity::Identity;
pub use log::Log;
pub use tls::{Certificates, TlsMaterial};
