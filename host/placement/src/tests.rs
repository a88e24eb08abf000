//! Tests of the planner and the check. Use std, which the crate itself does not.

mod check;
mod plan;
mod world;
