//! Looks at two plans in a row from outside: what goes must leave enough that are ready. Shares no
//! code with the planner.

use crate::versions::{LANE, SideBySide};
use crate::view::{Duty, NodeView, View};
use aether_types::blueprint::Spread;
use aether_types::checked::{Applications, Checked, CheckedSlice};
use aether_types::observed::InstanceState;
use aether_types::plan::{Assignment, InstanceKey, Plan};
use aether_types::{AppName, ByteSize, Coordinates, NodeId, Revision, SliceName};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::fmt;

/// Two plans in a row, and what the second one was made from.
#[derive(Debug, Clone, Copy)]
pub struct Transition<'a> {
    pub applications: &'a Applications,
    /// Versions that are wanted beside the current one, or instead of it.
    pub side_by_side: &'a SideBySide,
    pub view: &'a View,
    pub previous: &'a Plan,
    pub next: &'a Plan,
}

/// Something that the step from one plan to the next must not do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Breach {
    /// An instance that may be ACTIVE goes, and too few of its slice are known to be ready then.
    MinReady { app: AppName, slice: SliceName, ready: usize, min_ready: usize },
    /// A new instance makes its node or zone fuller than the emptiest one, by more than it may.
    Skewed { instance: InstanceKey, node: NodeId },
}

/// Everything that is wrong with the step from plan to plan. Instances that are taken away and are
/// known not to be ready break no budget, nor does what is lost with a node.
pub fn lint_transition(transition: Transition<'_>) -> Vec<Breach> {
    let mut breaches = budgets(transition);
    breaches.extend(skews(transition));
    breaches
}

/// What stays and what goes from one plan to the next, by version.
#[derive(Default)]
struct Moves<'a> {
    /// Ready ones that stay. By the revision that they stay with.
    left: BTreeMap<Version<'a>, usize>,
    /// Versions from which one goes that may be ready.
    robbed: BTreeSet<Version<'a>>,
}

type Version<'a> = (&'a AppName, Revision, &'a Coordinates);

/// A version that is wanted of an application, and how many instances of each slice.
struct Wanted<'a> {
    revision: Revision,
    checked: &'a Checked,
    instances: Option<&'a BTreeMap<Coordinates, u32>>,
}

fn budgets(transition: Transition<'_>) -> Vec<Breach> {
    let moves = Moves::of(transition);
    let Transition { applications, side_by_side, .. } = transition;
    let mut breaches = Vec::new();
    for (current, checked) in applications.all_current() {
        let wanted: Vec<Wanted<'_>> = match side_by_side.get(&checked.app) {
            Some(versions) => {
                let known = versions.iter().filter_map(|version| {
                    let checked = applications.get(&checked.app, version.revision)?;
                    let instances = Some(&version.instances);
                    Some(Wanted { revision: version.revision, checked, instances })
                });
                known.collect()
            }
            None => [Wanted { revision: current, checked, instances: None }].into(),
        };
        let robbed = moves.robbed.iter().filter(|(app, ..)| **app == checked.app);
        breaches.extend(robbed.filter_map(|version| moves.breach(*version, &wanted)));
    }
    breaches
}

impl<'a> Moves<'a> {
    fn of(transition: Transition<'a>) -> Self {
        let Transition { view, previous, next, .. } = transition;
        let after: BTreeMap<(&InstanceKey, NodeId), Revision> =
            next.assignments.iter().map(|a| ((&a.instance, a.node), a.blueprint)).collect();
        let mut moves = Self::default();
        for assignment in &previous.assignments {
            let InstanceKey { app, coordinates, .. } = &assignment.instance;
            let kept = after.get(&(&assignment.instance, assignment.node));
            match (is_ready(view, assignment), kept) {
                (Some(true), Some(revision)) => {
                    *moves.left.entry((app, *revision, coordinates)).or_default() += 1;
                }
                (Some(true) | None, None) if is_there(view, assignment) => {
                    moves.robbed.insert((app, assignment.blueprint, coordinates));
                }
                _ => {}
            }
        }
        moves
    }

    /// Whether too few are left when an instance of this version goes: of the version, if it is
    /// wanted; else of every one that could stand in for it.
    fn breach(&self, robbed: Version<'_>, wanted: &[Wanted<'_>]) -> Option<Breach> {
        let (_, revision, _) = robbed;
        let mut own = wanted.iter().filter(|w| w.revision == revision);
        let lacks = match own.next() {
            Some(own) => [self.lack(robbed, own, wanted)].into(),
            None => wanted.iter().map(|other| self.lack(robbed, other, wanted)).collect::<Vec<_>>(),
        };
        // One that stands is enough; one that has no such slice says nothing.
        let said: Vec<Option<Breach>> = lacks.into_iter().flatten().collect();
        said.into_iter().collect::<Option<Vec<Breach>>>()?.into_iter().next()
    }

    /// What a wanted version lacks of the slice; None where it has none. Ready ones of versions
    /// that are not wanted any more count as well.
    fn lack(
        &self,
        (app, _, coordinates): Version<'_>,
        version: &Wanted<'_>,
        wanted: &[Wanted<'_>],
    ) -> Option<Option<Breach>> {
        let name = &coordinates.slice;
        let slices = &version.checked.slices;
        let is_same = version.checked.slice(coordinates).is_some();
        let means = |c: &Coordinates| if is_same { c == coordinates } else { c.slice == *name };
        let is_old = |(a, revision, c): &Version<'_>| {
            *a == app && means(c) && wanted.iter().all(|w| w.revision != *revision)
        };
        let old = self.left.iter().filter(|(version, _)| is_old(version));
        let old: usize = old.map(|(_, count)| count).sum();
        let breach = |slice: &CheckedSlice| {
            let own = (app, version.revision, &slice.coordinates);
            let ready = self.left.get(&own).copied().unwrap_or(0) + old;
            let min_ready = version.min_ready(slice);
            let (app, slice) = (app.clone(), name.clone());
            (ready < min_ready).then_some(Breach::MinReady { app, slice, ready, min_ready })
        };
        let mut slices = slices.iter().filter(|slice| means(&slice.coordinates)).peekable();
        slices.peek()?;
        Some(slices.find_map(breach))
    }
}

impl Wanted<'_> {
    fn min_ready(&self, slice: &CheckedSlice) -> usize {
        let instances = self.instances.and_then(|all| all.get(&slice.coordinates));
        slice.min_ready.min(instances.copied().unwrap_or(slice.instances)) as usize
    }
}

fn skews(transition: Transition<'_>) -> Vec<Breach> {
    let Transition { applications, view, previous, next, .. } = transition;
    let before: BTreeSet<(&InstanceKey, NodeId)> =
        previous.assignments.iter().map(|a| (&a.instance, a.node)).collect();
    let is_new = |a: &&Assignment| !before.contains(&(&a.instance, a.node));
    let mut breaches = Vec::new();
    for new in next.assignments.iter().filter(is_new) {
        let InstanceKey { app, coordinates, .. } = &new.instance;
        let checked = applications.get(app, new.blueprint);
        let Some(slice) = checked.and_then(|checked| checked.slice(coordinates)) else { continue };
        let Some(skew) = slice.placement.max_skew else { continue };
        let domain = |node: NodeId| {
            let zone = view.nodes.iter().find(|n| n.id == node).and_then(|n| n.zone.as_ref());
            match slice.placement.spread {
                Spread::Zone => (None, zone),
                Spread::Node => (Some(node), None),
            }
        };
        // Versions beside each other are spread each by itself.
        let lane = |a: &Assignment| a.instance.ordinal >= LANE;
        let of_slice = |a: &&Assignment| {
            let same = a.instance.app == *app && a.instance.coordinates == *coordinates;
            same && !a.leaving && lane(a) == lane(new)
        };
        let all = next.assignments.iter().filter(of_slice);
        let count = |node| all.clone().filter(|a| domain(a.node) == domain(node)).count();
        // At most: what is replaced by another may be counted twice.
        let taken = |node| {
            let others = next.assignments.iter().filter(|a| a.node == node && lane(a) != lane(new));
            ByteSize(others.map(|a| a.memory.bytes()).sum())
        };
        let could = |n: &&NodeView| {
            let room = ByteSize(n.memory.bytes().saturating_sub(taken(n.id).bytes()));
            n.duty == Duty::OnDuty && !n.suspect && room >= slice.limits.reservation()
        };
        let emptiest = view.nodes.iter().filter(could).map(|n| count(n.id)).min();
        if emptiest.is_some_and(|emptiest| count(new.node) > emptiest + skew.get() as usize) {
            breaches.push(Breach::Skewed { instance: new.instance.clone(), node: new.node });
        }
    }
    breaches
}

fn is_there(view: &View, assignment: &Assignment) -> bool {
    view.nodes.iter().any(|node| node.id == assignment.node)
}

/// Whether the instance is ready, as far as anybody knows.
fn is_ready(view: &View, assignment: &Assignment) -> Option<bool> {
    let node = view.nodes.iter().find(|node| node.id == assignment.node)?;
    let observed = node.observed.as_ref()?;
    if node.suspect || observed.generation < assignment.since {
        return None;
    }
    let mut of_key = observed.instances.iter().filter(|i| i.instance == assignment.instance);
    Some(of_key.any(|i| i.state == InstanceState::Active))
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MinReady { app, slice, ready, min_ready } => {
                write!(
                    f,
                    "{app}/{slice} would have {ready} ready instances of at least {min_ready}"
                )
            }
            Self::Skewed { instance, node } => {
                write!(f, "{instance} on node {node} breaks max-skew")
            }
        }
    }
}
