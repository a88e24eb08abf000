//! What is seen of instances and routers when a rollout is looked at. Knows no rollout.

use crate::judge::Window;
use crate::state::{Time, Version};
use aether_types::observed::{InstanceState, Observed};
use aether_types::traffic::TrafficRevision;
use aether_types::{Coordinates, NodeId, Revision};
use std::collections::BTreeMap;

/// Everything that a step depends on besides the rollout itself. Nothing of it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    pub now: Time,
    /// Instances of either version; what is not there counts nothing.
    pub seen: BTreeMap<(Revision, Coordinates), Seen>,
    /// Every node that may route, with the newest switch of this application that it acknowledged
    /// in its present run. A node that is lost is not among them; one that has only just stopped to
    /// answer is. Empty: nobody can follow anything.
    pub routers: BTreeMap<NodeId, TrafficRevision>,
    /// What [`crate::Rollout::measuring_since`] said of the rollout that the counts are for: those
    /// of another stage are not looked at.
    pub counted_since: Option<Time>,
    /// What each version did since then.
    pub old: Window,
    pub new: Window,
}

/// Instances of one slice of one version, on nodes that answer.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// ACTIVE.
    pub ready: u32,
    /// On their way, or about to be tried again.
    pub coming: u32,
    /// FAILED, for now.
    pub failed: u32,
}

impl Seen {
    /// Counts the instances of what living nodes say.
    pub fn count<'a>(
        observed: impl IntoIterator<Item = &'a Observed>,
        versions: [&Version; 2],
    ) -> BTreeMap<(Revision, Coordinates), Self> {
        let mut seen: BTreeMap<(Revision, Coordinates), Self> = BTreeMap::new();
        let demands = versions.into_iter().flat_map(|v| v.slices.iter().map(|d| (v.revision, d)));
        for (revision, demand) in demands {
            seen.insert((revision, demand.slice.clone()), Self::default());
        }
        for status in observed.into_iter().flat_map(|node| &node.instances) {
            let key = (status.blueprint, status.instance.coordinates.clone());
            let Some(seen) = seen.get_mut(&key) else { continue };
            match status.state {
                InstanceState::Active => seen.ready += 1,
                InstanceState::Failed => seen.failed += 1,
                InstanceState::Loading | InstanceState::Loaded | InstanceState::Activating => {
                    seen.coming += 1;
                }
                InstanceState::Deactivating | InstanceState::Unloading => {}
            }
        }
        seen
    }
}

impl Look {
    pub(crate) fn of(&self, version: &Version, slice: &Coordinates) -> Seen {
        self.seen.get(&(version.revision, slice.clone())).copied().unwrap_or_default()
    }

    /// Whether calls find an instance of every slice.
    pub(crate) fn serves(&self, version: &Version) -> bool {
        version.slices.iter().all(|d| self.of(version, &d.slice).ready > 0)
    }

    /// The first slice of which fewer are ready than is asked for.
    pub(crate) fn lacks<'v>(
        &self,
        version: &'v Version,
        wanted: impl Fn(&crate::state::Demand) -> u32,
    ) -> Option<&'v Coordinates> {
        let lacks = |d: &&crate::state::Demand| self.of(version, &d.slice).ready < wanted(d);
        version.slices.iter().find(lacks).map(|d| &d.slice)
    }

    /// The first slice of which everything that there is has failed.
    pub(crate) fn failed<'v>(&self, version: &'v Version) -> Option<&'v Coordinates> {
        let failed = |slice: &Coordinates| {
            let seen = self.of(version, slice);
            seen.ready == 0 && seen.coming == 0 && seen.failed > 0
        };
        version.slices.iter().map(|d| &d.slice).find(|slice| failed(slice))
    }

    /// The routers that do not follow a switch yet.
    pub(crate) fn behind(&self, revision: TrafficRevision) -> Vec<NodeId> {
        let behind = self.routers.iter().filter(|(_, known)| **known < revision);
        behind.map(|(node, _)| *node).collect()
    }
}
