//! The composition root: one process that is one node. Wires the crates together, decides nothing.
#![forbid(unsafe_code)]

mod admission;
mod alerts;
mod belonging;
mod callee;
mod calls;
mod clock;
pub mod config;
mod control;
mod counts;
mod depot;
mod disk;
mod door;
mod examine;
mod explain;
mod faults;
mod founding;
mod housekeeping;
mod keepers;
mod keys;
mod listeners;
mod loader;
mod logs;
mod management;
mod members;
mod metrics;
mod network;
mod otlp;
#[cfg(test)]
mod pair;
mod parts;
mod planner;
mod projector;
mod quorum;
mod reach;
mod readiness;
mod reconcile;
mod records;
mod remote;
mod rollouts;
mod routing;
mod run;
mod samples;
mod scaling;
mod shared_code;
mod shared_history;
mod slow;
mod store;
mod tasks;
mod views;
mod world;

pub use config::{LogFormat, Settings};
pub use control::{ControlError, ControlFailure};
pub use run::{Error, Started, infra_slices, run};

/// The node's wall clock, for people: milliseconds since 1970.
pub(crate) fn unix_ms() -> u64 {
    let since =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
