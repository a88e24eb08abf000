//! Which calls count as slow: what an operator can ask for. Knows no call and no clock.

use crate::code::Code;
use crate::latencies::Latencies;
use crate::versioned::Versioned;
use crate::{FunctionName, Problem, Problems, TimeSpan};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// From when on a call is slow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub enum SlowStrategy {
    /// When it takes so long.
    Fixed(TimeSpan),
    /// When it takes longer than 99 of 100 calls of its function, and at least so long.
    Adaptive { at_least: TimeSpan },
    /// When it takes as long as its function is given, and `otherwise` where none is named. The
    /// version of a function's interface may be left out.
    PerFunction { functions: BTreeMap<FunctionName, TimeSpan>, otherwise: TimeSpan },
}

/// Below it, noting calls would cost more than the calls.
pub const SLOW_MIN: TimeSpan = TimeSpan::from_millis(1);
/// Longer than any call.
pub const SLOW_MAX: TimeSpan = TimeSpan::from_secs(24 * 3_600);
/// Functions with a threshold of their own.
pub const SLOW_FUNCTIONS_MAX: usize = 256;

/// Timed calls of a function from which on its percentile says something.
const ADAPTIVE_CALLS_MIN: u64 = 100;

impl Default for SlowStrategy {
    fn default() -> Self {
        Self::Adaptive { at_least: TimeSpan::from_millis(10) }
    }
}

impl Versioned for SlowStrategy {
    const FORMAT: u8 = 1;
}

impl SlowStrategy {
    /// Whether [`SlowStrategy::threshold`] looks at the function's own times.
    pub fn is_adaptive(&self) -> bool {
        matches!(self, Self::Adaptive { .. })
    }

    /// From when on a call of the function is slow, with the times of its calls until now.
    pub fn threshold(&self, function: &FunctionName, times: Option<&Latencies>) -> Duration {
        match self {
            Self::Fixed(threshold) => threshold.duration(),
            Self::Adaptive { at_least } => {
                let times = times.filter(|times| times.count() >= ADAPTIVE_CALLS_MIN);
                let own = times.and_then(|times| times.percentile(99));
                at_least.duration().max(Duration::from_micros(own.unwrap_or(0)))
            }
            Self::PerFunction { functions, otherwise } => {
                let own = functions.get(function);
                let own = own.or_else(|| {
                    let mut named = functions.iter();
                    named.find(|(name, _)| name.means(function)).map(|(_, threshold)| threshold)
                });
                own.unwrap_or(otherwise).duration()
            }
        }
    }

    /// # Errors
    /// Each threshold that is out of bounds, and too many of them.
    pub fn validate(&self, place: &str) -> Result<(), Problems> {
        let mut problems = Vec::new();
        let mut check = |place: String, threshold: &TimeSpan| {
            if !(SLOW_MIN..=SLOW_MAX).contains(threshold) {
                let message = format!("a threshold is {SLOW_MIN} to {SLOW_MAX}, not {threshold}");
                problems.push(Problem::new(Code::RequestInvalid, place, message));
            }
        };
        match self {
            Self::Fixed(threshold) => check(format!("{place}.fixed"), threshold),
            Self::Adaptive { at_least } => check(format!("{place}.adaptive.at-least"), at_least),
            Self::PerFunction { functions, otherwise } => {
                let place = format!("{place}.per-function");
                check(format!("{place}.otherwise"), otherwise);
                for (function, threshold) in functions {
                    check(format!("{place}.functions.{function}"), threshold);
                }
                if functions.len() > SLOW_FUNCTIONS_MAX {
                    let message = format!("at most {SLOW_FUNCTIONS_MAX} functions can be named");
                    problems.push(Problem::new(Code::RequestInvalid, place, message));
                }
            }
        }
        Problems(problems).or(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> FunctionName {
        text.parse().unwrap()
    }

    fn millis(millis: u64) -> TimeSpan {
        TimeSpan::from_millis(millis)
    }

    #[test]
    fn a_function_has_its_own_threshold_or_that_of_all() {
        let named = [("t:a/api@1.0.0#f", 20), ("t:a/api#g", 30)];
        let functions = named.map(|(function, threshold)| (name(function), millis(threshold)));
        let strategy =
            SlowStrategy::PerFunction { functions: functions.into(), otherwise: millis(500) };
        let of = |function: &str| strategy.threshold(&name(function), None).as_millis();
        let asked = ["t:a/api@1.0.0#f", "t:a/api@2.0.0#f", "t:a/api@2.0.0#g", "t:b/api@1.0.0#f"];
        assert_eq!(asked.map(of), [20, 500, 30, 500]);
        assert_eq!(
            SlowStrategy::Fixed(millis(7)).threshold(&name(asked[0]), None),
            millis(7).duration()
        );
    }

    #[test]
    fn the_adaptive_one_follows_the_functions_own_times() {
        let strategy = SlowStrategy::Adaptive { at_least: millis(1) };
        let of = |fast: u64, slow: u64| {
            let mut times = Latencies::default();
            (0..fast).for_each(|_| times.record(200));
            (0..slow).for_each(|_| times.record(40_000));
            strategy.threshold(&name("t:a/api#f"), Some(&times)).as_micros()
        };
        assert_eq!(of(0, 99), 1_000, "too few to know");
        assert_eq!(of(1_000, 5), 1_000, "never below what is asked for");
        assert_eq!(of(970, 30), 40_960, "the end of the bucket of the slow ones");
    }

    #[test]
    fn bounds_are_kept() {
        let check = |text: &str| {
            let strategy: Result<SlowStrategy, _> = toml::from_str(text);
            match strategy.map_err(|error| error.message().to_owned()) {
                Ok(strategy) => strategy.validate("strategy").map_err(|p| p.to_string()).err(),
                Err(error) => Some(error),
            }
        };
        assert_eq!(check("fixed = \"100ms\""), None);
        assert_eq!(check("adaptive = { at-least = \"5ms\" }"), None);
        let own = "per-function = { functions = { \"t:a/b#f\" = \"1h\" }, otherwise = \"1s\" }";
        assert_eq!(check(own), None);
        assert!(check("fixed = \"500us\"").is_some(), "nothing is that short");
        assert!(check("fixed = \"0ms\"").unwrap().contains("1ms to"));
        assert!(check("adaptive = { at-least = \"25h\" }").unwrap().contains("adaptive.at-least"));
        assert!(check("adaptive = { at-least = \"5ms\", more = 1 }").unwrap().contains("more"));
    }
}
