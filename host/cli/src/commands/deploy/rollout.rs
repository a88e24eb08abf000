//! A deploy that is a rollout: watches it to its end, or to where somebody has to decide. Knows no
//! strategy.

use super::{LOOK_EVERY, answering, overtaken};
use crate::commands::status;
use crate::exit::{Exit, Failure, Result};
use crate::ui::Ui;
use aether_api::{Application, Applied, RolloutPhase, RolloutStatus};
use aether_client::Client;
use aether_types::TimeSpan;
use std::collections::BTreeSet;
use std::time::Instant;

/// Looks at the rollout until it has ended well, or goes no further by itself.
pub(super) async fn watch(
    client: &Client,
    applied: &Applied,
    timeout: Option<TimeSpan>,
    started: Instant,
    ui: &mut Ui,
) -> Result<RolloutStatus> {
    let app = &applied.application.name;
    let mut shown = BTreeSet::new();
    loop {
        let now = client.rollout(app).await?;
        if now.new != applied.revision {
            return Err(overtaken(app, now.new));
        }
        match now.outcome.as_deref() {
            Some("completed") => return Ok(now),
            Some(outcome) => return Err(failed(&now, outcome)),
            None if now.needs_command => return Ok(now),
            None => ui.waiting(vec![progress(&now)], &mut shown)?,
        }
        if timeout.is_some_and(|timeout| started.elapsed() >= timeout.duration()) {
            let message = format!("{app} is not rolled out yet: {}", progress(&now));
            return Err(Failure::expected(Exit::TimedOut, message)
                .help(format!("it goes on; `aether rollout show {app}` shows how far it is")));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The last words, and the application as data.
pub(super) async fn say(
    rollout: &RolloutStatus,
    client: &Client,
    application: &Application,
    started: Instant,
    ui: &mut Ui,
) -> Result {
    let Application { name, version, .. } = application;
    let (revision, took) = (rollout.new, started.elapsed().as_secs_f64());
    let what = format!("{name} {version}, revision {revision}, in {took:.1} s");
    match rollout.needs_command {
        false => {
            ui.step("Active", what)?;
            answering(client, application, ui).await?;
        }
        true => {
            ui.step("Rolling out", what)?;
            let waits = rollout.waits_for.as_deref().unwrap_or("somebody");
            ui.note(format!("it waits for {waits}: `aether rollout show {name}`"))?;
        }
    }
    let application = client.application(name).await?;
    ui.data(&application, |ui| status::routes_of(&application, ui))
}

/// Where it is, without what moves all the time.
fn progress(status: &RolloutStatus) -> String {
    let share = status.weights.get(&status.new.to_string());
    let share = share.map_or("0%", String::as_str);
    let phase = match status.phase {
        RolloutPhase::Wanted | RolloutPhase::Preparing => "begins",
        RolloutPhase::Starting => "starts instances",
        RolloutPhase::Switching => "switches",
        RolloutPhase::Holding => "serves",
        RolloutPhase::Retiring => "keeps the old version a little",
        RolloutPhase::RollingBack => "goes back",
        RolloutPhase::Cooling => "failed, and tries again",
        RolloutPhase::Ended => "has ended",
    };
    let stage = status.stage.map(|stage| format!(", stage {stage} of {}", status.stages.len()));
    let waits = status.waits_for.as_ref().map(|waits| format!(", until {waits}"));
    let (stage, waits) = (stage.unwrap_or_default(), waits.unwrap_or_default());
    format!("revision {} {phase} with {share} of traffic{stage}{waits}", status.new)
}

fn failed(status: &RolloutStatus, outcome: &str) -> Failure {
    let RolloutStatus { app, old, new, .. } = status;
    let message = format!("revision {new} of {app} was {outcome}");
    Failure::expected(Exit::Failed, message).help(format!(
        "revision {old} serves everything again; `aether rollout show {app}` has the whole story"
    ))
}
