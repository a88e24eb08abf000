//! Arguments of `aether slow`. Knows nothing of what it shows.

use super::Remote;
use aether_types::slow::SlowStrategy;
use aether_types::{AppName, FunctionName, Problems, read_toml};
use clap::Args;
use std::str::FromStr;

pub(crate) const AFTER_SLOW: &str = "\
What is slow, on all nodes from now on:
  aether slow --strategy adaptive
  aether slow --strategy 'adaptive = { at-least = \"5ms\" }'
  aether slow --strategy 'fixed = \"100ms\"'
  aether slow --strategy 'per-function = { functions = { \"shop:orders/place#place\" = \"50ms\" }, otherwise = \"1s\" }'";

#[derive(Debug, Args)]
pub(crate) struct SlowArgs {
    /// Calls of this application alone
    pub(crate) app: Option<AppName>,
    /// Calls of this slice alone: `group:artifact`, or with `:version`
    #[arg(long)]
    pub(crate) slice: Option<String>,
    /// Calls of this function alone: `group:package/interface#function`
    #[arg(long)]
    pub(crate) function: Option<FunctionName>,
    /// At most so many, the newest
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(crate) limit: u32,
    /// Say what is slow, instead of listing calls
    #[arg(long, conflicts_with_all = ["app", "slice", "function", "limit"])]
    pub(crate) strategy: Option<SlowArg>,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

/// A strategy as it stands after `--strategy`: `adaptive`, or TOML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SlowArg(pub(crate) SlowStrategy);

impl FromStr for SlowArg {
    type Err = Problems;

    fn from_str(text: &str) -> Result<Self, Problems> {
        #[derive(serde::Deserialize)]
        struct File {
            strategy: SlowStrategy,
        }
        if text == "adaptive" {
            return Ok(Self(SlowStrategy::default()));
        }
        let file = read_toml::<File>("--strategy", &format!("strategy.{text}"), &[])?;
        file.strategy.validate("--strategy")?;
        Ok(Self(file.strategy))
    }
}
