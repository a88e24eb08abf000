//! Rollouts as the management API shows and commands them. Knows no HTTP.

use super::{Stage, Watcher, put, stage, unchanged};
use crate::keys;
use crate::management::Office;
use crate::projector::Picture;
use crate::unix_ms;
use aether_api::{ApiError, Principal, RolloutCommand, RolloutEvent, RolloutPhase, RolloutStatus};
use aether_rollout::{Command, Event, Phase, Rollout, Time, Wait, Winner};
use aether_types::code::Code;
use aether_types::traffic::Weights;
use aether_types::versioned::encode;
use aether_types::{AppName, ErrorKind};
use std::time::Instant;

/// How often a command is tried again because the leader took a step at the same time.
const ATTEMPTS_MAX: u32 = 8;

impl Office {
    /// The newest rollout of each application, sorted by name.
    pub(crate) fn all_rollouts(&self) -> Vec<RolloutStatus> {
        let picture = self.picture();
        let apps = picture.world.blueprints.keys();
        apps.filter_map(|app| self.shown(&picture, app)).collect()
    }

    pub(crate) fn one_rollout(&self, app: &AppName) -> Result<RolloutStatus, ApiError> {
        let picture = self.picture();
        if !picture.world.blueprints.contains_key(app) {
            return Err(self.unknown(app));
        }
        self.shown(&picture, app).ok_or_else(|| unknown_rollout(app))
    }

    pub(crate) async fn command(
        &self,
        app: &AppName,
        command: RolloutCommand,
        by: &Principal,
    ) -> Result<RolloutStatus, ApiError> {
        let command = command_of(command);
        for attempt in 1.. {
            let picture = self.picture();
            let Stage::Going(at) = stage(&picture.world, app) else {
                let shown = self.one_rollout(app)?;
                let message = match shown.phase {
                    RolloutPhase::Wanted => "the rollout has not begun: try again",
                    _ => "the rollout has ended",
                };
                return Err(ApiError::conflict(Code::RolloutConflict, message)
                    .help("`aether rollout show` shows where it is"));
            };
            let mut rollout = at.value.clone();
            let commanded = rollout.command(Time(unix_ms()), command);
            commanded.map_err(|refused| {
                ApiError::conflict(Code::RolloutConflict, refused)
                    .help("`aether rollout show` shows where it is")
            })?;
            let conditions = vec![unchanged(keys::rollout(app), Some(at.revision))];
            let operations = vec![put(keys::rollout(app), encode(&rollout))];
            match self.write(conditions, operations).await {
                Ok(_) => {
                    tracing::info!(%app, by = by.name, %command, "rollout commanded");
                    return self.one_rollout(app);
                }
                // The leader took a step in between.
                Err(error) if error.kind == ErrorKind::Conflict && attempt < ATTEMPTS_MAX => {
                    self.control.fresh().await.map_err(|e| crate::management::control_error(&e))?;
                    let seen = picture.world.revision;
                    let mut pictures = self.pictures.clone();
                    // Whoever has written has changed it.
                    let _ = pictures.wait_for(|picture| picture.world.revision > seen).await;
                }
                Err(error) => return Err(error),
            }
        }
        unreachable!("the last attempt returns")
    }

    fn shown(&self, picture: &Picture, app: &AppName) -> Option<RolloutStatus> {
        let world = &picture.world;
        let Some(at) = world.rollout(app) else {
            let (change, to) = (world.changes.get(app)?, world.blueprints.get(app)?);
            let weights = Weights::all(change.value.from);
            return Some(RolloutStatus {
                app: app.clone(),
                strategy: change.value.strategy.word().to_owned(),
                old: change.value.from.0,
                new: to.revision.0,
                phase: RolloutPhase::Wanted,
                stage: None,
                stages: Vec::new(),
                weights: shares(&weights),
                switch: 0,
                attempt: 1,
                paused: false,
                since: aether_api::rfc3339(unix_ms()),
                waits_for: Some("a leader to begin it".to_owned()),
                needs_command: false,
                outcome: None,
                history: Vec::new(),
            });
        };
        let now = Instant::now();
        let (node, run, counting) = (self.identity.node, self.run, &self.counting);
        let watcher = Watcher { node, run, since: self.started, now, counting };
        let reach = self.reaches.borrow().clone();
        let look = watcher.look(picture, &reach, &at.value);
        Some(status(&at.value, at.value.waits_for(&look)))
    }
}

fn status(rollout: &Rollout, waits: Option<Wait>) -> RolloutStatus {
    let stage = match &rollout.phase {
        Phase::Starting { stage, .. } | Phase::Switching { stage } | Phase::Holding { stage } => {
            Some(*stage)
        }
        Phase::RollingBack { stage, .. } => *stage,
        _ => None,
    };
    RolloutStatus {
        app: rollout.app.clone(),
        strategy: rollout.strategy.word().to_owned(),
        old: rollout.old.revision.0,
        new: rollout.new.revision.0,
        phase: phase(&rollout.phase),
        stage: stage.map(|stage| stage + 1),
        stages: rollout.stages().iter().map(|stage| stage.weight.to_string()).collect(),
        weights: shares(&rollout.traffic.weights),
        switch: rollout.traffic.revision.0,
        attempt: rollout.attempt,
        paused: rollout.paused,
        since: aether_api::rfc3339(rollout.since.0),
        needs_command: matches!(waits, Some(Wait::Somebody | Wait::Resume)),
        waits_for: waits.filter(|wait| *wait != Wait::Nothing).map(|wait| match wait {
            Wait::Time(until) => aether_api::rfc3339(until.0),
            wait => wait.to_string(),
        }),
        outcome: match &rollout.phase {
            Phase::Ended(aether_rollout::Outcome::RolledBack(why)) => {
                Some(format!("rolled back: {why}"))
            }
            Phase::Ended(aether_rollout::Outcome::Completed) => Some("completed".to_owned()),
            _ => None,
        },
        history: rollout.history.iter().map(event).collect(),
    }
}

fn shares(weights: &Weights) -> std::collections::BTreeMap<String, String> {
    weights.iter().map(|(version, weight)| (version.to_string(), weight.to_string())).collect()
}

fn event(event: &Event) -> RolloutEvent {
    RolloutEvent { at: aether_api::rfc3339(event.at.0), event: event.happened.to_string() }
}

fn phase(phase: &Phase) -> RolloutPhase {
    match phase {
        Phase::Preparing => RolloutPhase::Preparing,
        Phase::Starting { .. } => RolloutPhase::Starting,
        Phase::Switching { .. } => RolloutPhase::Switching,
        Phase::Holding { .. } => RolloutPhase::Holding,
        Phase::Retiring => RolloutPhase::Retiring,
        Phase::RollingBack { .. } => RolloutPhase::RollingBack,
        Phase::Cooling { .. } => RolloutPhase::Cooling,
        Phase::Ended(_) => RolloutPhase::Ended,
    }
}

fn command_of(command: RolloutCommand) -> Command {
    match command {
        RolloutCommand::Promote => Command::Promote,
        RolloutCommand::Pause => Command::Pause,
        RolloutCommand::Resume => Command::Resume,
        RolloutCommand::Rollback => Command::Rollback,
        RolloutCommand::Complete => Command::Complete,
        RolloutCommand::ConcludeOld => Command::Conclude(Winner::Old),
        RolloutCommand::ConcludeNew => Command::Conclude(Winner::New),
    }
}

fn unknown_rollout(app: &AppName) -> ApiError {
    ApiError::not_found(Code::UnknownRollout, format!("{app} has no rollout"))
        .help("`aether deploy --strategy` begins one")
}
