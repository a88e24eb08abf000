//! Tests of the choice of a target, through what the crate shows.

mod choose;
mod shell;
mod world;
