//! One module per command; here, which is which. Knows no wire and no format.

mod blueprint;
mod call;
mod deploy;
mod keys;
mod lists;
mod logs;
mod status;

use crate::args::{BlueprintCommand, Cli, Command};
use crate::exit::{Failure, Result};
use crate::target::{self, Surroundings};
use crate::ui::Ui;
use clap::CommandFactory;
use std::future::Future;

pub(crate) fn run(cli: Cli, around: &Surroundings, ui: &mut Ui) -> Result {
    let Cli { global, command } = cli;
    let client = || target::client(&global, around);
    match command {
        Command::Deploy(args) => wait(deploy::run(&client()?, args, ui)),
        Command::Undeploy { app } => wait(deploy::undo(&client()?, &app, ui)),
        Command::Status { app: None } => wait(status::cluster(&client()?, ui)),
        Command::Status { app: Some(app) } => wait(status::application(&client()?, &app, ui)),
        Command::Slices => wait(lists::slices(&client()?, ui)),
        Command::Routes => wait(lists::routes(&client()?, ui)),
        Command::Logs(args) => wait(logs::run(&client()?, args, ui)),
        Command::Call(args) => wait(call::run(&client()?, args, ui)),
        Command::Explain { target } => wait(call::explain(&client()?, &target.join(" "), ui)),
        Command::Openapi { app: Some(app) } => {
            wait(async { ui.json(&client()?.application_document(&app).await?) })
        }
        Command::Openapi { app: None } => ui.json(&aether_api::document()),
        Command::Blueprint(BlueprintCommand::Check { path }) => blueprint::check(&path, ui),
        Command::Keys(command) => wait(keys::run(&client()?, command, ui)),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "aether", &mut ui.out);
            Ok(())
        }
        Command::Node(_) | Command::Slice(_) => Err(Failure::invalid("not there yet")),
    }
}

/// Runs a command that talks to a cluster.
fn wait(command: impl Future<Output = Result>) -> Result {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Failure::Bug(error.into()))?.block_on(command)
}
