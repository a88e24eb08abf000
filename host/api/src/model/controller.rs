//! The controller on the wire: its settings, and what it decided. Knows no rule.

use aether_types::{AppName, Coordinates, TimeSpan};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

/// The controller's settings, the same on all nodes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ControllerConfig {
    /// Off: nothing changes; what it has set so far stays.
    pub enabled: bool,
    /// Calls per second of one instance; null: the rule is off.
    pub calls: Option<RuleBand>,
    /// Calls that run or wait, as a share of what all instances may run at a time.
    pub busy: Option<RuleBand>,
    /// The processors of the nodes that have the instances, as a share.
    pub cpu: Option<RuleBand>,
    /// From a change of a slice to its next one upwards, at most a day.
    #[schema(value_type = String)]
    pub up_cool_down: TimeSpan,
    /// From a change of a slice to its next one downwards, at most a day.
    #[schema(value_type = String)]
    pub down_cool_down: TimeSpan,
    /// How long a slice must have had little to do before it loses an instance.
    #[schema(value_type = String)]
    pub down_after: TimeSpan,
    /// How long a new leader only watches.
    #[schema(value_type = String)]
    pub warm_up: TimeSpan,
}

/// Where a rule acts: at `up` and above there are too few instances, at `down` and below there may
/// be too many.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RuleBand {
    pub up: f64,
    /// Below `up`.
    pub down: f64,
}

/// Changes of the settings. What is absent stays as it is; `null` switches a rule off.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct ControllerChange {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    #[schema(value_type = Option<RuleBand>)]
    pub calls: Option<Option<RuleBand>>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    #[schema(value_type = Option<RuleBand>)]
    pub busy: Option<Option<RuleBand>>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    #[schema(value_type = Option<RuleBand>)]
    pub cpu: Option<Option<RuleBand>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub up_cool_down: Option<TimeSpan>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub down_cool_down: Option<TimeSpan>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub down_after: Option<TimeSpan>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub warm_up: Option<TimeSpan>,
}

impl ControllerChange {
    /// The settings with these changes.
    pub fn of(self, config: ControllerConfig) -> ControllerConfig {
        ControllerConfig {
            enabled: self.enabled.unwrap_or(config.enabled),
            calls: self.calls.unwrap_or(config.calls),
            busy: self.busy.unwrap_or(config.busy),
            cpu: self.cpu.unwrap_or(config.cpu),
            up_cool_down: self.up_cool_down.unwrap_or(config.up_cool_down),
            down_cool_down: self.down_cool_down.unwrap_or(config.down_cool_down),
            down_after: self.down_after.unwrap_or(config.down_after),
            warm_up: self.warm_up.unwrap_or(config.warm_up),
        }
    }
}

/// A key that is there, be its value `null`.
fn present<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<RuleBand>>, D::Error> {
    Option::deserialize(from).map(Some)
}

/// What the leader's controller decided when it looked last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ControllerStatus {
    pub enabled: bool,
    /// Id of the node that decides.
    pub leader: String,
    /// When it looked; absent: it has just become the leader.
    #[serde(default)]
    pub evaluated: Option<String>,
    /// Of all slices with `max-instances`, sorted by application and slice.
    pub verdicts: Vec<ScalingVerdict>,
}

/// What was decided for one slice, from which numbers, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ScalingVerdict {
    #[schema(value_type = String)]
    pub app: AppName,
    #[schema(value_type = String)]
    pub artifact: Coordinates,
    /// keep, up or down.
    pub decision: String,
    /// Instances that are wanted before and after; the same where it is kept.
    pub from: u32,
    pub to: u32,
    /// `instances` and `max-instances` of the blueprint.
    pub min: u32,
    pub max: u32,
    /// Per instance; absent: nothing is known.
    #[serde(default)]
    pub calls_per_second: Option<f64>,
    /// Calls that run or wait, as a share of what all instances may run at a time.
    #[serde(default)]
    pub busy: Option<f64>,
    /// Absent: hardly anybody calls the slice, or nothing is known.
    #[serde(default)]
    pub cpu: Option<f64>,
    /// The rule that decided: calls, busy or cpu.
    #[serde(default)]
    pub rule: Option<String>,
    /// The reason in one word, such as `above`, `at-max`, `cooling-down` or `rollout`.
    pub code: String,
    /// The reason in a sentence.
    pub reason: String,
    /// When waiting ends, where it does by itself.
    #[serde(default)]
    pub until: Option<String>,
}

/// What the controller may do with a slice, and did last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct SliceScaling {
    /// `instances` and `max-instances` of the blueprint.
    pub min: u32,
    pub max: u32,
    /// The last change; absent: there was none.
    #[serde(default)]
    pub changed: Option<ScalingChange>,
}

/// A number of instances that was changed by the controller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ScalingChange {
    pub at: String,
    pub from: u32,
    pub to: u32,
    pub reason: String,
}
