//! One look at everything: what is wanted and missing, what is there and not wanted, what can go
//! on.

use crate::instance::Instance;
use crate::limits::LOADS_AT_ONCE_MAX;
use crate::phase::{Kind, Phase};
use crate::reconciler::{AttemptId, Effect, Outbox, Reconciler, Tick};
use crate::wanted::{SliceKey, Want};
use aether_types::plan::InstanceKey;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

impl Reconciler {
    /// Looks again and again until nothing can go on by itself, then says what it sees.
    pub(crate) fn settle(&mut self, now: Tick, out: &mut Outbox) {
        loop {
            self.instances.retain(|_, i| i.phase != Phase::Gone);
            if !self.step(now, out) {
                break;
            }
        }
        let observed = self.observed();
        if self.published.as_ref() != Some(&observed) {
            self.published = Some(observed.clone());
            out.push(Effect::Publish(observed));
        }
        self.check();
    }

    /// One round. True if anything changed.
    fn step(&mut self, now: Tick, out: &mut Outbox) -> bool {
        self.add_missing() | self.retire(now, out) | self.go_on(now, out)
    }

    /// An instance for everything that is wanted and has none. One of the same revision that is on
    /// its way out must be gone first.
    fn add_missing(&mut self) -> bool {
        let there: BTreeSet<_> =
            self.instances.values().map(|i| (&i.key, i.revision, i.digest)).collect();
        let missing = |w: &&Want| !there.contains(&(&w.key, w.revision, w.digest));
        let missing: Vec<Want> = self.wanted.here.iter().filter(missing).cloned().collect();
        let mut added = false;
        for want in missing {
            let Some(dependencies) = want.dependencies else { continue };
            let attempt = self.next_attempt();
            let instance = Instance {
                attempt,
                key: want.key,
                digest: want.digest,
                revision: want.revision,
                dependencies,
                phase: Phase::Queued,
                failures: 0,
                failure: None,
            };
            self.instances.insert(attempt, instance);
            added = true;
        }
        added
    }

    /// Takes what is not wanted one step towards its end, where it may go.
    fn retire(&mut self, now: Tick, out: &mut Outbox) -> bool {
        let unwanted = |(id, i): (&AttemptId, &Instance)| {
            (!i.phase.is_leaving() && !self.is_wanted(i)).then_some(*id)
        };
        let unwanted: Vec<AttemptId> = self.instances.iter().filter_map(unwanted).collect();
        let mut changed = false;
        for id in unwanted {
            let may_leave = self.may_leave(&self.instances[&id]);
            let instance = self.instances.get_mut(&id).expect("it was just seen");
            match instance.phase.kind() {
                Kind::Queued | Kind::Failed => instance.go(Phase::Gone),
                Kind::Loading => instance.discard(out),
                Kind::Loaded => instance.unload(now, out),
                Kind::Active if may_leave => instance.withdraw(now, out),
                _ => continue,
            }
            changed = true;
        }
        changed
    }

    /// Loads what has its turn and starts what has its dependencies.
    fn go_on(&mut self, now: Tick, out: &mut Outbox) -> bool {
        let loading = |i: &&Instance| i.phase.kind() == Kind::Loading;
        let mut places = LOADS_AT_ONCE_MAX - self.instances.values().filter(loading).count();
        let active = self.active();
        let mut changed = false;
        for instance in self.instances.values_mut() {
            match instance.phase.kind() {
                Kind::Queued if places > 0 => {
                    places -= 1;
                    instance.load(now, out);
                }
                Kind::Loaded if instance.needs().all(|slice| active.contains(&slice)) => {
                    instance.start(now, out);
                }
                _ => continue,
            }
            changed = true;
        }
        changed
    }

    /// Slices that calls can reach, here or elsewhere.
    pub(crate) fn active(&self) -> BTreeSet<SliceKey> {
        let here = self.instances.values().filter(|i| i.phase == Phase::Active);
        here.map(Instance::slice).chain(self.active_elsewhere.iter().cloned()).collect()
    }

    pub(crate) fn is_wanted(&self, instance: &Instance) -> bool {
        self.wanted.of_key(&instance.key).is_some_and(|want| instance.is(want))
    }

    /// Whether an ACTIVE instance that is not wanted can go: what comes after it is ready, and
    /// nobody that goes with it still calls it. The plan has seen to both, as far as it could see:
    /// a node that was lost, and is back before its replacement is up, goes on serving.
    fn may_leave(&self, instance: &Instance) -> bool {
        let is_next_ready = self.shutting_down || self.successor_is_ready(instance);
        is_next_ready && self.caller_of(instance).is_none()
    }

    /// An instance on its way out that still calls this one, if nobody else takes these calls.
    pub(crate) fn caller_of(&self, instance: &Instance) -> Option<&Instance> {
        let same_slice = |i: &&Instance| i.slice() == instance.slice() && self.is_wanted(i);
        let is_covered = self.instances.values().any(|i| same_slice(&i) && i.is_active())
            || self.active_elsewhere.contains(&instance.slice());
        // Only dependents of the same revision or an earlier one: within one revision there are no
        // circles, so that somebody can always go first.
        let calls = |i: &Instance| {
            i.key.app == instance.key.app
                && i.revision <= instance.revision
                && i.dependencies.contains(&instance.key.coordinates)
        };
        let leaves_too = |i: &Instance| i.phase.may_call() && !self.is_wanted(i);
        let mut callers = self.instances.values().filter(|i| calls(i) && leaves_too(i));
        callers.next().filter(|_| !is_covered)
    }

    /// Whether what the plan has instead of the instance is ACTIVE: the newer revision of the same
    /// key, or any other instance of the slice. True where the plan has nothing instead.
    pub(crate) fn successor_is_ready(&self, instance: &Instance) -> bool {
        let is_active = |want: &Want| self.instances.values().any(|i| i.is(want) && i.is_active());
        if let Some(want) = self.wanted.of_key(&instance.key) {
            return is_active(want);
        }
        let InstanceKey { app, coordinates, .. } = &instance.key;
        let mut here = self.wanted.of_slice(app, &coordinates.slice).peekable();
        let elsewhere = self.wanted.elsewhere.iter();
        let mut elsewhere =
            elsewhere.filter(|(a, c)| a == app && c.slice == coordinates.slice).peekable();
        let has_none = here.peek().is_none() && elsewhere.peek().is_none();
        has_none || here.any(is_active) || elsewhere.any(|s| self.active_elsewhere.contains(s))
    }

    /// Asserts what must hold after every input; a broken one is a defect.
    pub fn check(&self) {
        let mut announced = BTreeSet::new();
        let mut identities = BTreeSet::new();
        let mut loading = 0;
        for (id, instance) in &self.instances {
            assert_eq!(*id, instance.attempt, "an instance is found by its attempt");
            assert!(*id <= self.last_attempt, "attempts are drawn in order");
            assert!(instance.phase != Phase::Gone, "what is gone is not kept");
            let identity = (&instance.key, instance.revision, instance.digest);
            assert!(identities.insert(identity), "{} is there twice", instance.key);
            if instance.is_active() {
                assert!(announced.insert(&instance.key), "{} is announced twice", instance.key);
            }
            loading += usize::from(instance.phase.kind() == Kind::Loading);
        }
        assert!(loading <= LOADS_AT_ONCE_MAX, "{loading} loads at once");
    }
}
