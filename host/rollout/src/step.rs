//! The next step of a rollout, or what it waits for. Pure: looks at the whole each time, so it does
//! not matter who looked before.

use crate::event::{Event, Happened};
use crate::judge::{Lack, Verdict, judge};
use crate::look::Look;
use crate::stages::{Gate, Stage, grace};
use crate::state::{ATTEMPTS_MAX, Outcome, Phase, Push, Rollout, Time, Version, Why};
use aether_types::traffic::{TrafficRevision, Weight, Weights};
use aether_types::{Coordinates, NodeId, Revision};
use std::fmt;

/// How long a version may take to be ready, and how long one may have nothing that is ready: as
/// long as it takes to load (2 min), to activate (1 min) and to be placed elsewhere after a node
/// was lost, with as much again.
pub const READY_MS_MAX: u64 = 360_000;
/// How long it cools down after the first attempt; twice as long after the second.
pub const COOLING_MS: u64 = 60_000;
/// Steps of one look: a switch, a phase, and a little more.
const STEPS_MAX: usize = 8;

/// What a rollout waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wait {
    /// For nothing any more.
    Nothing,
    /// Somebody paused it.
    Resume,
    /// These routers have not acknowledged this switch.
    Routers {
        revision: TrafficRevision,
        behind: Vec<NodeId>,
    },
    /// Not enough instances of this slice are ready.
    Instances {
        version: Revision,
        slice: Coordinates,
    },
    Time(Time),
    Verdict(Lack),
    /// Somebody has to promote, complete or conclude.
    Somebody,
}

/// One change of the state.
enum Move {
    /// Gives these weights, and notes whether a version is covered.
    Steer(Weights),
    Enter(Phase),
    GoOnWithFewer(Coordinates, Phase),
    /// The stage has shown that the new version is as good as the old one.
    Pass(Phase),
    RollBack(Why),
    /// Everything to the new version, as the old one does not come back.
    Hurry,
}

impl Rollout {
    /// Goes as far as can be gone now. If that is not what was read, it is to be written, the
    /// rollout and its [`Rollout::traffic`] in one transaction, before anybody acts on it. Looking
    /// twice is the same as looking once.
    pub fn tick(&mut self, look: &Look) -> Vec<Event> {
        let mut events = Vec::new();
        for _ in 0..STEPS_MAX {
            let Ok(step) = self.next(look) else { break };
            self.apply(step, look, &mut events);
            self.check();
        }
        events
    }

    /// What it waits for; None if the next [`Rollout::tick`] changes something.
    pub fn waits_for(&self, look: &Look) -> Option<Wait> {
        self.next(look).err()
    }

    /// When to look again although nothing was heard. Verdicts need a look whenever there are new
    /// counts.
    pub fn next_deadline(&self) -> Option<Time> {
        let stay = match &self.phase {
            Phase::Starting { .. } => Some(after(self.since, READY_MS_MAX)),
            Phase::Holding { stage } => match self.stage(*stage).gate {
                Gate::After(span) | Gate::Verdict { time_min: span, .. } => {
                    Some(after(self.since, span.as_millis()))
                }
                Gate::Open | Gate::Somebody => None,
            },
            Phase::Retiring => Some(after(self.since, grace(&self.strategy).as_millis())),
            Phase::Cooling { until } => Some(*until),
            Phase::Preparing | Phase::Switching { .. } => None,
            Phase::RollingBack { .. } | Phase::Ended(_) => None,
        };
        let cover = self.covered.map(|since| after(since, READY_MS_MAX));
        stay.into_iter().chain(cover).min()
    }

    fn next(&self, look: &Look) -> Result<Move, Wait> {
        if self.has_ended() {
            return Err(Wait::Nothing);
        }
        let weights = self.steer(look);
        let covers = weights != self.wanted();
        if weights != self.traffic.weights || covers != self.covered.is_some() {
            return Ok(Move::Steer(weights));
        }
        if let Some(step) = self.rescue(look) {
            return Ok(step);
        }
        match &self.phase {
            Phase::Preparing => {
                self.settled(look)?;
                self.unpaused()?;
                let stage = if self.push == Push::End { self.last() } else { 0 };
                Ok(Move::Enter(Phase::Starting { stage, share: Weight::NONE }))
            }
            Phase::Starting { stage, .. } => self.starting(*stage, look),
            Phase::Switching { stage } => {
                self.settled(look)?;
                Ok(Move::Enter(Phase::Holding { stage: *stage }))
            }
            Phase::Holding { stage } => self.holding(*stage, look),
            Phase::Retiring => {
                self.settled(look)?;
                self.unpaused()?;
                if self.push != Push::End {
                    self.reached_time(grace(&self.strategy).as_millis(), look)?;
                }
                Ok(Move::Enter(Phase::Ended(Outcome::Completed)))
            }
            Phase::RollingBack { why, .. } => {
                self.settled(look)?;
                Ok(Move::Enter(self.after_rollback(why, look.now)))
            }
            Phase::Cooling { until } => {
                self.unpaused()?;
                match look.now >= *until {
                    true => Ok(Move::Enter(Phase::Starting { stage: 0, share: Weight::NONE })),
                    false => Err(Wait::Time(*until)),
                }
            }
            Phase::Ended(_) => Err(Wait::Nothing),
        }
    }

    /// The weights of the phase.
    fn wanted(&self) -> Weights {
        let (old, new) = (self.old.revision, self.new.revision);
        let share = |weight| Weights::split(new, weight, old);
        match &self.phase {
            Phase::Starting { share: weight, .. } => share(*weight),
            Phase::Switching { stage } | Phase::Holding { stage } => {
                share(self.stage(*stage).weight)
            }
            Phase::Retiring | Phase::Ended(Outcome::Completed) => Weights::all(new),
            Phase::Preparing | Phase::RollingBack { .. } => Weights::all(old),
            Phase::Cooling { .. } | Phase::Ended(Outcome::RolledBack(_)) => Weights::all(old),
        }
    }

    /// The same, but never to a version of which calls would find nothing, while the other has
    /// something.
    fn steer(&self, look: &Look) -> Weights {
        let wanted = self.wanted();
        let dark = |version: &Version| {
            wanted.get(version.revision).hundredths() > 0 && !look.serves(version)
        };
        match (dark(&self.old), dark(&self.new)) {
            (true, false) if look.serves(&self.new) => Weights::all(self.new.revision),
            (false, true) if look.serves(&self.old) => Weights::all(self.old.revision),
            _ => wanted,
        }
    }

    /// What must be done whatever the phase waits for, and although it is paused.
    fn rescue(&self, look: &Look) -> Option<Move> {
        let goes_back = matches!(self.phase, Phase::RollingBack { .. });
        if goes_back || self.reached().is_none() {
            return None;
        }
        if let Some(slice) = look.failed(&self.new) {
            return Some(Move::RollBack(Why::Failed(slice.clone())));
        }
        let too_long = self.covered.is_some_and(|since| look.now >= after(since, READY_MS_MAX));
        if !too_long {
            return None;
        }
        match look.lacks(&self.new, |_| 1) {
            Some(slice) => Some(Move::RollBack(Why::NotReady(slice.clone()))),
            None => Some(Move::Hurry),
        }
    }

    fn starting(&self, stage: u32, look: &Look) -> Result<Move, Wait> {
        let at = self.stage(stage);
        let switching = Phase::Switching { stage };
        let Some(slice) = look.lacks(&self.new, |d| at.instances(d)) else {
            self.unpaused()?;
            return Ok(Move::Enter(switching));
        };
        if look.now < after(self.since, READY_MS_MAX) {
            let (version, slice) = (self.new.revision, slice.clone());
            return Err(Wait::Instances { version, slice });
        }
        match look.lacks(&self.new, |d| d.min_ready.max(1)) {
            Some(slice) => Ok(Move::RollBack(Why::NotReady(slice.clone()))),
            None => {
                self.unpaused()?;
                Ok(Move::GoOnWithFewer(slice.clone(), switching))
            }
        }
    }

    fn holding(&self, stage: u32, look: &Look) -> Result<Move, Wait> {
        let Stage { weight: share, gate, .. } = self.stage(stage);
        let next = match self.push {
            _ if stage == self.last() => Phase::Retiring,
            Push::End => Phase::Starting { stage: self.last(), share },
            Push::None | Push::Stage => Phase::Starting { stage: stage + 1, share },
        };
        let verdict = match gate {
            Gate::Verdict { requests_min, .. } => Some(self.judge(look, requests_min)),
            _ => None,
        };
        if let Some(Verdict::Bad(fault)) = verdict {
            return Ok(Move::RollBack(Why::Worse(fault)));
        }
        self.settled(look)?;
        self.unpaused()?;
        if self.push != Push::None {
            return Ok(Move::Enter(next));
        }
        match gate {
            Gate::Open => {}
            Gate::After(span) => self.reached_time(span.as_millis(), look)?,
            Gate::Somebody => return Err(Wait::Somebody),
            Gate::Verdict { time_min, .. } => {
                if let Some(Verdict::Open(lack)) = verdict {
                    return Err(Wait::Verdict(lack));
                }
                self.reached_time(time_min.as_millis(), look)?;
                return Ok(Move::Pass(next));
            }
        }
        Ok(Move::Enter(next))
    }

    /// The old version is the one beside it, where it has enough traffic; else as it was when it
    /// last had.
    fn judge(&self, look: &Look, requests_min: u64) -> Verdict {
        if !self.counts(look) {
            return Verdict::Open(Lack::Requests { so_far: 0, wanted: requests_min });
        }
        let beside = look.old.requests >= self.baseline.requests.min(requests_min);
        judge(if beside { &look.old } else { &self.baseline }, &look.new, requests_min)
    }

    /// Whether what was counted is of the present stage.
    fn counts(&self, look: &Look) -> bool {
        look.counted_since.is_some() && look.counted_since == self.measuring_since()
    }

    fn after_rollback(&self, why: &Why, now: Time) -> Phase {
        let may_pass = matches!(why, Why::Failed(_) | Why::NotReady(_));
        match may_pass && self.attempt < ATTEMPTS_MAX {
            true => Phase::Cooling { until: after(now, COOLING_MS << (self.attempt - 1)) },
            false => Phase::Ended(Outcome::RolledBack(why.clone())),
        }
    }

    /// Every router follows the weights of the phase.
    fn settled(&self, look: &Look) -> Result<(), Wait> {
        if self.covered.is_some() {
            let old = look.lacks(&self.old, |_| 1).map(|slice| (&self.old, slice));
            let new = look.lacks(&self.new, |_| 1).map(|slice| (&self.new, slice));
            let (version, slice) = old.or(new).expect("a version that is covered lacks something");
            return Err(Wait::Instances { version: version.revision, slice: slice.clone() });
        }
        let revision = self.traffic.revision;
        let behind = look.behind(revision);
        match behind.is_empty() && !look.routers.is_empty() {
            true => Ok(()),
            false => Err(Wait::Routers { revision, behind }),
        }
    }

    fn unpaused(&self) -> Result<(), Wait> {
        if self.paused { Err(Wait::Resume) } else { Ok(()) }
    }

    fn reached_time(&self, ms: u64, look: &Look) -> Result<(), Wait> {
        let until = after(self.since, ms);
        if look.now >= until { Ok(()) } else { Err(Wait::Time(until)) }
    }

    fn apply(&mut self, step: Move, look: &Look, events: &mut Vec<Event>) {
        match step {
            Move::Steer(weights) => self.give(weights, look, events),
            Move::Enter(phase) => self.enter(phase, look, events),
            Move::GoOnWithFewer(slice, phase) => {
                events.push(self.note(look.now, Happened::FewerReady(slice)));
                self.enter(phase, look, events);
            }
            Move::Pass(phase) => {
                let requests = look.new.requests;
                events.push(self.note(look.now, Happened::Healthy { requests }));
                self.enter(phase, look, events);
            }
            Move::RollBack(why) => {
                events.push(self.note(look.now, Happened::RollingBack(why.clone())));
                let stage = self.reached();
                self.enter(Phase::RollingBack { why, stage }, look, events);
            }
            Move::Hurry => {
                events.push(self.note(look.now, Happened::OldIsGone));
                self.push = Push::End;
                let phase = Phase::Starting { stage: self.last(), share: Weight::WHOLE };
                self.enter(phase, look, events);
            }
        }
    }

    fn give(&mut self, weights: Weights, look: &Look, events: &mut Vec<Event>) {
        let covers = weights != self.wanted();
        if covers && self.covered.is_none() {
            self.covered = Some(look.now);
            let all_to_new = weights == Weights::all(self.new.revision);
            let dark = if all_to_new { self.old.revision } else { self.new.revision };
            events.push(self.note(look.now, Happened::Covered(dark)));
        }
        let uncovers = !covers && self.covered.take().is_some();
        if weights == self.traffic.weights {
            return;
        }
        if uncovers {
            events.push(self.note(look.now, Happened::Uncovered));
        }
        // A stage begins anew when its weights are those that routers follow.
        if let Phase::Holding { stage } = self.phase {
            self.phase = Phase::Switching { stage };
            self.since = look.now;
        }
        let revision = TrafficRevision(self.traffic.revision.0 + 1);
        self.traffic.revision = revision;
        self.traffic.weights = weights.clone();
        events.push(self.note(look.now, Happened::Switched { revision, weights }));
    }

    fn enter(&mut self, phase: Phase, look: &Look, events: &mut Vec<Event>) {
        if self.counts(look) {
            self.keep_baseline(look);
        }
        let leaves_stage = matches!(self.phase, Phase::Holding { .. });
        if leaves_stage && self.push == Push::Stage {
            self.push = Push::None;
        }
        if matches!(self.phase, Phase::Cooling { .. }) {
            self.attempt += 1;
        }
        let revision = self.traffic.revision;
        let happened = match &phase {
            Phase::Starting { stage, .. } => Some(Happened::Starting { stage: *stage }),
            Phase::Holding { .. } => Some(Happened::Acknowledged(revision)),
            Phase::Retiring => Some(Happened::Retiring),
            Phase::Cooling { until } => {
                Some(Happened::Cooling { ms: until.0.saturating_sub(look.now.0) })
            }
            Phase::Ended(Outcome::Completed) => Some(Happened::Completed),
            Phase::Ended(Outcome::RolledBack(_)) => Some(Happened::RolledBack),
            Phase::Preparing | Phase::Switching { .. } | Phase::RollingBack { .. } => None,
        };
        self.phase = phase;
        self.since = look.now;
        events.extend(happened.map(|happened| self.note(look.now, happened)));
    }

    fn keep_baseline(&mut self, look: &Look) {
        let enough = self.stages().iter().find_map(|stage| match stage.gate {
            Gate::Verdict { requests_min, .. } => Some(requests_min),
            _ => None,
        });
        let wanted = enough.unwrap_or(u64::MAX).min(self.baseline.requests);
        if enough.is_some() && look.old.requests >= wanted {
            self.baseline = look.old.clone();
        }
    }
}

fn after(time: Time, ms: u64) -> Time {
    Time(time.0.saturating_add(ms))
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing"),
            Self::Resume => f.write_str("somebody to resume it"),
            Self::Routers { revision, behind } if behind.is_empty() => {
                write!(f, "a router to follow switch {revision}")
            }
            Self::Routers { revision, behind } => {
                write!(f, "switch {revision} to be followed by ")?;
                let nodes: Vec<String> = behind.iter().map(ToString::to_string).collect();
                f.write_str(&nodes.join(", "))
            }
            Self::Instances { version, slice } => {
                write!(f, "instances of {slice}, revision {version}")
            }
            Self::Time(until) => write!(f, "the time {}", until.0),
            Self::Verdict(lack) => write!(f, "a verdict: {lack}"),
            Self::Somebody => f.write_str("somebody to promote, complete, conclude or roll back"),
        }
    }
}
