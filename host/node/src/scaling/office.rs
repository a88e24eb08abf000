//! The controller as the management API shows and sets it. Knows no HTTP.

use super::desk::{Ask, Said};
use crate::keys;
use crate::management::{Office, Put};
use aether_api::{
    ApiError, ControllerChange, ControllerConfig, ControllerStatus, Principal, RuleBand,
    ScalingVerdict,
};
use aether_scaling::{Band, Settings, Verdict};
use aether_types::code::Code;
use aether_types::versioned::encode;
use aether_types::{Problem, Problems};

impl Office {
    pub(crate) fn read_controller(&self) -> ControllerConfig {
        config(&self.picture().world.controller.value)
    }

    pub(crate) async fn set_controller(
        &self,
        change: ControllerChange,
        by: &Principal,
    ) -> Result<ControllerConfig, ApiError> {
        let (wanted, changed) = self
            .change(|world| {
                let known = &world.controller;
                let wanted = change.clone().of(config(&known.value));
                let next = settings(&wanted);
                let problems = next
                    .problems()
                    .into_iter()
                    .map(|problem| Problem::new(Code::RequestInvalid, "controller", problem));
                Problems(problems.collect()).or(())?;
                let put = (next != known.value)
                    .then(|| Put::new(keys::controller(), known.revision, encode(&next)));
                let changed = put.is_some();
                Ok((put, (wanted, changed)))
            })
            .await?;
        if changed {
            tracing::info!(by = by.name, settings = ?wanted, "controller set");
        }
        Ok(wanted)
    }

    pub(crate) async fn controller_said(&self, ask: Ask) -> Result<ControllerStatus, ApiError> {
        let (leader, Said { at, verdicts }) = self.desk.ask(ask).await?;
        Ok(ControllerStatus {
            enabled: self.picture().world.controller.value.enabled,
            leader: leader.to_string(),
            evaluated: at.map(|at| aether_api::rfc3339(at.0)),
            verdicts: verdicts.iter().map(verdict).collect(),
        })
    }
}

fn verdict(verdict: &Verdict) -> ScalingVerdict {
    let numbers = verdict.numbers;
    ScalingVerdict {
        app: verdict.app.clone(),
        artifact: verdict.slice.clone(),
        decision: verdict.decision.word().to_owned(),
        from: verdict.from,
        to: verdict.to,
        min: verdict.min,
        max: verdict.max,
        calls_per_second: numbers.map(|numbers| numbers.calls),
        busy: numbers.map(|numbers| numbers.busy),
        cpu: numbers.and_then(|numbers| numbers.cpu),
        rule: verdict.why.rule().map(|rule| rule.word().to_owned()),
        code: verdict.why.word().to_owned(),
        reason: verdict.why.to_string(),
        until: verdict.why.until().map(|until| aether_api::rfc3339(until.0)),
    }
}

fn config(settings: &Settings) -> ControllerConfig {
    let band = |band: Option<Band>| band.map(|Band { up, down }| RuleBand { up, down });
    ControllerConfig {
        enabled: settings.enabled,
        calls: band(settings.calls),
        busy: band(settings.busy),
        cpu: band(settings.cpu),
        up_cool_down: settings.up_cool_down,
        down_cool_down: settings.down_cool_down,
        down_after: settings.down_after,
        warm_up: settings.warm_up,
    }
}

fn settings(config: &ControllerConfig) -> Settings {
    let band = |band: Option<RuleBand>| band.map(|RuleBand { up, down }| Band { up, down });
    Settings {
        enabled: config.enabled,
        calls: band(config.calls),
        busy: band(config.busy),
        cpu: band(config.cpu),
        up_cool_down: config.up_cool_down,
        down_cool_down: config.down_cool_down,
        down_after: config.down_after,
        warm_up: config.warm_up,
    }
}
