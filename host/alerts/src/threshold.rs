//! From which value on somebody should look, and for how long it must last. Knows no reading.

use crate::alert::Severity;
use crate::metric::Metric;
use aether_types::TimeSpan;
use aether_types::versioned::Versioned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Where a metric becomes an alert.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Threshold {
    pub warning: Option<f64>,
    /// Worse than `warning`.
    pub critical: Option<f64>,
    /// How long it must be reached before there is an alert.
    pub raise_after: TimeSpan,
    /// How long it must not be reached before the alert is over.
    pub resolve_after: TimeSpan,
}

/// All that are set.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
pub struct Thresholds(pub BTreeMap<Metric, Threshold>);

impl Versioned for Thresholds {
    const FORMAT: u8 = 1;
}

/// A threshold that cannot be set.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ThresholdProblem {
    #[error("there is neither `warning` nor `critical`")]
    Nothing,
    #[error("`{name}` is {value}; it must be {min} to {max}")]
    Range { name: &'static str, value: f64, min: f64, max: f64 },
    #[error(
        "`warning` is {warning} and `critical` is {critical}; for {metric}, `warning` must be {wanted}"
    )]
    Order { metric: Metric, warning: f64, critical: f64, wanted: &'static str },
    #[error("`{name}` is {value}; it must be at most {SPAN_MAX}")]
    Span { name: &'static str, value: TimeSpan },
}

/// The longest time before an alert is raised or resolved.
pub const SPAN_MAX: TimeSpan = TimeSpan::from_secs(24 * 3_600);

impl Threshold {
    pub const RAISE_AFTER: TimeSpan = TimeSpan::from_secs(10);
    pub const RESOLVE_AFTER: TimeSpan = TimeSpan::from_secs(30);

    /// Everything that is wrong with it.
    pub fn problems(&self, metric: Metric) -> Vec<ThresholdProblem> {
        let mut problems = Vec::new();
        if self.warning.is_none() && self.critical.is_none() {
            problems.push(ThresholdProblem::Nothing);
        }
        let (min, max) = (0.0, metric.unit().max());
        for (name, value) in [("warning", self.warning), ("critical", self.critical)] {
            if let Some(value) = value.filter(|value| !(min..=max).contains(value)) {
                problems.push(ThresholdProblem::Range { name, value, min, max });
            }
        }
        if let (Some(warning), Some(critical)) = (self.warning, self.critical) {
            let (is_right, wanted) = match metric.is_worse_below() {
                true => (warning > critical, "above `critical`"),
                false => (warning < critical, "below `critical`"),
            };
            if !is_right {
                problems.push(ThresholdProblem::Order { metric, warning, critical, wanted });
            }
        }
        let spans = [("raise-after", self.raise_after), ("resolve-after", self.resolve_after)];
        let long = spans.into_iter().filter(|(_, value)| *value > SPAN_MAX);
        problems.extend(long.map(|(name, value)| ThresholdProblem::Span { name, value }));
        problems
    }

    /// How bad a value is by itself.
    pub(crate) fn severity(&self, metric: Metric, value: f64) -> Option<Severity> {
        let reached = |end: Option<f64>| {
            end.is_some_and(|end| match metric.is_worse_below() {
                true => value <= end,
                false => value >= end,
            })
        };
        match (reached(self.critical), reached(self.warning)) {
            (true, _) => Some(Severity::Critical),
            (false, true) => Some(Severity::Warning),
            (false, false) => None,
        }
    }

    /// What was reached.
    pub fn end(&self, severity: Severity) -> Option<f64> {
        match severity {
            Severity::Warning => self.warning,
            Severity::Critical => self.critical,
        }
    }
}
