//! Real nodes as processes on this machine: started, joined, killed, stopped, brought back, torn
//! down. Runs the `aether` program and talks to its sockets; links nothing of it.
//!
//! Everything here blocks the calling thread. What is started ends with its value, and with this
//! process, however that ends.

mod desk;
mod forge;
pub mod http;
pub mod load;
pub mod model;
mod node;
mod note;
mod process;
mod remote;
mod sandbox;
pub mod script;
mod wait;

pub use forge::{Forge, NODES_MAX, Settings as ForgeSettings, find_blueprint};
pub use node::{At, Ended, Member, Node, leader, wait_for_voters};
pub use note::{Found, forges};
pub use process::{Process, memory};
pub use remote::{Remote, RemoteError};
pub use sandbox::{Sandbox, Settings};
pub use wait::{PATIENCE, until};
