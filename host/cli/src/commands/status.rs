//! `aether status`: what is there and why the rest is not. Changes nothing.

use super::lists::{phase_cell, state_cell};
use crate::exit::Result;
use crate::ui::{Table, Tone, Ui, bytes, cell, count, short, span};
use aether_api::{Application, Note, NoteKind, Phase, ProblemItem, RaftStatus, Status};
use aether_client::Client;
use aether_types::AppName;

pub(super) async fn cluster(client: &Client, ui: &mut Ui) -> Result {
    let status = client.status().await?;
    if ui.json {
        return ui.json(&status);
    }
    head(&status, ui)?;
    if status.applications.is_empty() {
        return ui.note("no applications yet: `aether deploy PATH` brings one");
    }
    let mut table =
        Table::new(&["APPLICATION", "VERSION", "REVISION", "PHASE", "SLICES", "INSTANCES"]);
    for app in &status.applications {
        table.row(vec![
            cell(&app.name),
            cell(&app.version),
            cell(app.revision),
            phase_cell(app.phase),
            cell(app.slices),
            cell(format!("{}/{}", app.active, app.desired)),
        ]);
    }
    ui.line("")?;
    ui.table(table)?;
    // What has no node stands with its application.
    let others: Vec<Note> =
        status.notes.iter().filter(|n| n.kind != NoteKind::Unplaced).cloned().collect();
    notes(&others, ui)?;
    if status.applications.iter().all(|app| app.phase == Phase::Active) {
        return Ok(());
    }
    let applications = client.applications().await?.applications;
    reasons(&applications.iter().flat_map(why_not).collect::<Vec<_>>(), ui)
}

fn head(status: &Status, ui: &mut Ui) -> Result {
    let Status { node, cluster, raft, .. } = status;
    let writable = match (&cluster.reason, cluster.writable) {
        (_, true) => "writable".to_owned(),
        (None, false) => "READ-ONLY: no leader with a majority".to_owned(),
        (Some(reason), false) => format!("READ-ONLY: no majority, {reason}"),
    };
    let nodes = count(cluster.nodes as usize, "node");
    ui.line(format!("cluster  {}, {nodes}, {writable}", short(&cluster.id)))?;
    let (up, version) = (span(node.uptime_seconds), &node.version);
    ui.line(format!("node     {}, aether {version}, up {up}", short(&node.id)))?;
    ui.line(format!("         http {}, api {}", node.http, node.api))?;
    let RaftStatus { role, term, applied_index, last_index, .. } = raft;
    let role = serde_json::to_value(role)?;
    let role = role.as_str().unwrap_or_default();
    ui.line(format!(
        "raft     {role} in term {term}, {applied_index} of {last_index} entries applied"
    ))?;
    let memory = &node.memory;
    let (committed, budget) = (bytes(memory.committed), bytes(memory.budget));
    let resident = bytes(memory.resident);
    ui.line(format!("memory   {committed} of {budget} promised to slices, {resident} in use"))?;
    for task in status.tasks.iter().filter(|task| task.error.is_some()) {
        let error = task.error.as_deref().unwrap_or_default();
        ui.line(format!("{} {}: {error}", ui.paint("task", Tone::Bad), task.name))?;
    }
    Ok(())
}

pub(super) async fn application(client: &Client, app: &AppName, ui: &mut Ui) -> Result {
    let application = client.application(app).await?;
    if ui.json {
        return ui.json(&application);
    }
    let Application { name, version, revision, phase, .. } = &application;
    let phase = ui.paint(&phase.to_string(), phase_tone(*phase));
    ui.line(format!("{name} {version}, revision {revision}: {phase}\n"))?;
    let mut table = Table::new(&["SLICE", "INSTANCE", "NODE", "STATE"]);
    for slice in &application.slices {
        for instance in &slice.instances {
            table.row(vec![
                cell(&slice.artifact),
                cell(instance.ordinal),
                cell(short(&instance.node)),
                state_cell(instance.state),
            ]);
        }
    }
    ui.table(table)?;
    reasons(&why_not(&application), ui)?;
    let others: Vec<Note> =
        application.notes.iter().filter(|n| n.kind != NoteKind::Unplaced).cloned().collect();
    notes(&others, ui)?;
    if application.routes.is_empty() {
        return Ok(());
    }
    ui.line("")?;
    routes_of(&application, ui)
}

/// The routes of an application, one per line.
pub(super) fn routes_of(application: &Application, ui: &mut Ui) -> Result {
    let mut table = Table::new(&["ROUTE", "ANSWERED BY"]);
    for route in &application.routes {
        let call = route.call.as_ref().map_or("wasi:http".to_owned(), ToString::to_string);
        table.row(vec![cell(&route.route), cell(format!("{} {call}", route.artifact.slice))]);
    }
    match application.routes.is_empty() {
        true => Ok(()),
        false => ui.table(table),
    }
}

/// What the plan could not do as it should, or not yet.
pub(super) fn notes(notes: &[Note], ui: &mut Ui) -> Result {
    let item = |note: &Note| ProblemItem {
        code: note.reason.code.clone(),
        place: note.place.clone(),
        message: match note.kind {
            NoteKind::Staying => format!("goes on serving: {}", note.reason.message),
            NoteKind::Unplaced | NoteKind::Crowded => note.reason.message.clone(),
        },
        help: String::new(),
    };
    reasons(&notes.iter().map(item).collect::<Vec<_>>(), ui)
}

fn reasons(reasons: &[ProblemItem], ui: &mut Ui) -> Result {
    if reasons.is_empty() {
        return Ok(());
    }
    ui.line("")?;
    for reason in reasons {
        let code = ui.paint(&format!("[{}]", reason.code), Tone::Faint);
        let place = ui.paint(&reason.place, Tone::Strong);
        ui.line(format!("{place}: {} {code}", reason.message))?;
    }
    Ok(())
}

/// Everything that is not as it should be, with its reason.
pub(super) fn why_not(application: &Application) -> Vec<ProblemItem> {
    let mut items = Vec::new();
    let mut add = |place: String, reason: &aether_api::Reason| {
        let help = if reason.retryable { "it is tried again by itself" } else { "" };
        items.push(ProblemItem {
            code: reason.code.clone(),
            place,
            message: reason.message.clone(),
            help: help.to_owned(),
        });
    };
    for slice in &application.slices {
        for reason in &slice.reasons {
            add(slice.artifact.to_string(), reason);
        }
        for instance in &slice.instances {
            if let Some(reason) = &instance.reason {
                let node = short(&instance.node);
                add(format!("{} #{} on {node}", slice.artifact, instance.ordinal), reason);
            }
        }
    }
    items
}

pub(super) fn phase_tone(phase: Phase) -> Tone {
    match phase {
        Phase::Active => Tone::Good,
        Phase::Deploying => Tone::Busy,
        Phase::Degraded | Phase::Failed => Tone::Bad,
    }
}
