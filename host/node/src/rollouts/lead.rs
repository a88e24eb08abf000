//! The leader's part of rollouts: begins them, and takes each step that `rollout` says. Keeps
//! nothing that the next leader would need.

use super::{Stage, Watcher, put, stage, unchanged};
use crate::control::{Control, ControlError};
use crate::counts::Counting;
use crate::projector::{Picture, Pictures};
use crate::reach::{Reach, Reaches};
use crate::scaling;
use crate::tasks::Runs;
use crate::{keys, unix_ms};
use aether_consensus::Term;
use aether_kv::{Operation, Transaction};
use aether_rollout::{Event, Outcome, Phase, Rollout, Start, Time, Version};
use aether_types::traffic::TrafficRevision;
use aether_types::versioned::encode;
use aether_types::{AppName, ErrorKind, NodeId};
use std::convert::Infallible;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How often rollouts are looked at although nothing was heard: that a silent node is lost, and
/// that a time is over, makes no noise.
const LOOK: Duration = Duration::from_millis(500);

pub(crate) struct Lead {
    pub(crate) node: NodeId,
    pub(crate) run: u64,
    pub(crate) control: Control,
    pub(crate) pictures: Pictures,
    pub(crate) reaches: Reaches,
    pub(crate) counting: Counting,
    pub(crate) leading: watch::Receiver<Option<Term>>,
}

/// A step: the rollout as it is now, what stood there before, and what happened.
struct Step {
    before: Option<Rollout>,
    rollout: Rollout,
    events: Vec<Event>,
}

impl Lead {
    /// Takes steps while this node leads.
    pub(crate) async fn run(
        mut self,
        runs: Runs,
        shutdown: CancellationToken,
    ) -> Result<(), Infallible> {
        let mut led_since = None;
        loop {
            let term = *self.leading.borrow_and_update();
            let picture = self.pictures.borrow_and_update().clone();
            let reach = self.reaches.borrow_and_update().clone();
            let now = Instant::now();
            let is_going = |app: &&AppName| !matches!(stage(&picture.world, app), Stage::Ended);
            let going: Vec<&AppName> = picture.world.changes.keys().filter(is_going).collect();
            if let Some(term) = term {
                let since = *led_since.get_or_insert(now);
                let (node, run, counting) = (self.node, self.run, &self.counting);
                let watcher = Watcher { node, run, since, now, counting };
                let mut error = None;
                for app in &going {
                    let Some(step) = step(watcher, &picture, &reach, app) else { continue };
                    error = self.write(&picture, step, term).await.err().or(error);
                }
                runs.note("rollouts", now, error.map(|e| e.to_string()));
            } else {
                led_since = None;
            }
            let is_idle = going.is_empty() || term.is_none();
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                Ok(()) = self.leading.changed() => {}
                Ok(()) = self.pictures.changed() => {}
                Ok(()) = self.reaches.changed() => {}
                () = tokio::time::sleep(LOOK), if !is_idle => {}
            }
        }
    }

    /// The rollout and the traffic that follows from it, together, if nobody else has written.
    async fn write(&self, picture: &Picture, step: Step, term: Term) -> Result<(), ControlError> {
        let Step { before, rollout, events } = step;
        let (world, app) = (&picture.world, &rollout.app);
        let conditions = vec![
            unchanged(keys::blueprint(app), world.blueprints.get(app).map(|at| at.revision)),
            unchanged(keys::change(app), world.changes.get(app).map(|at| at.revision)),
            unchanged(keys::rollout(app), world.rollouts.get(app).map(|at| at.revision)),
        ];
        let mut operations = vec![put(keys::rollout(app), encode(&rollout))];
        if before.is_none_or(|before| before.traffic != rollout.traffic) {
            operations.push(put(keys::traffic(app), encode(&rollout.traffic)));
        }
        if rollout.phase == Phase::Ended(Outcome::Completed) {
            // Nobody goes back from there.
            operations.push(Operation::Delete { key: keys::change(app) });
        }
        let transaction = Transaction { conditions, operations };
        match self.control.transact_as_leader(transaction, term).await {
            Ok(_) => {
                for Event { happened, .. } in events {
                    let (old, new) = (rollout.old.revision.0, rollout.new.revision.0);
                    tracing::info!(%app, old, new, event = %happened, "rollout");
                }
                Ok(())
            }
            // Somebody was faster, or leads now: their change wakes whoever takes the next step.
            Err(error) if error.kind() == ErrorKind::Conflict => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// What is to be written of an application's rollout, if anything.
fn step(watcher: Watcher<'_>, picture: &Picture, reach: &Reach, app: &AppName) -> Option<Step> {
    let before = match stage(&picture.world, app) {
        Stage::Going(at) => Some(at.value.clone()),
        Stage::Wanted | Stage::Ended => None,
    };
    let (mut rollout, mut events) = match &before {
        Some(rollout) => (rollout.clone(), Vec::new()),
        None => {
            let started = start(picture, app)?;
            let events = started.history.clone();
            (started, events)
        }
    };
    let look = watcher.look(picture, reach, &rollout);
    events.extend(rollout.tick(&look));
    (before.as_ref() != Some(&rollout)).then_some(Step { before, rollout, events })
}

/// None where a version does not check, which has been said.
fn start(picture: &Picture, app: &AppName) -> Option<Rollout> {
    let world = &picture.world;
    let (change, stored) = (&world.changes.get(app)?.value, world.blueprints.get(app)?);
    let to = stored.revision;
    let version = |revision| {
        let checked = picture.applications.get(app, revision)?;
        // Each version takes over what the one before it had to do.
        Some(Version::of(revision, &scaling::scaled(world, checked)))
    };
    // A switch's number is never used again, also when the application was gone in between: the
    // revision of the state grows at least as fast.
    let newest = world.traffics.get(app).map_or(0, |traffic| traffic.revision.0);
    let started = Rollout::start(Start {
        app: app.clone(),
        strategy: change.strategy.clone(),
        old: version(change.from)?,
        new: version(to)?,
        after: TrafficRevision(newest.max(to.0)),
        together: stored.value.blueprint.rollout.together,
        now: Time(unix_ms()),
    });
    match started {
        Ok(rollout) => Some(rollout),
        Err(error) => {
            tracing::error!(%app, ?error, "an accepted rollout cannot start");
            None
        }
    }
}
