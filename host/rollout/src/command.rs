//! What an operator can do to a rollout, and when. Knows no instance and no metric.

use crate::event::{Event, Happened};
use crate::state::{Outcome, Phase, Push, Rollout, Time, Why};
use aether_types::rollout::Strategy;
use serde::{Deserialize, Serialize};
use std::fmt;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Command {
    /// Ends the present stage, whatever its gate says.
    Promote,
    /// Goes no further by itself.
    Pause,
    Resume,
    /// Everything back to the old version, now.
    Rollback,
    /// Everything to the new version, and the old one goes at once.
    Complete,
    /// Ends an A/B split for one of the two.
    Conclude(Winner),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Winner {
    Old,
    New,
}

/// Why a command cannot be followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    Ended,
    /// It is being undone already.
    RollingBack,
    AlreadyPaused,
    NotPaused,
    /// Only a stage that routers follow can be ended.
    NoStage,
    /// Only an A/B split can be concluded.
    NotASplit,
}

impl Rollout {
    /// Follows a command.
    ///
    /// # Errors
    /// Why it cannot, as things are; nothing has changed then.
    pub fn command(&mut self, now: Time, command: Command) -> Result<Vec<Event>, Refused> {
        if self.has_ended() {
            return Err(Refused::Ended);
        }
        let is_split = matches!(self.strategy, Strategy::AB(_));
        if matches!(command, Command::Conclude(_)) && !is_split {
            return Err(Refused::NotASplit);
        }
        let mut events = Vec::new();
        match command {
            Command::Pause if self.paused => return Err(Refused::AlreadyPaused),
            Command::Resume if !self.paused => return Err(Refused::NotPaused),
            Command::Pause | Command::Resume => {
                self.paused = command == Command::Pause;
            }
            _ if matches!(self.phase, Phase::RollingBack { .. }) => {
                return Err(Refused::RollingBack);
            }
            Command::Promote if !matches!(self.phase, Phase::Holding { .. }) => {
                return Err(Refused::NoStage);
            }
            Command::Promote if self.push == Push::None => self.push = Push::Stage,
            Command::Promote => {}
            Command::Complete | Command::Conclude(Winner::New) => self.push = Push::End,
            Command::Rollback | Command::Conclude(Winner::Old) => {}
        }
        events.push(self.note(now, Happened::Commanded(command)));
        match command {
            // What somebody wants is not held up by what somebody paused.
            Command::Promote | Command::Complete | Command::Conclude(_) => self.paused = false,
            _ => {}
        }
        let why = match command {
            Command::Rollback => Why::Wanted,
            Command::Conclude(Winner::Old) => Why::Concluded,
            _ => return Ok(events),
        };
        self.paused = false;
        self.since = now;
        events.push(self.note(now, Happened::RollingBack(why.clone())));
        // While it cools down, nothing of the new version is there.
        self.phase = match &self.phase {
            Phase::Cooling { .. } => Phase::Ended(Outcome::RolledBack(why)),
            _ => Phase::RollingBack { why, stage: self.reached() },
        };
        self.check();
        Ok(events)
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Promote => "promote",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Rollback => "rollback",
            Self::Complete => "complete",
            Self::Conclude(Winner::Old) => "conclude for the old version",
            Self::Conclude(Winner::New) => "conclude for the new version",
        })
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ended => "the rollout has ended",
            Self::RollingBack => "it is being rolled back",
            Self::AlreadyPaused => "it is paused",
            Self::NotPaused => "it is not paused",
            Self::NoStage => "no stage is under way: wait until routers follow it, or complete",
            Self::NotASplit => "only an A/B split is concluded; promote, complete or roll back",
        })
    }
}
