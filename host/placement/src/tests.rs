//! Tests of the planner and the check. Use std, which the crate itself does not.

mod budget;
mod check;
mod cluster;
mod dependencies;
mod dependents;
mod hints;
mod mix;
mod plan;
mod script;
mod settings;
mod versions;
mod walk;
mod world;
