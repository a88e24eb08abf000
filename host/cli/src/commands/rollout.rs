//! `aether rollout`: shows changes of version under traffic, and commands them. Knows no strategy.

use crate::args::{RolloutArgs, RolloutCommand as Command, Winner};
use crate::exit::Result;
use crate::ui::{Cell, Table, Tone, Ui, cell, toned};
use aether_api::{RolloutCommand, RolloutPhase, RolloutStatus};
use aether_client::Client;

pub(super) async fn run(client: &Client, command: Command, ui: &mut Ui) -> Result {
    let (args, command) = match command {
        Command::List(_) => return list(client, ui).await,
        Command::Show(args) => {
            let status = client.rollout(&args.app).await?;
            return ui.data(&status, |ui| show(&status, ui));
        }
        Command::Promote(args) => (args, RolloutCommand::Promote),
        Command::Pause(args) => (args, RolloutCommand::Pause),
        Command::Resume(args) => (args, RolloutCommand::Resume),
        Command::Rollback(args) => (args, RolloutCommand::Rollback),
        Command::Complete(args) => (args, RolloutCommand::Complete),
        Command::Conclude { rollout, winner: Winner::Old } => {
            (rollout, RolloutCommand::ConcludeOld)
        }
        Command::Conclude { rollout, winner: Winner::New } => {
            (rollout, RolloutCommand::ConcludeNew)
        }
    };
    let RolloutArgs { app, .. } = args;
    let status = client.command_rollout(&app, command).await?;
    ui.step("Commanded", format!("{app}: {}", command.as_str()))?;
    ui.data(&status, |ui| show(&status, ui))
}

async fn list(client: &Client, ui: &mut Ui) -> Result {
    let rollouts = client.rollouts().await?;
    ui.data(&rollouts, |ui| {
        let headings = ["APP", "STRATEGY", "PHASE", "STAGE", "SHARES", "WAITS FOR"];
        let mut table = Table::new(&headings);
        rollouts.rollouts.iter().for_each(|status| table.row(row(status)));
        ui.table(table)
    })
}

fn show(status: &RolloutStatus, ui: &mut Ui) -> Result {
    let RolloutStatus { app, strategy, old, new, .. } = status;
    ui.line(format!("{app}: {strategy}, from revision {old} to {new}"))?;
    let mut line = |name: &str, value: &str| ui.line(format!("  {name:<10}{value}"));
    let paused = if status.paused { ", paused" } else { "" };
    line("phase", &format!("{}{paused}, since {}", status.phase, status.since))?;
    line("stage", &stage(status))?;
    line("shares", &shares(status))?;
    if let Some(wait) = &status.waits_for {
        line("waits for", wait)?;
    }
    if let Some(outcome) = &status.outcome {
        line("outcome", outcome)?;
    }
    for event in &status.history {
        ui.line(format!("  {}  {}", event.at, event.event))?;
    }
    Ok(())
}

fn row(status: &RolloutStatus) -> Vec<Cell> {
    let tone = match status.phase {
        RolloutPhase::Ended => Tone::Good,
        RolloutPhase::RollingBack | RolloutPhase::Cooling => Tone::Bad,
        _ => Tone::Busy,
    };
    let waits = status.outcome.as_ref().or(status.waits_for.as_ref());
    vec![
        cell(&status.app),
        cell(&status.strategy),
        toned(status.phase.as_str(), tone),
        cell(stage(status)),
        cell(shares(status)),
        cell(waits.map(String::as_str).unwrap_or_default()),
    ]
}

fn stage(status: &RolloutStatus) -> String {
    let stage = status.stage.map_or_else(|| "-".to_owned(), |stage| stage.to_string());
    format!("{stage} of {}", status.stages.len())
}

fn shares(status: &RolloutStatus) -> String {
    let shares = status.weights.iter();
    shares.map(|(version, share)| format!("{version}: {share}")).collect::<Vec<_>>().join(", ")
}
