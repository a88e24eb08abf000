//! The tasks of which only the leader's do anything. Knows no end.

use super::Parts;
use crate::counts::Counting;
use crate::members::MembersTask;
use crate::planner::{Planner, Reports};
use crate::reach::Reaches;
use crate::samples::Samples;
use crate::tasks::{OnFailure, Runs, Tasks};
use crate::{alerts, rollouts, scaling};
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// What is known of the nodes and of calls.
type Measured = (Samples, Counting, Reaches);

impl Parts {
    /// What only the leader does: planning, and the care for the members.
    pub(super) fn lead(
        &self,
        tasks: &Tasks,
        reaches: &Reaches,
        counting: &Counting,
        runs: &Runs,
        stop: &CancellationToken,
    ) -> Reports {
        let node = self.identity.node;
        let (control, pictures) = (self.control.clone(), self.pictures.clone());
        let (planner, reports) = Planner::new((node, self.run), control, pictures, reaches.clone());
        tasks.spawn("planner", OnFailure::StopNode, planner.run(runs.clone(), stop.clone()));
        let members = MembersTask {
            node,
            control: self.control.clone(),
            pictures: self.pictures.clone(),
            reaches: reaches.clone(),
            leading: self.control.leading(),
        };
        tasks.spawn("members", OnFailure::StopNode, members.run(runs.clone(), stop.clone()));
        let rollouts = rollouts::Lead {
            node,
            run: self.run,
            control: self.control.clone(),
            pictures: self.pictures.clone(),
            reaches: reaches.clone(),
            counting: counting.clone(),
            leading: self.control.leading(),
        };
        tasks.spawn("rollouts", OnFailure::StopNode, rollouts.run(runs.clone(), stop.clone()));
        reports
    }

    /// The leader's alerts, and what becomes of those that are told.
    pub(super) fn watch(
        &self,
        tasks: &Tasks,
        (samples, counting, reaches): Measured,
        runs: &Runs,
        stop: &CancellationToken,
    ) -> Arc<alerts::Deliveries> {
        let instruments =
            alerts::Instruments { node: self.identity.node, samples, counting, reaches };
        let (control, pictures) = (self.control.clone(), self.pictures.clone());
        let leading = self.control.leading();
        let deliveries = Arc::<alerts::Deliveries>::default();
        let messenger = alerts::Messenger::new(
            (self.identity.cluster, self.identity.node),
            (control.clone(), pictures.clone()),
            leading.clone(),
            deliveries.clone(),
        );
        tasks.spawn("webhook", OnFailure::StopNode, messenger.run(stop.clone()));
        let told = deliveries.clone();
        let lead = alerts::Lead { control, pictures, instruments, deliveries, leading };
        tasks.spawn("alerts", OnFailure::StopNode, lead.run(runs.clone(), stop.clone()));
        told
    }

    /// The leader's controller.
    pub(super) fn scale(
        &self,
        tasks: &Tasks,
        (samples, counting, reaches): Measured,
        (reports, asked, seen): (Reports, mpsc::Receiver<scaling::Asked>, scaling::Seen),
        (runs, stop): (&Runs, &CancellationToken),
    ) {
        let lead = scaling::Lead {
            node: self.identity.node,
            control: self.control.clone(),
            pictures: self.pictures.clone(),
            reaches,
            reports,
            samples,
            counting,
            leading: self.control.leading(),
            asked,
            seen,
        };
        tasks.spawn("controller", OnFailure::StopNode, lead.run(runs.clone(), stop.clone()));
    }
}
