//! The flags of rollouts: what to do with one, and how to begin one. Knows nothing of the rest.

use super::Remote;
use aether_types::rollout::Strategy;
use aether_types::{AppName, Problems, read_toml};
use clap::{Args, Subcommand, ValueEnum};
use std::str::FromStr;

#[derive(Debug, Subcommand)]
pub(crate) enum RolloutCommand {
    /// List the newest rollout of each application
    List(Remote),
    /// Show a rollout: its shares, what it waits for, what happened
    Show(RolloutArgs),
    /// End the present stage, whatever it waits for
    Promote(RolloutArgs),
    /// Go no further until it is resumed; what protects the traffic goes on
    Pause(RolloutArgs),
    /// Go on
    Resume(RolloutArgs),
    /// Give everything back to the old version, now
    Rollback(RolloutArgs),
    /// Give everything to the new version, and take the old one away
    Complete(RolloutArgs),
    /// End an A/B split for one of the two versions
    Conclude {
        #[command(flatten)]
        rollout: RolloutArgs,
        #[arg(long, value_enum)]
        winner: Winner,
    },
}

#[derive(Debug, Args)]
pub(crate) struct RolloutArgs {
    /// Name of the application
    pub(crate) app: AppName,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Winner {
    Old,
    New,
}

/// A strategy as it stands after `--strategy`: its name, or TOML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StrategyArg {
    pub(crate) strategy: Strategy,
    /// As it was written.
    pub(crate) text: String,
}

impl FromStr for StrategyArg {
    type Err = Problems;

    fn from_str(text: &str) -> Result<Self, Problems> {
        #[derive(serde::Deserialize)]
        struct File {
            strategy: Strategy,
        }
        let toml = match text {
            "immediate" => "strategy = \"immediate\"".to_owned(),
            word if !word.contains('=') => format!("strategy.{word} = {{}}"),
            setting => format!("strategy.{setting}"),
        };
        let file = read_toml::<File>("--strategy", &toml, &[])?;
        file.strategy.validate("--strategy")?;
        Ok(Self { strategy: file.strategy, text: text.to_owned() })
    }
}

impl RolloutCommand {
    pub(crate) fn remote(&self) -> &Remote {
        match self {
            Self::List(remote) => remote,
            Self::Show(args)
            | Self::Promote(args)
            | Self::Pause(args)
            | Self::Resume(args)
            | Self::Rollback(args)
            | Self::Complete(args)
            | Self::Conclude { rollout: args, .. } => &args.remote,
        }
    }
}
