//! The `aether` binary: parses the command line, runs one command, ends with its exit code.
#![forbid(unsafe_code)]

mod args;
mod commands;
mod exit;
mod files;
mod target;
#[cfg(test)]
mod tests;
mod ui;

use args::Cli;
use clap::Parser;
use exit::Exit;
use std::io::{IsTerminal, stderr, stdout};
use std::process::ExitCode;
use target::Surroundings;
use ui::Ui;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let mut ui = Ui {
        out: Box::new(stdout()),
        err: Box::new(stderr()),
        json: cli.command.json(),
        colour_out: !plain && stdout().is_terminal(),
        colour_err: !plain && stderr().is_terminal(),
    };
    let exit = match commands::run(cli.command, &Surroundings::of_process(), &mut ui) {
        Ok(()) => Exit::Done,
        Err(failure) => {
            ui.failure(&failure);
            failure.exit()
        }
    };
    ExitCode::from(exit as u8)
}
