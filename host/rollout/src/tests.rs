//! Whole rollouts in a small world of instances, routers and requests.

mod leaders;
mod random;
mod scenarios;
mod trouble;
mod world;
