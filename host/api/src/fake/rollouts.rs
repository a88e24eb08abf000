//! A rollout as the fake cluster has it. Knows nothing of the rest of the cluster.

use crate::*;
use aether_types::AppName;
use aether_types::rollout::Strategy;

/// A rollout at its first stage.
pub(super) fn rolling(app: &str, phase: RolloutPhase) -> RolloutStatus {
    let share = |revision: u64, share: &str| (revision.to_string(), share.to_owned());
    RolloutStatus {
        app: app.parse().expect("it is a name"),
        strategy: "rolling".to_owned(),
        old: 7,
        new: 9,
        phase,
        stage: Some(1),
        stages: vec!["50%".to_owned(), "100%".to_owned()],
        weights: [share(7, "50%"), share(9, "50%")].into(),
        switch: 12,
        attempt: 1,
        paused: false,
        since: "2026-01-01T00:00:00.000Z".to_owned(),
        waits_for: Some("2026-01-01T00:00:30.000Z".to_owned()),
        needs_command: false,
        outcome: None,
        history: vec![RolloutEvent {
            at: "2026-01-01T00:00:00.000Z".to_owned(),
            event: "started".to_owned(),
        }],
    }
}

/// What becomes of it.
pub(super) fn command(status: RolloutStatus, command: RolloutCommand) -> RolloutStatus {
    match command {
        RolloutCommand::Rollback => RolloutStatus { phase: RolloutPhase::RollingBack, ..status },
        RolloutCommand::Pause => RolloutStatus { paused: true, ..status },
        _ => status,
    }
}

/// One that a deploy has begun.
pub(super) fn begun(app: &AppName, strategy: &Strategy, new: u64) -> RolloutStatus {
    let needs_command = matches!(strategy, Strategy::AB(_));
    let waits = needs_command.then(|| "somebody to conclude".to_owned());
    let rolling = rolling(app.as_str(), RolloutPhase::Holding);
    let waits_for = waits.or(rolling.waits_for.clone());
    let (strategy, old) = (strategy.word().to_owned(), new - 1);
    let weights = [old, new].map(|revision| (revision.to_string(), "50%".to_owned())).into();
    RolloutStatus { strategy, old, new, weights, needs_command, waits_for, ..rolling }
}

/// What it has become by the next look.
pub(super) fn advance(status: &mut RolloutStatus) {
    if status.needs_command {
        return;
    }
    let outcome = match status.app.as_str() {
        "broken" => "rolled back: every instance of x:broken:1.0.0 failed",
        _ => "completed",
    };
    status.phase = RolloutPhase::Ended;
    status.waits_for = None;
    status.outcome = Some(outcome.to_owned());
    let share = if outcome == "completed" { status.new } else { status.old };
    status.weights = [(share.to_string(), "100%".to_owned())].into();
}
