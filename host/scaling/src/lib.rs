//! How many instances of a slice there should be, and why: rules, bounds, cool-downs. Knows no
//! clock, no node and no plan: what is seen comes in, a verdict with its reason goes out.
#![forbid(unsafe_code)]

mod evaluate;
mod settings;
#[cfg(test)]
mod tests;
mod verdict;

pub use evaluate::{
    CALLED_PER_SECOND_MIN, Hold, Load, Memory, Processors, SliceLoad, Time, evaluate,
};
pub use settings::{Band, SPAN_MAX, Settings, SettingsProblem};
pub use verdict::{Decision, Numbers, Rule, Verdict, Why};
