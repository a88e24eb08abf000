//! The instances of one node as they really are: what its reconciler had loaded and started. Knows
//! no plan.

use std::collections::BTreeMap;

use aether_lifecycle::{AttemptId, Effect};
use aether_types::Revision;
use aether_types::plan::InstanceKey;

/// A step of an instance that takes time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Load,
    Start,
    Withdraw,
    Drain,
    Stop,
    Unload,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    Loading,
    Loaded,
    Starting,
    /// Calls can come.
    Announced,
    /// Calls that come are refused.
    Leaving,
}

#[derive(Debug)]
pub(crate) struct Guest {
    pub(crate) key: InstanceKey,
    pub(crate) revision: Revision,
    pub(crate) stage: Stage,
}

#[derive(Debug, Default)]
pub(crate) struct Guests {
    pub(crate) all: BTreeMap<AttemptId, Guest>,
    /// Every instance that ever took calls in this run of the node.
    announced: Vec<(InstanceKey, Revision)>,
}

impl Guests {
    /// The reconciler wants something. The step that takes time, if it is one.
    ///
    /// # Panics
    /// If it makes no sense for what is there.
    pub(crate) fn on_effect(&mut self, effect: &Effect) -> Option<(AttemptId, Step)> {
        let (attempt, from, to, step) = match effect {
            Effect::Load { attempt, instance, revision, .. } => {
                let (key, revision) = (instance.clone(), *revision);
                let guest = Guest { key, revision, stage: Stage::Loading };
                let twice = self.all.insert(*attempt, guest);
                assert!(twice.is_none(), "{attempt:?} loads twice");
                return Some((*attempt, Step::Load));
            }
            Effect::Start { attempt } => {
                self.check_only_one(*attempt);
                (*attempt, &[Stage::Loaded][..], Stage::Starting, Some(Step::Start))
            }
            Effect::Announce { attempt } => {
                (*attempt, &[Stage::Starting][..], Stage::Announced, None)
            }
            Effect::Withdraw { attempt } => {
                (*attempt, &[Stage::Announced][..], Stage::Announced, Some(Step::Withdraw))
            }
            Effect::Drain { attempt, .. } => {
                (*attempt, &[Stage::Announced][..], Stage::Leaving, Some(Step::Drain))
            }
            Effect::Stop { attempt } => {
                let from = &[Stage::Leaving, Stage::Starting][..];
                (*attempt, from, Stage::Leaving, Some(Step::Stop))
            }
            Effect::Unload { attempt } => {
                let from = &[Stage::Loaded, Stage::Leaving][..];
                (*attempt, from, Stage::Leaving, Some(Step::Unload))
            }
            Effect::Discard { attempt } => {
                self.all.remove(attempt);
                return None;
            }
            Effect::Publish(_) => return None,
        };
        let guest = self.all.get_mut(&attempt);
        let guest = guest.unwrap_or_else(|| panic!("{effect:?} of what is not there"));
        assert!(from.contains(&guest.stage), "{effect:?} of what is {:?}", guest.stage);
        guest.stage = to;
        if to == Stage::Announced && step.is_none() {
            self.announced.push((guest.key.clone(), guest.revision));
        }
        step.map(|step| (attempt, step))
    }

    /// A step has ended well.
    pub(crate) fn on_step_done(&mut self, attempt: AttemptId, step: Step) {
        match step {
            Step::Load => {
                if let Some(guest) = self.all.get_mut(&attempt) {
                    guest.stage = Stage::Loaded;
                }
            }
            Step::Unload => drop(self.all.remove(&attempt)),
            Step::Start | Step::Withdraw | Step::Drain | Step::Stop => {}
        }
    }

    pub(crate) fn was_announced(&self, key: &InstanceKey, revision: Revision) -> bool {
        self.announced.iter().any(|(k, r)| k == key && *r == revision)
    }

    /// Whether a call finds an instance.
    pub(crate) fn serves(&self, key: &InstanceKey, revision: Revision) -> bool {
        let mut all = self.all.values();
        all.any(|g| g.key == *key && g.revision == revision && g.stage == Stage::Announced)
    }

    fn check_only_one(&self, attempt: AttemptId) {
        let Some(guest) = self.all.get(&attempt) else { return };
        let running = [Stage::Starting, Stage::Announced];
        let same = |other: &Guest| other.key == guest.key && other.revision == guest.revision;
        let mut others = self.all.iter().filter(|(id, _)| **id != attempt);
        let twice = others.any(|(_, other)| same(other) && running.contains(&other.stage));
        assert!(!twice, "{} of revision {} starts twice", guest.key, guest.revision);
    }
}
