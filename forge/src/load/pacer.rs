//! When the next request is due, while the rate can be changed by hand. Knows no clock.

use super::shape::Curve;

/// Counts requests along a curve. The first is due at once.
#[derive(Debug, Clone)]
pub(crate) struct Pacer {
    curve: Curve,
    /// Nothing is due later, in seconds; infinity where there is no end.
    end: f64,
    factor: f64,
    /// Up to here it is counted.
    at: f64,
    /// Requests that are due at `at`; less than one: a part of the next.
    due: f64,
}

/// Closer than any timer.
const EXACT: f64 = 1e-7;
/// As far as one looks for the next request, in seconds: rates are once a minute and more.
const FAR: f64 = 1e6;

impl Pacer {
    pub(crate) fn new(curve: Curve, end: f64) -> Self {
        Self { curve, end, factor: 1.0, at: 0.0, due: 1.0 }
    }

    pub(crate) fn end(&self) -> f64 {
        self.end
    }

    pub(crate) fn factor(&self) -> f64 {
        self.factor
    }

    /// When the next request is due, in seconds since the start; none if never again as it is.
    pub(crate) fn next(&self) -> Option<f64> {
        if self.due >= 1.0 {
            return (self.at < self.end).then_some(self.at);
        }
        let missing = 1.0 - self.due;
        let begin = self.curve.requests_until(self.at);
        let enough = |time: f64| self.factor * (self.curve.requests_until(time) - begin) >= missing;
        // The first guess is right for a constant rate; twice as far until it is enough.
        let rate = self.factor * self.curve.rate_at(self.at);
        let mut step = (missing / rate.max(1e-3)).max(EXACT);
        let furthest = self.end.min(self.at + FAR);
        while self.at + step < furthest && !enough(self.at + step) {
            step *= 2.0;
        }
        let (mut low, mut high) = (self.at, (self.at + step).min(furthest));
        if !enough(high) {
            return None;
        }
        while high - low > EXACT {
            let middle = f64::midpoint(low, high);
            if enough(middle) { high = middle } else { low = middle }
        }
        // What is due at the very end is not due any more.
        (high + 2.0 * EXACT < self.end).then_some(high)
    }

    /// The request of [`Self::next`] is on its way.
    pub(crate) fn sent(&mut self, due: f64) {
        self.count_to(due);
        self.due = (self.due - 1.0).max(0.0);
    }

    /// From now on it is so many times the curve's rate; 0: nothing.
    pub(crate) fn set_factor(&mut self, now: f64, factor: f64) {
        self.count_to(now.min(self.end));
        self.factor = factor;
    }

    fn count_to(&mut self, time: f64) {
        if time > self.at {
            let passed = self.curve.requests_until(time) - self.curve.requests_until(self.at);
            self.due += self.factor * passed;
            self.at = time;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Pacer;
    use crate::load::shape::tests::curve;
    use crate::load::{Curve, Rate, Shape};
    use proptest::prelude::*;

    fn all(pacer: &mut Pacer, until: f64) -> Vec<f64> {
        let mut all = Vec::new();
        while let Some(due) = pacer.next().filter(|due| *due <= until) {
            pacer.sent(due);
            all.push(due);
        }
        all
    }

    proptest! {
        #[test]
        fn as_many_are_due_as_the_curve_says(
            curve in curve(),
            end in 0.5_f64..20.0,
            change in 0.0_f64..1.0,
            factor in 0.0_f64..4.0,
        ) {
            let mut pacer = Pacer::new(curve.clone(), end);
            let change = end * change;
            let mut times = all(&mut pacer, change);
            pacer.set_factor(change, factor);
            times.extend(all(&mut pacer, end));
            let before = curve.requests_until(change);
            let wanted = 1.0 + before + factor * (curve.requests_until(end) - before);
            let count = times.len() as f64;
            prop_assert!((count - wanted).abs() <= 1.1, "{count} {wanted}");
            prop_assert!(times.is_sorted());
            prop_assert!(times.iter().all(|due| (0.0..end).contains(due)));
        }
    }

    #[test]
    fn once_a_minute_is_once_a_minute() {
        let curve = Curve::new("1/min".parse().unwrap(), Shape::Constant).unwrap();
        let times = all(&mut Pacer::new(curve, 150.0), 150.0);
        let times: Vec<_> = times.iter().map(|due| due.round()).collect();
        assert_eq!(times, [0.0, 60.0, 120.0]);
    }

    #[test]
    fn a_pause_owes_nothing() {
        let curve = Curve::new(Rate::per_second(10.0).unwrap(), Shape::Constant).unwrap();
        let mut pacer = Pacer::new(curve, f64::INFINITY);
        assert_eq!(all(&mut pacer, 1.05).len(), 11);
        pacer.set_factor(1.05, 0.0);
        assert_eq!(pacer.next(), None);
        pacer.set_factor(5.0, 1.0);
        assert_eq!(all(&mut pacer, 6.0).len(), 10);
    }
}
