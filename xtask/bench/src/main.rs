//! Benches: Aether and its peers side by side in one run. Links no part of Aether but the engine.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for a terminal")]

mod compare;
mod hello;
mod load;
mod report;
mod server;
mod tools;

use std::net::SocketAddr;

use clap::Parser;

#[derive(Parser)]
#[command(name = "cargo xtask bench")]
enum Bench {
    /// An HTTP server with nothing behind it, in a process of its own
    #[command(hide = true)]
    ServeHello { address: SocketAddr },
}

fn main() -> anyhow::Result<()> {
    match Bench::parse() {
        Bench::ServeHello { address } => hello::serve(address),
    }
}
