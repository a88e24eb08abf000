//! How a rate changes with time. Knows no clock: seconds since the start come as numbers.

use super::rate::Rate;
use aether_types::TimeSpan;
use serde::{Deserialize, Serialize};
use std::f64::consts::TAU;

/// How a rate changes, beginning with the target's own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Shape {
    /// Not at all.
    Constant,
    /// Evenly to another one, which it then keeps.
    Ramp { to: Rate, over: TimeSpan },
    /// To another one at once, and back after a while.
    Spike { to: Rate, at: TimeSpan, lasts: TimeSpan },
    /// From one to the next; the last one is kept.
    Steps { rates: Vec<Rate>, each: TimeSpan },
    /// Up and down around its own, beginning upwards.
    Sine { amplitude: Rate, period: TimeSpan },
}

/// A rate with its shape.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Curve {
    base: Rate,
    shape: Shape,
}

impl Curve {
    /// # Errors
    /// Why the two do not fit together.
    pub fn new(base: Rate, shape: Shape) -> Result<Self, String> {
        let positive = |name: &str, time: &TimeSpan| match time.as_millis() {
            0 => Err(format!("`{name}` is no time at all")),
            _ => Ok(()),
        };
        match &shape {
            Shape::Constant if base.a_second() == 0.0 => {
                return Err("at a constant rate of 0 nothing is ever sent".to_owned());
            }
            Shape::Constant => {}
            Shape::Ramp { over, .. } => positive("over", over)?,
            Shape::Spike { lasts, .. } => positive("lasts", lasts)?,
            Shape::Steps { rates, .. } if rates.is_empty() => {
                return Err("`rates` names the rates after the first one".to_owned());
            }
            Shape::Steps { each, .. } => positive("each", each)?,
            Shape::Sine { amplitude, period } => {
                if *amplitude > base {
                    return Err(format!("an amplitude of {amplitude} is more than {base}"));
                }
                positive("period", period)?;
            }
        }
        Ok(Self { base, shape })
    }

    /// Requests per second at this time.
    pub fn rate_at(&self, seconds: f64) -> f64 {
        let base = self.base.a_second();
        match &self.shape {
            Shape::Constant => base,
            Shape::Ramp { to, over } => {
                base + (to.a_second() - base) * (seconds / secs(over)).min(1.0)
            }
            Shape::Spike { to, at, lasts } => {
                let spike = secs(at)..secs(at) + secs(lasts);
                if spike.contains(&seconds) { to.a_second() } else { base }
            }
            Shape::Steps { rates, each } => match (seconds / secs(each)) as usize {
                0 => base,
                step => rates[(step - 1).min(rates.len() - 1)].a_second(),
            },
            Shape::Sine { amplitude, period } => {
                base + amplitude.a_second() * (TAU * seconds / secs(period)).sin()
            }
        }
    }

    /// Requests from the start to this time: the integral of [`Self::rate_at`].
    pub fn requests_until(&self, seconds: f64) -> f64 {
        let base = self.base.a_second();
        let flat = base * seconds;
        match &self.shape {
            Shape::Constant => flat,
            Shape::Ramp { to, over } => {
                let (more, over) = (to.a_second() - base, secs(over));
                let rising = seconds.min(over);
                flat + more * (rising * rising / (2.0 * over) + (seconds - rising))
            }
            Shape::Spike { to, at, lasts } => {
                let within = (seconds - secs(at)).clamp(0.0, secs(lasts));
                flat + (to.a_second() - base) * within
            }
            Shape::Steps { rates, each } => {
                let (each, last) = (secs(each), rates.len() - 1);
                let first = base * seconds.min(each);
                let step = |(i, rate): (usize, &Rate)| {
                    let within = (seconds - each * (i + 1) as f64).max(0.0);
                    rate.a_second() * if i < last { within.min(each) } else { within }
                };
                first + rates.iter().enumerate().map(step).sum::<f64>()
            }
            Shape::Sine { amplitude, period } => {
                let turn = TAU / secs(period);
                flat + amplitude.a_second() * (1.0 - (turn * seconds).cos()) / turn
            }
        }
    }
}

fn secs(time: &TimeSpan) -> f64 {
    time.duration().as_secs_f64()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::{Curve, Rate, Shape};
    use aether_types::TimeSpan;
    use proptest::prelude::*;

    pub(crate) fn curve() -> impl Strategy<Value = Curve> {
        let rate = || (0_u32..2_000).prop_map(|n| Rate::per_second(f64::from(n) / 10.0).unwrap());
        let span = || (1_u64..20_000).prop_map(TimeSpan::from_millis);
        let rates = prop::collection::vec(rate(), 1..5);
        let shape = prop_oneof![
            Just(Shape::Constant),
            (rate(), span()).prop_map(|(to, over)| Shape::Ramp { to, over }),
            (rate(), span(), span()).prop_map(|(to, at, lasts)| Shape::Spike { to, at, lasts }),
            (rates, span()).prop_map(|(rates, each)| Shape::Steps { rates, each }),
            (rate(), span()).prop_map(|(amplitude, period)| Shape::Sine { amplitude, period }),
        ];
        let made = (rate(), shape).prop_map(|(base, shape)| Curve::new(base, shape).ok());
        made.prop_filter_map("they fit together", |curve| curve)
    }

    proptest! {
        #[test]
        fn what_is_sent_is_the_integral_of_the_rate(curve in curve(), end in 0.1_f64..60.0) {
            let steps = 20_000;
            let width = end / f64::from(steps);
            let middle = |step| curve.rate_at((f64::from(step) + 0.5) * width);
            let sum: f64 = (0..steps).map(middle).sum::<f64>() * width;
            let exact = curve.requests_until(end);
            // A jump of 200/s inside of a step is off by less than a step's worth; five jumps.
            prop_assert!((sum - exact).abs() < 1e-3 + 1_000.0 * width, "{sum} {exact}");
        }

        #[test]
        fn it_never_takes_anything_back(curve in curve(), a in 0.0_f64..60.0, b in 0.0_f64..60.0) {
            let (early, late) = (a.min(b), a.max(b));
            prop_assert!(curve.rate_at(early) >= -1e-9);
            prop_assert!(curve.requests_until(late) - curve.requests_until(early) > -1e-6);
        }
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        let rate = |n| Rate::per_second(n).unwrap();
        let (none, second) = (TimeSpan::from_millis(0), TimeSpan::from_secs(1));
        let refused = |base, shape| Curve::new(rate(base), shape).unwrap_err();
        assert!(refused(0.0, Shape::Constant).contains("nothing"));
        assert!(refused(1.0, Shape::Ramp { to: rate(2.0), over: none }).contains("over"));
        let (rates, each) = (Vec::new(), second);
        assert!(refused(1.0, Shape::Steps { rates, each }).contains("rates"));
        let (amplitude, period) = (rate(2.0), second);
        assert!(refused(1.0, Shape::Sine { amplitude, period }).contains("amplitude of 2/s"));
    }
}
