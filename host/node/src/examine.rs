//! What applying a blueprint would do: binds it to artifacts, checks it, compares it. Changes
//! nothing.

use crate::management::dependents;
use crate::planner::Outlook;
use crate::projector::Picture;
use crate::{rollouts, scaling, views};
use aether_api::{ApiError, Apply, Change, ChangeKind, CheckReport};
use aether_placement::{
    Difference, DifferenceKind, Proposed, View, check_mix, differences, preview,
};
use aether_rollout::{Version, first_instances};
use aether_types::blueprint::{Application, Bound};
use aether_types::checked::Checked;
use aether_types::code::Code;
use aether_types::description::Description;
use aether_types::rollout::{AB, Strategy};
use aether_types::traffic::Sticky;
use aether_types::{AppName, Coordinates, Digest, Problem, Problems, Revision};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A blueprint that can be applied.
pub(crate) struct Examined {
    /// What would be stored.
    pub(crate) application: Application,
    pub(crate) checked: Checked,
    /// Revision of what is stored; 0: nothing is.
    pub(crate) known: Revision,
    pub(crate) changed: bool,
    /// How it would get there from which revision, if as a rollout.
    pub(crate) rollout: Option<(Revision, Strategy)>,
}

pub(crate) type Descriptions = BTreeMap<Digest, Description>;

/// Checks everything that can be checked before anything changes. `described`: components that are
/// not stored.
pub(crate) fn examine(
    picture: &Picture,
    view: &View,
    apply: &Apply,
    described: Descriptions,
) -> Result<Examined, ApiError> {
    let app = &apply.blueprint.application.name;
    let mut artifacts = picture.world.artifacts.clone();
    if !described.is_empty() {
        Arc::make_mut(&mut artifacts).extend(described);
    }
    let application = bind(picture, &artifacts, apply)?;
    let others = picture.applications.all_current().map(|(_, checked)| &**checked);
    let others = others.filter(|checked| checked.app != *app);
    let checked = aether_placement::check(&application, &artifacts, others);
    let checked =
        checked.map_err(|problems| dependents::named(picture, view, &application, problems))?;
    let current = picture.world.applications.get(app);
    let known = current.map_or(Revision(0), |at| at.revision);
    if let Some(wanted) = apply.if_revision.filter(|wanted| *wanted != known) {
        return Err(stale(app, wanted, known));
    }
    let changed = current.is_none_or(|at| !at.value.is_same(&application));
    let from = rollouts::comes_from(&picture.world, app).filter(|_| changed);
    let rollout = from.zip(apply.strategy.clone());
    if let Some((from, _)) = &rollout
        && !application.blueprint.rollout.together
        && let Some(old) = picture.applications.get(app, *from)
    {
        check_mix([old, &checked], &artifacts)?;
    }
    if let Some((_, Strategy::AB(split))) = &rollout {
        check_split(split, &checked)?;
    }
    Ok(Examined { application, checked, known, changed, rollout })
}

/// That requests have what a split tells them apart by.
fn check_split(split: &AB, checked: &Checked) -> Result<(), ApiError> {
    if split.sticky != Sticky::Key || checked.routes.iter().any(|route| route.affinity.is_some()) {
        return Ok(());
    }
    let message = "the split goes by the key of requests, and no route of the application has one";
    Err(ApiError::invalid(Code::TomlValue, message)
        .help("give a route an `affinity`, or split by a header or a cookie"))
}

/// The answer to a check: what changes in the blueprint, and in the plan.
pub(crate) fn report(
    picture: &Picture,
    outlook: &Outlook,
    apply: &Apply,
    described: Descriptions,
) -> Result<CheckReport, ApiError> {
    let examined = examine(picture, &outlook.view, apply, described)?;
    if examined.changed {
        let app = &apply.blueprint.application.name;
        rollouts::begin(&picture.world, app, apply.strategy.as_ref())?;
    }
    let Examined { application, checked, known, changed, rollout } = examined;
    let stored = picture.world.applications.get(&checked.app);
    let before = stored.zip(picture.applications.current(&checked.app));
    let before = before.map(|(stored, (_, checked))| (&stored.value, &**checked));
    let changes = differences(before, (&application, &checked));
    let previous = &picture.world.plan.value;
    let (steps, notes) = match changed {
        true => {
            let checked = scaling::scaled(&picture.world, &checked);
            let first = rollout.as_ref().map(|(from, strategy)| {
                (*from, first_instances(strategy, &Version::of(Revision(0), &checked)))
            });
            let proposed = Proposed { checked: Arc::new(checked), rollout: first };
            let beside = rollouts::side_by_side(picture);
            let (applications, view) = (&picture.applications, &outlook.view);
            let report = preview(applications, &beside, proposed, view, previous).report;
            (report.changes.iter().map(views::step).collect(), views::notes(&report))
        }
        // What is on its way without it is no part of it.
        false => (Vec::new(), views::notes(&outlook.report)),
    };
    let changes = changes.into_iter().map(change).collect();
    let rollout = rollout.map(|(_, strategy)| strategy.word().to_owned());
    Ok(CheckReport { revision: known.0, changed, rollout, changes, steps, notes })
}

fn change(Difference { kind, what, detail }: Difference) -> Change {
    let kind = match kind {
        DifferenceKind::Added => ChangeKind::Added,
        DifferenceKind::Removed => ChangeKind::Removed,
        DifferenceKind::Changed => ChangeKind::Changed,
    };
    Change { kind, what, detail }
}

/// Binds each entry to bytes: those that came with it, else those stored under its coordinates.
fn bind(
    picture: &Picture,
    artifacts: &Descriptions,
    apply: &Apply,
) -> Result<Application, ApiError> {
    let mut problems = Vec::new();
    let mut bound = Vec::new();
    for (i, entry) in apply.blueprint.slices.iter().enumerate() {
        let found = match (apply.artifacts.get(&i), &entry.artifact) {
            (Some(digest), named) => by_digest(artifacts, digest, named.as_ref()),
            (None, Some(coordinates)) => by_coordinates(picture, coordinates),
            (None, None) => Err("the file was not uploaded".to_owned()),
        };
        match found {
            Ok(binding) => bound.push(binding),
            Err(message) => {
                let place = format!("{}: slice {}", apply.file, i + 1);
                let problem = Problem::new(Code::ArtifactMissing, place, message);
                problems.push(problem.help("`aether deploy` uploads what `file` names"));
            }
        }
    }
    Problems(problems)
        .or(Application { blueprint: apply.blueprint.clone(), artifacts: bound })
        .map_err(ApiError::from)
}

fn by_digest(
    artifacts: &Descriptions,
    digest: &Digest,
    named: Option<&Coordinates>,
) -> Result<Bound, String> {
    let description = artifacts.get(digest);
    let description = description.ok_or_else(|| format!("no artifact {digest} is stored"))?;
    let own = description.settings.slice.artifact.as_ref();
    let coordinates = named.or(own).ok_or(
        "the component does not say its coordinates: give the entry `artifact = \"group:name:version\"`",
    )?;
    Ok(Bound { coordinates: coordinates.clone(), digest: *digest })
}

fn by_coordinates(picture: &Picture, coordinates: &Coordinates) -> Result<Bound, String> {
    let bound = picture.world.applications.values().flat_map(|at| &at.value.artifacts);
    let deployed = bound.filter(|b| b.coordinates == *coordinates).map(|b| b.digest);
    let is = |d: &&Description| d.settings.slice.artifact.as_ref() == Some(coordinates);
    let stored = picture.world.artifacts.values().filter(is).map(|d| d.digest);
    let mut digests: Vec<Digest> = deployed.chain(stored).collect();
    digests.sort_unstable();
    digests.dedup();
    match digests.as_slice() {
        [digest] => Ok(Bound { coordinates: coordinates.clone(), digest: *digest }),
        [] => Err(format!("no artifact {coordinates} is stored")),
        _ => Err(format!("{coordinates} is stored with different bytes: use `file`")),
    }
}

fn stale(app: &AppName, wanted: Revision, known: Revision) -> ApiError {
    let message = match known {
        Revision(0) => format!("{app} does not exist, and revision {wanted} was expected"),
        known => format!("{app} is at revision {known}, not {wanted}"),
    };
    ApiError::conflict(Code::RevisionConflict, message)
        .help("somebody else deployed: look with `aether plan` again, then decide")
        .revision(known)
}
