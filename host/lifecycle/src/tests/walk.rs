//! Random walks: plans, completions, failures, losses and time in any order; then everything heals.

use super::shell::{Shell, Slice, failure, slice};
use crate::{AttemptId, Effect, Tick};
use aether_types::observed::{InstanceState, InstanceStatus};
use aether_types::plan::InstanceKey;
use aether_types::{AppName, Coordinates, NodeId};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::format;
use std::vec::Vec;

#[derive(Debug, Clone)]
enum Act {
    /// A new revision of the application.
    Apply(Vec<Slice>),
    /// The same revision once more, placed anew.
    Replan,
    Complete(usize),
    Fail(usize, bool),
    /// The completion never comes.
    Lose(usize),
    /// A completion that nobody waits for.
    Late(usize),
    Wait(u64),
    Tick,
    Elsewhere(u8),
}

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

fn app() -> AppName {
    "shop".parse().unwrap()
}

/// Some of the names, in one of two versions, each calling some of those before it.
fn any_slices() -> impl Strategy<Value = Vec<Slice>> {
    let one = (0u8..4, any::<u8>(), 0u8..6);
    proptest::collection::vec(one, NAMES.len()).prop_map(|choices| {
        let mut slices: Vec<Slice> = Vec::new();
        for (name, (version, calls, place)) in NAMES.iter().zip(choices) {
            if version >= 3 {
                continue;
            }
            let before = slices.iter().map(|s| s.coordinates.clone()).enumerate();
            let called = before.filter(|(i, _)| calls & (1 << i) != 0).map(|(_, c)| c);
            slices.push(Slice {
                calls: called.collect(),
                coordinates: slice(&format!("{name}@{}", 1 + version % 2)),
                nodes: match place {
                    0 => [NodeId(2)].to_vec(),
                    1 => [NodeId(1), NodeId(2)].to_vec(),
                    2 => [NodeId(1), NodeId(1)].to_vec(),
                    _ => [NodeId(1)].to_vec(),
                },
            });
        }
        slices
    })
}

fn any_act() -> impl Strategy<Value = Act> {
    prop_oneof![
        3 => any_slices().prop_map(Act::Apply),
        1 => Just(Act::Replan),
        20 => (0usize..8).prop_map(Act::Complete),
        3 => (0usize..8, any::<bool>()).prop_map(|(at, retryable)| Act::Fail(at, retryable)),
        1 => (0usize..8).prop_map(Act::Lose),
        2 => (0usize..64).prop_map(Act::Late),
        2 => (1u64..90).prop_map(Act::Wait),
        2 => Just(Act::Tick),
        1 => any::<u8>().prop_map(Act::Elsewhere),
    ]
}

struct Walk {
    shell: Shell,
    revision: u64,
    slices: Vec<Slice>,
    elsewhere: BTreeSet<(AppName, Coordinates)>,
    /// Everything that was ever asked for.
    asked: Vec<(AttemptId, Effect)>,
    /// Keys that have been ACTIVE and wanted here ever since.
    serving: BTreeSet<InstanceKey>,
}

impl Walk {
    fn act(&mut self, act: &Act) {
        let pending = self.shell.pending.len();
        let effects = match act {
            Act::Apply(slices) => {
                self.revision += 1;
                self.slices.clone_from(slices);
                self.shell.plan(self.revision, slices)
            }
            Act::Replan => {
                let slices = self.slices.clone();
                self.shell.plan(self.revision.max(1), &slices)
            }
            Act::Complete(at) if pending > 0 => self.shell.complete(at % pending, Ok(())),
            Act::Fail(at, retryable) if pending > 0 => {
                self.shell.complete(at % pending, Err(failure(*retryable)))
            }
            Act::Lose(at) if pending > 0 => {
                self.shell.pending.remove(at % pending);
                return;
            }
            Act::Late(at) if !self.asked.is_empty() => {
                let (attempt, effect) = self.asked[at % self.asked.len()].clone();
                let waits = self.shell.pending.iter().any(|p| *p == (attempt, effect.clone()));
                if waits || self.is_lost(attempt, &effect) {
                    return;
                }
                self.shell.answer(attempt, &effect, Ok(()))
            }
            Act::Wait(seconds) => {
                self.shell.now.0 += seconds * 1_000;
                self.tick()
            }
            Act::Tick => match self.shell.core.next_deadline() {
                Some(at) => {
                    self.shell.now = at.max(self.shell.now);
                    self.tick()
                }
                None => return,
            },
            Act::Elsewhere(mask) => {
                self.elsewhere = remote(&self.slices)
                    .enumerate()
                    .filter(|(i, _)| mask & (1 << i) != 0)
                    .map(|(_, slice)| slice)
                    .collect();
                let active = self.elsewhere.clone();
                self.shell.step(|core, now, out| core.on_elsewhere(now, active, out))
            }
            _ => return,
        };
        self.look_at(&effects);
    }

    /// Whether the step still runs as far as the core knows: its completion was lost.
    fn is_lost(&self, attempt: AttemptId, effect: &Effect) -> bool {
        let last = self.asked.iter().rev().find(|(a, _)| *a == attempt);
        last.is_some_and(|(_, e)| e == effect)
    }

    fn tick(&mut self) -> Vec<Effect> {
        self.shell.step(|core, now, out| core.tick(now, out))
    }

    fn status(&self) -> BTreeMap<&InstanceKey, Vec<&InstanceStatus>> {
        let mut by_key: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for status in self.shell.observed.iter().flat_map(|o| &o.instances) {
            by_key.entry(&status.instance).or_default().push(status);
        }
        by_key
    }

    /// What must hold after every step.
    fn look_at(&mut self, effects: &[Effect]) {
        self.shell.core.check();
        let waits = effects.iter().filter_map(|e| Some((attempt_of(e)?, e.clone())));
        self.asked.extend(waits);
        let wanted: BTreeSet<InstanceKey> = self.wanted_here().collect();
        let active =
            |all: &Vec<&InstanceStatus>| all.iter().any(|i| i.state == InstanceState::Active);
        let now: BTreeSet<InstanceKey> = self
            .status()
            .into_iter()
            .filter(|(key, all)| active(all) && wanted.contains(*key))
            .map(|(key, _)| key.clone())
            .collect();
        for key in self.serving.iter().filter(|key| wanted.contains(*key)) {
            assert!(now.contains(key), "{key} served, is wanted, and serves no more");
        }
        self.serving = now;
    }

    fn wanted_here(&self) -> impl Iterator<Item = InstanceKey> {
        self.slices.iter().flat_map(|slice| {
            let here = slice.nodes.iter().enumerate().filter(|(_, node)| **node == NodeId(1));
            here.map(|(ordinal, _)| InstanceKey {
                app: app(),
                coordinates: slice.coordinates.clone(),
                ordinal: ordinal as u32,
            })
        })
    }

    /// No more failures, every step ends, the other node is well: it must converge, in bounded
    /// time.
    fn heal(&mut self) {
        self.revision += 1;
        let slices = self.slices.clone();
        let effects = self.shell.plan(self.revision, &slices);
        self.look_at(&effects);
        self.act(&Act::Elsewhere(0xff));
        let begin = self.shell.now;
        for _ in 0..1_000 {
            if !self.shell.pending.is_empty() {
                self.act(&Act::Complete(0));
            } else if self.shell.core.next_deadline().is_some() {
                self.act(&Act::Tick);
            } else {
                break;
            }
        }
        // Every time-out and the longest back-off, one after the other, for the lost completions.
        assert!(self.shell.now <= Tick(begin.0 + 600_000), "healing took too long");
        let wanted: BTreeSet<InstanceKey> = self.wanted_here().collect();
        let observed = self.shell.observed.as_ref().unwrap();
        let there: BTreeSet<InstanceKey> =
            observed.instances.iter().map(|i| i.instance.clone()).collect();
        assert_eq!(there, wanted, "what is there is what is wanted");
        for status in &observed.instances {
            assert_eq!(status.state, InstanceState::Active, "{status:?}");
            assert_eq!(status.blueprint.0, self.revision);
        }
    }
}

fn attempt_of(effect: &Effect) -> Option<AttemptId> {
    match effect {
        Effect::Load { attempt, .. }
        | Effect::Start { attempt }
        | Effect::Withdraw { attempt }
        | Effect::Drain { attempt, .. }
        | Effect::Stop { attempt }
        | Effect::Unload { attempt } => Some(*attempt),
        Effect::Announce { .. } | Effect::Discard { .. } | Effect::Publish(_) => None,
    }
}

fn remote(slices: &[Slice]) -> impl Iterator<Item = (AppName, Coordinates)> {
    let there = slices.iter().filter(|s| s.nodes.contains(&NodeId(2)));
    there.map(|s| (app(), s.coordinates.clone()))
}

fn walk(seed: u64, acts: &[Act]) -> Shell {
    let mut walk = Walk {
        shell: Shell::new(seed),
        revision: 0,
        slices: Vec::new(),
        elsewhere: BTreeSet::new(),
        asked: Vec::new(),
        serving: BTreeSet::new(),
    };
    acts.iter().for_each(|act| walk.act(act));
    walk.heal();
    walk.shell
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]
    #[test]
    fn whatever_happens_it_converges(
        seed in any::<u64>(),
        acts in proptest::collection::vec(any_act(), 0..120),
    ) {
        let first = walk(seed, &acts);
        // The same inputs lead to the same state: runs can be replayed.
        prop_assert_eq!(first.core, walk(seed, &acts).core);
    }
}
