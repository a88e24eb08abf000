//! Going from one version of an application to the next under traffic, as one pure state machine.
//! Knows no clock, no instance and no router: what is seen comes in, what is wanted goes out.
#![forbid(unsafe_code)]

mod command;
mod event;
mod judge;
mod look;
mod stages;
mod state;
mod step;
#[cfg(test)]
mod tests;

pub use command::{Command, Refused, Winner};
pub use event::{Event, Happened};
pub use judge::{Fault, Lack, Verdict, Window, judge};
pub use look::{Look, Seen};
pub use stages::{Gate, Stage, first_instances};
pub use state::{
    ATTEMPTS_MAX, Demand, Desired, HISTORY_MAX, Outcome, Phase, Push, Rollout, Start, StartError,
    Time, Version, Why,
};
pub use step::{COOLING_MS, READY_MS_MAX, Wait};
