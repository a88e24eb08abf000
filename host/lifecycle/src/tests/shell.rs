//! A shell without effects: it remembers what it was told to do, checks that it makes sense, and
//! completes it when the test says so.

use crate::{AttemptId, Effect, Outbox, Reconciler, Settings, Tick};
use aether_types::blueprint::Placement;
use aether_types::checked::{Applications, Checked, CheckedSlice, Edge};
use aether_types::code::Code;
use aether_types::limits::EffectiveLimits;
use aether_types::observed::{InstanceState, Observed, Reason};
use aether_types::plan::{Assignment, InstanceKey, Plan};
use aether_types::slice_toml::Instances;
use aether_types::{ByteSize, Coordinates, Digest, Generation, NodeId, Revision};
use std::collections::{BTreeMap, BTreeSet};
use std::format;
use std::string::String;
use std::sync::Arc;
use std::vec::Vec;

pub(super) const ME: NodeId = NodeId(1);

/// One slice of an application: name, version, what it calls, where it runs.
#[derive(Debug, Clone)]
pub(super) struct Slice {
    pub(super) coordinates: Coordinates,
    pub(super) calls: Vec<Coordinates>,
    pub(super) nodes: Vec<NodeId>,
}

#[derive(Debug, Clone)]
pub(super) struct Shell {
    pub(super) core: Reconciler,
    pub(super) now: Tick,
    /// Steps that were asked for and not completed, oldest first.
    pub(super) pending: Vec<(AttemptId, Effect)>,
    keys: BTreeMap<AttemptId, InstanceKey>,
    loaded: BTreeSet<AttemptId>,
    pub(super) observed: Option<Observed>,
    pub(super) applications: Applications,
    generation: u64,
}

/// `name` or `name@2`, as coordinates of group `x`.
pub(super) fn slice(text: &str) -> Coordinates {
    let (name, major) = text.split_once('@').unwrap_or((text, "1"));
    format!("x:{name}:{major}.0.0").parse().unwrap()
}

pub(super) fn failure(retryable: bool) -> Reason {
    Reason { code: Code::StartFailed, message: "no luck".into(), retryable }
}

impl Shell {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            core: Reconciler::new(Settings { node: ME, run: 1, seed }),
            now: Tick(0),
            pending: Vec::new(),
            keys: BTreeMap::new(),
            loaded: BTreeSet::new(),
            observed: None,
            applications: Applications::default(),
            generation: 0,
        }
    }

    /// Steps the core and takes its effects.
    pub(super) fn step(&mut self, f: impl FnOnce(&mut Reconciler, Tick, &mut Outbox)) -> Outbox {
        let mut out = Outbox::new();
        f(&mut self.core, self.now, &mut out);
        out.iter().for_each(|effect| self.take(effect));
        out
    }

    /// Makes these slices the wanted ones; none deletes the application.
    pub(super) fn plan(&mut self, revision: u64, slices: &[Slice]) -> Outbox {
        let revision = Revision(revision);
        let app: aether_types::AppName = "shop".parse().unwrap();
        if slices.is_empty() {
            self.applications.remove(&app);
        } else {
            self.applications.accept(revision, Arc::new(checked(slices)));
        }
        self.generation += 1;
        let plan = Plan {
            generation: Generation(self.generation),
            parent: Generation(self.generation - 1),
            assignments: slices.iter().flat_map(|s| assignments(s, revision)).collect(),
        };
        let applications = self.applications.clone();
        self.step(|core, now, out| core.on_plan(now, &plan, &applications, out))
    }

    /// Completes a pending step.
    pub(super) fn complete(&mut self, at: usize, result: Result<(), Reason>) -> Outbox {
        let (attempt, effect) = self.pending.remove(at);
        if matches!(effect, Effect::Load { .. }) && result.is_ok() {
            self.loaded.insert(attempt);
        }
        if matches!(effect, Effect::Unload { .. }) {
            self.loaded.remove(&attempt);
        }
        self.answer(attempt, &effect, result)
    }

    /// Tells the core that a step has ended, whether it waits for that or not.
    pub(super) fn answer(
        &mut self,
        attempt: AttemptId,
        effect: &Effect,
        result: Result<(), Reason>,
    ) -> Outbox {
        self.step(|core, now, out| match effect {
            Effect::Load { .. } => core.on_loaded(now, attempt, result, out),
            Effect::Start { .. } => core.on_started(now, attempt, result, out),
            Effect::Withdraw { .. } => core.on_withdrawn(now, attempt, out),
            Effect::Drain { .. } => core.on_drained(now, attempt, out),
            Effect::Stop { .. } => core.on_stopped(now, attempt, out),
            Effect::Unload { .. } => core.on_unloaded(now, attempt, out),
            Effect::Announce { .. } | Effect::Discard { .. } | Effect::Publish(_) => {
                unreachable!("no completion")
            }
        })
    }

    /// Completes everything well until nothing is left to do.
    pub(super) fn complete_all(&mut self) -> Outbox {
        let mut all = Outbox::new();
        while !self.pending.is_empty() {
            all.extend(self.complete(0, Ok(())));
            assert!(all.len() < 10_000, "it never ends");
        }
        all
    }

    pub(super) fn name(&self, attempt: AttemptId) -> String {
        let slice = &self.keys[&attempt].coordinates;
        match slice.version.major {
            1 => slice.slice.artifact().into(),
            major => format!("{}@{major}", slice.slice.artifact()),
        }
    }

    fn take(&mut self, effect: &Effect) {
        match effect {
            Effect::Load { attempt, instance, .. } => {
                let twice = self.keys.insert(*attempt, instance.clone());
                assert!(twice.is_none(), "an attempt loads once");
                self.pending.push((*attempt, effect.clone()));
            }
            Effect::Start { attempt }
            | Effect::Withdraw { attempt }
            | Effect::Drain { attempt, .. }
            | Effect::Stop { attempt }
            | Effect::Unload { attempt } => {
                assert!(self.loaded.contains(attempt), "{effect:?} needs a loaded slice");
                self.pending.push((*attempt, effect.clone()));
            }
            Effect::Announce { attempt } => {
                assert!(self.loaded.contains(attempt), "{effect:?} needs a loaded slice");
            }
            Effect::Discard { attempt } => {
                self.loaded.remove(attempt);
                self.pending.retain(|(a, _)| a != attempt);
            }
            Effect::Publish(observed) => self.publish(observed),
        }
    }

    fn publish(&mut self, observed: &Observed) {
        let key = |i: &aether_types::observed::InstanceStatus| (i.instance.clone(), i.blueprint);
        assert!(observed.instances.is_sorted_by_key(key));
        let active = observed.instances.iter().filter(|i| i.state == InstanceState::Active);
        let mut keys = BTreeSet::new();
        assert!(active.map(|i| &i.instance).all(|k| keys.insert(k)), "two of one key are ACTIVE");
        self.observed = Some(observed.clone());
    }
}

fn assignments(slice: &Slice, revision: Revision) -> impl Iterator<Item = Assignment> {
    let digest = Digest([slice.coordinates.version.major as u8; 32]);
    let each = move |(ordinal, node): (usize, &NodeId)| Assignment {
        instance: InstanceKey {
            app: "shop".parse().unwrap(),
            coordinates: slice.coordinates.clone(),
            ordinal: ordinal as u32,
        },
        node: *node,
        digest,
        blueprint: revision,
        since: Generation(0),
        memory: ByteSize::mib(64),
        leaving: false,
    };
    slice.nodes.iter().enumerate().map(each)
}

/// Slices come in load order: each calls only those before it.
fn checked(slices: &[Slice]) -> Checked {
    let one = |(entry, s): (usize, &Slice)| CheckedSlice {
        coordinates: s.coordinates.clone(),
        digest: Digest([s.coordinates.version.major as u8; 32]),
        entry,
        limits: EffectiveLimits::narrow("x", &Instances::default(), &Default::default()).unwrap(),
        instances: s.nodes.len() as u32,
        min_ready: 0,
        max_instances: None,
        placement: Placement::default(),
        exports: Vec::new(),
    };
    let edges = slices.iter().flat_map(|s| {
        s.calls.iter().map(|exporter| Edge {
            importer: s.coordinates.clone(),
            interface: format!("x:{}/api", exporter.slice.artifact()).parse().unwrap(),
            exporter: exporter.clone(),
            wish: None,
        })
    });
    Checked {
        app: "shop".parse().unwrap(),
        slices: slices.iter().enumerate().map(one).collect(),
        edges: edges.collect(),
        routes: Vec::new(),
    }
}
