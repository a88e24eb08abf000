//! Slow calls and what counts as slow, on the wire. Knows no clock.

use super::LogSilence;
use aether_types::AppName;
use aether_types::slow::SlowStrategy;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The newest slow calls of all nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct SlowCalls {
    /// The newest first.
    pub calls: Vec<SlowCall>,
    /// Nodes that did not answer.
    #[serde(default)]
    pub silent: Vec<LogSilence>,
    /// What counts as slow now.
    #[schema(value_type = Object)]
    pub strategy: SlowStrategy,
}

/// A call that took longer than calls of its function should.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct SlowCall {
    /// When it ended: RFC 3339, by the clock of its node.
    pub at: String,
    /// The node on which it ran.
    pub node: String,
    #[schema(value_type = String)]
    pub app: AppName,
    pub slice: String,
    /// The blueprint's revision that it ran with.
    pub version: u64,
    pub function: String,
    /// The slice that called; absent: a request from outside.
    #[serde(default)]
    pub caller: Option<String>,
    /// `aether logs --request-id` shows what was said meanwhile.
    pub request_id: String,
    pub took_us: u64,
    /// How it ended: `answered`, `declined`, `deadline-exceeded`…
    pub ending: String,
}

/// What counts as slow, on all nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SlowSettings {
    /// `{"fixed": "100ms"}`, `{"adaptive": {"at-least": "10ms"}}`, which is what holds where
    /// nothing was set, or `{"per-function": {"functions": {…: "50ms"}, "otherwise": "1s"}}`.
    /// Thresholds are 1 ms to 24 hours.
    #[schema(value_type = Object)]
    pub strategy: SlowStrategy,
}
