//! Decides whether an application can run and which node runs what. Knows no clock, network or
//! disk; does not know how an instance is started.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod check;
mod dependents;
mod lint;
mod plan;
mod preview;
#[cfg(test)]
mod tests;
mod versions;
mod view;
mod voters;

pub use check::{Difference, DifferenceKind, check, check_mix, differences};
pub use dependents::{Dependent, Removal, check_removal, dependents};
pub use lint::{Breach, Note, Transition, lint, lint_transition};
pub use plan::{Change, Crowded, MOVES_MAX, Report, Staying, Unplaced, plan};
pub use preview::{Preview, Proposed, preview};
pub use versions::{LANE, SideBySide, VERSIONS_MAX, WantedVersion, lint_versions, plan_versions};
pub use view::{Duty, NodeView, View};
pub use voters::{Members, MembersAdvice, Standing, Step, members};
