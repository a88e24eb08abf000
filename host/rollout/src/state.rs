//! What is kept of a rollout: one value of the replicated map. Knows how nothing gets better.

use crate::event::{Event, Happened};
use crate::judge::Window;
use crate::stages::{Stage, stages};
use aether_types::checked::Checked;
use aether_types::rollout::Strategy;
use aether_types::traffic::{Traffic, TrafficRevision, Weight, Weights};
use aether_types::versioned::Versioned;
use aether_types::{AppName, Coordinates, Problems, Revision};
use serde::{Deserialize, Serialize};

/// Milliseconds since 1970, as the leader's clock shows them. The clock of the next leader may show
/// less: then what is waited for takes longer.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Time(pub u64);

/// One change of version under traffic, with everything that its next step depends on: whoever
/// leads reads it and goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollout {
    pub app: AppName,
    pub strategy: Strategy,
    pub old: Version,
    pub new: Version,
    pub phase: Phase,
    /// When the phase began.
    pub since: Time,
    /// How often the new version has been started, from 1 to [`ATTEMPTS_MAX`].
    pub attempt: u32,
    /// What routers follow. Written together with the rollout, in one transaction.
    pub traffic: Traffic,
    /// Since when all traffic goes to the other version, because one has a slice of which nothing
    /// is ready.
    pub covered: Option<Time>,
    /// Goes no further by itself. What protects the traffic is not paused.
    pub paused: bool,
    pub push: Push,
    /// What the old version did when it last had traffic to compare with.
    pub baseline: Window,
    /// The newest [`HISTORY_MAX`], the newest last.
    pub history: Vec<Event>,
}

/// One version of an application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// The blueprint's revision that its instances run with.
    pub revision: Revision,
    pub slices: Vec<Demand>,
}

/// One slice of a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Demand {
    pub slice: Coordinates,
    /// At least 1.
    pub instances: u32,
    /// At most `instances`.
    pub min_ready: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// Routers take up that everything goes to the old version. No new instance before that.
    Preparing,
    /// The instances that the stage needs are on their way. The new version has the share that it
    /// had before.
    Starting {
        stage: u32,
        share: Weight,
    },
    /// Routers take up the weights of the stage.
    Switching {
        stage: u32,
    },
    /// All have. The stage lasts until its gate opens.
    Holding {
        stage: u32,
    },
    /// Everything goes to the new version. The old one is still there.
    Retiring,
    /// Routers take up that everything goes to the old version. The instances of the stage that it
    /// had reached, if any, go after that.
    RollingBack {
        why: Why,
        stage: Option<u32>,
    },
    /// It failed in a way that may pass; it is tried again.
    Cooling {
        until: Time,
    },
    Ended(Outcome),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// Only the new version is there.
    Completed,
    /// Only the old version is there.
    RolledBack(Why),
}

/// Why it went back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Why {
    /// Every instance of this slice failed.
    Failed(Coordinates),
    /// This slice was not ready in time.
    NotReady(Coordinates),
    /// The new version is worse than the old one.
    Worse(crate::judge::Fault),
    /// Somebody wanted it.
    Wanted,
    /// The split was concluded for the old version.
    Concluded,
}

/// What an operator wants sooner than the strategy would do it.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Push {
    #[default]
    None,
    /// This stage is over.
    Stage,
    /// All stages are, and so is the grace.
    End,
}

/// Instances that are wanted of one version. Placement keeps its min-ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desired {
    pub version: Revision,
    pub slices: Vec<(Coordinates, u32)>,
}

/// A rollout that cannot be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StartError {
    /// Both are the same revision.
    SameVersion,
    Strategy(Problems),
}

/// How often a new version that does not come up is tried.
pub const ATTEMPTS_MAX: u32 = 3;
/// Events that are kept: a canary of ten stages without trouble has 43.
pub const HISTORY_MAX: usize = 64;

impl Versioned for Rollout {
    const FORMAT: u8 = 1;
}

/// What a rollout begins with.
#[derive(Debug, Clone)]
pub struct Start {
    pub app: AppName,
    pub strategy: Strategy,
    pub old: Version,
    pub new: Version,
    /// The newest switch of the application's traffic so far; 0 if there was none.
    pub after: TrafficRevision,
    /// The application's slices call each other in their own version only.
    pub together: bool,
    pub now: Time,
}

impl Version {
    pub fn of(revision: Revision, checked: &Checked) -> Self {
        let demand = |slice: &aether_types::checked::CheckedSlice| Demand {
            slice: slice.coordinates.clone(),
            instances: slice.instances,
            min_ready: slice.min_ready,
        };
        Self { revision, slices: checked.slices.iter().map(demand).collect() }
    }
}

impl Rollout {
    /// # Errors
    /// When old and new are the same, or the strategy makes no sense.
    pub fn start(start: Start) -> Result<Self, StartError> {
        let Start { app, strategy, old, new, after, together, now } = start;
        if old.revision == new.revision {
            return Err(StartError::SameVersion);
        }
        strategy.validate("rollout").map_err(StartError::Strategy)?;
        let sticky = match &strategy {
            Strategy::AB(ab) => Some(ab.sticky.clone()),
            _ => None,
        };
        let weights = Weights::all(old.revision);
        let revision = TrafficRevision(after.0 + 1);
        let mut rollout = Self {
            app,
            strategy,
            phase: Phase::Preparing,
            since: now,
            attempt: 1,
            traffic: Traffic { revision, weights, sticky, together },
            old,
            new,
            covered: None,
            paused: false,
            push: Push::None,
            baseline: Window::default(),
            history: Vec::new(),
        };
        rollout.note(now, Happened::Started);
        rollout.check();
        Ok(rollout)
    }

    /// Which instances there are to be now. Once the rollout has ended, only one version's.
    pub fn desired(&self) -> Vec<Desired> {
        let old = || Desired {
            version: self.old.revision,
            slices: self.old.slices.iter().map(|d| (d.slice.clone(), d.instances)).collect(),
        };
        let new = |stage: &Stage| Desired {
            version: self.new.revision,
            slices: self.new.slices.iter().map(|d| (d.slice.clone(), stage.instances(d))).collect(),
        };
        match (self.reached(), &self.phase) {
            (Some(stage), Phase::Ended(_)) => vec![new(&self.stage(stage))],
            (Some(stage), _) => vec![old(), new(&self.stage(stage))],
            (None, _) => vec![old()],
        }
    }

    /// From when on requests count for the verdict of the present stage; None while nothing is
    /// compared. Before the first stage, those of the old version do.
    pub fn measuring_since(&self) -> Option<Time> {
        match self.phase {
            Phase::Starting { share: Weight::NONE, .. } | Phase::Holding { .. } => Some(self.since),
            _ => None,
        }
    }

    pub fn has_ended(&self) -> bool {
        matches!(self.phase, Phase::Ended(_))
    }

    /// Stages of the strategy; the last one gives everything to the new version.
    pub fn stages(&self) -> Vec<Stage> {
        stages(&self.strategy)
    }

    pub(crate) fn stage(&self, stage: u32) -> Stage {
        self.stages().swap_remove(stage as usize)
    }

    /// The stage whose instances of the new version are there.
    pub(crate) fn reached(&self) -> Option<u32> {
        match self.phase {
            Phase::Starting { stage, .. }
            | Phase::Switching { stage }
            | Phase::Holding { stage } => Some(stage),
            Phase::RollingBack { stage, .. } => stage,
            Phase::Retiring | Phase::Ended(Outcome::Completed) => Some(self.last()),
            Phase::Preparing | Phase::Cooling { .. } | Phase::Ended(_) => None,
        }
    }

    /// The number of the last stage.
    pub(crate) fn last(&self) -> u32 {
        u32::try_from(self.stages().len() - 1).expect("stages are bounded")
    }

    pub(crate) fn note(&mut self, at: Time, happened: Happened) -> Event {
        let event = Event { at, happened };
        if self.history.len() >= HISTORY_MAX {
            self.history.remove(0);
        }
        self.history.push(event.clone());
        event
    }

    /// Asserts what always holds.
    pub fn check(&self) {
        let both = [self.old.revision, self.new.revision];
        assert!(both[0] != both[1], "two versions");
        assert!(self.traffic.weights.iter().all(|(v, _)| both.contains(&v)), "nobody else's");
        assert!((1..=ATTEMPTS_MAX).contains(&self.attempt), "attempts are bounded");
        assert!(self.history.len() <= HISTORY_MAX, "the history is bounded");
        let everything = |version| self.traffic.weights == Weights::all(version);
        match &self.phase {
            Phase::Starting { stage, .. }
            | Phase::Switching { stage }
            | Phase::Holding { stage }
            | Phase::RollingBack { stage: Some(stage), .. } => {
                assert!((*stage as usize) < self.stages().len(), "a stage of the strategy");
            }
            Phase::Cooling { .. } | Phase::Ended(Outcome::RolledBack(_)) => {
                assert!(everything(self.old.revision), "the new version has nothing");
            }
            Phase::Ended(Outcome::Completed) => {
                assert!(everything(self.new.revision), "the old version has nothing");
            }
            Phase::Preparing | Phase::Retiring | Phase::RollingBack { .. } => {}
        }
    }
}
