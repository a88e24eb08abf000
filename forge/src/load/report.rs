//! What came of a load: counts, latencies, and how they went from second to second. Knows no
//! socket.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// Seconds that are remembered: the last hour.
const SECONDS_MAX: usize = 3_600;

/// A load, running or over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Report {
    pub progress: Progress,
    /// Since it was started, in seconds.
    pub elapsed_s: f64,
    /// How many times the rate that the file says.
    pub factor: f64,
    pub total: Figures,
    pub targets: Vec<TargetReport>,
    /// One after the other, up to the last hour.
    pub seconds: Vec<Second>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Progress {
    Running,
    Paused,
    Over,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct TargetReport {
    pub name: String,
    pub figures: Figures,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Figures {
    /// Requests whose time had come.
    pub due: u64,
    /// Answered as expected.
    pub good: u64,
    /// Answered otherwise, or not at all.
    pub failed: u64,
    /// Of both, those that were sent once more because a front door was closed.
    pub repeated: u64,
    /// Good of all that have ended, 0 to 1; none while none has.
    pub success: Option<f64>,
    /// Good answers, over the whole time.
    pub per_second: f64,
    /// Of good answers, from when the request was due to the last byte.
    pub p50_ms: f64,
    pub p90_ms: f64,
    pub p99_ms: f64,
    pub p999_ms: f64,
    pub max_ms: f64,
    /// The longest time without a good answer.
    pub longest_gap_ms: f64,
    /// How often each status was answered, expected or not.
    pub statuses: BTreeMap<u16, u64>,
    /// How often each way to fail.
    pub failures: BTreeMap<String, u64>,
}

/// What happened in one second.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Second {
    /// Seconds from the start to its beginning.
    pub at: u64,
    pub due: u64,
    pub good: u64,
    pub failed: u64,
    pub p50_ms: f64,
    pub p99_ms: f64,
}

/// How one request ended.
#[derive(Debug, Clone)]
pub(crate) struct Ending {
    /// When it was due.
    pub(crate) from: Instant,
    pub(crate) repeated: bool,
    /// None: there was no answer.
    pub(crate) status: Option<u16>,
    /// Or why it failed.
    pub(crate) outcome: Result<(), String>,
}

/// Counts while a load runs.
#[derive(Debug)]
pub(crate) struct Counts {
    start: Instant,
    targets: Vec<(String, Tally)>,
    total: Tally,
    seconds: VecDeque<Second>,
    this_second: Second,
    latency_us: Histogram<u64>,
}

#[derive(Debug)]
struct Tally {
    due: u64,
    failed: u64,
    repeated: u64,
    latency_us: Histogram<u64>,
    last_good: Instant,
    longest_gap: Duration,
    statuses: BTreeMap<u16, u64>,
    failures: BTreeMap<String, u64>,
}

/// Latencies in microseconds up to a minute, three digits.
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000, 3).expect("the bounds are in order")
}

impl Counts {
    pub(crate) fn new(start: Instant, names: impl Iterator<Item = String>) -> Self {
        Self {
            start,
            targets: names.map(|name| (name, Tally::new(start))).collect(),
            total: Tally::new(start),
            seconds: VecDeque::new(),
            this_second: Second::default(),
            latency_us: histogram(),
        }
    }

    pub(crate) fn on_due(&mut self, target: usize, now: Instant) {
        self.turn_to(now);
        self.targets[target].1.due += 1;
        self.total.due += 1;
        self.this_second.due += 1;
    }

    pub(crate) fn on_end(&mut self, target: usize, ending: &Ending, now: Instant) {
        self.turn_to(now);
        self.targets[target].1.count(ending, now);
        self.total.count(ending, now);
        match ending.outcome {
            Ok(()) => {
                self.this_second.good += 1;
                self.latency_us.saturating_record(micros(now - ending.from));
            }
            Err(_) => self.this_second.failed += 1,
        }
    }

    /// All up to now; where the load is over, up to its end.
    pub(crate) fn report(&mut self, progress: Progress, factor: f64, now: Instant) -> Report {
        self.turn_to(now);
        let elapsed = now - self.start;
        let figures = |tally: &Tally| tally.figures(elapsed, now);
        let targets = self.targets.iter();
        let targets = targets
            .map(|(name, tally)| TargetReport { name: name.clone(), figures: figures(tally) });
        let mut last = self.this_second.clone();
        quantiles(&mut last, &self.latency_us);
        Report {
            progress,
            elapsed_s: elapsed.as_secs_f64(),
            factor,
            total: figures(&self.total),
            targets: targets.collect(),
            seconds: self.seconds.iter().cloned().chain([last]).collect(),
        }
    }

    fn turn_to(&mut self, now: Instant) {
        let at = now.saturating_duration_since(self.start).as_secs();
        while self.this_second.at < at {
            let next = Second { at: self.this_second.at + 1, ..Second::default() };
            let mut over = std::mem::replace(&mut self.this_second, next);
            if !self.latency_us.is_empty() {
                quantiles(&mut over, &self.latency_us);
                self.latency_us.reset();
            }
            self.seconds.push_back(over);
            if self.seconds.len() >= SECONDS_MAX {
                self.seconds.pop_front();
            }
        }
    }
}

impl Tally {
    fn new(start: Instant) -> Self {
        Self {
            due: 0,
            failed: 0,
            repeated: 0,
            latency_us: histogram(),
            last_good: start,
            longest_gap: Duration::ZERO,
            statuses: BTreeMap::new(),
            failures: BTreeMap::new(),
        }
    }

    fn count(&mut self, ending: &Ending, now: Instant) {
        self.repeated += u64::from(ending.repeated);
        if let Some(status) = ending.status {
            *self.statuses.entry(status).or_default() += 1;
        }
        match &ending.outcome {
            Ok(()) => {
                self.latency_us.saturating_record(micros(now - ending.from));
                self.longest_gap = self.longest_gap.max(now - self.last_good);
                self.last_good = now;
            }
            Err(why) => {
                self.failed += 1;
                *self.failures.entry(why.clone()).or_default() += 1;
            }
        }
    }

    fn figures(&self, elapsed: Duration, now: Instant) -> Figures {
        let good = self.latency_us.len();
        let ended = good + self.failed;
        let quantile = |q| self.latency_us.value_at_quantile(q) as f64 / 1e3;
        let gap = self.longest_gap.max(now.saturating_duration_since(self.last_good));
        Figures {
            due: self.due,
            good,
            failed: self.failed,
            repeated: self.repeated,
            success: (ended > 0).then(|| good as f64 / ended as f64),
            per_second: good as f64 / elapsed.as_secs_f64().max(1e-3),
            p50_ms: quantile(0.5),
            p90_ms: quantile(0.9),
            p99_ms: quantile(0.99),
            p999_ms: quantile(0.999),
            max_ms: if good > 0 { self.latency_us.max() as f64 / 1e3 } else { 0.0 },
            longest_gap_ms: gap.as_secs_f64() * 1e3,
            statuses: self.statuses.clone(),
            failures: self.failures.clone(),
        }
    }
}

fn quantiles(second: &mut Second, latency_us: &Histogram<u64>) {
    second.p50_ms = latency_us.value_at_quantile(0.5) as f64 / 1e3;
    second.p99_ms = latency_us.value_at_quantile(0.99) as f64 / 1e3;
}

pub(crate) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::{Counts, Ending, Progress};
    use std::time::{Duration, Instant};

    #[test]
    fn what_happened_adds_up() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut counts = Counts::new(start, ["a", "b"].map(str::to_owned).into_iter());
        for (target, from, end, outcome) in [
            (0, 0, 10, Ok(200)),
            (0, 500, 520, Err("status 503")),
            (1, 900, 1_100, Ok(200)),
            (0, 3_000, 3_002, Ok(200)),
        ] {
            counts.on_due(target, at(from));
            let (status, outcome) = match outcome {
                Ok(status) => (status, Ok(())),
                Err(why) => (503, Err(why.to_owned())),
            };
            let (from, status) = (at(from), Some(status));
            let ending = Ending { from, repeated: false, status, outcome };
            counts.on_end(target, &ending, at(end));
        }
        let report = counts.report(Progress::Over, 1.0, at(4_000));
        let total = &report.total;
        assert_eq!((total.due, total.good, total.failed), (4, 3, 1));
        assert_eq!(total.statuses, [(200, 3), (503, 1)].into());
        assert_eq!(total.failures, [("status 503".to_owned(), 1)].into());
        assert_eq!((total.success, total.per_second), (Some(0.75), 0.75));
        assert_eq!((total.p50_ms.round(), total.max_ms.round()), (10.0, 200.0));
        assert_eq!(total.longest_gap_ms.round(), 1_902.0);
        assert_eq!(report.targets[1].figures.longest_gap_ms.round(), 2_900.0, "to the end");
        let seconds: Vec<_> = report.seconds.iter().map(|s| (s.due, s.good, s.failed)).collect();
        assert_eq!(seconds, [(3, 1, 1), (0, 1, 0), (0, 0, 0), (1, 1, 0), (0, 0, 0)]);
        assert_eq!(report.seconds[1].p99_ms.round(), 200.0);
        assert_eq!(report.seconds[3].p99_ms.round(), 2.0, "each second for itself");
    }
}
