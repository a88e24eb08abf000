//! The reconciler's inputs: each changes one fact, then everything is looked at again.

use crate::instance::Instance;
use crate::phase::{Kind, Phase};
use crate::wanted::{SliceKey, Wanted};
use aether_types::checked::Applications;
use aether_types::observed::{Observed, Reason};
use aether_types::plan::{InstanceKey, Plan};
use aether_types::{Digest, NodeId, Revision};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

/// Milliseconds of a clock that never goes back.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tick(pub u64);

/// One try to bring an instance up. Completions name it, so that late ones are known as such.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptId(pub u64);

/// What the reconciler of a node is made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    pub node: NodeId,
    /// Drawn at each start of the process.
    pub run: u64,
    /// Spreads retries.
    pub seed: u64,
}

/// What the shell has to do. `Start` to `Unload` are about what `Load` yielded for the attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Fetch, verify, compile; then `on_loaded`.
    Load { attempt: AttemptId, instance: InstanceKey, digest: Digest, revision: Revision },
    /// Run the start hook; then `on_started`.
    Start { attempt: AttemptId },
    /// Calls may come from now on. No completion.
    Announce { attempt: AttemptId },
    /// Take it out of every router, and see them acknowledge; then `on_withdrawn`.
    Withdraw { attempt: AttemptId },
    /// Let calls in flight end, until then; then `on_drained`.
    Drain { attempt: AttemptId, until: Tick },
    /// Run the stop hook; then `on_stopped`, however it ended.
    Stop { attempt: AttemptId },
    /// Drop the slice; then `on_unloaded`.
    Unload { attempt: AttemptId },
    /// Drop whatever the attempt has or will have, without hooks. No completion; late ones of other
    /// steps are ignored.
    Discard { attempt: AttemptId },
    /// Make this known to everybody; only the newest one counts. No completion.
    Publish(Observed),
}

/// The effects of one step, in their order.
pub type Outbox = Vec<Effect>;

/// Brings one node's instances to where the plan wants them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reconciler {
    pub(crate) settings: Settings,
    pub(crate) wanted: Wanted,
    /// Slices that are ACTIVE on other living nodes.
    pub(crate) active_elsewhere: BTreeSet<SliceKey>,
    pub(crate) instances: BTreeMap<AttemptId, Instance>,
    pub(crate) last_attempt: AttemptId,
    pub(crate) published: Option<Observed>,
    pub(crate) shutting_down: bool,
}

impl Tick {
    pub(crate) fn after(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }
}

impl Reconciler {
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            wanted: Wanted::default(),
            active_elsewhere: BTreeSet::new(),
            instances: BTreeMap::new(),
            last_attempt: AttemptId(0),
            published: None,
            shutting_down: false,
        }
    }

    /// The newest plan. An older one than the last is refused. `applications` knows the revisions
    /// that the plan names; an assignment of an unknown one waits for the next call.
    pub fn on_plan(
        &mut self,
        now: Tick,
        plan: &Plan,
        applications: &Applications,
        out: &mut Outbox,
    ) {
        if plan.generation < self.wanted.generation || self.shutting_down {
            return;
        }
        self.wanted = Wanted::new(self.settings.node, plan, applications);
        self.settle(now, out);
    }

    /// The slices that have an ACTIVE instance on another living node, all of them.
    pub fn on_elsewhere(&mut self, now: Tick, active: BTreeSet<SliceKey>, out: &mut Outbox) {
        self.active_elsewhere = active;
        self.settle(now, out);
    }

    /// The node stops: everything is taken down, dependents first, whatever the plan says.
    pub fn on_shutdown(&mut self, now: Tick, out: &mut Outbox) {
        self.shutting_down = true;
        self.wanted.clear();
        self.settle(now, out);
    }

    pub fn on_loaded(
        &mut self,
        now: Tick,
        attempt: AttemptId,
        result: Result<(), Reason>,
        out: &mut Outbox,
    ) {
        let seed = self.settings.seed;
        if let Some(instance) = self.at(attempt, Kind::Loading) {
            match result {
                Ok(()) => instance.go(Phase::Loaded),
                Err(reason) => instance.fail(now, seed, reason, out),
            }
        }
        self.settle(now, out);
    }

    pub fn on_started(
        &mut self,
        now: Tick,
        attempt: AttemptId,
        result: Result<(), Reason>,
        out: &mut Outbox,
    ) {
        let seed = self.settings.seed;
        let is_wanted = self.instances.get(&attempt).is_some_and(|i| self.is_wanted(i));
        if let Some(instance) = self.at(attempt, Kind::Starting) {
            match result {
                Ok(()) if is_wanted => instance.announce(out),
                Ok(()) => instance.stop(now.after(crate::limits::STOPPING_MS_MAX), out),
                Err(reason) => instance.fail(now, seed, reason, out),
            }
        }
        self.settle(now, out);
    }

    /// Every router has taken the instance out.
    pub fn on_withdrawn(&mut self, now: Tick, attempt: AttemptId, out: &mut Outbox) {
        if let Some(instance) = self.at(attempt, Kind::Withdrawing)
            && let Phase::Withdrawing { end } = instance.phase
        {
            instance.drain(end, out);
        }
        self.settle(now, out);
    }

    /// No call is in flight, or the time for that is over.
    pub fn on_drained(&mut self, now: Tick, attempt: AttemptId, out: &mut Outbox) {
        if let Some(instance) = self.at(attempt, Kind::Draining)
            && let Phase::Draining { end } = instance.phase
        {
            instance.stop(end, out);
        }
        self.settle(now, out);
    }

    /// The stop hook has ended, well or not.
    pub fn on_stopped(&mut self, now: Tick, attempt: AttemptId, out: &mut Outbox) {
        if let Some(instance) = self.at(attempt, Kind::Stopping) {
            instance.unload(now, out);
        }
        self.settle(now, out);
    }

    pub fn on_unloaded(&mut self, now: Tick, attempt: AttemptId, out: &mut Outbox) {
        if let Some(instance) = self.at(attempt, Kind::Unloading) {
            instance.go(Phase::Gone);
        }
        self.settle(now, out);
    }

    /// Ends the steps that took too long and makes the attempts that are due.
    pub fn tick(&mut self, now: Tick, out: &mut Outbox) {
        let seed = self.settings.seed;
        let due = |(id, i): (&AttemptId, &Instance)| {
            i.phase.deadline().is_some_and(|at| at <= now).then_some(*id)
        };
        let due: Vec<AttemptId> = self.instances.iter().filter_map(due).collect();
        for id in due {
            let mut instance = self.instances.remove(&id).expect("it was just seen");
            instance.on_deadline(now, seed, out);
            if instance.phase == Phase::Queued {
                instance.attempt = self.next_attempt();
            }
            self.instances.insert(instance.attempt, instance);
        }
        self.settle(now, out);
    }

    /// When to call `tick`.
    pub fn next_deadline(&self) -> Option<Tick> {
        self.instances.values().filter_map(|i| i.phase.deadline()).min()
    }

    /// Whether no instance is left: after `on_shutdown`, the node can go.
    pub fn is_idle(&self) -> bool {
        self.instances.is_empty()
    }

    pub(crate) fn next_attempt(&mut self) -> AttemptId {
        self.last_attempt = AttemptId(self.last_attempt.0 + 1);
        self.last_attempt
    }

    /// The instance of a current attempt, if it is in that phase: not for late completions.
    fn at(&mut self, attempt: AttemptId, kind: Kind) -> Option<&mut Instance> {
        self.instances.get_mut(&attempt).filter(|i| i.phase.kind() == kind)
    }
}
