//! Which instance runs on which node: fewest moves, evenly spread. Knows no routes and no health.

use aether_types::blueprint::Application;
use aether_types::code::Code;
use aether_types::observed::Reason;
use aether_types::plan::{Assignment, InstanceKey, Plan};
use aether_types::{AppName, Coordinates, Digest, Generation, NodeId, Revision};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::vec::Vec;
use core::cmp::Reverse;

/// The nodes that there are, as one consistent snapshot. A node that is lost is not among them.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct View {
    pub nodes: Vec<NodeView>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeView {
    pub id: NodeId,
    pub duty: Duty,
}

/// What a node does for the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duty {
    /// Keeps instances and takes new ones.
    OnDuty,
    /// Keeps instances and takes no new ones.
    Cordoned,
    /// Gives its instances away.
    Draining,
}

/// An application that passed its check, at the revision that is to run.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    pub revision: Revision,
    pub application: &'a Application,
}

/// What a plan changes and what it could not do.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Report {
    /// Sorted by instance.
    pub changes: Vec<Change>,
    /// Sorted by application and slice.
    pub unplaced: Vec<Unplaced>,
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

type SliceKey = (AppName, Coordinates);

/// One slice to place.
struct Demand {
    instances: u32,
    digest: Digest,
    revision: Revision,
}

/// The plan that follows `previous`: the same one where nothing has to change, otherwise one with
/// the next generation. The order of `applications` and of nodes does not matter.
pub fn plan(applications: &[Wanted<'_>], view: &View, previous: &Plan) -> (Plan, Report) {
    let demands = demands(applications);
    let duties: BTreeMap<NodeId, Duty> = view.nodes.iter().map(|n| (n.id, n.duty)).collect();
    let before = by_slice(previous);
    let kept = |(key, demand): (&SliceKey, &Demand)| {
        keep(demand, &duties, before.get(key).map_or(&[][..], Vec::as_slice))
    };
    let mut held: BTreeMap<&SliceKey, BTreeMap<u32, NodeId>> =
        demands.iter().map(|each| (each.0, kept(each))).collect();
    let mut load: BTreeMap<NodeId, usize> = BTreeMap::new();
    for (id, duty) in &duties {
        if *duty == Duty::OnDuty {
            let on_node = |nodes: &BTreeMap<u32, NodeId>| nodes.values().any(|n| n == id);
            load.insert(*id, held.values().filter(|nodes| on_node(nodes)).count());
        }
    }
    let mut report = Report::default();
    let mut assignments = Vec::new();
    for (key, demand) in &demands {
        let mut nodes = held.remove(key).expect("each demand was looked at");
        place(demand, &mut nodes, &mut load);
        let placed = u32::try_from(nodes.len()).expect("at most as many as wanted");
        if placed < demand.instances {
            report.unplaced.push(unplaced(key, demand, placed));
        }
        assignments.extend(nodes.into_iter().map(|(ordinal, node)| Assignment {
            instance: InstanceKey { app: key.0.clone(), coordinates: key.1.clone(), ordinal },
            node,
            digest: demand.digest,
            blueprint: demand.revision,
        }));
    }
    report.changes = changes(&previous.assignments, &assignments);
    if report.changes.is_empty() {
        return (previous.clone(), report);
    }
    let generation = Generation(previous.generation.0 + 1);
    (Plan { generation, parent: previous.generation, assignments }, report)
}

fn demands(applications: &[Wanted<'_>]) -> BTreeMap<SliceKey, Demand> {
    let mut demands = BTreeMap::new();
    for wanted in applications {
        let app = &wanted.application.blueprint.application.name;
        let entries = &wanted.application.blueprint.slices;
        for (entry, bound) in entries.iter().zip(&wanted.application.artifacts) {
            let demand = Demand {
                instances: entry.instances.get(),
                digest: bound.digest,
                revision: wanted.revision,
            };
            let twice = demands.insert((app.clone(), bound.coordinates.clone()), demand);
            assert!(twice.is_none(), "an application holds a slice once, and comes once");
        }
    }
    demands
}

fn by_slice(plan: &Plan) -> BTreeMap<SliceKey, Vec<&Assignment>> {
    let mut slices: BTreeMap<SliceKey, Vec<&Assignment>> = BTreeMap::new();
    for assignment in &plan.assignments {
        let InstanceKey { app, coordinates, .. } = &assignment.instance;
        slices.entry((app.clone(), coordinates.clone())).or_default().push(assignment);
    }
    slices
}

/// The previous instances that stay, by ordinal: those on nodes that keep instances, one per node,
/// no more than wanted; nodes on duty before cordoned ones, then low ordinals before high ones.
fn keep(
    demand: &Demand,
    duties: &BTreeMap<NodeId, Duty>,
    previous: &[&Assignment],
) -> BTreeMap<u32, NodeId> {
    let mut candidates: Vec<(bool, u32, NodeId)> = Vec::new();
    for assignment in previous {
        match duties.get(&assignment.node) {
            Some(duty @ (Duty::OnDuty | Duty::Cordoned)) => {
                let cordoned = *duty == Duty::Cordoned;
                candidates.push((cordoned, assignment.instance.ordinal, assignment.node));
            }
            Some(Duty::Draining) | None => {}
        }
    }
    candidates.sort_unstable();
    let mut nodes = BTreeSet::new();
    candidates.retain(|(_, _, node)| nodes.insert(*node));
    let kept = candidates.into_iter().take(demand.instances as usize);
    kept.map(|(_, ordinal, node)| (ordinal, node)).collect()
}

/// Gives the missing instances the lowest free ordinals and the least loaded nodes on duty that do
/// not have one; of equally loaded nodes the one with the lowest id.
fn place(demand: &Demand, nodes: &mut BTreeMap<u32, NodeId>, load: &mut BTreeMap<NodeId, usize>) {
    let taken: BTreeSet<NodeId> = nodes.values().copied().collect();
    let mut free: Vec<(Reverse<usize>, Reverse<NodeId>)> = load
        .iter()
        .filter(|(node, _)| !taken.contains(node))
        .map(|(node, count)| (Reverse(*count), Reverse(*node)))
        .collect();
    free.sort_unstable();
    let missing = demand.instances as usize - nodes.len();
    for (_, Reverse(node)) in free.into_iter().rev().take(missing) {
        let ordinal = (0..).find(|n| !nodes.contains_key(n)).expect("ordinals do not run out");
        nodes.insert(ordinal, node);
        *load.entry(node).or_default() += 1;
    }
}

fn unplaced(key: &SliceKey, demand: &Demand, placed: u32) -> Unplaced {
    let wanted = demand.instances;
    let message = format!(
        "{} of {wanted} instances have no node: a node holds one instance of a slice, and no other is on duty",
        wanted - placed
    );
    Unplaced {
        app: key.0.clone(),
        coordinates: key.1.clone(),
        wanted,
        placed,
        reason: Reason { code: Code::NotEnoughNodes, message, retryable: true },
    }
}

/// What is different, sorted by instance.
fn changes(before: &[Assignment], after: &[Assignment]) -> Vec<Change> {
    let index = |assignments: &[Assignment]| -> BTreeMap<InstanceKey, Assignment> {
        assignments.iter().map(|a| (a.instance.clone(), a.clone())).collect()
    };
    let (before, after) = (index(before), index(after));
    let keys: BTreeSet<&InstanceKey> = before.keys().chain(after.keys()).collect();
    let change = |instance: &InstanceKey| {
        let instance = instance.clone();
        match (before.get(&instance), after.get(&instance)) {
            (None, Some(new)) => Some(Change::Add { instance, node: new.node }),
            (Some(old), None) => Some(Change::Remove { instance, node: old.node }),
            (Some(old), Some(new)) if old.node != new.node => {
                Some(Change::Move { instance, from: old.node, to: new.node })
            }
            (Some(old), Some(new)) if old != new => {
                Some(Change::Replace { instance, node: new.node })
            }
            _ => None,
        }
    };
    keys.into_iter().filter_map(change).collect()
}
