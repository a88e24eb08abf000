//! What the management API shows of the picture. Pure: no task, no clock, no engine.

use crate::projector::Picture;
use crate::scaling;
use aether_api as api;
use aether_placement::{Change, Crowded, LANE, Report};
use aether_routing::Table;
use aether_types::checked::{BoundRoute, Checked, CheckedSlice, RouteTarget};
use aether_types::code::Code;
use aether_types::description::Description;
use aether_types::observed::{InstanceStatus, Observed, Reason};
use aether_types::plan::{Assignment, InstanceKey};
use aether_types::{AppName, Coordinates, NodeId, Revision};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Everything that the views are made of.
pub(crate) struct Views<'a> {
    pub(crate) picture: &'a Picture,
    pub(crate) report: &'a Report,
    pub(crate) table: &'a Table,
    /// Whether a node answers now: what one that does not has said is not true any more.
    pub(crate) answers: &'a dyn Fn(NodeId) -> bool,
}

impl Views<'_> {
    /// Sorted by name.
    pub(crate) fn applications(&self) -> Vec<api::Application> {
        let current = self.picture.applications.all_current();
        current.map(|(revision, checked)| self.application_of(revision, checked)).collect()
    }

    pub(crate) fn application(&self, app: &AppName) -> Option<api::Application> {
        let (revision, checked) = self.picture.applications.current(app)?;
        Some(self.application_of(revision, checked))
    }

    fn application_of(&self, revision: Revision, checked: &Checked) -> api::Application {
        let blueprint = self.picture.world.applications.get(&checked.app);
        let version = blueprint.map(|at| at.value.blueprint.application.version.to_string());
        let mut slices: Vec<_> =
            checked.slices.iter().map(|slice| self.slice(checked, revision, slice)).collect();
        slices.sort_by(|a, b| a.artifact.cmp(&b.artifact));
        let routes = checked.routes.iter().map(|route| self.route(checked, revision, route));
        api::Application {
            name: checked.app.clone(),
            version: version.unwrap_or_default(),
            revision: revision.0,
            phase: api::Phase::of(&slices),
            routes: routes.collect(),
            notes: self.notes(|app| *app == checked.app),
            slices,
        }
    }

    fn slice(&self, checked: &Checked, revision: Revision, slice: &CheckedSlice) -> api::Slice {
        let world = &self.picture.world;
        let instances = self.instances(&checked.app, revision, &slice.coordinates);
        let active = |i: &&api::Instance| i.state == api::InstanceState::Active;
        let unplaced = self.report.unplaced.iter();
        let reasons = unplaced
            .filter(|u| u.app == checked.app && u.coordinates == slice.coordinates)
            .map(|u| api::Reason::from(&u.reason));
        let edges = checked.edges.iter().filter(|e| e.importer == slice.coordinates);
        api::Slice {
            app: checked.app.clone(),
            artifact: slice.coordinates.clone(),
            digest: slice.digest,
            desired: scaling::wanted(world, &checked.app, slice),
            scaling: scaling::shown(world, &checked.app, slice),
            planned: self.planned(&checked.app, revision, &slice.coordinates).count() as u32,
            active: instances.iter().filter(active).count() as u32,
            instances,
            exports: slice.exports.iter().map(ToString::to_string).collect(),
            dependencies: edges.map(|e| e.interface.to_string()).collect(),
            reasons: reasons.collect(),
        }
    }

    /// What the plan could not do for these applications, also for those that are undeployed.
    pub(crate) fn notes(&self, of: impl Fn(&AppName) -> bool) -> Vec<api::Note> {
        notes(self.report).into_iter().filter(|note| of(&note.app)).collect()
    }

    fn planned<'a>(
        &'a self,
        app: &'a AppName,
        revision: Revision,
        slice: &'a Coordinates,
    ) -> impl Iterator<Item = (NodeId, &'a InstanceKey)> {
        let plan = self.picture.world.plan.value.assignments.iter();
        let of_slice = move |i: &InstanceKey| i.app == *app && i.coordinates == *slice;
        let of_slice = plan.filter(move |a| of_slice(&a.instance));
        let lane = |a: &Assignment| a.instance.ordinal / LANE;
        // Beside a version that is on its way in or out, only its own instances count.
        let own = of_slice.clone().find(|a| a.blueprint == revision).map(lane);
        of_slice
            .filter(move |a| own.is_none_or(|own| lane(a) == own))
            .map(|a| (a.node, &a.instance))
    }

    /// What the plan wants and what nodes say of it, together. An instance of an earlier revision
    /// still serves while its successor is on the way; it is not what is wanted, so it does not
    /// count.
    fn instances(
        &self,
        app: &AppName,
        revision: Revision,
        slice: &Coordinates,
    ) -> Vec<api::Instance> {
        let mut instances: BTreeMap<(u32, NodeId), api::Instance> = BTreeMap::new();
        for (node, key) in self.planned(app, revision, slice) {
            let planned = api::Instance {
                ordinal: key.ordinal % LANE,
                node: node.to_string(),
                state: api::InstanceState::Planned,
                reason: (!(self.answers)(node)).then(|| api::Reason::from(&silent(node))),
            };
            instances.insert((key.ordinal % LANE, node), planned);
        }
        let answering = |observed: &&Arc<Observed>| (self.answers)(observed.node);
        for observed in self.picture.world.observed.values().filter(answering) {
            let of_slice = |i: &InstanceKey| i.app == *app && i.coordinates == *slice;
            let current = |s: &&InstanceStatus| s.blueprint == revision && of_slice(&s.instance);
            for status in observed.instances.iter().filter(current) {
                let seen = api::Instance {
                    ordinal: status.instance.ordinal % LANE,
                    node: observed.node.to_string(),
                    state: status.state.into(),
                    reason: status.reason.as_ref().map(api::Reason::from),
                };
                instances.insert((seen.ordinal, observed.node), seen);
            }
        }
        instances.into_values().collect()
    }

    fn route(&self, checked: &Checked, revision: Revision, route: &BoundRoute) -> api::RouteView {
        let endpoints = self.table.endpoints(&checked.app, revision, &route.slice);
        api::RouteView {
            route: route.pattern.clone(),
            app: checked.app.clone(),
            artifact: route.slice.clone(),
            call: match &route.target {
                RouteTarget::Typed { function, .. } => Some(function.clone()),
                RouteTarget::Handler(_) => None,
            },
            active: !endpoints.is_empty(),
        }
    }

    /// The routes of an application with their types, for its OpenAPI document.
    pub(crate) fn typed_routes(&self, app: &AppName) -> Option<Vec<api::ApplicationRoute>> {
        let (_, checked) = self.picture.applications.current(app)?;
        Some(checked.routes.iter().filter_map(|r| self.typed_route(checked, r)).collect())
    }

    fn typed_route(&self, checked: &Checked, route: &BoundRoute) -> Option<api::ApplicationRoute> {
        let description = self.description(checked, &route.slice)?;
        let target = match &route.target {
            RouteTarget::Handler(_) => api::RouteTarget::Handler,
            RouteTarget::Typed { function, status, .. } => api::RouteTarget::Function {
                name: function.clone(),
                function: description.export(function)?.1.clone(),
                status: status.map(|status| status.get() as u16),
                settings: Box::new(description.settings.clone()),
            },
        };
        Some(api::ApplicationRoute {
            pattern: route.pattern.clone(),
            slice: route.slice.clone(),
            description: description.settings.slice.description.clone(),
            target,
        })
    }

    pub(crate) fn description(
        &self,
        checked: &Checked,
        slice: &Coordinates,
    ) -> Option<&Description> {
        self.picture.world.artifacts.get(&checked.slice(slice)?.digest)
    }

    pub(crate) fn summary(application: &api::Application) -> api::ApplicationSummary {
        api::ApplicationSummary {
            name: application.name.to_string(),
            version: application.version.clone(),
            revision: application.revision,
            phase: application.phase,
            slices: application.slices.len() as u32,
            desired: application.slices.iter().map(|s| s.desired).sum(),
            active: application.slices.iter().map(|s| s.active).sum(),
        }
    }
}

/// What a plan could not do as it should, or not yet.
pub(crate) fn notes(report: &Report) -> Vec<api::Note> {
    let unplaced = report.unplaced.iter().map(|unplaced| api::Note {
        kind: api::NoteKind::Unplaced,
        app: unplaced.app.clone(),
        place: unplaced.coordinates.to_string(),
        reason: api::Reason::from(&unplaced.reason),
    });
    let staying = report.staying.iter().map(|staying| api::Note {
        kind: api::NoteKind::Staying,
        app: staying.instance.app.clone(),
        place: format!("{} on {}", staying.instance, staying.node),
        reason: api::Reason::from(&staying.reason),
    });
    let crowded = report.crowded.iter().map(|crowded| api::Note {
        kind: api::NoteKind::Crowded,
        app: crowded.app.clone(),
        place: crowded.coordinates.to_string(),
        reason: api::Reason::from(&crowding(crowded)),
    });
    unplaced.chain(staying).chain(crowded).collect()
}

fn silent(node: NodeId) -> Reason {
    let message = format!("node {node} does not answer");
    Reason { code: Code::Unavailable, message, retryable: true }
}

fn crowding(crowded: &Crowded) -> Reason {
    let Crowded { instances, nodes, .. } = crowded;
    let nodes = if *nodes == 1 { "1 node".to_owned() } else { format!("{nodes} nodes") };
    let message = format!("{instances} instances share {nodes}: add a node, or want fewer");
    Reason { code: Code::NotEnoughNodes, message, retryable: true }
}

pub(crate) fn step(change: &Change) -> api::PlanStep {
    let (kind, instance, node, from) = match change {
        Change::Add { instance, node } => (api::StepKind::Add, instance, node, None),
        Change::Remove { instance, node } => (api::StepKind::Remove, instance, node, None),
        Change::Move { instance, from, to } => (api::StepKind::Move, instance, to, Some(from)),
        Change::Replace { instance, node } => (api::StepKind::Replace, instance, node, None),
        Change::Retire { instance, node } => (api::StepKind::Retire, instance, node, None),
    };
    let from = from.map(ToString::to_string);
    api::PlanStep { kind, instance: instance.to_string(), node: node.to_string(), from }
}

/// The last run of a task.
pub(crate) fn task((name, run): (&'static str, crate::tasks::Run)) -> aether_api::TaskStatus {
    aether_api::TaskStatus {
        name: name.to_owned(),
        last_run: Some(aether_api::rfc3339(run.ended_ms)),
        last_duration_us: u64::try_from(run.took.as_micros()).unwrap_or(u64::MAX),
        error: run.error,
    }
}
