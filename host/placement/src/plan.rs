//! Which instance runs on which node: fewest moves, evenly spread, new before old. Knows no routes
//! and no clock.

mod choose;
mod draft;
mod keep;
mod ledger;
mod place;
mod reason;
mod rebalance;
mod release;

use crate::view::View;
use aether_types::checked::Applications;
use aether_types::observed::Reason;
use aether_types::plan::{Assignment, InstanceKey, Plan};
use aether_types::{AppName, Coordinates, Generation, NodeId};
use alloc::vec::Vec;
use core::cmp::Ordering;
use draft::Draft;

pub use rebalance::MOVES_MAX;

/// What a plan changes and what it could not do.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Report {
    /// Sorted by instance.
    pub changes: Vec<Change>,
    /// Sorted by application and slice.
    pub unplaced: Vec<Unplaced>,
    /// Retired instances that cannot go yet. Sorted by application and slice.
    pub staying: Vec<Staying>,
    /// Sorted by application and slice.
    pub crowded: Vec<Crowded>,
}

/// What is different from the previous plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    Add {
        instance: InstanceKey,
        node: NodeId,
    },
    Remove {
        instance: InstanceKey,
        node: NodeId,
    },
    /// Its node is lost, and another one has it.
    Move {
        instance: InstanceKey,
        from: NodeId,
        to: NodeId,
    },
    /// Stays where it is, with other bytes or another revision of the blueprint.
    Replace {
        instance: InstanceKey,
        node: NodeId,
    },
    /// Serves until what comes after it is ready.
    Retire {
        instance: InstanceKey,
        node: NodeId,
    },
}

/// A slice that has fewer instances than the blueprint wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unplaced {
    pub app: AppName,
    pub coordinates: Coordinates,
    pub wanted: u32,
    pub placed: u32,
    pub reason: Reason,
}

/// A retired instance that goes on serving.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Staying {
    pub instance: InstanceKey,
    pub node: NodeId,
    pub reason: Reason,
}

/// A slice of which a node has several instances, because fewer nodes than instances can have one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crowded {
    pub app: AppName,
    pub coordinates: Coordinates,
    pub instances: u32,
    /// On so many nodes.
    pub nodes: u32,
}

/// Rounds until a plan changes nothing of itself: one that changes, one that takes the room which
/// that left, one that sees that all is done. The bound is for a defect, not for a cluster.
const ROUNDS_MAX: usize = 16;

/// The plan that follows `previous`: the same one where nothing has to change, otherwise one with
/// the next generation. The order of nodes does not matter.
///
/// No instance that is ready, or may be, leaves the plan while fewer than `min-ready` others of its
/// slice are known to be ready.
pub fn plan(applications: &Applications, view: &View, previous: &Plan) -> (Plan, Report) {
    let generation = Generation(previous.generation.0 + 1);
    let mut next = previous.clone();
    let mut report = Report::default();
    for _ in 0..ROUNDS_MAX {
        let (assignments, found) = round(applications, view, &next, generation);
        report = found;
        if assignments == next.assignments {
            break;
        }
        next = Plan { generation, parent: previous.generation, assignments };
    }
    report.changes = changes(&previous.assignments, &next.assignments);
    (next, report)
}

fn round(
    applications: &Applications,
    view: &View,
    plan: &Plan,
    generation: Generation,
) -> (Vec<Assignment>, Report) {
    let mut draft = Draft::new(applications, view, plan, generation);
    keep::keep(&mut draft);
    let unplaced = place::place(&mut draft);
    rebalance::rebalance(&mut draft);
    let staying = release::release(&mut draft, applications);
    let crowded = place::crowded(&draft);
    (draft.assignments(), Report { changes: Vec::new(), unplaced, staying, crowded })
}

/// What is different; both are sorted by instance.
pub(crate) fn changes(before: &[Assignment], after: &[Assignment]) -> Vec<Change> {
    let (mut before, mut after) = (before.iter().peekable(), after.iter().peekable());
    let mut changes = Vec::new();
    loop {
        let order = match (before.peek(), after.peek()) {
            (None, None) => return changes,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(old), Some(new)) => old.instance.cmp(&new.instance),
        };
        let old = before.next_if(|_| order.is_le());
        let new = after.next_if(|_| order.is_ge());
        changes.extend(change(old, new));
    }
}

fn change(old: Option<&Assignment>, new: Option<&Assignment>) -> Option<Change> {
    let instance = old.or(new)?.instance.clone();
    Some(match (old, new) {
        (None, Some(new)) => Change::Add { instance, node: new.node },
        (Some(old), None) => Change::Remove { instance, node: old.node },
        (Some(old), Some(new)) if old.node != new.node => {
            Change::Move { instance, from: old.node, to: new.node }
        }
        (Some(old), Some(new)) if new.leaving && !old.leaving => {
            Change::Retire { instance, node: new.node }
        }
        (Some(old), Some(new)) if old != new => Change::Replace { instance, node: new.node },
        _ => return None,
    })
}
