//! Which measured values are out of their bounds for long enough that somebody should look. Knows
//! no clock, no node and no store: readings come in, alerts and what happened to them go out.
#![forbid(unsafe_code)]

mod alert;
mod evaluate;
mod metric;
#[cfg(test)]
mod tests;
mod threshold;
mod webhook;

pub use alert::{
    ACTIVE_MAX, Acknowledged, Alert, Alerts, Event, HISTORY_MAX, Happened, Severity, Time,
};
pub use evaluate::{Memory, Reading, evaluate};
pub use metric::{Metric, Scope, Unit, UnknownMetric};
pub use threshold::{SPAN_MAX, Threshold, ThresholdProblem, Thresholds};
pub use webhook::{
    GIVE_UP_AFTER, Notice, Outbox, Target, Tries, UrlProblem, WAITING_MAX, Webhook, WebhookUrl,
};
