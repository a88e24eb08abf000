//! The controller, the alerts and the aspects of the fake cluster. Knows nothing of the rest of it.

use super::{Fake, NODE};
use crate::*;
use aether_alerts::Metric;
use aether_types::{AppName, TimeSpan};
use std::collections::BTreeMap;

/// What was set.
#[derive(Debug, Default)]
pub(super) struct Control {
    controller: Option<ControllerConfig>,
    thresholds: BTreeMap<Metric, Threshold>,
    acknowledged: Option<String>,
    aspects: Vec<AspectPoint>,
    webhook: Option<String>,
}

#[async_trait::async_trait]
impl Regulation for Fake {
    async fn aspects(&self, app: Option<AppName>) -> Result<AspectPoints, ApiError> {
        let mut points = self.state().control.aspects.clone();
        points.retain(|point| app.as_ref().is_none_or(|app| *app == point.app));
        Ok(AspectPoints { points })
    }

    async fn set_aspect(
        &self,
        change: AspectChange,
        _: &Principal,
    ) -> Result<AspectPoints, ApiError> {
        let AspectChange { app, slice, function, aspect } = change;
        let function = function.unwrap_or_else(|| {
            "shop:orders/place@1.0.0#place".parse().expect("it is a function's name")
        });
        let point = AspectPoint { app, slice: format!("{slice}:1.0.0"), function, aspect };
        self.state().control.aspects.push(point.clone());
        Ok(AspectPoints { points: vec![point] })
    }

    async fn controller_config(&self) -> Result<ControllerConfig, ApiError> {
        Ok(self.state().control.controller.clone().unwrap_or_else(config))
    }

    async fn change_controller(
        &self,
        change: ControllerChange,
        _: &Principal,
    ) -> Result<ControllerConfig, ApiError> {
        let config = change.of(self.controller_config().await?);
        self.state().control.controller = Some(config.clone());
        Ok(config)
    }

    async fn controller_status(&self) -> Result<ControllerStatus, ApiError> {
        Ok(status(self.controller_config().await?.enabled))
    }

    async fn evaluate_controller(
        &self,
        _: bool,
        _: &Principal,
    ) -> Result<ControllerStatus, ApiError> {
        Ok(evaluated(self.controller_status().await?))
    }

    async fn thresholds(&self) -> Result<Thresholds, ApiError> {
        let thresholds = self.state().control.thresholds.values().cloned().collect();
        Ok(Thresholds { thresholds, metrics: Metric::ALL.map(MetricView::from).into() })
    }

    async fn put_threshold(
        &self,
        metric: Metric,
        request: ThresholdRequest,
        _: &Principal,
    ) -> Result<Threshold, ApiError> {
        let threshold = threshold(metric, &request);
        self.state().control.thresholds.insert(metric, threshold.clone());
        Ok(threshold)
    }

    async fn delete_threshold(&self, metric: Metric, _: &Principal) -> Result<(), ApiError> {
        let known = self.state().control.thresholds.remove(&metric);
        known.map(drop).ok_or_else(|| ApiError::no_threshold(metric))
    }

    async fn alerts(&self) -> Result<Alerts, ApiError> {
        Ok(Alerts { alerts: vec![alert(self.state().control.acknowledged.clone())] })
    }

    async fn alert_history(&self) -> Result<AlertHistory, ApiError> {
        Ok(AlertHistory { events: history() })
    }

    async fn clear_alert_history(&self, _: &Principal) -> Result<(), ApiError> {
        Ok(())
    }

    async fn acknowledge_alert(&self, id: u64, by: &Principal) -> Result<Alert, ApiError> {
        if id != 7 {
            return Err(ApiError::no_alert(id));
        }
        self.state().control.acknowledged = Some(by.name.clone());
        Ok(alert(Some(by.name.clone())))
    }

    async fn webhook(&self) -> Result<Webhook, ApiError> {
        Ok(Webhook { url: self.state().control.webhook.clone(), waiting: 0 })
    }

    async fn put_webhook(
        &self,
        request: WebhookRequest,
        _: &Principal,
    ) -> Result<Webhook, ApiError> {
        self.state().control.webhook = Some(request.url);
        self.webhook().await
    }

    async fn delete_webhook(&self, _: &Principal) -> Result<(), ApiError> {
        self.state().control.webhook = None;
        Ok(())
    }
}

const AT: &str = "2026-01-01T00:00:00.000Z";

fn config() -> ControllerConfig {
    let band = |up, down| Some(RuleBand { up, down });
    ControllerConfig {
        enabled: true,
        calls: band(1_000.0, 200.0),
        busy: band(0.8, 0.2),
        cpu: None,
        up_cool_down: TimeSpan::from_secs(15),
        down_cool_down: TimeSpan::from_secs(120),
        down_after: TimeSpan::from_secs(60),
        warm_up: TimeSpan::from_secs(10),
    }
}

/// One slice cools down.
fn status(enabled: bool) -> ControllerStatus {
    let verdict = ScalingVerdict {
        app: "shop".parse().expect("it is a name"),
        artifact: "shop:place-order:1.0.0".parse().expect("these are coordinates"),
        decision: "keep".to_owned(),
        from: 2,
        to: 2,
        min: 1,
        max: 4,
        calls_per_second: Some(1_204.25),
        busy: Some(0.5),
        cpu: None,
        rule: None,
        code: "cooling-down".to_owned(),
        reason: "would be 3; changed a moment ago and cools down".to_owned(),
        until: Some("2026-01-01T00:00:15.000Z".to_owned()),
    };
    let leader = NODE.to_owned();
    ControllerStatus { enabled, leader, evaluated: Some(AT.to_owned()), verdicts: vec![verdict] }
}

/// It has cooled down.
fn evaluated(mut status: ControllerStatus) -> ControllerStatus {
    for verdict in &mut status.verdicts {
        (verdict.decision, verdict.to) = ("up".to_owned(), 3);
        (verdict.rule, verdict.code) = (Some("calls".to_owned()), "above".to_owned());
        verdict.reason = "1204.2 calls/s per instance, at or above 1000".to_owned();
        verdict.until = None;
    }
    status
}

fn threshold(metric: Metric, request: &ThresholdRequest) -> Threshold {
    Threshold {
        metric: metric.name().to_owned(),
        unit: metric.unit().word().to_owned(),
        warning: request.warning,
        critical: request.critical,
        raise_after: request.raise_after.unwrap_or(TimeSpan::from_secs(10)),
        resolve_after: request.resolve_after.unwrap_or(TimeSpan::from_secs(30)),
    }
}

fn alert(by: Option<String>) -> Alert {
    Alert {
        id: 7,
        metric: "node.cpu".to_owned(),
        unit: "share".to_owned(),
        of: NODE.to_owned(),
        severity: AlertSeverity::Critical,
        value: 0.97,
        threshold: 0.95,
        raised: AT.to_owned(),
        acknowledged: by.as_ref().map(|_| "2026-01-01T00:00:30.000Z".to_owned()),
        acknowledged_by: by,
    }
}

fn history() -> Vec<AlertEvent> {
    let event = |at: &str, event: &str, value| AlertEvent {
        at: at.to_owned(),
        id: 6,
        metric: "calls.p99".to_owned(),
        unit: "ms".to_owned(),
        of: "shop".to_owned(),
        event: event.to_owned(),
        severity: AlertSeverity::Warning,
        value,
        by: (event == "acknowledged").then(|| "ann".to_owned()),
    };
    vec![
        event("2025-12-31T23:00:00.000Z", "raised", Some(251.5)),
        event("2025-12-31T23:01:00.000Z", "acknowledged", Some(251.5)),
        event("2025-12-31T23:02:00.000Z", "resolved", None),
    ]
}
