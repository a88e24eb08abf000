//! `aether plan`: what deploying a blueprint would change, before anything does. Knows no upload.

use super::deploy;
use super::status::notes;
use crate::args::{PlanArgs, SERVER};
use crate::exit::{Exit, Failure, Result};
use crate::files;
use crate::ui::{Cell, Table, Tone, Ui, cell, short, toned};
use aether_api::{ChangeKind, CheckReport, CheckRequest, PlanStep, StepKind};
use aether_client::Client;

pub(super) async fn run(client: &Client, args: &PlanArgs, ui: &mut Ui) -> Result {
    let package = files::read(&args.path)?;
    let mut descriptions = Vec::new();
    for component in deploy::missing(client, &package).await? {
        ui.step("Checking", component)?;
        let checked = client.check_artifact(component.digest, component.bytes.clone()).await?;
        descriptions.push(checked.description);
    }
    let about = &package.blueprint.application;
    ui.step("Checking", format!("{} {}", about.name, about.version))?;
    let request = CheckRequest {
        apply: deploy::request(&package, None, args.strategy.as_ref()),
        descriptions,
    };
    let report = client.check(&about.name, &request).await?;
    let apply = apply(args, report.revision);
    if ui.json {
        let mut value = serde_json::to_value(&report)?;
        value["apply"] = apply.into();
        ui.json(&value)?;
    } else {
        let what = match report.revision {
            0 => "it would be a new application".to_owned(),
            revision if report.changed => match &report.rollout {
                Some(strategy) => {
                    format!("a rollout ({strategy}) would replace revision {revision}")
                }
                None => format!("it would replace revision {revision}"),
            },
            revision => format!("it is what revision {revision} says already"),
        };
        ui.step("Valid", format!("{what}; nothing was changed"))?;
        show(&report, ui)?;
        if report.changed {
            ui.line(format!("\nto apply exactly this: {apply}"))?;
        }
    }
    match report.changed {
        true => Err(Failure::Said(Exit::Failed)),
        false => Ok(()),
    }
}

/// The command that applies what was looked at, and nothing if somebody else was faster.
fn apply(args: &PlanArgs, revision: u64) -> String {
    let path = args.path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%".contains(c);
    let quoted = |text: String| match text.chars().all(plain) {
        true => text,
        false => format!("'{}'", text.replace('\'', "'\\\\''")),
    };
    let path = quoted(path);
    let strategy = args.strategy.as_ref().map(|arg| quoted(arg.text.clone()));
    let strategy = strategy.map(|text| format!(" --strategy {text}")).unwrap_or_default();
    let server = match args.remote.server.as_str() {
        SERVER => String::new(),
        server => format!(" --server {server}"),
    };
    format!("aether deploy {path} --revision {revision}{strategy}{server}")
}

fn show(report: &CheckReport, ui: &mut Ui) -> Result {
    if !report.changes.is_empty() {
        let mut table = Table::new(&["CHANGE", "WHAT", "HOW"]);
        for change in &report.changes {
            let kind = match change.kind {
                ChangeKind::Added => toned("added", Tone::Good),
                ChangeKind::Removed => toned("removed", Tone::Bad),
                ChangeKind::Changed => toned("changed", Tone::Busy),
            };
            table.row(vec![kind, cell(&change.what), cell(&change.detail)]);
        }
        ui.table(table)?;
    }
    if !report.steps.is_empty() {
        ui.line("")?;
        let mut table = Table::new(&["NODE", "PLAN", "INSTANCE"]);
        let mut steps: Vec<&PlanStep> = report.steps.iter().collect();
        steps.sort_by(|a, b| (&a.node, &a.instance).cmp(&(&b.node, &b.instance)));
        for step in steps {
            table.row(vec![cell(short(&step.node)), kind(step), cell(&step.instance)]);
        }
        ui.table(table)?;
    }
    notes(&report.notes, ui)
}

fn kind(step: &PlanStep) -> Cell {
    match (step.kind, &step.from) {
        (StepKind::Move, Some(from)) => {
            toned(format!("moves here from {}", short(from)), Tone::Busy)
        }
        (StepKind::Move | StepKind::Add, _) => toned("starts", Tone::Good),
        (StepKind::Replace, _) => toned("is replaced", Tone::Busy),
        (StepKind::Retire, _) => toned("goes when others are ready", Tone::Busy),
        (StepKind::Remove, _) => toned("goes", Tone::Bad),
    }
}
