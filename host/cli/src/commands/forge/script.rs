//! `aether forge --script`, `aether forge check`: reads scenarios, shows what becomes of them.
//! Plays nothing itself.

use crate::args::{CheckArgs, ScenarioArgs};
use crate::exit::{Exit, Failure, Result};
use crate::ui::Ui;
use aether_forge::Forge;
use aether_forge::load::Spec;
use aether_forge::model::LoadRequest;
use aether_forge::script::{Around, Event, Outcome, Plan, Report};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::runtime::Runtime;

/// The plan of the scenario, if there is one, with what is said beside it.
pub(super) fn read(
    args: &ScenarioArgs,
    nodes: Option<usize>,
    blueprint: Option<&PathBuf>,
    load: Option<&LoadRequest>,
) -> Result<Option<Plan>> {
    let Some(file) = &args.script else { return Ok(None) };
    let load = load.map(|load| Spec::parse(&load.file, &load.text)).transpose()?;
    let load = load.map(|spec| spec.targets.into_iter().map(|it| it.name).collect());
    let around = Around { seed: args.seed, nodes, blueprint: blueprint.cloned(), load };
    plan(file, &around).map(Some)
}

fn plan(file: &Path, around: &Around) -> Result<Plan> {
    let shown = file.display().to_string();
    let text = std::fs::read_to_string(file).map_err(|error| {
        Failure::expected(Exit::NotFound, format!("failed to read {shown}: {error}"))
    })?;
    Ok(Plan::read(&shown, &text, around, &|path| std::fs::read_to_string(path))?)
}

/// What each of the scripts would do.
pub(super) fn check(args: &CheckArgs, ui: &mut Ui) -> Result {
    let around = Around { seed: args.seed, nodes: None, blueprint: None, load: None };
    let mut plans = Vec::new();
    for file in &args.files {
        plans.push(plan(file, &around)?);
    }
    let shown: Vec<Checked> = plans.iter().map(Checked::of).collect();
    ui.data(&shown, |ui| {
        shown.iter().try_for_each(|it| ui.line(format!("{}: {}", it.scenario, it.plan)))
    })
}

/// A script in which nothing is wrong.
#[derive(Debug, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
struct Checked {
    scenario: String,
    seed: u64,
    nodes: usize,
    /// What it would do, with all values in place.
    plan: String,
}

impl Checked {
    fn of(plan: &Plan) -> Self {
        let Plan { name, seed, nodes, .. } = plan;
        Self { scenario: name.clone(), seed: *seed, nodes: *nodes, plan: plan.to_string() }
    }
}

/// Plays it to its end, or until somebody wants another one.
pub(super) fn play(
    forge: &Forge,
    plan: &Plan,
    args: &ScenarioArgs,
    runtime: &Runtime,
    signals: impl Future<Output = ()> + Send,
    ui: &mut Ui,
) -> Result {
    let cancelled = Arc::new(AtomicBool::new(false));
    let (over, is_over) = tokio::sync::oneshot::channel::<()>();
    let mut said = Ok(());
    let mut steps = Vec::new();
    let report = std::thread::scope(|scope| {
        scope.spawn(|| {
            runtime.block_on(async {
                tokio::select! {
                    () = signals => cancelled.store(true, Ordering::Relaxed),
                    // The other end is dropped when the scenario is over.
                    _ = is_over => {}
                }
            });
        });
        let mut say = |event: &Event| {
            if said.is_ok() {
                said = show(event, &mut steps, ui);
            }
        };
        let report = forge.play(plan, cancelled.clone(), &mut say);
        drop(over);
        report
    });
    said?;
    finish(&report, args, ui)
}

fn show(event: &Event, steps: &mut Vec<String>, ui: &mut Ui) -> Result {
    let Event { text, outcome, seen, took_s, expects, .. } = event;
    if *steps != event.steps {
        steps.clone_from(&event.steps);
        if let Some(step) = steps.last() {
            ui.step("Step", step)?;
        }
    }
    let verb = match (outcome, expects) {
        (Outcome::Failed, _) => "Failed",
        (Outcome::Skipped, _) => "Left",
        (Outcome::Passed, true) => "Held",
        (Outcome::Passed, false) => "Done",
    };
    let seen = if seen.is_empty() { String::new() } else { format!(": {seen}") };
    ui.step(verb, format!("{text}{seen} ({took_s:.1} s)"))
}

/// Writes the report, and says what did not hold; that is also the exit code.
fn finish(report: &Report, args: &ScenarioArgs, ui: &mut Ui) -> Result {
    if let Some(file) = &args.junit {
        write(file, &report.junit().map_err(Failure::Bug)?)?;
    }
    if let Some(file) = &args.html {
        write(file, &report.html())?;
    }
    let Report { scenario, seed, took_s, events, .. } = report;
    let held = events.iter().filter(|event| event.outcome == Outcome::Passed).count();
    let all = events.len();
    let verb = if report.has_failed() { "Failed" } else { "Passed" };
    let what = format!("{scenario}: {held} of {all} in {took_s:.1} s, seed {seed}");
    ui.step(verb, what)?;
    ui.data(report, |_| Ok(()))?;
    let failures = report.failures().map(|event| {
        let Event { place, text, seen, .. } = event;
        format!("{place}: {text}: {seen}")
    });
    let failures: Vec<String> = failures.collect();
    if failures.is_empty() {
        return Ok(());
    }
    if ui.json {
        return Err(Failure::Said(Exit::Failed));
    }
    Err(Failure::expected(Exit::Failed, failures.join("\n")))
}

fn write(file: &Path, text: &str) -> Result {
    std::fs::write(file, text).map_err(|error| {
        Failure::expected(Exit::Failed, format!("failed to write {}: {error}", file.display()))
    })
}
