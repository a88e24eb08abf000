//! Looks at a plan from outside and says what no plan may contain. Shares no code with the planner.

mod transition;

use crate::view::{Duty, NodeView, View};
use aether_types::checked::{Applications, CheckedSlice};
use aether_types::plan::{Assignment, InstanceKey, Plan};
use aether_types::{AppName, ByteSize, Coordinates, NodeId, Revision, SliceName};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::fmt;

pub use transition::{Breach, Transition, lint_transition};

/// Something that is wrong with a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// It replaces a generation that is not older.
    ParentNotOlder,
    /// Not sorted by instance.
    NotSorted { instance: InstanceKey },
    /// The instance stands there twice.
    Twice { instance: InstanceKey },
    /// On a node that does not exist.
    NoSuchNode { instance: InstanceKey, node: NodeId },
    /// On a node that gives its instances away.
    OnDrainingNode { instance: InstanceKey, node: NodeId },
    /// Not leaving, though no application wants the slice, or this revision of it.
    Unwanted { instance: InstanceKey, revision: Revision },
    /// More instances than the blueprint wants.
    TooMany { instance: InstanceKey },
    /// What stays on the node is more than its memory budget.
    OverBudget { node: NodeId, memory: ByteSize, budget: ByteSize },
    /// An instance is not beside the slice that it must be near.
    NotNear { instance: InstanceKey, node: NodeId, other: SliceName },
    /// An instance is beside the slice that it must be away from.
    NotAway { instance: InstanceKey, node: NodeId, other: SliceName },
}

/// Everything that is wrong with the plan; nothing, if `plan` made it for this view.
pub fn lint(applications: &Applications, view: &View, plan: &Plan) -> Vec<Note> {
    let mut notes = Vec::new();
    if plan.generation <= plan.parent && !plan.assignments.is_empty() {
        notes.push(Note::ParentNotOlder);
    }
    for pair in plan.assignments.windows(2) {
        let instance = || pair[1].instance.clone();
        if pair[0].instance == pair[1].instance {
            notes.push(Note::Twice { instance: instance() });
        } else if pair[0].instance > pair[1].instance {
            notes.push(Note::NotSorted { instance: instance() });
        }
    }
    let linter = Linter::new(applications, view, plan);
    for assignment in plan.assignments.iter() {
        linter.assignment(assignment, &mut notes);
    }
    linter.budgets(&mut notes);
    notes
}

type SliceOf<'a> = (&'a AppName, &'a SliceName);

struct Linter<'a> {
    plan: &'a Plan,
    nodes: BTreeMap<NodeId, &'a NodeView>,
    wanted: BTreeMap<(&'a AppName, &'a Coordinates), (Revision, &'a CheckedSlice)>,
    /// Nodes of the instances that stay.
    staying: BTreeMap<(&'a AppName, &'a Coordinates), Vec<NodeId>>,
    on_node: BTreeSet<(NodeId, SliceOf<'a>)>,
    /// Pairs that must be away from each other, in both directions.
    away: BTreeMap<SliceOf<'a>, BTreeSet<&'a SliceName>>,
}

impl<'a> Linter<'a> {
    fn new(applications: &'a Applications, view: &'a View, plan: &'a Plan) -> Self {
        let mut linter = Self {
            plan,
            nodes: view.nodes.iter().map(|node| (node.id, node)).collect(),
            wanted: BTreeMap::new(),
            staying: BTreeMap::new(),
            on_node: BTreeSet::new(),
            away: BTreeMap::new(),
        };
        for (revision, checked) in applications.all_current() {
            for slice in &checked.slices {
                let (app, name) = (&checked.app, &slice.coordinates.slice);
                linter.wanted.insert((app, &slice.coordinates), (revision, slice));
                for other in &slice.placement.require_away_from {
                    linter.away.entry((app, name)).or_default().insert(other);
                    linter.away.entry((app, other)).or_default().insert(name);
                }
            }
        }
        for a in plan.assignments.iter().filter(|a| !a.leaving) {
            let InstanceKey { app, coordinates, .. } = &a.instance;
            linter.staying.entry((app, coordinates)).or_default().push(a.node);
            linter.on_node.insert((a.node, (app, &coordinates.slice)));
        }
        linter
    }

    fn assignment(&self, assignment: &'a Assignment, notes: &mut Vec<Note>) {
        let (node, key) = (assignment.node, &assignment.instance);
        let instance = || key.clone();
        let Some(view) = self.nodes.get(&node) else {
            notes.push(Note::NoSuchNode { instance: instance(), node });
            return;
        };
        if assignment.leaving {
            return;
        }
        if view.duty == Duty::Draining {
            notes.push(Note::OnDrainingNode { instance: instance(), node });
        }
        let wanted = self.wanted.get(&(&key.app, &key.coordinates));
        let Some((_, slice)) = wanted.filter(|(r, _)| *r == assignment.blueprint) else {
            let revision = assignment.blueprint;
            notes.push(Note::Unwanted { instance: instance(), revision });
            return;
        };
        let count = self.staying[&(&key.app, &key.coordinates)].len();
        if count > slice.instances as usize {
            notes.push(Note::TooMany { instance: instance() });
        }
        for other in self.not_near(&key.app, slice, node) {
            notes.push(Note::NotNear { instance: instance(), node, other: other.clone() });
        }
        let away = self.away.get(&(&key.app, &key.coordinates.slice)).into_iter().flatten();
        for other in away.filter(|other| self.on_node.contains(&(node, (&key.app, other)))) {
            notes.push(Note::NotAway { instance: instance(), node, other: (*other).clone() });
        }
    }

    /// The slices that it must be near and that are not there.
    fn not_near(
        &self,
        app: &'a AppName,
        slice: &'a CheckedSlice,
        node: NodeId,
    ) -> impl Iterator<Item = &'a SliceName> {
        let near = slice.placement.require_near.iter();
        near.filter(move |other| !self.on_node.contains(&(node, (app, *other))))
    }

    fn budgets(&self, notes: &mut Vec<Note>) {
        let mut memory: BTreeMap<NodeId, u64> = BTreeMap::new();
        for assignment in self.plan.assignments.iter().filter(|a| !a.leaving) {
            *memory.entry(assignment.node).or_default() += assignment.memory.bytes();
        }
        for (node, bytes) in memory {
            let Some(view) = self.nodes.get(&node) else { continue };
            if bytes > view.memory.bytes() {
                let (memory, budget) = (ByteSize(bytes), view.memory);
                notes.push(Note::OverBudget { node, memory, budget });
            }
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ParentNotOlder => f.write_str("the plan does not follow its parent"),
            Self::NotSorted { instance } => write!(f, "{instance} is out of order"),
            Self::Twice { instance } => write!(f, "{instance} stands there twice"),
            Self::NoSuchNode { instance, node } => {
                write!(f, "{instance} is on node {node}, which does not exist")
            }
            Self::OnDrainingNode { instance, node } => {
                write!(f, "{instance} is on node {node}, which is draining")
            }
            Self::Unwanted { instance, revision } => {
                write!(f, "{instance} stays with revision {revision}, which nobody wants")
            }
            Self::TooMany { instance } => {
                write!(f, "{instance} is one of more instances than are wanted")
            }
            Self::OverBudget { node, memory, budget } => {
                write!(f, "{memory} are planned on node {node}, which has {budget}")
            }
            Self::NotNear { instance, node, other } => {
                write!(f, "{instance} must be near {other}, and is on node {node}")
            }
            Self::NotAway { instance, node, other } => {
                write!(f, "{instance} must be away from {other}, and is on node {node}")
            }
        }
    }
}
