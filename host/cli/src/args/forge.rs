//! The flags of Forge. Knows nothing of what they do.

use super::Output;
use aether_forge::model::{Calls, FaultOrder, NodeAction, Trouble};
use aether_types::{ByteSize, TimeSpan};
use clap::{ArgAction, Args, Subcommand};
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
    /// How many nodes; 5, unless a scenario says it
    #[arg(long, value_name = "N")]
    pub(crate) nodes: Option<usize>,
    /// The application, or its folder; without it the example, in Aether's own repository
    #[arg(long, value_name = "FILE")]
    pub(crate) blueprint: Option<PathBuf>,
    /// Load to send as soon as the application answers
    #[arg(long, value_name = "FILE")]
    pub(crate) load: Option<PathBuf>,
    /// Build and roll out each slice whose sources change
    #[arg(long)]
    pub(crate) watch: bool,
    #[command(flatten)]
    pub(crate) scenario: ScenarioArgs,
    /// Keep the nodes' folders here: an empty folder, or one to be made
    #[arg(long, value_name = "DIR")]
    pub(crate) keep: Option<PathBuf>,
    /// Address of Forge's API and of the dashboard
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8888")]
    pub(crate) listen: SocketAddr,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// A scenario to play, and what becomes of its report.
#[derive(Debug, Args)]
#[command(next_help_heading = "Scenario")]
pub(crate) struct ScenarioArgs {
    /// Play a scenario, then end: exit code 0 if all of it held
    #[arg(long, value_name = "FILE")]
    pub(crate) script: Option<PathBuf>,
    /// For the scenario's choices, in place of its own
    #[arg(long, value_name = "N", requires = "script")]
    pub(crate) seed: Option<u64>,
    /// Write the report as JUnit XML
    #[arg(long, value_name = "FILE", requires = "script")]
    pub(crate) junit: Option<PathBuf>,
    /// Write the report as a page
    #[arg(long, value_name = "FILE", requires = "script")]
    pub(crate) html: Option<PathBuf>,
}

/// Scenarios to look at.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Scripts
    #[arg(required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// For their choices, in place of their own
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
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
    /// Check scenarios and show what they would do, starting nothing
    Check(CheckArgs),
    /// Show the Forge that runs: nodes, URLs, load
    Status(Running),
    /// End it, with all its nodes
    End(Running),
    /// Add nodes, and lose, stop, restart and drain them
    #[command(subcommand)]
    Node(ForgeNodeCommand),
    /// Make something go wrong for a while
    #[command(subcommand, after_help = AFTER_FAULT)]
    Fault(Box<ForgeFaultCommand>),
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

const AFTER_FAULT: &str = "\
Each ends by itself, and then all is as before. Groups of nodes are written with commas:
  aether forge fault partition 1,2 3,4,5 --for 30s
  aether forge fault latency 1 2,3 --time 50ms --for 1m
  aether forge fault call-failure shop:cart --share 0.1 --for 30s
  aether forge fault end";

/// For how long, and in which Forge.
#[derive(Debug, Args)]
pub(crate) struct Lasting {
    /// At most 1h
    #[arg(long = "for", value_name = "TIME", default_value = "30s")]
    pub(crate) duration: TimeSpan,
    #[command(flatten)]
    pub(crate) running: Running,
}

/// Two groups of nodes.
#[derive(Debug, Args)]
pub(crate) struct Between {
    /// Numbers of nodes
    #[arg(value_delimiter = ',', num_args = 1, action = ArgAction::Set)]
    pub(crate) from: Vec<usize>,
    /// Numbers of others
    #[arg(value_delimiter = ',', num_args = 1, action = ArgAction::Set)]
    pub(crate) to: Vec<usize>,
    #[command(flatten)]
    pub(crate) lasting: Lasting,
}

/// Calls to a slice.
#[derive(Debug, Args)]
pub(crate) struct CallsArgs {
    /// group:artifact
    pub(crate) slice: String,
    /// namespace:package/interface#function; every one without it
    #[arg(long, value_name = "NAME")]
    pub(crate) function: Option<String>,
    /// How many of the calls, from 0 to 1
    #[arg(long, value_name = "SHARE", default_value_t = 1.0)]
    pub(crate) share: f64,
    /// Where; on all nodes that run without it
    #[arg(long, value_name = "N,N", value_delimiter = ',')]
    pub(crate) nodes: Vec<usize>,
    #[command(flatten)]
    pub(crate) lasting: Lasting,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ForgeFaultCommand {
    /// Show what is in force
    List(Running),
    /// End one of them now, or all
    End {
        /// Its number, as `list` shows it; all without it
        fault: Option<u64>,
        #[command(flatten)]
        running: Running,
    },
    /// kill -9, and a start at the end
    Kill {
        node: usize,
        #[command(flatten)]
        lasting: Lasting,
    },
    /// SIGSTOP, and SIGCONT at the end
    Stop {
        node: usize,
        #[command(flatten)]
        lasting: Lasting,
    },
    /// Let nothing through between two groups
    Partition {
        /// From the first group to the second alone
        #[arg(long)]
        one_way: bool,
        #[command(flatten)]
        between: Between,
    },
    /// Make everything between two groups take longer, each way
    Latency {
        /// At most 10s
        #[arg(long, value_name = "TIME")]
        time: TimeSpan,
        #[command(flatten)]
        between: Between,
    },
    /// Lose messages of consensus between two groups
    Loss {
        /// From 0 to 1
        #[arg(long, value_name = "SHARE")]
        share: f64,
        #[command(flatten)]
        between: Between,
    },
    /// Make each write of a node's log take longer
    SlowDisk {
        node: usize,
        /// At most 10s
        #[arg(long, value_name = "TIME")]
        time: TimeSpan,
        #[command(flatten)]
        lasting: Lasting,
    },
    /// Fail to sync a node's log: it stops, and is started again at the end
    FailedSync {
        node: usize,
        #[command(flatten)]
        lasting: Lasting,
    },
    /// Keep a node's processors busy
    Cpu {
        node: usize,
        #[arg(long, value_name = "N", default_value_t = 2)]
        threads: u32,
        #[command(flatten)]
        lasting: Lasting,
    },
    /// Take memory away from a node
    Memory {
        node: usize,
        /// Such as 256MiB; at most 4GiB
        #[arg(long, value_name = "SIZE")]
        size: ByteSize,
        #[command(flatten)]
        lasting: Lasting,
    },
    /// Put a node's clock ahead, as others see it
    Clock {
        node: usize,
        /// By how much, at most 1h
        #[arg(long, value_name = "TIME")]
        apart: TimeSpan,
        /// Behind instead
        #[arg(long)]
        behind: bool,
        #[command(flatten)]
        lasting: Lasting,
    },
    /// Fail calls that have begun
    CallFailure(CallsArgs),
    /// Make calls take longer
    CallDelay {
        /// At most 10s
        #[arg(long, value_name = "TIME")]
        time: TimeSpan,
        #[command(flatten)]
        calls: CallsArgs,
    },
    /// Crash a slice at each call
    Crash(CallsArgs),
}

impl ForgeFaultCommand {
    fn running(&self) -> &Running {
        match self {
            Self::List(running) | Self::End { running, .. } => running,
            Self::Kill { lasting, .. }
            | Self::Stop { lasting, .. }
            | Self::Partition { between: Between { lasting, .. }, .. }
            | Self::Latency { between: Between { lasting, .. }, .. }
            | Self::Loss { between: Between { lasting, .. }, .. }
            | Self::SlowDisk { lasting, .. }
            | Self::FailedSync { lasting, .. }
            | Self::Cpu { lasting, .. }
            | Self::Memory { lasting, .. }
            | Self::Clock { lasting, .. }
            | Self::CallFailure(CallsArgs { lasting, .. })
            | Self::CallDelay { calls: CallsArgs { lasting, .. }, .. }
            | Self::Crash(CallsArgs { lasting, .. }) => &lasting.running,
        }
    }

    /// What is to go wrong; none where nothing is.
    pub(crate) fn order(self) -> Option<FaultOrder> {
        let calls = |args: CallsArgs| {
            let CallsArgs { slice, function, share, nodes, lasting } = args;
            (Calls { nodes, slice, function, share }, lasting)
        };
        let (trouble, lasting) = match self {
            Self::List(_) | Self::End { .. } => return None,
            Self::Kill { node, lasting } => (Trouble::Kill { node }, lasting),
            Self::Stop { node, lasting } => (Trouble::Stop { node }, lasting),
            Self::Partition { one_way, between: Between { from, to, lasting } } => {
                (Trouble::Partition { groups: [from, to], one_way }, lasting)
            }
            Self::Latency { time, between: Between { from, to, lasting } } => {
                (Trouble::Latency { from, to, time }, lasting)
            }
            Self::Loss { share, between: Between { from, to, lasting } } => {
                (Trouble::Loss { from, to, share }, lasting)
            }
            Self::SlowDisk { node, time, lasting } => (Trouble::SlowDisk { node, time }, lasting),
            Self::FailedSync { node, lasting } => (Trouble::FailedSync { node }, lasting),
            Self::Cpu { node, threads, lasting } => (Trouble::Cpu { node, threads }, lasting),
            Self::Memory { node, size, lasting } => (Trouble::Memory { node, size }, lasting),
            Self::Clock { node, apart, behind, lasting } => {
                (Trouble::Clock { node, apart, behind }, lasting)
            }
            Self::CallFailure(args) => {
                let (calls, lasting) = calls(args);
                (Trouble::CallFailure { calls }, lasting)
            }
            Self::CallDelay { time, calls: args } => {
                let (calls, lasting) = calls(args);
                (Trouble::CallDelay { calls, time }, lasting)
            }
            Self::Crash(args) => {
                let (calls, lasting) = calls(args);
                (Trouble::Crash { calls }, lasting)
            }
        };
        Some(FaultOrder { trouble, duration: lasting.duration })
    }
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
            Some(ForgeCommand::Check(check)) => check.output.json,
            Some(command) => command.running().is_some_and(|running| running.output.json),
            None => self.run.output.json,
        }
    }
}

impl ForgeCommand {
    /// None: it talks to no Forge.
    pub(crate) fn running(&self) -> Option<&Running> {
        Some(match self {
            Self::Check(_) => return None,
            Self::Status(running) | Self::End(running) => running,
            Self::Node(command) => command.running(),
            Self::Fault(command) => command.running(),
            Self::Load(command) => command.running(),
        })
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

#[cfg(test)]
mod tests {
    use super::ForgeFaultCommand;
    use aether_forge::model::FaultOrder;
    use clap::{Parser, Subcommand};

    #[derive(Parser)]
    struct Fault {
        #[command(subcommand)]
        command: ForgeFaultCommand,
    }

    #[test]
    fn faults_are_listed_in_the_words_of_their_commands() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../dashboard/tests/orders.json");
        let text = std::fs::read_to_string(file).unwrap();
        let orders: Vec<FaultOrder> = serde_json::from_str(&text).unwrap();
        let kinds = ForgeFaultCommand::augment_subcommands(clap::Command::new("fault"));
        // All but `list` and `end`.
        assert_eq!(orders.len() + 2, kinds.get_subcommands().count());
        for FaultOrder { trouble, duration } in orders {
            let words = format!("fault {trouble} --for {duration}");
            let understood = Fault::try_parse_from(words.split(' ')).ok();
            let order = understood.and_then(|fault| fault.command.order());
            assert_eq!(order, Some(FaultOrder { trouble, duration }), "{words}");
        }
    }
}
