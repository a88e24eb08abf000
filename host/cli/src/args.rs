//! The command line: nouns, verbs, flags and their help. Knows nothing of what they do.

mod aspect;
mod control;
mod forge;
mod keys;
mod kv;
mod metrics;
mod rollout;
mod slow;

pub(crate) use aspect::{AFTER_ASPECT, AspectCommand};
pub(crate) use control::{
    AlertsArgs, AlertsCommand, ControllerCommand, ControllerConfigArgs, WebhookCommand,
};
pub(crate) use forge::{
    CheckArgs, ForgeArgs, ForgeCommand, ForgeFaultCommand, ForgeLoadCommand, ForgeNodeCommand,
    ForgeRunArgs, Running, ScenarioArgs,
};
pub(crate) use keys::KeysCommand;
pub(crate) use kv::KvCommand;
pub(crate) use metrics::{AFTER_GRAPH, AFTER_METRICS, GraphArgs, MetricsArgs};
pub(crate) use rollout::{RolloutArgs, RolloutCommand, StrategyArg, Winner};

pub(crate) use slow::{AFTER_SLOW, SlowArgs};

use crate::node_name::NodeName;
use aether_api::LogLevel;
use aether_types::{AppName, SliceName, TimeSpan};
use clap::{Args, Parser, Subcommand};
use std::net::SocketAddr;
use std::path::PathBuf;

/// Runs applications made of WebAssembly slices.
#[derive(Debug, Parser)]
#[command(
    name = "aether",
    version,
    max_term_width = 100,
    disable_help_subcommand = true,
    after_help = EXIT_CODES
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Where a node of this machine answers if nobody says otherwise.
pub(crate) const SERVER: &str = "http://127.0.0.1:8080";

/// Flags of the commands that talk to a cluster.
#[derive(Debug, Args)]
pub(crate) struct Remote {
    /// Management API of any node of the cluster
    #[arg(
        long,
        env = "AETHER_SERVER",
        hide_env_values = true,
        value_name = "URL",
        default_value = SERVER,
        help_heading = "Cluster"
    )]
    pub(crate) server: String,
    /// Key for it; a node that began its cluster on this machine needs none
    #[arg(
        long,
        env = "AETHER_KEY",
        hide_env_values = true,
        value_name = "KEY",
        help_heading = "Cluster"
    )]
    pub(crate) key: Option<String>,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// Flags of the commands that print data.
#[derive(Debug, Args)]
pub(crate) struct Output {
    /// Print data as JSON, and errors as JSON to stderr
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a node of a cluster until it is told to stop, or look after the nodes
    Node(NodeArgs),
    /// Say what deploying a blueprint would change, and how to apply exactly that; change nothing
    #[command(after_help = AFTER_PLAN)]
    Plan(PlanArgs),
    /// Make an application what its blueprint says, and wait until it is active
    #[command(after_help = AFTER_DEPLOY)]
    Deploy(DeployArgs),
    /// Look at changes of version under traffic, and command them
    #[command(subcommand)]
    Rollout(RolloutCommand),
    /// Look at what decides how many instances there are, and set it
    #[command(subcommand)]
    Controller(ControllerCommand),
    /// List what is out of its bounds, and set the bounds
    Alerts(AlertsArgs),
    /// Take an application away
    Undeploy(UndeployArgs),
    /// Show the cluster and its applications, or one of them, and why it is not as it should be
    Status(AppArgs),
    /// List the slices and their instances
    Slices(Remote),
    /// List the routes of the front door
    Routes(Remote),
    /// Show the log
    Logs(LogsArgs),
    /// Call a function of an application
    #[command(after_help = AFTER_CALL)]
    Call(CallArgs),
    /// Say where a request or call would go, and why
    #[command(after_help = AFTER_EXPLAIN)]
    Explain(ExplainArgs),
    /// Show who calls which function, how often and how long it takes
    #[command(after_help = AFTER_GRAPH)]
    Graph(GraphArgs),
    /// Show how busy nodes and functions are, and were in the last two hours
    #[command(after_help = AFTER_METRICS)]
    Metrics(MetricsArgs),
    /// Show calls that took too long, or say what that is
    #[command(after_help = AFTER_SLOW)]
    Slow(SlowArgs),
    /// Say what is done with calls beside making them: log lines, times
    #[command(subcommand, after_help = AFTER_ASPECT)]
    Aspect(AspectCommand),
    /// Print the OpenAPI document of an application, or of the management API
    Openapi(AppArgs),
    /// Write, build and look into slices
    #[command(subcommand)]
    Slice(SliceCommand),
    /// Look into blueprints
    #[command(subcommand)]
    Blueprint(BlueprintCommand),
    /// Keep small things in the cluster: a store for operators and tools
    #[command(subcommand, after_help = AFTER_KV)]
    Kv(KvCommand),
    /// Run a whole cluster on this machine, with load, and break it
    #[command(after_help = AFTER_FORGE)]
    Forge(ForgeArgs),
    /// Manage the keys of the management API
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Print the completions of a shell
    Completions { shell: clap_complete::Shell },
}

const AFTER_PLAN: &str = "\
Exit codes of `plan`: 0 nothing would change, 1 something would, 2 it cannot be said or applied.";
const AFTER_DEPLOY: &str = "\
A strategy, here or in the blueprint's `[rollout]`, keeps the old version beside the new one until
it is over. `deploy` waits for that, or until somebody has to decide; `aether rollout` shows it:
  aether deploy --strategy immediate
  aether deploy --strategy 'rolling = { steps = [\"10%\", \"100%\"], pause = \"1m\" }'
  aether deploy --strategy 'blue-green = { switch = \"manual\" }'
  aether deploy --strategy 'a-b = { weight = \"50%\", sticky = { cookie = \"session\" } }'";
const AFTER_CALL: &str = "\
Each argument is one parameter, in JSON. A word that is no JSON is a string:
  aether call shop shop:orders/place#place book 2";
const AFTER_FORGE: &str = "\
Its commands find the one that runs:
  aether forge --nodes 3 --blueprint shop/ --load load.toml
  aether forge --script leader-loss.forge --junit report.xml
  aether forge status
  aether forge node kill 2";
const AFTER_KV: &str = "\
What is written is on the disks of a majority. To change what was read and nothing else:
  aether kv get tools/lock --json
  aether kv put tools/lock mine --if-revision 17";
const AFTER_EXPLAIN: &str = "\
A target is a route, a function, a slice, or a slice and a function that it calls:
  aether explain GET /api/orders/7
  aether explain shop:orders/place#place
  aether explain shop:place-order
  aether explain shop:place-order shop:stock/check#check";

#[derive(Debug, Args)]
pub(crate) struct AppArgs {
    /// Name of an application
    pub(crate) app: Option<AppName>,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

#[derive(Debug, Args)]
pub(crate) struct UndeployArgs {
    /// Name of the application
    pub(crate) app: AppName,
    /// Take only this slice out of it, group:artifact; refused where others need it
    #[arg(long, value_name = "NAME")]
    pub(crate) slice: Option<SliceName>,
    /// With the slice, also take those that need it, callers first
    #[arg(long, requires = "slice")]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    #[arg(required = true, num_args = 1..)]
    pub(crate) target: Vec<String>,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct NodeArgs {
    #[command(subcommand)]
    pub(crate) command: Option<NodeCommand>,
    #[command(flatten)]
    pub(crate) run: RunArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum NodeCommand {
    /// List the nodes
    List(Remote),
    /// Print a token with which nodes can join
    Token {
        /// How long they can
        #[arg(long, value_name = "TIME", default_value = "1h")]
        ttl: TimeSpan,
        #[command(flatten)]
        remote: Remote,
    },
    /// Give a node's instances and its vote to others
    Drain {
        /// Its id, or as many digits of it as name no other node
        node: NodeName,
        #[command(flatten)]
        remote: Remote,
    },
    /// Let a drained node take part again
    Activate {
        /// Its id, or as many digits of it as name no other node
        node: NodeName,
        #[command(flatten)]
        remote: Remote,
    },
    /// Take a drained or dead node out of the cluster, for ever
    Remove {
        /// Its id, or as many digits of it as name no other node
        node: NodeName,
        #[command(flatten)]
        remote: Remote,
    },
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// Folder of the node's identity, log and artifacts; created where it does not exist
    #[arg(long, env = "AETHER_DATA", hide_env_values = true, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Address of the front door, where applications answer
    #[arg(long, value_name = "ADDR")]
    pub(crate) http: Option<SocketAddr>,
    /// Address of the management API
    #[arg(long, value_name = "ADDR")]
    pub(crate) api: Option<SocketAddr>,
    /// Address for other nodes
    #[arg(long, value_name = "ADDR")]
    pub(crate) cluster: Option<SocketAddr>,
    /// Where other nodes reach this one, if not at that address
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) advertise: Option<String>,
    /// Cluster address of any member: joins its cluster, unless the node belongs to it already
    #[arg(long, value_name = "HOST:PORT", requires = "token")]
    pub(crate) join: Option<String>,
    /// What `aether node token` printed
    #[arg(long, env = "AETHER_JOIN_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    pub(crate) token: Option<String>,
    /// Failure domain: a rack, a room, a data centre
    #[arg(long, value_name = "NAME")]
    pub(crate) zone: Option<String>,
    /// How many nodes of a new cluster vote: 1, 3, 5 or 7
    #[arg(long, value_name = "N")]
    pub(crate) voters: Option<u8>,
    /// What is logged: a level, or `info,aether_engine=debug`
    #[arg(long, value_name = "FILTER")]
    pub(crate) log: Option<String>,
    /// Let administrators put faults into the node
    #[arg(long, hide = true)]
    pub(crate) sandbox: bool,
    /// Settings; the flags win over it
    #[arg(long, value_name = "node.toml")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct DeployArgs {
    /// blueprint.toml, or its folder
    #[arg(default_value = ".")]
    pub(crate) path: PathBuf,
    /// Return when the blueprint is stored, before the application is active
    #[arg(long)]
    pub(crate) no_wait: bool,
    /// How long to wait until it is active [default: 2m; a rollout: until it ends]
    #[arg(long, value_name = "TIME", conflicts_with = "no_wait")]
    pub(crate) timeout: Option<TimeSpan>,
    /// Only if this is still the application's revision; 0: only if it is new
    #[arg(long, value_name = "N")]
    pub(crate) revision: Option<u64>,
    /// Roll it out under traffic, whatever `[rollout]` says: rolling, or one with settings
    #[arg(long, value_name = "STRATEGY")]
    pub(crate) strategy: Option<StrategyArg>,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    /// blueprint.toml, or its folder
    #[arg(default_value = ".")]
    pub(crate) path: PathBuf,
    /// As if it were deployed with this strategy
    #[arg(long, value_name = "STRATEGY")]
    pub(crate) strategy: Option<StrategyArg>,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

#[derive(Debug, Args)]
pub(crate) struct LogsArgs {
    /// Lines of this application alone
    pub(crate) app: Option<AppName>,
    /// Go on with what comes next, until Ctrl-C
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Lines of this slice alone: group:artifact, or with :version
    #[arg(long, value_name = "NAME")]
    pub(crate) slice: Option<String>,
    /// Lines of this request alone
    #[arg(long, value_name = "ID")]
    pub(crate) request_id: Option<String>,
    /// Lines of this node alone
    #[arg(long, value_name = "ID")]
    pub(crate) node: Option<NodeName>,
    /// This level and above: trace, debug, info, warn, error
    #[arg(long, default_value = "info")]
    pub(crate) level: LogLevel,
    /// Begin with so many lines, 1 to 1000
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) limit: u32,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

#[derive(Debug, Args)]
pub(crate) struct CallArgs {
    pub(crate) app: AppName,
    /// namespace:package/interface#function; the version may be left out
    pub(crate) function: String,
    /// The parameters, in their order
    #[arg(allow_negative_numbers = true)]
    pub(crate) arguments: Vec<String>,
    /// The parameters by their names, as one JSON object
    #[arg(long, value_name = "JSON", conflicts_with = "arguments")]
    pub(crate) params: Option<String>,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SliceCommand {
    /// Write the sources of a new slice
    New {
        /// Its name, in kebab-case; also the folder
        name: String,
        #[command(flatten)]
        output: Output,
    },
    /// Build a slice into one component file
    Build {
        /// Folder of its Cargo.toml
        #[arg(default_value = ".")]
        path: PathBuf,
        #[command(flatten)]
        output: Output,
    },
    /// Show what a component exports, needs and answers
    Inspect {
        /// The component
        file: PathBuf,
        #[command(flatten)]
        output: Output,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum BlueprintCommand {
    /// Read a blueprint and its components strictly, without a cluster
    Check {
        /// blueprint.toml, or its folder
        #[arg(default_value = ".")]
        path: PathBuf,
        #[command(flatten)]
        output: Output,
    },
}

impl Command {
    /// Whether data is wanted as JSON.
    pub(crate) fn json(&self) -> bool {
        match self {
            Self::Node(NodeArgs { command, .. }) => {
                command.as_ref().is_some_and(|command| command.remote().output.json)
            }
            Self::Forge(args) => args.json(),
            Self::Completions { .. } => false,
            Self::Deploy(args) => args.remote.output.json,
            Self::Plan(args) => args.remote.output.json,
            Self::Undeploy(args) => args.remote.output.json,
            Self::Status(args) | Self::Openapi(args) => args.remote.output.json,
            Self::Slices(remote) | Self::Routes(remote) => remote.output.json,
            Self::Logs(args) => args.remote.output.json,
            Self::Call(args) => args.remote.output.json,
            Self::Explain(args) => args.remote.output.json,
            Self::Graph(args) => args.remote.output.json,
            Self::Metrics(args) => args.remote.output.json,
            Self::Slow(args) => args.remote.output.json,
            Self::Aspect(command) => command.remote().output.json,
            Self::Slice(
                SliceCommand::New { output, .. }
                | SliceCommand::Build { output, .. }
                | SliceCommand::Inspect { output, .. },
            ) => output.json,
            Self::Blueprint(BlueprintCommand::Check { output, .. }) => output.json,
            Self::Kv(command) => command.remote().output.json,
            Self::Keys(command) => command.remote().output.json,
            Self::Rollout(command) => command.remote().output.json,
            Self::Controller(command) => command.remote().output.json,
            Self::Alerts(args) => args.remote().output.json,
        }
    }
}

impl NodeCommand {
    pub(crate) fn remote(&self) -> &Remote {
        match self {
            Self::List(remote)
            | Self::Token { remote, .. }
            | Self::Drain { remote, .. }
            | Self::Activate { remote, .. }
            | Self::Remove { remote, .. } => remote,
        }
    }
}

/// The table of [`crate::exit::Exit`], for people.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0  done                       5  denied: another key, or a grant
  1  it was tried and failed    6  not possible now: no node, no leader, no instance
  2  not valid: fix the input   7  the time was over
  3  it does not exist         70  a defect of Aether: report it
  4  changed by somebody else";
