//! The flags of the controller and of alerts. Knows nothing of the rest.

use super::Remote;
use aether_api::RuleBand;
use aether_types::TimeSpan;
use clap::{Args, Subcommand};
use std::str::FromStr;

#[derive(Debug, Subcommand)]
pub(crate) enum ControllerCommand {
    /// Show what it decided for each slice when it looked last, and why
    Status(Remote),
    /// Show its settings, or change those that are named
    Config(Box<ControllerConfigArgs>),
    /// Let it look and decide now
    Evaluate {
        /// Decide, and change nothing
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        remote: Remote,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ControllerConfigArgs {
    /// Whether it changes anything; what it has set so far stays
    #[arg(long, value_name = "BOOL")]
    pub(crate) enabled: Option<bool>,
    /// Calls per second of one instance: up from, down to
    #[arg(long, value_name = "UP:DOWN|off")]
    pub(crate) calls: Option<BandArg>,
    /// Share of max-concurrency that is busy or queued, such as 0.8:0.2
    #[arg(long, value_name = "UP:DOWN|off")]
    pub(crate) busy: Option<BandArg>,
    /// Share of the nodes' processors that is used, such as 0.8:0.2
    #[arg(long, value_name = "UP:DOWN|off")]
    pub(crate) cpu: Option<BandArg>,
    /// From a change of a slice to its next one upwards
    #[arg(long, value_name = "TIME")]
    pub(crate) up_cool_down: Option<TimeSpan>,
    /// From a change of a slice to its next one downwards
    #[arg(long, value_name = "TIME")]
    pub(crate) down_cool_down: Option<TimeSpan>,
    /// How long a slice must have had little to do before it loses an instance
    #[arg(long, value_name = "TIME")]
    pub(crate) down_after: Option<TimeSpan>,
    /// How long a new leader only watches
    #[arg(long, value_name = "TIME")]
    pub(crate) warm_up: Option<TimeSpan>,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

/// Where a rule acts; None: it is off.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct BandArg(pub(crate) Option<RuleBand>);

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct AlertsArgs {
    #[command(subcommand)]
    pub(crate) command: Option<AlertsCommand>,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AlertsCommand {
    /// List the active alerts
    List(Remote),
    /// Show what happened to alerts lately
    History(Remote),
    /// List the thresholds, and what can have one
    Thresholds(Remote),
    /// Set the threshold of a metric
    Set {
        /// As `alerts thresholds` shows it
        metric: String,
        #[arg(long, value_name = "VALUE", required_unless_present = "critical")]
        warning: Option<f64>,
        #[arg(long, value_name = "VALUE")]
        critical: Option<f64>,
        /// How long it must be reached before there is an alert; 10s if not said
        #[arg(long, value_name = "TIME")]
        raise_after: Option<TimeSpan>,
        /// How long it must not be reached before the alert is over; 30s if not said
        #[arg(long, value_name = "TIME")]
        resolve_after: Option<TimeSpan>,
        #[command(flatten)]
        remote: Remote,
    },
    /// Take the threshold of a metric away; its alerts are over
    Unset {
        metric: String,
        #[command(flatten)]
        remote: Remote,
    },
    /// Say that you look after an alert
    Ack {
        /// As `alerts` shows it
        id: u64,
        #[command(flatten)]
        remote: Remote,
    },
    /// Forget what happened to alerts; what is active stays
    Clear(Remote),
    /// Where alerts are told
    #[command(subcommand)]
    Webhook(WebhookCommand),
}

#[derive(Debug, Subcommand)]
pub(crate) enum WebhookCommand {
    /// Show it without its secrets, and how many events wait to be told
    Show(Remote),
    /// Tell alerts there from now on, one request each
    Set {
        /// Begins with http:// or https://
        url: String,
        #[command(flatten)]
        remote: Remote,
    },
    /// Tell alerts nowhere any more
    Unset(Remote),
}

impl FromStr for BandArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self(None));
        }
        let ends = text.split_once(':').and_then(|(up, down)| {
            Some(RuleBand { up: up.parse().ok()?, down: down.parse().ok()? })
        });
        ends.map(|band| Self(Some(band)))
            .ok_or_else(|| format!("{text:?} is not two numbers such as 0.8:0.2, nor `off`"))
    }
}

impl ControllerCommand {
    pub(crate) fn remote(&self) -> &Remote {
        match self {
            Self::Status(remote) | Self::Evaluate { remote, .. } => remote,
            Self::Config(args) => &args.remote,
        }
    }
}

impl AlertsArgs {
    pub(crate) fn remote(&self) -> &Remote {
        match &self.command {
            None => &self.remote,
            Some(
                AlertsCommand::List(remote)
                | AlertsCommand::History(remote)
                | AlertsCommand::Thresholds(remote)
                | AlertsCommand::Set { remote, .. }
                | AlertsCommand::Unset { remote, .. }
                | AlertsCommand::Ack { remote, .. }
                | AlertsCommand::Clear(remote)
                | AlertsCommand::Webhook(
                    WebhookCommand::Show(remote)
                    | WebhookCommand::Set { remote, .. }
                    | WebhookCommand::Unset(remote),
                ),
            ) => remote,
        }
    }
}
