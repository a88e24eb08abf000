//! One module per command; here, which is which. Knows no wire and no format.

mod alerts;
mod aspect;
mod blueprint;
mod call;
mod controller;
mod deploy;
mod forge;
mod graph;
mod keys;
mod kv;
mod lists;
mod logs;
mod metrics;
mod node;
mod nodes;
mod plan;
mod rollout;
mod slice;
mod slow;
mod status;

use crate::args::{AppArgs, BlueprintCommand, Cli, Command, ExplainArgs, NodeArgs, Remote};
use crate::exit::{Exit, Failure, Result};
use crate::target::{self, Surroundings};
use crate::ui::Ui;
use clap::CommandFactory;
use std::future::Future;

pub(crate) fn run(command: Command, around: &Surroundings, ui: &mut Ui) -> Result {
    let client = |remote: &Remote| target::client(remote, around);
    match command {
        Command::Deploy(args) => wait(deploy::run(&client(&args.remote)?, args, ui)),
        Command::Plan(args) => {
            let planned =
                client(&args.remote).and_then(|client| wait(plan::run(&client, &args, ui)));
            planned.map_err(|failure| failure.ending(Exit::Invalid))
        }
        Command::Undeploy(args) => wait(deploy::undo(&client(&args.remote)?, &args, ui)),
        Command::Status(AppArgs { app, remote }) => {
            let client = client(&remote)?;
            match app {
                Some(app) => wait(status::application(&client, &app, ui)),
                None => wait(status::cluster(&client, ui)),
            }
        }
        Command::Slices(remote) => wait(lists::slices(&client(&remote)?, ui)),
        Command::Routes(remote) => wait(lists::routes(&client(&remote)?, ui)),
        Command::Logs(args) => wait(logs::run(&client(&args.remote)?, args, ui)),
        Command::Call(args) => wait(call::run(&client(&args.remote)?, args, ui)),
        Command::Explain(ExplainArgs { target, remote }) => {
            wait(call::explain(&client(&remote)?, &target.join(" "), ui))
        }
        Command::Graph(args) => wait(graph::run(&client(&args.remote)?, &args, ui)),
        Command::Metrics(args) => wait(metrics::run(&client(&args.remote)?, args, ui)),
        Command::Slow(args) => wait(slow::run(&client(&args.remote)?, args, ui)),
        Command::Aspect(command) => wait(aspect::run(&client(command.remote())?, command, ui)),
        Command::Openapi(AppArgs { app, remote }) => {
            let client = client(&remote)?;
            wait(async {
                let document = match app {
                    Some(app) => client.application_document(&app).await?,
                    None => client.document().await?,
                };
                ui.json(&document)
            })
        }
        Command::Blueprint(BlueprintCommand::Check { path, .. }) => blueprint::check(&path, ui),
        Command::Kv(command) => wait(kv::run(&client(command.remote())?, command, ui)),
        Command::Rollout(command) => wait(rollout::run(&client(command.remote())?, command, ui)),
        Command::Controller(command) => {
            wait(controller::run(&client(command.remote())?, command, ui))
        }
        Command::Alerts(args) => wait(alerts::run(&client(args.remote())?, args, ui)),
        Command::Forge(args) => forge::run(args, around, ui),
        Command::Keys(command) => wait(keys::run(&client(command.remote())?, command, ui)),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "aether", &mut ui.out);
            Ok(())
        }
        Command::Node(NodeArgs { command: Some(command), .. }) => {
            wait(nodes::run(&client(command.remote())?, command, ui))
        }
        Command::Node(NodeArgs { run, .. }) => node::run(run, around, ui),
        Command::Slice(command) => slice::run(command, ui),
    }
}

/// Runs a command that talks to a cluster.
fn wait(command: impl Future<Output = Result>) -> Result {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Failure::Bug(error.into()))?.block_on(command)
}
