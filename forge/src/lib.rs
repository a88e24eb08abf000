//! Real nodes as processes on this machine: started, joined, killed, stopped, brought back, torn
//! down. Runs the `aether` program and talks to its sockets; links nothing of it.
//!
//! Everything here blocks the calling thread. What is started ends with its value, and with this
//! process, however that ends.

pub mod http;
pub mod load;
mod node;
mod process;
mod sandbox;
mod wait;

pub use node::{At, Ended, Member, Node, leader, wait_for_voters};
pub use process::Process;
pub use sandbox::{Sandbox, Settings};
pub use wait::{PATIENCE, until};
