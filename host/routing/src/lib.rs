//! Where requests and calls go, derived on every node from the same replicated facts. Knows no
//! engine, no connection and no clock.
#![forbid(unsafe_code)]

mod breaker;
mod choose;
mod explain;
mod hash;
mod retry;
mod sequence;
mod split;
mod table;
#[cfg(test)]
mod tests;
mod trie;

pub use breaker::{Breaker, Tick};
pub use choose::{
    ArmWhy, Ask, EndpointWhy, Exclusion, NoTarget, Pick, Pin, Signal, Signals, Tried, choose,
};
pub use explain::{EndpointShown, Explained, Standing, VersionShown, explain};
pub use hash::Key;
pub use retry::{ATTEMPTS_MAX, Budget, Failed, Started, Stop, again, is_alive};
pub use split::{ARMS_MAX, Arm, Split};
pub use table::{Edge, Endpoint, HttpRoute, RouteVersion, Table, Traffics};
pub use trie::{Match, RouteTrie};
