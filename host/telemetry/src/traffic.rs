//! Requests from outside over all nodes, second by second. Knows no node and no clock.

use crate::history::{Points, Shift, Span, Step};
use aether_types::counts::Counts;
use aether_types::latencies::Latencies;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::time::Duration;

/// Seconds that the figures of now are of.
const RECENT: usize = 10;

/// What happened in one slot.
#[derive(Debug, Default, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TrafficPoint {
    pub requests_per_second: f32,
    pub failures_per_second: f32,
    /// The largest of a second.
    pub requests_per_second_max: f32,
    pub failures_per_second_max: f32,
    /// Time of the instance in microseconds; None where no call was timed. Of all calls of the
    /// slot, not a mean of percentiles.
    pub p50_us: Option<u32>,
    pub p99_us: Option<u32>,
}

/// Two hours of requests.
#[derive(Debug)]
pub struct Traffic {
    fine: Points<TrafficPoint>,
    coarse: Points<Together>,
    /// The newest coarse slot, and the times in it.
    slot: u64,
    times: Latencies,
    recent: VecDeque<(Duration, Counts)>,
    /// The last second that is in the newest coarse slot because another node has put it there.
    remembered: u64,
}

/// All points, for a node that starts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct TrafficPast {
    fine: Vec<(u64, TrafficPoint)>,
    coarse: Vec<(u64, Together)>,
    /// In the newest slot.
    times: Latencies,
}

/// Several seconds together.
#[derive(Debug, Default, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Together {
    seconds: f32,
    requests: f32,
    failures: f32,
    point: TrafficPoint,
}

impl Default for Traffic {
    fn default() -> Self {
        Self {
            fine: Points::of(Step::Second),
            coarse: Points::of(Step::TenSeconds),
            slot: 0,
            times: Latencies::default(),
            recent: VecDeque::new(),
            remembered: 0,
        }
    }
}

impl Traffic {
    /// Keeps what was counted since the last time: to be called once a second.
    pub fn tick(&mut self, now: Duration, elapsed: Duration, counted: Counts) {
        let [second, slot] = [Step::Second, Step::TenSeconds].map(|step| step.slot(now));
        let fine = TrafficPoint::of(elapsed, &counted);
        *self.fine.at(second) = fine;
        if second > self.remembered {
            self.keep(slot, elapsed, &counted, &fine);
        }
        self.recent.truncate(RECENT - 1);
        self.recent.push_front((elapsed, counted));
    }

    fn keep(&mut self, slot: u64, elapsed: Duration, counted: &Counts, fine: &TrafficPoint) {
        if self.slot != slot {
            (self.slot, self.times) = (slot, Latencies::default());
        }
        self.times.add(&counted.latencies);
        let together = self.coarse.at(slot);
        together.seconds += elapsed.as_secs_f32();
        together.requests += counted.calls() as f32;
        together.failures += counted.failures() as f32;
        let seconds = together.seconds.max(f32::MIN_POSITIVE);
        together.point = TrafficPoint {
            requests_per_second: together.requests / seconds,
            failures_per_second: together.failures / seconds,
            p50_us: percentile(&self.times, 50),
            p99_us: percentile(&self.times, 99),
            ..together.point.at_most(fine)
        };
    }

    /// The last ten seconds.
    pub fn now(&self) -> TrafficPoint {
        let (mut time, mut sum) = (Duration::ZERO, Counts::default());
        for (elapsed, counted) in &self.recent {
            time += *elapsed;
            sum.add(counted);
        }
        let seconds = self.recent.iter().map(|(time, counted)| TrafficPoint::of(*time, counted));
        seconds.fold(TrafficPoint::of(time, &sum), |now, second| now.at_most(&second))
    }

    /// Slot by slot; None where nobody looked.
    pub fn history(&self, span: &Span) -> Vec<Option<TrafficPoint>> {
        match span.step {
            Step::Second => span.each(&self.fine, |point| *point),
            Step::TenSeconds => span.each(&self.coarse, |together| together.point),
        }
    }

    /// All points, for a node that starts.
    pub(crate) fn past(&self) -> TrafficPast {
        TrafficPast {
            fine: self.fine.iter().copied().collect(),
            coarse: self.coarse.iter().copied().collect(),
            times: self.times.clone(),
        }
    }

    /// Takes up what another node has kept, in slots of which this one has nothing.
    pub(crate) fn fill(&mut self, past: TrafficPast, shift: &Shift) {
        self.fine.fill(shift.points(Step::Second, past.fine, TrafficPoint::is_sound));
        self.coarse.fill(shift.points(Step::TenSeconds, past.coarse, Together::is_sound));
    }

    /// Takes up what another node has kept, in place of what is here: a node that has just begun to
    /// listen has not heard the others of its first seconds. The slot that is not over goes on
    /// where the other node was.
    pub(crate) fn replace(&mut self, past: TrafficPast, shift: &Shift) {
        let newest = past.fine.last().and_then(|(second, _)| shift.ours(Step::Second, *second));
        let fine = shift.points(Step::Second, past.fine, TrafficPoint::is_sound);
        let coarse = shift.points(Step::TenSeconds, past.coarse, Together::is_sound);
        let present = Step::TenSeconds.slot(shift.now());
        if coarse.last().is_some_and(|(slot, _)| *slot == present) {
            (self.slot, self.times) = (present, past.times);
            // They may have seen the present second already.
            let most = Step::Second.slot(shift.now());
            self.remembered = newest.unwrap_or_default().min(most);
        }
        self.fine.replace(fine);
        self.coarse.replace(coarse);
    }
}

impl TrafficPoint {
    fn of(time: Duration, counted: &Counts) -> Self {
        let seconds = time.as_secs_f32().max(f32::MIN_POSITIVE);
        let (requests, failures) = (counted.calls() as f32, counted.failures() as f32);
        Self {
            requests_per_second: requests / seconds,
            failures_per_second: failures / seconds,
            requests_per_second_max: requests / seconds,
            failures_per_second_max: failures / seconds,
            p50_us: percentile(&counted.latencies, 50),
            p99_us: percentile(&counted.latencies, 99),
        }
    }

    /// Whether it can have happened.
    fn is_sound(&self) -> bool {
        let most = [self.requests_per_second_max, self.failures_per_second_max];
        are_sound(&[self.requests_per_second, self.failures_per_second]) && are_sound(&most)
    }

    /// With the maxima of a second that belongs to it.
    fn at_most(self, second: &Self) -> Self {
        let max = |of: fn(&Self) -> f32| of(&self).max(of(second));
        Self {
            requests_per_second_max: max(|point| point.requests_per_second_max),
            failures_per_second_max: max(|point| point.failures_per_second_max),
            ..self
        }
    }
}

impl Together {
    fn is_sound(&self) -> bool {
        let Self { seconds, requests, failures, point } = self;
        are_sound(&[*seconds, *requests, *failures]) && point.is_sound()
    }
}

fn are_sound(numbers: &[f32]) -> bool {
    numbers.iter().all(|n| n.is_finite() && n.is_sign_positive())
}

fn percentile(latencies: &Latencies, percent: u8) -> Option<u32> {
    latencies.percentile(percent).map(|micros| u32::try_from(micros).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use aether_types::counts::Ending;

    fn counts(good: u64, bad: u64, micros: u64) -> Counts {
        let mut counts = Counts::default();
        counts.endings[Ending::Answered as usize] = good;
        counts.endings[Ending::CalleeFailed as usize] = bad;
        (0..good + bad).for_each(|_| counts.latencies.record(micros));
        counts
    }

    /// 100 requests a second of 100 µs, with one second of trouble.
    fn traffic(seconds: u64) -> Traffic {
        let mut traffic = Traffic::default();
        for second in 0..seconds {
            let counted = match second {
                15 => counts(150, 50, 1_000_000),
                _ => counts(100, 0, 100),
            };
            traffic.tick(Duration::from_secs(second), Duration::from_secs(1), counted);
        }
        traffic
    }

    fn shown(points: &[Option<TrafficPoint>]) -> String {
        let show = |point: &Option<TrafficPoint>| match point {
            None => "nothing".to_owned(),
            Some(p) => format!(
                "{} (at most {}), {} ({}) failed, {:?} {:?}",
                p.requests_per_second,
                p.requests_per_second_max,
                p.failures_per_second,
                p.failures_per_second_max,
                p.p50_us.unwrap_or(0),
                p.p99_us.unwrap_or(0)
            ),
        };
        points.iter().map(show).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn coarse_points_have_percentiles_of_all_their_calls() {
        let traffic = traffic(20);
        let span = Span { step: Step::TenSeconds, first: 0, slots: 3 };
        expect_test::expect![[r#"
            100 (at most 100), 0 (0) failed, 104 104
            110 (at most 200), 5 (50) failed, 104 1048576
            nothing"#]]
        .assert_eq(&shown(&traffic.history(&span)));
        let span = Span { step: Step::Second, first: 14, slots: 2 };
        expect_test::expect![[r#"
            100 (at most 100), 0 (0) failed, 104 104
            200 (at most 200), 50 (50) failed, 1048576 1048576"#]]
        .assert_eq(&shown(&traffic.history(&span)));
    }

    #[test]
    fn now_is_the_last_ten_seconds() {
        let now = |seconds| shown(&[Some(traffic(seconds).now())]);
        assert_eq!(now(15), "100 (at most 100), 0 (0) failed, 104 104");
        assert_eq!(now(25), "110 (at most 200), 5 (50) failed, 104 1048576");
        assert_eq!(now(26), "100 (at most 100), 0 (0) failed, 104 104");
        assert_eq!(now(0), "0 (at most 0), 0 (0) failed, 0 0");
    }
}
