//! Arguments of `aether graph` and `aether metrics`. Knows nothing of what they show.

use super::Remote;
use aether_types::{AppName, FunctionName, NodeId};
use clap::Args;

pub(crate) const AFTER_GRAPH: &str = "\
Rates are means of the last seconds over all nodes. As a picture, with Graphviz:
  aether graph --dot | dot -Tsvg > graph.svg";
pub(crate) const AFTER_METRICS: &str = "\
CPU is in processors that the node keeps busy. What was, and what functions do:
  aether metrics --history 15
  aether metrics --calls --app shop";

#[derive(Debug, Args)]
pub(crate) struct MetricsArgs {
    /// Show what was in the last so many minutes, at most 120, slot by slot
    #[arg(long, value_name = "MINUTES", conflicts_with = "calls")]
    pub(crate) history: Option<u32>,
    /// Of this node alone; it may be gone
    #[arg(long, requires = "history")]
    pub(crate) node: Option<NodeId>,
    /// Show functions: how often they were called, how that ended, how long it took
    #[arg(long)]
    pub(crate) calls: bool,
    /// Functions of this application alone
    #[arg(long, requires = "calls")]
    pub(crate) app: Option<AppName>,
    /// Functions of this slice alone: `group:artifact`, or with `:version`
    #[arg(long, requires = "calls")]
    pub(crate) slice: Option<String>,
    /// This function alone: `group:package/interface#function`
    #[arg(long, requires = "calls")]
    pub(crate) function: Option<FunctionName>,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

#[derive(Debug, Args)]
pub(crate) struct GraphArgs {
    /// Edges of this application alone
    pub(crate) app: Option<AppName>,
    /// Print it for Graphviz
    #[arg(long, conflicts_with = "json")]
    pub(crate) dot: bool,
    #[command(flatten)]
    pub(crate) remote: Remote,
}
