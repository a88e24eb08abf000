//! The `aether` binary: parses the command line, runs one command, ends with its exit code.
#![forbid(unsafe_code)]

mod args;
mod commands;
mod exit;
mod files;
mod node_name;
mod target;
#[cfg(test)]
mod tests;
mod ui;

use args::Cli;
use clap::Parser;
use exit::Exit;
use std::process::ExitCode;
use target::Surroundings;
use ui::Ui;

/// A request makes some dozens of small allocations, many of them freed by another thread:
/// docs/decisions/0021-shipped-binary.md.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let mut ui = Ui::of_process(cli.command.json());
    let exit = match commands::run(cli.command, &Surroundings::of_process(), &mut ui) {
        Ok(()) => Exit::Done,
        Err(failure) => {
            ui.failure(&failure);
            failure.exit()
        }
    };
    ExitCode::from(exit as u8)
}
