//! A whole cluster in one thread: the real cores on simulated disks, networks, clocks and guests,
//! from one seed. Knows the cores' interfaces only; what it finds, any cluster can meet.
//!
//! [`run`] lets faults rage for some seconds of simulated time, checks after every step what must
//! always be true, then ends all faults and waits until everything is as it should be.
#![forbid(unsafe_code)]

mod applications;
mod disk;
mod guests;
mod history;
mod keys;
mod network;
mod oracle;
mod picture;
mod rng;
mod swarm;
#[cfg(test)]
mod tests;
mod trace;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

#[cfg(feature = "planted")]
pub use aether_consensus::Planted;
use world::World;

/// How a run is done.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    pub keep_trace: bool,
    /// A known defect that is switched on in the cores.
    #[cfg(feature = "planted")]
    pub planted: Option<Planted>,
}

/// What came of a run.
#[derive(Debug, Clone)]
pub struct Report {
    pub seed: u64,
    /// Of everything that happened: equal for equal runs.
    pub hash: u64,
    /// Things that happened.
    pub steps: u64,
    /// Simulated time, in milliseconds.
    pub simulated_ms: u64,
    /// What was not as it must be.
    pub failure: Option<String>,
    /// Empty unless it was asked for.
    pub trace: Vec<String>,
}

/// Runs one seed to its end. A failure of any kind is in the report.
pub fn run(seed: u64, options: Options) -> Report {
    #[cfg(feature = "planted")]
    let planted = options.planted;
    #[cfg(not(feature = "planted"))]
    let planted = ();
    let mut world = World::new(seed, planted, options.keep_trace);
    let outcome = catch_unwind(AssertUnwindSafe(|| world.run()));
    let failure = outcome.err().map(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        text.unwrap_or_else(|| "a panic without words".to_owned())
    });
    if let Some(failure) = &failure {
        world.trace.add(world.now, format_args!("FAILED: {failure}"));
    }
    Report {
        seed,
        hash: world.trace.hash(),
        steps: world.steps,
        simulated_ms: world.now,
        failure,
        trace: world.trace.lines.take().unwrap_or_default(),
    }
}
