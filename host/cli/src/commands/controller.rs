//! `aether controller`: what decides how many instances there are. Knows no rule.

use crate::args::{ControllerCommand, ControllerConfigArgs};
use crate::exit::Result;
use crate::ui::{Cell, Table, Tone, Ui, cell, toned};
use aether_api::{ControllerChange, ControllerConfig, ControllerStatus, RuleBand, ScalingVerdict};
use aether_client::Client;

pub(super) async fn run(client: &Client, command: ControllerCommand, ui: &mut Ui) -> Result {
    match command {
        ControllerCommand::Status(_) => {
            let status = client.controller_status().await?;
            ui.data(&status, |ui| show(&status, ui))
        }
        ControllerCommand::Evaluate { dry_run, .. } => {
            let status = client.evaluate_controller(dry_run).await?;
            ui.data(&status, |ui| show(&status, ui))
        }
        ControllerCommand::Config(args) => {
            let change = change(&args);
            let config = match change == ControllerChange::default() {
                true => client.controller_config().await?,
                false => {
                    let config = client.change_controller(&change).await?;
                    ui.step("Changed", "the controller's settings")?;
                    config
                }
            };
            ui.data(&config, |ui| settings(&config, ui))
        }
    }
}

fn change(args: &ControllerConfigArgs) -> ControllerChange {
    ControllerChange {
        enabled: args.enabled,
        calls: args.calls.map(|band| band.0),
        busy: args.busy.map(|band| band.0),
        cpu: args.cpu.map(|band| band.0),
        up_cool_down: args.up_cool_down,
        down_cool_down: args.down_cool_down,
        down_after: args.down_after,
        warm_up: args.warm_up,
    }
}

fn settings(config: &ControllerConfig, ui: &mut Ui) -> Result {
    let mut table = Table::new(&["SETTING", "VALUE"]);
    let band = |band: &Option<RuleBand>| match band {
        Some(RuleBand { up, down }) => format!("up at {up}, down at {down}"),
        None => "off".to_owned(),
    };
    let rows = [
        ("enabled", config.enabled.to_string()),
        ("calls", band(&config.calls)),
        ("busy", band(&config.busy)),
        ("cpu", band(&config.cpu)),
        ("up-cool-down", config.up_cool_down.to_string()),
        ("down-cool-down", config.down_cool_down.to_string()),
        ("down-after", config.down_after.to_string()),
        ("warm-up", config.warm_up.to_string()),
    ];
    rows.into_iter().for_each(|(name, value)| table.row(vec![cell(name), cell(value)]));
    ui.table(table)
}

fn show(status: &ControllerStatus, ui: &mut Ui) -> Result {
    let off = if status.enabled { "" } else { ", switched off" };
    let when = match &status.evaluated {
        Some(at) => format!("looked at {at}"),
        None => "has not looked yet".to_owned(),
    };
    ui.line(format!("node {} decides{off}, {when}", status.leader))?;
    if status.verdicts.is_empty() {
        return ui.note("no slice has `max-instances` in its blueprint");
    }
    let head = ["APP", "SLICE", "INSTANCES", "BOUNDS", "CALLS/S", "BUSY", "CPU", "VERDICT", "WHY"];
    let mut table = Table::new(&head);
    status.verdicts.iter().for_each(|verdict| table.row(row(verdict)));
    ui.table(table)
}

fn row(verdict: &ScalingVerdict) -> Vec<Cell> {
    let ScalingVerdict { from, to, min, max, .. } = verdict;
    let tone = if from == to { Tone::Faint } else { Tone::Busy };
    let instances = if from == to { from.to_string() } else { format!("{from} -> {to}") };
    let share = |share: Option<f64>| {
        share.map_or_else(|| "-".to_owned(), |share| format!("{:.0} %", share * 100.0))
    };
    let calls = verdict.calls_per_second;
    let why = match &verdict.until {
        Some(until) => format!("{} (until {until})", verdict.reason),
        None => verdict.reason.clone(),
    };
    vec![
        cell(&verdict.app),
        cell(&verdict.artifact),
        cell(instances),
        cell(format!("{min} to {max}")),
        cell(calls.map_or_else(|| "-".to_owned(), |calls| format!("{calls:.1}"))),
        cell(share(verdict.busy)),
        cell(share(verdict.cpu)),
        toned(&verdict.decision, tone),
        cell(why),
    ]
}
