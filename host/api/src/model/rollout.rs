//! Rollouts on the wire. Knows no step of one.

use aether_types::AppName;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use utoipa::ToSchema;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Rollouts {
    pub rollouts: Vec<RolloutStatus>,
}

/// The newest rollout of an application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct RolloutStatus {
    #[schema(value_type = String)]
    pub app: AppName,
    /// immediate, rolling, canary, blue-green or a-b.
    pub strategy: String,
    /// Revision that it leads from.
    pub old: u64,
    /// Revision that it leads to.
    pub new: u64,
    pub phase: RolloutPhase,
    /// Number of the stage, from 1; absent before the first and after the last one.
    #[serde(default)]
    pub stage: Option<u32>,
    /// The share of the new version in each stage.
    pub stages: Vec<String>,
    /// Shares of the traffic now, by revision.
    pub weights: BTreeMap<String, String>,
    /// Counts the changes of the shares; every router acknowledges it.
    pub switch: u64,
    /// How often the new version was started.
    pub attempt: u32,
    pub paused: bool,
    /// Since when the phase lasts.
    pub since: String,
    /// What has to happen before it goes on; a time: until then.
    #[serde(default)]
    pub waits_for: Option<String>,
    /// It goes no further by itself: somebody has to promote, resume, complete, conclude or roll
    /// it back.
    #[serde(default)]
    pub needs_command: bool,
    /// How it ended; absent while it is under way. Times of a verdict are those that instances
    /// worked for requests from outside, with the calls below them on whatever nodes, without the
    /// way between nodes.
    #[serde(default)]
    pub outcome: Option<String>,
    /// The oldest first.
    pub history: Vec<RolloutEvent>,
}

/// What happened in a rollout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct RolloutEvent {
    pub at: String,
    pub event: String,
}

/// Where a rollout is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RolloutPhase {
    /// It is stored, and no leader has begun it yet.
    Wanted,
    /// Routers take up that everything goes to the old version.
    Preparing,
    /// Instances for the next stage are on their way.
    Starting,
    /// Routers take up the shares of the stage.
    Switching,
    /// All have; the stage lasts.
    Holding,
    /// Everything goes to the new version; the old one is still there.
    Retiring,
    /// Routers take up that everything goes back to the old version.
    RollingBack,
    /// It failed, and is tried again.
    Cooling,
    Ended,
}

/// What an operator can do to a rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RolloutCommand {
    Promote,
    Pause,
    Resume,
    Rollback,
    Complete,
    ConcludeOld,
    ConcludeNew,
}

/// A word that is no command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not promote, pause, resume, rollback, complete, conclude-old or conclude-new")]
pub struct UnknownCommand(String);

impl RolloutCommand {
    pub const ALL: &[Self] = &[
        Self::Promote,
        Self::Pause,
        Self::Resume,
        Self::Rollback,
        Self::Complete,
        Self::ConcludeOld,
        Self::ConcludeNew,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Promote => "promote",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Rollback => "rollback",
            Self::Complete => "complete",
            Self::ConcludeOld => "conclude-old",
            Self::ConcludeNew => "conclude-new",
        }
    }
}

impl FromStr for RolloutCommand {
    type Err = UnknownCommand;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.iter().find(|command| command.as_str() == text);
        found.copied().ok_or_else(|| UnknownCommand(text.to_owned()))
    }
}

impl RolloutPhase {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Wanted => "WANTED",
            Self::Preparing => "PREPARING",
            Self::Starting => "STARTING",
            Self::Switching => "SWITCHING",
            Self::Holding => "HOLDING",
            Self::Retiring => "RETIRING",
            Self::RollingBack => "ROLLING_BACK",
            Self::Cooling => "COOLING",
            Self::Ended => "ENDED",
        }
    }
}

impl fmt::Display for RolloutPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
