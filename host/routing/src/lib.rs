//! Where requests and calls go, derived on every node from the same replicated facts. Knows no
//! engine, no connection and no clock.
#![forbid(unsafe_code)]

mod table;
mod trie;

pub use table::{Edge, Endpoint, HttpRoute, Table};
pub use trie::{Match, RouteTrie};
