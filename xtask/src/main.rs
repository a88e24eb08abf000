//! All automation of the project, in Rust. Knows how things are built, never how they work.

mod shell;
mod tidy;

use std::process::ExitCode;

use clap::Parser;

/// Everything one does to this repository.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Task {
    /// Check what the compiler and clippy do not: layers, sizes, headers, documents
    Tidy {
        /// Lower the entries of the ratchet list that are larger than needed
        #[arg(long)]
        shrink: bool,
    },
}

fn main() -> ExitCode {
    let done = match Task::parse() {
        Task::Tidy { shrink } => tidy::run(shrink),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
