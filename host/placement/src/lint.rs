//! Looks at a plan from outside and says what no plan may contain. Shares no code with the planner.

use crate::plan::{Duty, View};
use aether_types::plan::{Assignment, InstanceKey, Plan};
use aether_types::{AppName, NodeId, Revision};
use alloc::vec::Vec;
use core::fmt;

/// Something that is wrong with a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// It replaces a generation that is not older.
    ParentNotOlder,
    /// Not sorted by instance.
    NotSorted { instance: InstanceKey },
    /// The instance stands there twice.
    Twice { instance: InstanceKey },
    /// Two instances of one slice on one node.
    Crowded { instance: InstanceKey, node: NodeId },
    /// On a node that does not exist.
    NoSuchNode { instance: InstanceKey, node: NodeId },
    /// On a node that gives its instances away.
    OnDrainingNode { instance: InstanceKey, node: NodeId },
    /// Two slices of one application run with different revisions of its blueprint.
    MixedRevisions { app: AppName, revisions: [Revision; 2] },
}

/// Everything that is wrong with the plan; nothing, if `plan` made it for this view.
pub fn lint(plan: &Plan, view: &View) -> Vec<Note> {
    let mut notes = Vec::new();
    if plan.generation <= plan.parent && !plan.assignments.is_empty() {
        notes.push(Note::ParentNotOlder);
    }
    for (i, assignment) in plan.assignments.iter().enumerate() {
        let instance = || assignment.instance.clone();
        let node = assignment.node;
        match view.nodes.iter().find(|n| n.id == node).map(|n| n.duty) {
            None => notes.push(Note::NoSuchNode { instance: instance(), node }),
            Some(Duty::Draining) => {
                notes.push(Note::OnDrainingNode { instance: instance(), node });
            }
            Some(Duty::OnDuty | Duty::Cordoned) => {}
        }
        let earlier = &plan.assignments[..i];
        against_earlier(assignment, earlier, &mut notes);
    }
    notes
}

fn against_earlier(assignment: &Assignment, earlier: &[Assignment], notes: &mut Vec<Note>) {
    let instance = &assignment.instance;
    if earlier.last().is_some_and(|last| last.instance > *instance) {
        notes.push(Note::NotSorted { instance: instance.clone() });
    }
    if earlier.iter().any(|e| e.instance == *instance) {
        notes.push(Note::Twice { instance: instance.clone() });
    }
    let of_app = || earlier.iter().filter(|e| e.instance.app == instance.app);
    let node = assignment.node;
    if of_app().any(|e| e.node == node && e.instance.coordinates == instance.coordinates) {
        notes.push(Note::Crowded { instance: instance.clone(), node });
    }
    if let Some(first) = of_app().next()
        && first.blueprint != assignment.blueprint
    {
        let revisions = [first.blueprint, assignment.blueprint];
        notes.push(Note::MixedRevisions { app: instance.app.clone(), revisions });
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ParentNotOlder => f.write_str("the plan does not follow its parent"),
            Self::NotSorted { instance } => write!(f, "{instance} is out of order"),
            Self::Twice { instance } => write!(f, "{instance} stands there twice"),
            Self::Crowded { instance, node } => {
                write!(f, "{instance} is not the only instance of its slice on node {node}")
            }
            Self::NoSuchNode { instance, node } => {
                write!(f, "{instance} is on node {node}, which does not exist")
            }
            Self::OnDrainingNode { instance, node } => {
                write!(f, "{instance} is on node {node}, which is draining")
            }
            Self::MixedRevisions { app, revisions: [a, b] } => {
                write!(f, "{app} runs with revisions {a} and {b}")
            }
        }
    }
}
