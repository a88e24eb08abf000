//! What was decided for a slice, from which numbers, and why; also why nothing was. Decides
//! nothing.

use crate::evaluate::Time;
use aether_types::{AppName, Coordinates};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What was decided for one slice at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    pub app: AppName,
    pub slice: Coordinates,
    pub at: Time,
    pub decision: Decision,
    /// Instances that are wanted before and after; the same where it is kept.
    pub from: u32,
    pub to: u32,
    /// The bounds: `instances` and `max-instances` of the blueprint.
    pub min: u32,
    pub max: u32,
    /// None: nothing is known.
    pub numbers: Option<Numbers>,
    pub why: Why,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Decision {
    Keep,
    Up,
    Down,
}

/// What the rules looked at.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Numbers {
    /// Calls per second of one instance.
    pub calls: f64,
    /// Calls that run or wait, as a share of what all instances may run at a time.
    pub busy: f64,
    /// The nodes' processors, as a share. None: hardly anybody calls the slice.
    pub cpu: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rule {
    Calls,
    Busy,
    Cpu,
}

/// The reason of a verdict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Why {
    /// Up: the rule's number is at or above its upper threshold.
    Above { rule: Rule, value: f64, up: f64 },
    /// Down: all numbers have been at or below their lower thresholds since then.
    Below { since: Time },
    /// Between the thresholds.
    InBand,
    /// The controller is switched off.
    Off,
    /// All rules are switched off.
    NoRule,
    /// `max-instances` is `instances`.
    NoRoom,
    /// Two versions share the traffic, or a switch is under way.
    Rollout,
    /// A node that has instances says nothing.
    NoSamples { node: String },
    /// It would go up, and is at `max-instances`.
    AtMax { rule: Rule, value: f64, up: f64 },
    /// It would go down, and is at `instances`.
    AtMin,
    /// It would go up, and instances that are wanted already have no node.
    Unplaced { placed: u32, reason: String },
    /// The processors are busy on every node: another instance would have no more of them.
    NoFreeNode { value: f64, up: f64 },
    /// It would change, and the leader is new.
    WarmingUp { until: Time },
    /// It would change, and has changed a moment ago.
    CoolingDown { wants: u32, until: Time },
    /// There is little to do, and not for long enough.
    LowSince { since: Time, until: Time },
    /// There is little to do, and too much for fewer instances.
    TooMuchForFewer { rule: Rule, expected: f64, aim: f64 },
}

impl Rule {
    fn show(self, value: f64) -> String {
        match self {
            Self::Calls => format!("{value:.1} calls/s per instance"),
            Self::Busy => format!("{:.0} % of max-concurrency busy or queued", value * 100.0),
            Self::Cpu => format!("{:.0} % of the nodes' processors", value * 100.0),
        }
    }

    fn threshold(self, value: f64) -> String {
        match self {
            Self::Calls => value.to_string(),
            Self::Busy | Self::Cpu => format!("{:.0} %", value * 100.0),
        }
    }

    pub fn word(self) -> &'static str {
        match self {
            Self::Calls => "calls",
            Self::Busy => "busy",
            Self::Cpu => "cpu",
        }
    }
}

impl Decision {
    pub fn word(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

impl Why {
    /// The rule that decided.
    pub fn rule(&self) -> Option<Rule> {
        match self {
            Self::Above { rule, .. }
            | Self::AtMax { rule, .. }
            | Self::TooMuchForFewer { rule, .. } => Some(*rule),
            Self::NoFreeNode { .. } => Some(Rule::Cpu),
            _ => None,
        }
    }

    /// In one word, the same in the API, the CLI and the dashboard.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Above { .. } => "above",
            Self::Below { .. } => "below",
            Self::InBand => "in-band",
            Self::Off => "off",
            Self::NoRule => "no-rule",
            Self::NoRoom => "no-room",
            Self::Rollout => "rollout",
            Self::NoSamples { .. } => "no-samples",
            Self::AtMax { .. } => "at-max",
            Self::AtMin => "at-min",
            Self::Unplaced { .. } => "unplaced",
            Self::NoFreeNode { .. } => "no-free-node",
            Self::WarmingUp { .. } => "warming-up",
            Self::CoolingDown { .. } => "cooling-down",
            Self::LowSince { .. } => "low",
            Self::TooMuchForFewer { .. } => "too-much-for-fewer",
        }
    }

    /// The moment at which waiting ends, where it does by itself.
    pub fn until(&self) -> Option<Time> {
        match self {
            Self::WarmingUp { until }
            | Self::CoolingDown { until, .. }
            | Self::LowSince { until, .. } => Some(*until),
            _ => None,
        }
    }
}

/// A sentence; times stand beside it ([`Why::until`]), where they can be shown as the reader wants.
impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let above = |rule: Rule, value, up| {
            format!("{}, at or above {}", rule.show(value), rule.threshold(up))
        };
        match self {
            Self::Above { rule, value, up } => f.write_str(&above(*rule, *value, *up)),
            Self::Below { .. } => f.write_str("little to do for long enough"),
            Self::InBand => f.write_str("between the thresholds"),
            Self::Off => f.write_str("the controller is switched off"),
            Self::NoRule => f.write_str("all rules of the controller are switched off"),
            Self::NoRoom => f.write_str("max-instances is not above instances"),
            Self::Rollout => f.write_str("a rollout is under way"),
            Self::NoSamples { node } => write!(f, "node {node} says nothing of its load"),
            Self::AtMax { rule, value, up } => {
                write!(f, "{}; already at max-instances", above(*rule, *value, *up))
            }
            Self::AtMin => f.write_str("little to do; already at instances"),
            Self::Unplaced { placed, reason } => {
                write!(f, "only {placed} instances have a node: {reason}")
            }
            Self::NoFreeNode { value, up } => {
                write!(f, "{}, and no other node has less to do", above(Rule::Cpu, *value, *up))
            }
            Self::WarmingUp { .. } => f.write_str("the leader is new and only watches"),
            Self::CoolingDown { wants, .. } => {
                write!(f, "would be {wants}; changed a moment ago and cools down")
            }
            Self::LowSince { .. } => f.write_str("little to do, not for long enough"),
            Self::TooMuchForFewer { rule, expected, aim } => {
                let (expected, aim) = (rule.show(*expected), rule.threshold(*aim));
                write!(f, "fewer instances would have {expected}, more than {aim}")
            }
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.decision {
            Decision::Keep => write!(f, "keep {}: {}", self.from, self.why),
            _ => write!(f, "{} {} -> {}: {}", self.decision.word(), self.from, self.to, self.why),
        }
    }
}
