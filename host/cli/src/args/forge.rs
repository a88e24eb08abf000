//! The flags of Forge. Knows nothing of what they do.

use super::Output;
use aether_forge::model::NodeAction;
use clap::{Args, Subcommand};
use std::net::SocketAddr;
use std::path::PathBuf;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct ForgeArgs {
    #[command(subcommand)]
    pub(crate) command: Option<ForgeCommand>,
    #[command(flatten)]
    pub(crate) run: ForgeRunArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ForgeRunArgs {
    /// How many nodes
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub(crate) nodes: usize,
    /// The application, or its folder; without it the example, in Aether's own repository
    #[arg(long, value_name = "FILE")]
    pub(crate) blueprint: Option<PathBuf>,
    /// Load to send as soon as the application answers
    #[arg(long, value_name = "FILE")]
    pub(crate) load: Option<PathBuf>,
    /// Keep the nodes' folders here: an empty folder, or one to be made
    #[arg(long, value_name = "DIR")]
    pub(crate) keep: Option<PathBuf>,
    /// Address of Forge's API
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8888")]
    pub(crate) listen: SocketAddr,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// Flags of the commands that talk to a Forge.
#[derive(Debug, Args)]
pub(crate) struct Running {
    /// Number of its process, where several run
    #[arg(long, value_name = "PID", help_heading = "Forge")]
    pub(crate) forge: Option<u32>,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ForgeCommand {
    /// Show the Forge that runs: nodes, URLs, load
    Status(Running),
    /// End it, with all its nodes
    End(Running),
    /// Add nodes, and lose, stop, restart and drain them
    #[command(subcommand)]
    Node(ForgeNodeCommand),
    /// Send load, and steer it while it runs
    #[command(subcommand)]
    Load(ForgeLoadCommand),
}

#[derive(Debug, Subcommand)]
pub(crate) enum ForgeNodeCommand {
    /// Start another node that joins the cluster
    Add(Running),
    /// kill -9
    Kill(OneNode),
    /// SIGSTOP: it is there and does nothing
    Stop(OneNode),
    /// Let a stopped node go on
    Resume(OneNode),
    /// Ask it to end, if it runs, and start it again: the same node at the same place
    Restart(OneNode),
    /// Give its instances and its vote to others
    Drain(OneNode),
    /// Let a drained node take part again
    Activate(OneNode),
}

#[derive(Debug, Args)]
pub(crate) struct OneNode {
    /// As `forge status` shows it, from 1
    pub(crate) node: usize,
    #[command(flatten)]
    pub(crate) running: Running,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ForgeLoadCommand {
    /// Start a load, in place of the one that runs
    Start {
        /// load.toml
        file: PathBuf,
        #[command(flatten)]
        running: Running,
    },
    /// Show what came of it so far
    Show(Running),
    /// Send nothing for a while; its time goes on
    Pause(Running),
    /// Send again
    Resume(Running),
    /// From now on so many times the rates of its file
    Rate {
        /// 0 to 1000, such as 2 or 0.5
        factor: f64,
        #[command(flatten)]
        running: Running,
    },
    /// End it and show what came of it
    Stop(Running),
}

impl ForgeArgs {
    pub(crate) fn json(&self) -> bool {
        match &self.command {
            Some(command) => command.running().output.json,
            None => self.run.output.json,
        }
    }
}

impl ForgeCommand {
    pub(crate) fn running(&self) -> &Running {
        match self {
            Self::Status(running) | Self::End(running) => running,
            Self::Node(command) => command.running(),
            Self::Load(command) => command.running(),
        }
    }
}

impl ForgeNodeCommand {
    fn running(&self) -> &Running {
        match self {
            Self::Add(running) => running,
            Self::Kill(one)
            | Self::Stop(one)
            | Self::Resume(one)
            | Self::Restart(one)
            | Self::Drain(one)
            | Self::Activate(one) => &one.running,
        }
    }

    /// What is done to which node; none: another node.
    pub(crate) fn action(&self) -> Option<(usize, NodeAction)> {
        let (one, action) = match self {
            Self::Add(_) => return None,
            Self::Kill(one) => (one, NodeAction::Kill),
            Self::Stop(one) => (one, NodeAction::Stop),
            Self::Resume(one) => (one, NodeAction::Resume),
            Self::Restart(one) => (one, NodeAction::Restart),
            Self::Drain(one) => (one, NodeAction::Drain),
            Self::Activate(one) => (one, NodeAction::Activate),
        };
        Some((one.node, action))
    }
}

impl ForgeLoadCommand {
    fn running(&self) -> &Running {
        match self {
            Self::Show(running)
            | Self::Pause(running)
            | Self::Resume(running)
            | Self::Stop(running)
            | Self::Start { running, .. }
            | Self::Rate { running, .. } => running,
        }
    }
}
