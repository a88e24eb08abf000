//! The leader's planner: blueprints and nodes to the plan. Decides nothing: `placement` does.

use crate::control::{Control, ControlError};
use crate::keys;
use crate::projector::{Picture, Pictures};
use crate::reach::{LOST_AFTER, Reach, Reaches};
use crate::records;
use crate::rollouts;
use crate::tasks::Runs;
use aether_consensus::Term;
use aether_kv::{Condition, Operation, Transaction};
use aether_placement::{
    Breach, Duty, NodeView, Note, Report, Transition, View, lint_transition, lint_versions,
    plan_versions,
};
use aether_types::plan::Plan;
use aether_types::versioned::encode;
use aether_types::{ErrorKind, NodeId, Revision};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// The nodes as this node sees them, and what the plan cannot do as things are.
#[derive(Debug, Default)]
pub(crate) struct Outlook {
    pub(crate) view: View,
    pub(crate) report: Report,
}

/// Subscribes to the newest outlook.
pub(crate) type Reports = watch::Receiver<Arc<Outlook>>;

/// How long to sleep when no node is about to be lost.
const NO_DEADLINE: Duration = Duration::from_secs(3_600);

pub(crate) struct Planner {
    node: NodeId,
    run: u64,
    control: Control,
    pictures: Pictures,
    reaches: Reaches,
    leading: watch::Receiver<Option<Term>>,
    outlooks: watch::Sender<Arc<Outlook>>,
}

/// Why the plan stays as it is.
#[derive(Debug, thiserror::Error)]
enum PlanError {
    #[error(transparent)]
    Control(#[from] ControlError),
    #[error(transparent)]
    Defect(#[from] Defect),
}

impl PlanError {
    fn log(&self) {
        match self {
            Self::Control(error) => tracing::warn!(%error, "failed to commit the plan"),
            Self::Defect(defect) => tracing::error!(%defect, "the plan is not committed"),
        }
    }
}

/// A plan that no plan may be: a defect of the planner, which must not reach the nodes.
#[derive(Debug, thiserror::Error)]
#[error("the next plan breaks its rules, which is a defect of Aether: {}", join(notes, breaches))]
struct Defect {
    notes: Vec<Note>,
    breaches: Vec<Breach>,
}

fn join(notes: &[Note], breaches: &[Breach]) -> String {
    let notes = notes.iter().map(ToString::to_string);
    notes.chain(breaches.iter().map(ToString::to_string)).collect::<Vec<_>>().join("; ")
}

/// Who looks, since when it leads, and when it looks.
#[derive(Clone, Copy)]
struct Look {
    node: NodeId,
    run: u64,
    since: Instant,
    now: Instant,
}

impl Look {
    /// Which run of a node is alive; what another one has said counts for nothing.
    fn run_of(self, node: NodeId, reach: &Reach) -> Option<u64> {
        match node == self.node {
            true => Some(self.run),
            false => reach.0.get(&node).map(|seen| seen.run),
        }
    }
}

impl Planner {
    pub(crate) fn new(
        (node, run): (NodeId, u64),
        control: Control,
        pictures: Pictures,
        reaches: Reaches,
    ) -> (Self, Reports) {
        let (outlooks, receiver) = watch::channel(Arc::default());
        let leading = control.leading();
        (Self { node, run, control, pictures, reaches, leading, outlooks }, receiver)
    }

    /// Decides whenever something changed; the leader writes it down.
    pub(crate) async fn run(
        mut self,
        runs: Runs,
        shutdown: CancellationToken,
    ) -> Result<(), Infallible> {
        // A new leader has heard of nobody yet: it gives everybody the time that a silence takes.
        let started = Instant::now();
        let mut led_since = None;
        let mut failed = None;
        loop {
            let term = *self.leading.borrow_and_update();
            let picture = self.pictures.borrow_and_update().clone();
            let reach = self.reaches.borrow_and_update().clone();
            let now = Instant::now();
            let since = match term {
                Some(_) => *led_since.get_or_insert(now),
                None => started,
            };
            let look = Look { node: self.node, run: self.run, since, now };
            let (view, next_loss) = view(&picture, &reach, look);
            match term {
                Some(term) => {
                    let error = self.plan(&picture, view, term).await.err();
                    let said = error.as_ref().map(ToString::to_string);
                    match &error {
                        Some(error) if said != failed => error.log(),
                        _ => {}
                    }
                    failed.clone_from(&said);
                    runs.note("planner", now, said);
                }
                None => {
                    led_since = None;
                    // What is wrong with it, the leader finds out by itself.
                    drop(self.decide(&picture, view));
                }
            }
            let sleep = next_loss.map_or(NO_DEADLINE, |at| at.saturating_duration_since(now));
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                Ok(()) = self.leading.changed() => {}
                Ok(()) = self.pictures.changed() => {}
                Ok(()) = self.reaches.changed() => {}
                () = tokio::time::sleep(sleep) => {}
            }
        }
    }

    /// The plan as this node sees the cluster, which follows the plan that there is. Nodes that do
    /// not lead want only the outlook.
    ///
    /// # Errors
    /// It breaks a rule: a defect. It must not be committed.
    fn decide(&self, picture: &Picture, view: View) -> Result<Plan, Defect> {
        let previous = &picture.world.plan.value;
        let beside = rollouts::side_by_side(picture);
        let (next, report) = plan_versions(&picture.applications, &beside, &view, previous);
        let notes = lint_versions(&picture.applications, &beside, &view, &next);
        let (applications, side_by_side) = (&picture.applications, &beside);
        let (view_now, next_plan) = (&view, &next);
        let breaches = match next == *previous {
            true => Vec::new(),
            false => lint_transition(Transition {
                applications,
                side_by_side,
                view: view_now,
                previous,
                next: next_plan,
            }),
        };
        self.outlooks.send_replace(Arc::new(Outlook { view, report }));
        match notes.is_empty() && breaches.is_empty() {
            true => Ok(next),
            false => Err(Defect { notes, breaches }),
        }
    }

    async fn plan(&self, picture: &Picture, view: View, term: Term) -> Result<(), PlanError> {
        let previous = &picture.world.plan;
        let next = self.decide(picture, view)?;
        if next == previous.value {
            return Ok(());
        }
        let key = keys::plan();
        let condition = match previous.revision {
            Revision(0) => Condition::Absent { key: key.clone() },
            revision => Condition::ModifiedAt { key: key.clone(), revision },
        };
        let put = Operation::Put { key, value: encode(&next).into(), lease: None };
        let transaction = Transaction { conditions: vec![condition], operations: vec![put] };
        match self.control.transact_as_leader(transaction, term).await {
            Ok(_) => tracing::info!(generation = next.generation.0, "plan committed"),
            // Somebody was faster, or leads now: the change that they made wakes whoever plans.
            Err(error) if error.kind() == ErrorKind::Conflict => {}
            Err(error) => {
                return Err(error.into());
            }
        }
        Ok(())
    }
}

/// The nodes that can run something, and when one of them will be lost if it stays silent.
fn view(picture: &Picture, reach: &Reach, look: Look) -> (View, Option<Instant>) {
    let mut nodes = Vec::new();
    let mut next_loss: Option<Instant> = None;
    for (id, at) in &picture.world.members {
        // A node that has not said what it is runs nothing yet.
        if at.value.duty == records::Duty::Removed || !picture.world.nodes.contains_key(id) {
            continue;
        }
        let silence = reach.silence(*id, look.node, look.since, look.now);
        if silence.is_some_and(|silence| silence >= LOST_AFTER) {
            continue;
        }
        if let Some(silence) = silence {
            let lost = look.now + (LOST_AFTER - silence);
            next_loss = Some(next_loss.map_or(lost, |next| next.min(lost)));
        }
        let record = &picture.world.nodes[id];
        let observed = picture.world.observed.get(id);
        nodes.push(NodeView {
            id: *id,
            duty: match at.value.duty {
                records::Duty::Draining => Duty::Draining,
                _ => Duty::OnDuty,
            },
            suspect: silence.is_some(),
            zone: (!record.zone.is_empty()).then(|| record.zone.clone()),
            memory: record.memory_budget,
            observed: observed.filter(|o| look.run_of(*id, reach) == Some(o.run)).cloned(),
        });
    }
    (View { nodes }, next_loss)
}
