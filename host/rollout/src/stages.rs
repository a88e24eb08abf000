//! Every strategy as a row of stages, each with a gate at its end. Knows no state.

use crate::state::{Demand, Version};
use aether_types::rollout::{Strategy, Switch};
use aether_types::traffic::Weight;
use aether_types::{Coordinates, TimeSpan};
use std::collections::BTreeMap;

/// One share of the traffic for the new version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    pub weight: Weight,
    pub gate: Gate,
    /// Whether the new version has all its instances, or only as many as its share needs.
    pub(crate) full: bool,
}

/// What ends a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// That routers have taken it up.
    Open,
    After(TimeSpan),
    Verdict {
        requests_min: u64,
        time_min: TimeSpan,
    },
    /// That somebody promotes or concludes.
    Somebody,
}

impl Stage {
    /// Instances of a slice of the new version.
    pub(crate) fn instances(&self, demand: &Demand) -> u32 {
        match self.full {
            true => demand.instances,
            false => self.weight.of(demand.instances).max(demand.min_ready).max(1),
        }
    }
}

/// Instances of the new version that a rollout begins with.
pub fn first_instances(strategy: &Strategy, new: &Version) -> BTreeMap<Coordinates, u32> {
    let first = &stages(strategy)[0];
    new.slices.iter().map(|demand| (demand.slice.clone(), first.instances(demand))).collect()
}

/// The last one gives everything to the new version.
pub(crate) fn stages(strategy: &Strategy) -> Vec<Stage> {
    let full = |weight, gate| Stage { weight, gate, full: true };
    match strategy {
        Strategy::Immediate => vec![full(Weight::WHOLE, Gate::Open)],
        Strategy::Rolling(rolling) => {
            let stage = |weight: &Weight| full(*weight, Gate::After(rolling.pause));
            rolling.steps.iter().map(stage).collect()
        }
        Strategy::Canary(canary) => {
            let (requests_min, time_min) = (canary.requests_min, canary.time_min);
            let gate = Gate::Verdict { requests_min, time_min };
            let stage = |weight: &Weight| Stage { weight: *weight, gate, full: false };
            canary.stages.iter().map(stage).collect()
        }
        Strategy::BlueGreen(blue_green) => {
            let switched = full(Weight::WHOLE, Gate::After(blue_green.keep));
            match blue_green.switch {
                Switch::Auto => vec![switched],
                Switch::Manual => vec![full(Weight::NONE, Gate::Somebody), switched],
            }
        }
        Strategy::AB(ab) => {
            vec![full(ab.weight, Gate::Somebody), full(Weight::WHOLE, Gate::Open)]
        }
    }
}

/// How long the old version stays after the last stage.
pub(crate) fn grace(strategy: &Strategy) -> TimeSpan {
    match strategy {
        Strategy::Rolling(rolling) => rolling.grace,
        Strategy::Canary(canary) => canary.grace,
        Strategy::Immediate | Strategy::BlueGreen(_) | Strategy::AB(_) => TimeSpan::from_millis(0),
    }
}
