//! Slices that others of their application need: who would miss them. Changes nothing.

use crate::projector::Picture;
use aether_api::{ApiError, Apply, SliceRemoval};
use aether_placement::{Removal, View, check_removal};
use aether_types::blueprint::{Application, Blueprint};
use aether_types::checked::Checked;
use aether_types::code::Code;
use aether_types::{AppName, Coordinates, ErrorKind, Problem, Problems};
use std::collections::BTreeSet;

/// The application without the slice, as a blueprint to apply.
///
/// # Errors
/// Conflict, with the chain from each slice that needs it, unless these are to go too.
pub(super) fn without(
    picture: &Picture,
    view: &View,
    removal: SliceRemoval,
) -> Result<Apply, ApiError> {
    let SliceRemoval { app, slice, force, by } = removal;
    let stored = picture.world.applications.get(&app).zip(picture.applications.current(&app));
    let Some((stored, (_, checked))) = stored else {
        let message = format!("there is no application {app}");
        return Err(ApiError::not_found(Code::UnknownApplication, message));
    };
    let application = &stored.value;
    let bound = application.artifacts.iter().map(|bound| &bound.coordinates);
    let Some(named) = bound.clone().find(|bound| bound.slice == slice) else {
        let message = format!("{app} has no slice {slice}");
        let there: Vec<String> = bound.map(|bound| bound.slice.to_string()).collect();
        return Err(ApiError::not_found(Code::UnknownTarget, message)
            .help(format!("there are: {}", there.join(", "))));
    };
    let mut gone = BTreeSet::from([named.clone()]);
    if force {
        add_importers(checked, &mut gone);
    } else {
        refuse(picture, view, checked, Removal { app: &app, slices: &gone })?;
    }
    if gone.len() == application.artifacts.len() {
        let message = format!("nothing would be left of {app}");
        return Err(ApiError::conflict(Code::DependentsActive, message)
            .help(format!("`aether undeploy {app}` takes all of it away")));
    }
    Ok(Apply {
        file: format!("{app} without {slice}"),
        if_revision: Some(stored.revision),
        strategy: None,
        by,
        artifacts: rest(application, &gone).map(|(_, digest)| digest).enumerate().collect(),
        blueprint: Blueprint {
            slices: rest(application, &gone)
                .map(|(i, _)| application.blueprint.slices[i].clone())
                .collect(),
            routes: application
                .blueprint
                .routes
                .iter()
                .filter(|route| gone.iter().all(|gone| gone.slice != route.slice))
                .cloned()
                .collect(),
            ..application.blueprint.clone()
        },
    })
}

/// What stays: its place among the entries, and its bytes.
fn rest<'a>(
    application: &'a Application,
    gone: &'a BTreeSet<Coordinates>,
) -> impl Iterator<Item = (usize, aether_types::Digest)> + 'a {
    let bound = application.artifacts.iter().enumerate();
    bound.filter(|(_, bound)| !gone.contains(&bound.coordinates)).map(|(i, b)| (i, b.digest))
}

/// All that call what goes, themselves or through others.
fn add_importers(checked: &Checked, gone: &mut BTreeSet<Coordinates>) {
    loop {
        let more = checked.edges.iter().filter(|edge| gone.contains(&edge.exporter));
        let more: BTreeSet<_> = more.map(|edge| edge.importer.clone()).collect();
        if more.is_subset(gone) {
            return;
        }
        gone.extend(more);
    }
}

/// Those that are ACTIVE, with the chain; else those that the blueprint has.
fn refuse(
    picture: &Picture,
    view: &View,
    checked: &Checked,
    removal: Removal<'_>,
) -> Result<(), ApiError> {
    let help = "`--force` takes what needs it away too, callers first";
    let conflict = |problems: Problems| {
        ApiError { kind: ErrorKind::Conflict, ..ApiError::from(problems) }.help(help)
    };
    check_removal(&picture.applications, view, removal).map_err(conflict)?;
    let needed = checked.edges.iter().filter(|edge| removal.slices.contains(&edge.exporter));
    let problem = |edge: &aether_types::checked::Edge| {
        let message = format!("{} needs it", edge.importer);
        Problem::new(Code::DependentsActive, &edge.exporter, message)
    };
    Problems(needed.map(problem).collect()).or(()).map_err(conflict)
}

/// A blueprint that was refused: where it drops what a slice that stays calls, with the chain.
pub(crate) fn named(
    picture: &Picture,
    view: &View,
    next: &Application,
    mut problems: Problems,
) -> Problems {
    let app: &AppName = &next.blueprint.application.name;
    let Some(before) = picture.world.applications.get(app) else { return problems };
    let wanted: BTreeSet<&Coordinates> = next.artifacts.iter().map(|b| &b.coordinates).collect();
    let names: BTreeSet<_> = wanted.iter().map(|coordinates| &coordinates.slice).collect();
    let before = before.value.artifacts.iter().map(|bound| bound.coordinates.clone());
    let dropped: BTreeSet<_> = before.filter(|before| !names.contains(&before.slice)).collect();
    let broken = problems.0.iter().any(|problem| problem.code == Code::UnknownImport);
    if dropped.is_empty() || !broken {
        return problems;
    }
    let view = staying(view, &wanted);
    let removal = Removal { app, slices: &dropped };
    if let Err(missed) = check_removal(&picture.applications, &view, removal) {
        problems.0.extend(missed.0);
    }
    problems
}

/// What is observed of slices that stay as they are: others change, and with them what they call.
fn staying(view: &View, wanted: &BTreeSet<&Coordinates>) -> View {
    let mut view = view.clone();
    for node in &mut view.nodes {
        if let Some(observed) = &mut node.observed {
            let of_next = |i: &aether_types::observed::InstanceStatus| {
                wanted.contains(&i.instance.coordinates)
            };
            std::sync::Arc::make_mut(observed).instances.retain(of_next);
        }
    }
    view
}
