//! The controller, alerts and aspects as the management API's port has them. Knows no HTTP.

use super::Office;
use crate::scaling::Ask;
use aether_alerts::Metric;
use aether_api::{
    Alert, AlertHistory, Alerts, ApiError, AspectChange, AspectPoints, ControllerChange,
    ControllerConfig, ControllerStatus, Principal, Regulation, Threshold, ThresholdRequest,
    Thresholds, Webhook, WebhookRequest,
};
use aether_types::AppName;

#[async_trait::async_trait]
impl Regulation for Office {
    async fn aspects(&self, app: Option<AppName>) -> Result<AspectPoints, ApiError> {
        self.all_aspects(app.as_ref())
    }

    async fn set_aspect(
        &self,
        change: AspectChange,
        by: &Principal,
    ) -> Result<AspectPoints, ApiError> {
        self.change_aspect(change, by).await
    }

    async fn controller_config(&self) -> Result<ControllerConfig, ApiError> {
        Ok(self.read_controller())
    }

    async fn change_controller(
        &self,
        change: ControllerChange,
        by: &Principal,
    ) -> Result<ControllerConfig, ApiError> {
        self.set_controller(change, by).await
    }

    async fn controller_status(&self) -> Result<ControllerStatus, ApiError> {
        self.controller_said(Ask::Last).await
    }

    async fn evaluate_controller(
        &self,
        dry_run: bool,
        by: &Principal,
    ) -> Result<ControllerStatus, ApiError> {
        tracing::info!(by = by.name, dry_run, "controller asked");
        self.controller_said(Ask::Now { dry_run }).await
    }

    async fn thresholds(&self) -> Result<Thresholds, ApiError> {
        Ok(self.all_thresholds())
    }

    async fn put_threshold(
        &self,
        metric: Metric,
        request: ThresholdRequest,
        by: &Principal,
    ) -> Result<Threshold, ApiError> {
        self.set_threshold(metric, request, by).await
    }

    async fn delete_threshold(&self, metric: Metric, by: &Principal) -> Result<(), ApiError> {
        self.unset_threshold(metric, by).await
    }

    async fn alerts(&self) -> Result<Alerts, ApiError> {
        Ok(self.active_alerts())
    }

    async fn alert_history(&self) -> Result<AlertHistory, ApiError> {
        Ok(self.past_alerts())
    }

    async fn clear_alert_history(&self, by: &Principal) -> Result<(), ApiError> {
        self.forget_alerts(by).await
    }

    async fn acknowledge_alert(&self, id: u64, by: &Principal) -> Result<Alert, ApiError> {
        self.acknowledge(id, by).await
    }

    async fn webhook(&self) -> Result<Webhook, ApiError> {
        Ok(self.shown_webhook())
    }

    async fn put_webhook(
        &self,
        request: WebhookRequest,
        by: &Principal,
    ) -> Result<Webhook, ApiError> {
        self.set_webhook(Some(request), by).await
    }

    async fn delete_webhook(&self, by: &Principal) -> Result<(), ApiError> {
        self.set_webhook(None, by).await.map(drop)
    }
}
