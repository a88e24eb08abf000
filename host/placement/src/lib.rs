//! Decides whether an application can run and which node runs what. Knows no clock, network or
//! disk; does not know how an instance is started.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod check;
mod lint;
mod plan;
#[cfg(test)]
mod tests;
mod voters;

pub use check::{Difference, DifferenceKind, check, differences};
pub use lint::{Note, lint};
pub use plan::{Change, Duty, NodeView, Report, Unplaced, View, Wanted, plan};
pub use voters::{Members, MembersAdvice, Standing, Step, members};
