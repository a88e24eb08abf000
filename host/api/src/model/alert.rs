//! Alerts and their thresholds on the wire. Knows no measurement.

use aether_alerts::Metric;
use aether_types::TimeSpan;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What can have a threshold, and what has one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Thresholds {
    /// Sorted as `metrics` are.
    pub thresholds: Vec<Threshold>,
    /// Everything that can have one.
    pub metrics: Vec<MetricView>,
}

/// Something that is measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct MetricView {
    pub metric: String,
    /// share (0 to 1), count, per-second or ms.
    pub unit: String,
    /// node, application or cluster: what there is one value for.
    pub scope: String,
    /// Whether it is worse the less there is: then `warning` is above `critical`.
    pub worse_below: bool,
    pub meaning: String,
}

/// Where a metric becomes an alert.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Threshold {
    pub metric: String,
    pub unit: String,
    #[serde(default)]
    pub warning: Option<f64>,
    #[serde(default)]
    pub critical: Option<f64>,
    /// How long it must be reached before there is an alert.
    #[schema(value_type = String)]
    pub raise_after: TimeSpan,
    /// How long it must not be reached before the alert is over.
    #[schema(value_type = String)]
    pub resolve_after: TimeSpan,
}

/// A threshold to set: `warning`, `critical` or both; `warning` is the one that is reached first.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct ThresholdRequest {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub critical: Option<f64>,
    /// At most a day; default `10s`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub raise_after: Option<TimeSpan>,
    /// At most a day; default `30s`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub resolve_after: Option<TimeSpan>,
}

/// What is active now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Alerts {
    /// In the order in which they were raised.
    pub alerts: Vec<Alert>,
}

/// A value that is out of its bounds for some time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Alert {
    /// Never used again.
    pub id: u64,
    pub metric: String,
    pub unit: String,
    /// Id of the node, name of the application, or `cluster`.
    pub of: String,
    pub severity: AlertSeverity,
    /// When it became as severe as it is.
    pub value: f64,
    pub threshold: f64,
    pub raised: String,
    /// Who looks after it, and since when.
    #[serde(default)]
    pub acknowledged_by: Option<String>,
    #[serde(default)]
    pub acknowledged: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AlertSeverity {
    Warning,
    Critical,
}

/// What happened to alerts lately.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct AlertHistory {
    /// The oldest first, 200 at most.
    pub events: Vec<AlertEvent>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct AlertEvent {
    pub at: String,
    /// Of the alert.
    pub id: u64,
    pub metric: String,
    pub unit: String,
    pub of: String,
    /// raised, escalated, eased, acknowledged or resolved.
    pub event: String,
    pub severity: AlertSeverity,
    /// Absent: nothing is measured any more.
    #[serde(default)]
    pub value: Option<f64>,
    /// Who acknowledged it.
    #[serde(default)]
    pub by: Option<String>,
}

impl From<Metric> for MetricView {
    fn from(metric: Metric) -> Self {
        Self {
            metric: metric.name().to_owned(),
            unit: metric.unit().word().to_owned(),
            scope: metric.scope().word().to_owned(),
            worse_below: metric.is_worse_below(),
            meaning: metric.meaning().to_owned(),
        }
    }
}

/// Where alerts are told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Webhook {
    /// Scheme, host and port: the rest may be a secret, and is not shown to anybody. Absent: alerts
    /// are told nowhere.
    #[serde(default)]
    pub url: Option<String>,
    /// Events that wait to be told.
    pub waiting: u32,
}

/// Where alerts are to be told.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct WebhookRequest {
    /// Of scheme http or https, 2,048 bytes at most. A name and a password in it are sent as basic
    /// authorization.
    pub url: String,
}

/// What a webhook is told, as the body of one request: something that happened to an alert.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct AlertNotice {
    /// The same in each try: who hears it again has heard it before.
    pub delivery: String,
    pub cluster: String,
    /// The node that tells it.
    pub node: String,
    /// The number of the alert.
    pub alert: u64,
    pub metric: String,
    /// share, count, per-second or ms.
    pub unit: String,
    /// The node, the application, or `cluster`.
    pub of: String,
    /// raised: it is active; resolved: it is over.
    pub state: String,
    /// raised, escalated, eased or resolved.
    pub event: String,
    pub severity: AlertSeverity,
    /// None: nothing is measured any more.
    pub value: Option<f64>,
    /// What was reached.
    pub threshold: f64,
    /// When the alert was raised, and when this happened.
    pub since: String,
    pub at: String,
}

impl AlertNotice {
    /// The body.
    pub fn json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings and numbers serialise")
    }
}

impl AlertSeverity {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}
