//! The leader's planner: blueprints and nodes to the plan. Decides nothing: `placement` does.

use crate::control::{Control, ControlError};
use crate::keys;
use crate::projector::{Picture, Pictures};
use crate::tasks::Runs;
use aether_consensus::Term;
use aether_kv::{Condition, Operation, Transaction};
use aether_placement::{Duty, NodeView, Report, View, Wanted, lint, plan};
use aether_types::versioned::encode;
use aether_types::{ErrorKind, Revision};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// What the planner could not do the last time; empty on a node that does not lead.
pub(crate) type Reports = watch::Receiver<Arc<Report>>;

pub(crate) struct Planner {
    control: Control,
    pictures: Pictures,
    leading: watch::Receiver<Option<Term>>,
    reports: watch::Sender<Arc<Report>>,
}

impl Planner {
    pub(crate) fn new(control: Control, pictures: Pictures) -> (Self, Reports) {
        let (reports, receiver) = watch::channel(Arc::default());
        let leading = control.leading();
        (Self { control, pictures, leading, reports }, receiver)
    }

    /// Plans whenever something changed, for as long as this node leads.
    pub(crate) async fn run(
        mut self,
        runs: Runs,
        shutdown: CancellationToken,
    ) -> Result<(), Infallible> {
        loop {
            let term = *self.leading.borrow_and_update();
            let picture = self.pictures.borrow_and_update().clone();
            let since = Instant::now();
            match term {
                Some(term) => {
                    let error = self.plan(&picture, term).await.err();
                    runs.note("planner", since, error.map(|e| e.to_string()));
                }
                None => drop(self.reports.send_replace(Arc::default())),
            }
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                Ok(()) = self.leading.changed() => {}
                Ok(()) = self.pictures.changed() => {}
                else => return Ok(()),
            }
        }
    }

    async fn plan(&self, picture: &Picture, term: Term) -> Result<(), ControlError> {
        let accepted = picture.applications.all_current();
        let wanted: Vec<Wanted<'_>> = accepted
            .filter_map(|(revision, checked)| {
                let at = picture.world.applications.get(&checked.app)?;
                Some(Wanted { revision, application: &at.value })
            })
            .collect();
        let view = view(picture);
        let previous = &picture.world.plan;
        let (next, report) = plan(&wanted, &view, &previous.value);
        let notes = lint(&next, &view);
        assert!(notes.is_empty(), "the plan breaks its own rules: {notes:?}");
        self.reports.send_replace(Arc::new(report));
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
                tracing::warn!(%error, "failed to commit the plan");
                return Err(error);
            }
        }
        Ok(())
    }
}

/// All nodes that ever joined: until nodes can leave, each is on duty.
fn view(picture: &Picture) -> View {
    let nodes = picture.world.nodes.keys();
    View { nodes: nodes.map(|id| NodeView { id: *id, duty: Duty::OnDuty }).collect() }
}
