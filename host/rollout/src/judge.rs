//! Whether a new version is as good as the old one. Knows no stage and no clock.
//!
//! Each question is a sequential probability ratio test (Wald, 1945): counts of the new version
//! against a share that is still allowed. It may be asked again after every request, and a version
//! that keeps to what is allowed is condemned once in a thousand stages at most (Ville, 1939).

use aether_types::latencies::Latencies;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What one version did in some time, over all nodes.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Calls that ended.
    pub requests: u64,
    /// Those of them that failed: technically, or with an answer of 500 or above.
    pub errors: u64,
    /// How long instances worked for the calls, on whatever nodes, queues included, and without the
    /// way between those: old and new may be on other nodes, or apart from whom they call.
    pub latencies: Latencies,
}

/// What the counts say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// As good as the old one, as far as can be asked.
    Healthy,
    Bad(Fault),
    /// Too little is known.
    Open(Lack),
}

/// What is wrong with the new version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fault {
    Errors {
        errors: u64,
        requests: u64,
        old_errors: u64,
        old_requests: u64,
    },
    /// So many of its calls took longer than was allowed for so many of a hundred; times in
    /// microseconds.
    Slow {
        percent: u8,
        old_micros: u64,
        allowed_micros: u64,
        longer: u64,
        requests: u64,
    },
}

/// What is missing for a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lack {
    Requests {
        so_far: u64,
        wanted: u64,
    },
    /// The counts lie between good and bad.
    Evidence {
        requests: u64,
    },
}

/// Errors of a hundred that a new version may have beyond those of the old one.
const ERRORS_ALLOWED: f64 = 0.01;
/// How many times what is allowed a bad version has; in between, either verdict may come.
const ERRORS_BAD: f64 = 3.0;
/// A new version may take half as long again; and less than this, in microseconds, is never slow:
/// so much depends on the node, on what else runs there and on how often the instance has run.
const MICROS_ALLOWED: u64 = 1_000;
/// Percentiles of the old version that are compared; which share of the calls may take longer; and
/// which share does with a version that is bad. Further out, the old version's own is too vague.
const PERCENTILES: [(u8, f64, f64); 2] = [(50, 0.5, 0.65), (90, 0.1, 0.2)];
/// Calls of the old version without which its percentiles say nothing.
const OLD_CALLS_MIN: u64 = 50;

/// Once in a thousand: ln(1000).
const BAD: f64 = 6.907_755;
/// A version of exactly the bad share passes once in twenty stages: ln(1/20). One of 5 % errors
/// beside an old one without, once in a thousand.
const GOOD: f64 = -2.995_732;

/// Compares the new version with the old one. Never healthy before `requests_min`.
pub fn judge(old: &Window, new: &Window, requests_min: u64) -> Verdict {
    let mut is_open = false;
    for (evidence, fault) in questions(old, new) {
        if evidence >= BAD {
            return Verdict::Bad(fault);
        }
        is_open |= evidence > GOOD;
    }
    if new.requests < requests_min {
        return Verdict::Open(Lack::Requests { so_far: new.requests, wanted: requests_min });
    }
    match is_open {
        true => Verdict::Open(Lack::Evidence { requests: new.requests }),
        false => Verdict::Healthy,
    }
}

/// Each with how much speaks against the new version: the logarithm of a likelihood ratio.
fn questions(old: &Window, new: &Window) -> Vec<(f64, Fault)> {
    // As if half an error in 50 requests had been seen before: an old version of which nothing is
    // known is taken for one with 1 %.
    let rate = (old.errors.min(old.requests) as f64 + 0.5) / (old.requests as f64 + 50.0);
    let allowed = rate + ERRORS_ALLOWED;
    let bad = (allowed * ERRORS_BAD).min((1.0 + allowed) / 2.0);
    let fault = Fault::Errors {
        errors: new.errors,
        requests: new.requests,
        old_errors: old.errors,
        old_requests: old.requests,
    };
    let mut questions = Vec::from([(evidence(new.errors, new.requests, allowed, bad), fault)]);
    if old.latencies.count() < OLD_CALLS_MIN {
        return questions;
    }
    for (percent, allowed, bad) in PERCENTILES {
        let old_micros = old.latencies.percentile(percent).expect("there are calls");
        let allowed_micros = (old_micros + old_micros / 2).max(old_micros + MICROS_ALLOWED);
        let requests = new.latencies.count();
        let longer = new.latencies.above(allowed_micros);
        let fault = Fault::Slow { percent, old_micros, allowed_micros, longer, requests };
        questions.push((evidence(longer, requests, allowed, bad), fault));
    }
    questions
}

/// How much likelier such counts are with the bad share than with the one that is allowed, as a
/// logarithm. Depends on the counts alone, not on how often or when they were looked at.
fn evidence(hits: u64, of: u64, allowed: f64, bad: f64) -> f64 {
    let misses = of.saturating_sub(hits);
    hits as f64 * (bad / allowed).ln() + misses as f64 * ((1.0 - bad) / (1.0 - allowed)).ln()
}

impl Window {
    /// Adds what another node, or another second, counted.
    pub fn add(&mut self, other: &Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.errors = self.errors.saturating_add(other.errors);
        self.latencies.add(&other.latencies);
    }
}

/// Microseconds for people.
struct Micros(u64);

impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            micros if micros < 10_000 => write!(f, "{micros} µs"),
            micros => write!(f, "{} ms", micros / 1_000),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Errors { errors, requests, old_errors, old_requests } => write!(
                f,
                "{errors} of {requests} requests failed; {old_errors} of {old_requests} did before"
            ),
            Self::Slow { percent, old_micros, allowed_micros, longer, requests } => write!(
                f,
                "{longer} of {requests} requests took longer than {}, without the way between \
                 nodes; {percent} of 100 took at most {} before",
                Micros(*allowed_micros),
                Micros(*old_micros)
            ),
        }
    }
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Requests { so_far, wanted } => {
                write!(f, "{so_far} of the {wanted} requests without which nothing is judged")
            }
            Self::Evidence { requests } => {
                write!(f, "{requests} requests, which show neither good nor bad")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    /// Numbers as if by chance, the same ones each time.
    struct Chance(u64);

    impl Chance {
        fn next(&mut self) -> f64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
        }

        /// A time around 10 ms; `spread` is the standard deviation of its logarithm.
        fn micros(&mut self, factor: f64, spread: f64) -> u64 {
            let normal = (0..12).map(|_| self.next()).sum::<f64>() - 6.0;
            (10_000.0 * factor * (normal * spread).exp()) as u64
        }

        fn count(&mut self, window: &mut Window, kind: &Kind) {
            window.requests += 1;
            window.errors += u64::from(self.next() < kind.errors);
            window.latencies.record(self.micros(kind.factor, kind.spread));
        }
    }

    #[derive(Clone, Copy)]
    struct Kind {
        errors: f64,
        factor: f64,
        spread: f64,
    }

    const GOOD_ONE: Kind = Kind { errors: 0.0, factor: 1.0, spread: 0.5 };

    /// Runs stages of 20,000 requests to the new version at most, and asks after every tenth: how
    /// many are condemned, passed, still open; and the requests that half of the verdicts needed.
    fn run(stages: u64, old_kind: &Kind, new_kind: &Kind, old_per_new: u64) -> String {
        let (mut bad, mut healthy, mut open, mut needed) = (0, 0, 0, Vec::new());
        for seed in 0..stages {
            let mut chance = Chance(seed << 32);
            let (mut old, mut new) = (Window::default(), Window::default());
            let verdict = (1..=2_000).find_map(|_| {
                for _ in 0..10 {
                    (0..old_per_new).for_each(|_| chance.count(&mut old, old_kind));
                    chance.count(&mut new, new_kind);
                }
                Some(judge(&old, &new, 100)).filter(|v| !matches!(v, Verdict::Open(_)))
            });
            match verdict {
                Some(Verdict::Bad(_)) => bad += 1,
                Some(Verdict::Healthy) => healthy += 1,
                _ => open += 1,
            }
            needed.push(new.requests);
        }
        needed.sort_unstable();
        let half = needed[needed.len() / 2];
        format!("{bad} bad, {healthy} healthy, {open} open, half by {half} requests")
    }

    fn check(new: Kind, expect: Expect) {
        let one_percent = run(100, &GOOD_ONE, &new, 19);
        let half = run(100, &GOOD_ONE, &new, 1);
        expect.assert_eq(&format!("at 5 %: {one_percent}\nat 50 %: {half}"));
    }

    #[test]
    fn five_percent_of_errors_are_caught() {
        check(
            Kind { errors: 0.05, ..GOOD_ONE },
            expect![[r#"
            at 5 %: 100 bad, 0 healthy, 0 open, half by 190 requests
            at 50 %: 99 bad, 1 healthy, 0 open, half by 220 requests"#]],
        );
        check(
            Kind { errors: 1.0, ..GOOD_ONE },
            expect![[r#"
            at 5 %: 100 bad, 0 healthy, 0 open, half by 10 requests
            at 50 %: 100 bad, 0 healthy, 0 open, half by 10 requests"#]],
        );
    }

    #[test]
    fn three_times_the_latency_is_caught_however_wide_it_is_spread() {
        check(
            Kind { factor: 3.0, ..GOOD_ONE },
            expect![[r#"
            at 5 %: 100 bad, 0 healthy, 0 open, half by 30 requests
            at 50 %: 100 bad, 0 healthy, 0 open, half by 50 requests"#]],
        );
        for spread in [0.1, 1.0, 1.5] {
            let old = Kind { spread, ..GOOD_ONE };
            let shown = run(50, &old, &Kind { factor: 3.0, ..old }, 19);
            assert!(shown.starts_with("50 bad"), "{shown}");
        }
    }

    #[test]
    fn a_healthy_version_passes() {
        check(
            GOOD_ONE,
            expect![[r#"
            at 5 %: 0 bad, 100 healthy, 0 open, half by 150 requests
            at 50 %: 0 bad, 100 healthy, 0 open, half by 120 requests"#]],
        );
        let failing = Kind { errors: 0.02, ..GOOD_ONE };
        let shown = run(100, &failing, &failing, 19);
        assert!(shown.starts_with("0 bad, 100 healthy"), "as bad as before is good: {shown}");
        let slower = Kind { factor: 1.25, ..GOOD_ONE };
        let shown = run(100, &GOOD_ONE, &slower, 19);
        assert!(shown.starts_with("0 bad, 100 healthy"), "a quarter slower is allowed: {shown}");
    }

    /// At the border of what is allowed, looked at 2,000 times each.
    #[test]
    fn looking_often_condemns_nobody() {
        let new = Kind { errors: 0.01, ..GOOD_ONE };
        let mut condemned = 0;
        for seed in 0..300 {
            let mut chance = Chance(seed << 33);
            let old = Window { requests: 1_000_000, errors: 0, latencies: Latencies::default() };
            let mut counts = Window::default();
            for _ in 0..2_000 {
                chance.count(&mut counts, &new);
                if matches!(judge(&old, &counts, 100), Verdict::Bad(_)) {
                    condemned += 1;
                    break;
                }
            }
        }
        assert!(condemned <= 1, "{condemned} of 300");
    }

    #[test]
    fn an_old_version_that_nothing_is_known_of_is_taken_for_a_good_one() {
        let old = Window::default();
        let new = |errors| Window { requests: 100, errors, ..Window::default() };
        assert_eq!(judge(&old, &new(1), 100), Verdict::Healthy);
        assert!(matches!(judge(&old, &new(5), 100), Verdict::Open(_)));
        assert!(matches!(judge(&old, &new(15), 1_000), Verdict::Bad(_)));
    }

    #[test]
    fn verdicts_say_what_they_rest_on() {
        let mut old = Window { requests: 9_900, errors: 2, ..Window::default() };
        (0..9_900).for_each(|n| old.latencies.record(900 + n % 200));
        let fast = |requests, errors| {
            let mut new = Window { requests, errors, ..Window::default() };
            (0..requests).for_each(|n| new.latencies.record(900 + n % 200));
            new
        };
        let mut slow = Window { requests: 60, ..Window::default() };
        (0..60).for_each(|n| slow.latencies.record(3 * (900 + n % 200)));
        let show = |new: &Window| match judge(&old, new, 100) {
            Verdict::Healthy => "healthy".to_owned(),
            Verdict::Bad(fault) => fault.to_string(),
            Verdict::Open(lack) => lack.to_string(),
        };
        let cases = [fast(50, 0), fast(100, 0), fast(120, 2), fast(200, 0), fast(200, 10), slow];
        expect![[r#"
            50 of the 100 requests without which nothing is judged
            100 requests, which show neither good nor bad
            120 requests, which show neither good nor bad
            healthy
            10 of 200 requests failed; 2 of 9900 did before
            60 of 60 requests took longer than 2024 µs, without the way between nodes; 50 of 100 took at most 1024 µs before"#]]
        .assert_eq(&cases.iter().map(show).collect::<Vec<_>>().join("\n"));
    }
}
