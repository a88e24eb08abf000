//! The controller and alerts. Knows no rule and no metric.

use crate::Client;
use crate::client::Result;
use aether_api::{
    Alert, AlertHistory, Alerts, ControllerChange, ControllerConfig, ControllerStatus, Endpoint,
    Threshold, ThresholdRequest, Thresholds, Webhook, WebhookRequest,
};

impl Client {
    pub async fn controller_config(&self) -> Result<ControllerConfig> {
        self.ask("read the controller's settings", Endpoint::ControllerConfig, &[]).await
    }

    /// What is absent stays as it is.
    pub async fn change_controller(&self, change: &ControllerChange) -> Result<ControllerConfig> {
        let action = "change the controller's settings";
        self.tell(action, Endpoint::ChangeController, &[], change).await
    }

    pub async fn controller_status(&self) -> Result<ControllerStatus> {
        self.ask("read what the controller decided", Endpoint::ControllerStatus, &[]).await
    }

    /// Looks and decides now; `dry_run`: changes nothing.
    pub async fn evaluate_controller(&self, dry_run: bool) -> Result<ControllerStatus> {
        let (action, endpoint) = ("let the controller decide", Endpoint::EvaluateController);
        let request = self.request(endpoint, &[]).query(&[("dry-run", dry_run)]);
        let response = self.send(action, endpoint, request).await?;
        self.read(action, response).await
    }

    pub async fn thresholds(&self) -> Result<Thresholds> {
        self.ask("list the thresholds", Endpoint::ListThresholds, &[]).await
    }

    pub async fn put_threshold(
        &self,
        metric: &str,
        threshold: &ThresholdRequest,
    ) -> Result<Threshold> {
        let action = format!("set the threshold of {metric}");
        self.tell(&action, Endpoint::PutThreshold, &[metric], threshold).await
    }

    pub async fn delete_threshold(&self, metric: &str) -> Result<()> {
        let endpoint = Endpoint::DeleteThreshold;
        let action = format!("take the threshold of {metric} away");
        self.send(&action, endpoint, self.request(endpoint, &[metric])).await.map(drop)
    }

    pub async fn alerts(&self) -> Result<Alerts> {
        self.ask("list the alerts", Endpoint::ListAlerts, &[]).await
    }

    pub async fn alert_history(&self) -> Result<AlertHistory> {
        self.ask("read the history of alerts", Endpoint::AlertHistory, &[]).await
    }

    pub async fn clear_alert_history(&self) -> Result<()> {
        let endpoint = Endpoint::ClearAlertHistory;
        let request = self.request(endpoint, &[]);
        self.send("clear the history of alerts", endpoint, request).await.map(drop)
    }

    pub async fn acknowledge_alert(&self, id: u64) -> Result<Alert> {
        let action = format!("acknowledge alert {id}");
        self.ask(&action, Endpoint::AcknowledgeAlert, &[&id.to_string()]).await
    }

    pub async fn webhook(&self) -> Result<Webhook> {
        self.ask("read the webhook of alerts", Endpoint::GetWebhook, &[]).await
    }

    pub async fn put_webhook(&self, request: &WebhookRequest) -> Result<Webhook> {
        self.tell("set the webhook of alerts", Endpoint::PutWebhook, &[], request).await
    }

    pub async fn delete_webhook(&self) -> Result<()> {
        let endpoint = Endpoint::DeleteWebhook;
        let request = self.request(endpoint, &[]);
        self.send("take the webhook of alerts away", endpoint, request).await.map(drop)
    }
}
