//! Alerts as the management API shows and sets them. Knows no HTTP.

use crate::management::{Office, Put};
use crate::{keys, unix_ms};
use aether_alerts::{
    Alert, Event, Happened, Metric, Outbox, Severity, Threshold, Time, Webhook, WebhookUrl,
};
use aether_api::{
    AlertEvent, AlertHistory, AlertSeverity, ApiError, MetricView, Principal, ThresholdRequest,
    WebhookRequest, rfc3339,
};
use aether_types::code::Code;
use aether_types::versioned::encode;
use aether_types::{Problem, Problems};

impl Office {
    pub(crate) fn all_thresholds(&self) -> aether_api::Thresholds {
        let picture = self.picture();
        let set = picture.world.thresholds.value.0.iter();
        aether_api::Thresholds {
            thresholds: set.map(|(metric, set)| threshold(*metric, set)).collect(),
            metrics: Metric::ALL.map(MetricView::from).into(),
        }
    }

    pub(crate) async fn set_threshold(
        &self,
        metric: Metric,
        request: ThresholdRequest,
        by: &Principal,
    ) -> Result<aether_api::Threshold, ApiError> {
        let wanted = Threshold {
            warning: request.warning,
            critical: request.critical,
            raise_after: request.raise_after.unwrap_or(Threshold::RAISE_AFTER),
            resolve_after: request.resolve_after.unwrap_or(Threshold::RESOLVE_AFTER),
        };
        let problems = wanted.problems(metric).into_iter();
        let problems = problems.map(|p| Problem::new(Code::RequestInvalid, metric, p));
        Problems(problems.collect()).or(())?;
        self.change(|world| {
            let known = &world.thresholds;
            let mut next = known.value.clone();
            let before = next.0.insert(metric, wanted);
            let put = || Put::new(keys::thresholds(), known.revision, encode(&next));
            Ok(((before != Some(wanted)).then(put), ()))
        })
        .await?;
        tracing::info!(%metric, by = by.name, ?wanted, "threshold set");
        Ok(threshold(metric, &wanted))
    }

    pub(crate) async fn unset_threshold(
        &self,
        metric: Metric,
        by: &Principal,
    ) -> Result<(), ApiError> {
        self.change(|world| {
            let known = &world.thresholds;
            let mut next = known.value.clone();
            next.0.remove(&metric).ok_or_else(|| ApiError::no_threshold(metric))?;
            Ok((Some(Put::new(keys::thresholds(), known.revision, encode(&next))), ()))
        })
        .await?;
        tracing::info!(%metric, by = by.name, "threshold removed");
        Ok(())
    }

    pub(crate) fn active_alerts(&self) -> aether_api::Alerts {
        let picture = self.picture();
        aether_api::Alerts { alerts: picture.world.alerts.value.active.iter().map(alert).collect() }
    }

    pub(crate) fn past_alerts(&self) -> AlertHistory {
        let picture = self.picture();
        AlertHistory { events: picture.world.alerts.value.history.iter().map(event).collect() }
    }

    pub(crate) async fn forget_alerts(&self, by: &Principal) -> Result<(), ApiError> {
        self.change(|world| {
            let known = &world.alerts;
            let mut next = known.value.clone();
            next.clear_history();
            let put = || Put::new(keys::alerts(), known.revision, encode(&next));
            Ok(((next != known.value).then(put), ()))
        })
        .await?;
        tracing::info!(by = by.name, "history of alerts cleared");
        Ok(())
    }

    pub(crate) async fn acknowledge(
        &self,
        id: u64,
        by: &Principal,
    ) -> Result<aether_api::Alert, ApiError> {
        let now = Time(unix_ms());
        let acknowledged = self.change(|world| {
            let known = &world.alerts;
            let mut next = known.value.clone();
            let shown = next.acknowledge(id, &by.name, now).map(alert);
            let shown = shown.ok_or_else(|| ApiError::no_alert(id))?;
            let put = || Put::new(keys::alerts(), known.revision, encode(&next));
            Ok(((next != known.value).then(put), shown))
        });
        let acknowledged = acknowledged.await?;
        tracing::info!(id, by = by.name, "alert acknowledged");
        Ok(acknowledged)
    }

    /// Without what may be a secret.
    pub(crate) fn shown_webhook(&self) -> aether_api::Webhook {
        let world = &self.picture().world;
        let url = world.webhook.value.url.as_ref().map(ToString::to_string);
        aether_api::Webhook { url, waiting: waiting(&world.outbox.value) }
    }

    /// None: alerts are told nowhere.
    pub(crate) async fn set_webhook(
        &self,
        request: Option<WebhookRequest>,
        by: &Principal,
    ) -> Result<aether_api::Webhook, ApiError> {
        let url = request.map(|request| request.url.parse::<WebhookUrl>()).transpose();
        let wanted = Webhook { url: url.map_err(|e| ApiError::invalid(Code::RequestInvalid, e))? };
        let shown = self
            .change(|world| {
                let known = &world.webhook;
                let put = || Put::new(keys::webhook(), known.revision, encode(&wanted));
                let url = wanted.url.as_ref().map(ToString::to_string);
                let shown = aether_api::Webhook { url, waiting: waiting(&world.outbox.value) };
                Ok(((known.value != wanted).then(put), shown))
            })
            .await?;
        tracing::info!(url = shown.url, by = by.name, "webhook of alerts set");
        Ok(shown)
    }
}

fn waiting(outbox: &Outbox) -> u32 {
    u32::try_from(outbox.waiting.len()).unwrap_or(u32::MAX)
}

fn threshold(metric: Metric, threshold: &Threshold) -> aether_api::Threshold {
    aether_api::Threshold {
        metric: metric.name().to_owned(),
        unit: metric.unit().word().to_owned(),
        warning: threshold.warning,
        critical: threshold.critical,
        raise_after: threshold.raise_after,
        resolve_after: threshold.resolve_after,
    }
}

fn alert(alert: &Alert) -> aether_api::Alert {
    aether_api::Alert {
        id: alert.id,
        metric: alert.metric.name().to_owned(),
        unit: alert.metric.unit().word().to_owned(),
        of: alert.of.clone(),
        severity: severity(alert.severity),
        value: alert.value,
        threshold: alert.threshold,
        raised: rfc3339(alert.raised.0),
        acknowledged_by: alert.acknowledged.as_ref().map(|seen| seen.by.clone()),
        acknowledged: alert.acknowledged.as_ref().map(|seen| rfc3339(seen.at.0)),
    }
}

fn event(event: &Event) -> AlertEvent {
    AlertEvent {
        at: rfc3339(event.at.0),
        id: event.id,
        metric: event.metric.name().to_owned(),
        unit: event.metric.unit().word().to_owned(),
        of: event.of.clone(),
        event: event.happened.word().to_owned(),
        severity: severity(event.severity),
        value: event.value,
        by: match &event.happened {
            Happened::Acknowledged { by } => Some(by.clone()),
            _ => None,
        },
    }
}

pub(super) fn severity(severity: Severity) -> AlertSeverity {
    match severity {
        Severity::Warning => AlertSeverity::Warning,
        Severity::Critical => AlertSeverity::Critical,
    }
}
