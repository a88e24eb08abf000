//! Looks at two plans in a row from outside: what goes must leave enough that are ready. Shares no
//! code with the planner.

use crate::view::{Duty, NodeView, View};
use aether_types::blueprint::Spread;
use aether_types::checked::Applications;
use aether_types::observed::InstanceState;
use aether_types::plan::{Assignment, InstanceKey, Plan};
use aether_types::{AppName, Coordinates, NodeId, SliceName};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::fmt;

/// Two plans in a row, and what the second one was made from.
#[derive(Debug, Clone, Copy)]
pub struct Transition<'a> {
    pub applications: &'a Applications,
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

fn budgets(transition: Transition<'_>) -> Vec<Breach> {
    let Transition { applications, view, previous, next } = transition;
    let after: BTreeSet<(&InstanceKey, NodeId)> =
        next.assignments.iter().map(|a| (&a.instance, a.node)).collect();
    // By version: ready ones that stay in the plan; versions from which a possibly ready one goes.
    let mut left: BTreeMap<(&AppName, &Coordinates), usize> = BTreeMap::new();
    let mut robbed: BTreeSet<(&AppName, &Coordinates)> = BTreeSet::new();
    for assignment in &previous.assignments {
        let key = (&assignment.instance.app, &assignment.instance.coordinates);
        let is_kept = after.contains(&(&assignment.instance, assignment.node));
        match is_ready(view, assignment) {
            Some(true) if is_kept => *left.entry(key).or_default() += 1,
            Some(true) | None if !is_kept && is_there(view, assignment) => {
                robbed.insert(key);
            }
            _ => {}
        }
    }
    let mut breaches = Vec::new();
    for (_, checked) in applications.all_current() {
        for slice in &checked.slices {
            let (app, name) = (&checked.app, &slice.coordinates.slice);
            let is_wanted = |c: &Coordinates| checked.slice(c).is_some();
            let same = |(a, c): &(&AppName, &Coordinates)| *a == app && c.slice == *name;
            let ready = left.get(&(app, &slice.coordinates)).copied().unwrap_or(0);
            let old = left.iter().filter(|(key, _)| same(key) && !is_wanted(key.1));
            let old: usize = old.map(|(_, count)| count).sum();
            let min_ready = slice.min_ready.min(slice.instances) as usize;
            let is_robbed = robbed.contains(&(app, &slice.coordinates));
            let is_replaced = robbed.iter().any(|key| same(key) && !is_wanted(key.1));
            if (is_robbed && ready < min_ready) || (is_replaced && ready + old < min_ready) {
                let (app, slice) = (app.clone(), name.clone());
                breaches.push(Breach::MinReady { app, slice, ready: ready + old, min_ready });
            }
        }
    }
    breaches
}

fn skews(transition: Transition<'_>) -> Vec<Breach> {
    let Transition { applications, view, previous, next } = transition;
    let before: BTreeSet<(&InstanceKey, NodeId)> =
        previous.assignments.iter().map(|a| (&a.instance, a.node)).collect();
    let is_new = |a: &&Assignment| !before.contains(&(&a.instance, a.node));
    let mut breaches = Vec::new();
    for new in next.assignments.iter().filter(is_new) {
        let InstanceKey { app, coordinates, .. } = &new.instance;
        let checked = applications.current(app).map(|(_, checked)| checked);
        let Some(slice) = checked.and_then(|checked| checked.slice(coordinates)) else { continue };
        let Some(skew) = slice.placement.max_skew else { continue };
        let domain = |node: NodeId| {
            let zone = view.nodes.iter().find(|n| n.id == node).and_then(|n| n.zone.as_ref());
            match slice.placement.spread {
                Spread::Zone => (None, zone),
                Spread::Node => (Some(node), None),
            }
        };
        let of_slice = |a: &&Assignment| {
            !a.leaving && a.instance.app == *app && a.instance.coordinates == *coordinates
        };
        let all = next.assignments.iter().filter(of_slice);
        let count = |node| all.clone().filter(|a| domain(a.node) == domain(node)).count();
        let could = |n: &&NodeView| {
            n.duty == Duty::OnDuty && !n.suspect && n.memory >= slice.limits.reservation()
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
