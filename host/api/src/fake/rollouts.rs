//! A rollout as the fake cluster has it. Knows nothing of the rest of the cluster.

use crate::*;

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
