//! The controller, and alerts with their thresholds. Knows no rule and no node that measures.

use super::{Answer, Authorized, Result, done, ok};
use crate::body::json;
use crate::endpoint::Endpoint;
use crate::error::ApiError;
use crate::management::Management;
use aether_alerts::Metric;

pub(super) async fn handle(node: &dyn Management, req: Authorized) -> Result<Answer> {
    match req.endpoint {
        Endpoint::ControllerConfig => ok(&node.controller_config().await?),
        Endpoint::ChangeController => {
            ok(&node.change_controller(json(&req.body)?, &req.by).await?)
        }
        Endpoint::ControllerStatus => ok(&node.controller_status().await?),
        Endpoint::EvaluateController => {
            let dry_run = req.query.get("dry-run")?.unwrap_or(false);
            ok(&node.evaluate_controller(dry_run, &req.by).await?)
        }
        Endpoint::ListThresholds => ok(&node.thresholds().await?),
        Endpoint::GetThreshold => {
            let metric: Metric = req.param("metric")?;
            let mut all = node.thresholds().await?.thresholds.into_iter();
            let found = all.find(|threshold| threshold.metric == metric.name());
            ok(&found.ok_or_else(|| ApiError::no_threshold(metric))?)
        }
        Endpoint::PutThreshold => {
            let metric = req.param("metric")?;
            ok(&node.put_threshold(metric, json(&req.body)?, &req.by).await?)
        }
        Endpoint::DeleteThreshold => {
            node.delete_threshold(req.param("metric")?, &req.by).await?;
            done()
        }
        Endpoint::ListAlerts => ok(&node.alerts().await?),
        Endpoint::AlertHistory => ok(&node.alert_history().await?),
        Endpoint::ClearAlertHistory => {
            node.clear_alert_history(&req.by).await?;
            done()
        }
        Endpoint::AcknowledgeAlert => {
            ok(&node.acknowledge_alert(req.param("id")?, &req.by).await?)
        }
        Endpoint::GetWebhook => ok(&node.webhook().await?),
        Endpoint::PutWebhook => ok(&node.put_webhook(json(&req.body)?, &req.by).await?),
        Endpoint::DeleteWebhook => {
            node.delete_webhook(&req.by).await?;
            done()
        }
        other => Err(ApiError::internal(format!("nobody answers {other:?}"))),
    }
}
