//! What an operator sets of the controller, and what makes sense of it. Knows no slice.

use aether_types::TimeSpan;
use aether_types::versioned::Versioned;
use serde::{Deserialize, Serialize};

/// The controller's settings, the same on all nodes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Off: nothing changes; what it has set so far stays.
    pub enabled: bool,
    /// Calls per second of one instance.
    pub calls: Option<Band>,
    /// Calls that run or wait, as a share of what all instances may run at a time.
    pub busy: Option<Band>,
    /// Processors of the nodes that have the instances, as a share.
    pub cpu: Option<Band>,
    /// From a change of a slice to its next one upwards.
    pub up_cool_down: TimeSpan,
    /// From a change of a slice to its next one downwards.
    pub down_cool_down: TimeSpan,
    /// How long a slice must have had little to do before it loses an instance.
    pub down_after: TimeSpan,
    /// How long a new leader only watches.
    pub warm_up: TimeSpan,
}

/// Where a rule acts. What lies between is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Band {
    /// From here on there are too few instances.
    pub up: f64,
    /// Down to here there may be too many; below `up`.
    pub down: f64,
}

/// A value that cannot be set.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SettingsProblem {
    #[error("`{rule}`: `{end}` is {value}; it must be {min} to {max}")]
    Range { rule: &'static str, end: &'static str, value: f64, min: f64, max: f64 },
    #[error("`{rule}`: `up` is {up} and `down` is {down}; `up` must be above `down`")]
    Order { rule: &'static str, up: f64, down: f64 },
    #[error("`{name}` is {value}; it must be at most {SPAN_MAX}")]
    Span { name: &'static str, value: TimeSpan },
}

/// The longest cool-down, wait or warm-up.
pub const SPAN_MAX: TimeSpan = TimeSpan::from_secs(24 * 3_600);

/// Calls per second of one instance: none makes more.
const CALLS_MAX: f64 = 1e9;
/// Ten times as many calls as can run at a time: most queues are shorter.
const BUSY_MAX: f64 = 10.0;
/// The smallest threshold: 0 would never be reached from above.
const UP_MIN: f64 = 0.001;

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: true,
            calls: Some(Band { up: 1_000.0, down: 200.0 }),
            busy: Some(Band { up: 0.8, down: 0.2 }),
            cpu: Some(Band { up: 0.8, down: 0.2 }),
            up_cool_down: TimeSpan::from_secs(15),
            down_cool_down: TimeSpan::from_secs(120),
            down_after: TimeSpan::from_secs(60),
            warm_up: TimeSpan::from_secs(10),
        }
    }
}

impl Band {
    /// What a change aims at: the middle, far from both ends.
    pub(crate) fn aim(self) -> f64 {
        f64::midpoint(self.up, self.down)
    }

    fn problems(self, rule: &'static str, max: f64) -> impl Iterator<Item = SettingsProblem> {
        let out = |end, value: f64, min| {
            let is_in = (min..=max).contains(&value);
            (!is_in).then_some(SettingsProblem::Range { rule, end, value, min, max })
        };
        let Self { up, down } = self;
        let order = (up <= down).then_some(SettingsProblem::Order { rule, up, down });
        [out("up", up, UP_MIN), out("down", down, 0.0), order].into_iter().flatten()
    }
}

impl Settings {
    /// Everything that is wrong with them.
    pub fn problems(&self) -> Vec<SettingsProblem> {
        let bands = [
            ("calls", self.calls, CALLS_MAX),
            ("busy", self.busy, BUSY_MAX),
            ("cpu", self.cpu, 1.0),
        ];
        let bands = bands.into_iter().filter_map(|(rule, band, max)| Some((rule, band?, max)));
        let mut problems: Vec<_> =
            bands.flat_map(|(rule, band, max)| band.problems(rule, max)).collect();
        let spans = [
            ("up-cool-down", self.up_cool_down),
            ("down-cool-down", self.down_cool_down),
            ("down-after", self.down_after),
            ("warm-up", self.warm_up),
        ];
        let long = spans.into_iter().filter(|(_, value)| *value > SPAN_MAX);
        problems.extend(long.map(|(name, value)| SettingsProblem::Span { name, value }));
        problems
    }
}

impl Versioned for Settings {
    const FORMAT: u8 = 1;
}
