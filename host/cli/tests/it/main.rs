//! The `aether` binary as processes: a node, the commands against it, requests to its front door.
//! Knows nothing of what is inside.
#![expect(clippy::unwrap_used, reason = "tests")]

mod affinity;
mod alerts;
mod apps;
mod aspects;
mod bad_input;
mod canary;
mod certificates;
mod checked_list;
mod cluster;
mod code;
mod counts;
mod crash;
mod dependents;
mod depot;
mod disk;
mod e2e;
mod faults;
mod forge;
mod history;
mod hops;
mod hostile;
mod http;
mod late;
mod loss;
mod measured;
mod node;
mod partition;
mod refusals;
mod rollout;
mod sandbox;
mod scaling;
mod scenario;
mod soak;
mod split;
mod store;
mod streams;
mod traces;
mod troubles;
mod types;
mod update;
mod watch;
