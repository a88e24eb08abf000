//! Arguments of `aether aspect`. Knows nothing of what it switches.

use super::Remote;
use aether_types::aspect::Aspect;
use aether_types::{AppName, FunctionName, SliceName};
use clap::Subcommand;

pub(crate) const AFTER_ASPECT: &str = "\
Aspects are none, log (begin and end of each call are lines of the log), metrics (each call is timed,
not one of many) and log-metrics. They hold for all versions, on all nodes, within a second:
  aether aspect set shop shop:orders log
  aether aspect set shop shop:orders none --function shop:orders/place#place
  aether logs --app shop --follow";

#[derive(Debug, Subcommand)]
pub(crate) enum AspectCommand {
    /// List the functions that can be called, and what is done with their calls
    List {
        /// Functions of this application alone
        app: Option<AppName>,
        #[command(flatten)]
        remote: Remote,
    },
    /// Say what is done with calls of a slice
    Set {
        app: AppName,
        /// `group:artifact`
        slice: SliceName,
        /// none, log, metrics or log-metrics
        aspect: Aspect,
        /// With calls of this function alone: `namespace:package/interface#function`
        #[arg(long)]
        function: Option<FunctionName>,
        #[command(flatten)]
        remote: Remote,
    },
}

impl AspectCommand {
    pub(crate) fn remote(&self) -> &Remote {
        match self {
            Self::List { remote, .. } | Self::Set { remote, .. } => remote,
        }
    }
}
