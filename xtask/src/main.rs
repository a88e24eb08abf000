//! All automation of the project, in Rust. Knows how things are built, never how they work.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for a terminal")]

mod audit;
mod setup;
mod shell;
mod steps;
mod test;
mod tidy;

use std::process::ExitCode;

use clap::Parser;

/// Everything one does to this repository.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Task {
    /// Install what building and checking needs; nothing the second time
    Setup,
    /// Run every check and every test: all that CI runs, with the time of each step
    #[command(visible_alias = "ci")]
    Test,
    /// Check what the compiler and clippy do not: layers, sizes, headers, documents
    Tidy {
        /// Lower the entries of the ratchet list that are larger than needed
        #[arg(long)]
        shrink: bool,
    },
    /// Check licences, bans, sources and known vulnerabilities of all dependencies
    Audit,
}

fn main() -> ExitCode {
    let done = match Task::parse() {
        Task::Setup => setup::run(),
        Task::Test => test::run(),
        Task::Tidy { shrink } => tidy::run(shrink),
        Task::Audit => audit::run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
