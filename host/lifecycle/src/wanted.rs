//! What the plan wants of this node, and what it has other nodes do. Knows no instance of its own.

use aether_types::checked::Applications;
use aether_types::observed::{InstanceState, Observed};
use aether_types::plan::{Assignment, InstanceKey, Plan};
use aether_types::{AppName, Coordinates, Digest, Generation, NodeId, Revision, SliceName};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

/// One slice of one application.
pub(crate) type SliceKey = (AppName, Coordinates);

/// A plan, as it concerns one node.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) generation: Generation,
    /// In load order.
    pub(crate) here: Vec<Want>,
    by_key: BTreeMap<InstanceKey, usize>,
    pub(crate) elsewhere: BTreeSet<SliceKey>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Want {
    pub(crate) key: InstanceKey,
    pub(crate) digest: Digest,
    pub(crate) revision: Revision,
    /// The slices that it calls. `None`: the node does not know this revision, and cannot start it.
    pub(crate) dependencies: Option<Vec<Coordinates>>,
}

impl Wanted {
    pub(crate) fn new(node: NodeId, plan: &Plan, applications: &Applications) -> Self {
        let (mine, others): (Vec<_>, Vec<_>) =
            plan.assignments.iter().partition(|a| a.node == node);
        let mut here: Vec<(usize, Want)> =
            mine.into_iter().map(|a| want(a, applications)).collect();
        here.sort_by(|(a, x), (b, y)| (&x.key.app, a, &x.key).cmp(&(&y.key.app, b, &y.key)));
        let slice = |a: &Assignment| (a.instance.app.clone(), a.instance.coordinates.clone());
        let here: Vec<Want> = here.into_iter().map(|(_, want)| want).collect();
        Self {
            generation: plan.generation,
            by_key: here.iter().enumerate().map(|(i, w)| (w.key.clone(), i)).collect(),
            here,
            elsewhere: others.into_iter().map(slice).collect(),
        }
    }

    /// What is wanted of the key here, if anything.
    pub(crate) fn of_key(&self, key: &InstanceKey) -> Option<&Want> {
        self.by_key.get(key).map(|i| &self.here[*i])
    }

    /// Nothing is wanted here any more.
    pub(crate) fn clear(&mut self) {
        self.here.clear();
        self.by_key.clear();
    }

    /// Instances here of the slice, in any version.
    pub(crate) fn of_slice<'a>(
        &'a self,
        app: &'a AppName,
        slice: &'a SliceName,
    ) -> impl Iterator<Item = &'a Want> {
        self.here.iter().filter(move |w| w.key.app == *app && w.key.coordinates.slice == *slice)
    }
}

/// The slices that calls reach on other nodes, for `Reconciler::on_elsewhere`: those of which the
/// plan has an ACTIVE instance there. What a node says counts when it has taken up the plan that
/// put the instance there; what the plan has no more is on its way down, whatever was heard of it.
pub fn active_elsewhere<'a>(
    me: NodeId,
    plan: &Plan,
    observed: impl Fn(NodeId) -> Option<&'a Observed>,
) -> BTreeSet<(AppName, Coordinates)> {
    let is_active = |assignment: &&Assignment| {
        let Some(observed) = observed(assignment.node) else { return false };
        let start = observed.instances.partition_point(|i| i.instance < assignment.instance);
        let mut of_key =
            observed.instances[start..].iter().take_while(|i| i.instance == assignment.instance);
        observed.generation >= assignment.since && of_key.any(|i| i.state == InstanceState::Active)
    };
    let others = plan.assignments.iter().filter(|a| a.node != me);
    let slice = |a: &Assignment| (a.instance.app.clone(), a.instance.coordinates.clone());
    others.filter(is_active).map(slice).collect()
}

/// What is wanted, with its place in the load order of its application.
fn want(assignment: &Assignment, applications: &Applications) -> (usize, Want) {
    let key = &assignment.instance;
    let checked = applications.get(&key.app, assignment.blueprint);
    let place =
        checked.and_then(|c| c.slices.iter().position(|s| s.coordinates == key.coordinates));
    let dependencies = checked.map(|checked| {
        let each: BTreeSet<&Coordinates> = checked.dependencies(&key.coordinates).collect();
        each.into_iter().cloned().collect()
    });
    let want = Want {
        key: key.clone(),
        digest: assignment.digest,
        revision: assignment.blueprint,
        dependencies,
    };
    (place.unwrap_or(usize::MAX), want)
}
