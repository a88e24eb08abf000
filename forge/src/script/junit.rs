//! A report as JUnit XML, as CI systems read it: a suite per scenario, a case per step. Knows no
//! cluster.

use super::report::{Event, Outcome, Report};
use quick_junit::{NonSuccessKind, Property, TestCase, TestCaseStatus, TestSuite};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

impl Report {
    /// # Errors
    /// Never for what a scenario can say.
    pub fn junit(&self) -> anyhow::Result<String> {
        let mut suite = TestSuite::new(self.scenario.clone());
        suite.set_time(seconds(self.took_s));
        for (name, value) in [("seed", self.seed.to_string()), ("nodes", self.nodes.to_string())] {
            suite.add_property(Property::new(name, value));
        }
        for (name, events) in self.cases() {
            suite.add_test_case(case(&self.scenario, &name, &events));
        }
        let mut report = quick_junit::Report::new("aether forge");
        report.set_time(seconds(self.took_s));
        report.add_test_suite(suite);
        Ok(report.to_string()?)
    }

    /// What belongs to each step, in the order in which they began; what belongs to none is the
    /// scenario's own.
    fn cases(&self) -> Vec<(String, Vec<&Event>)> {
        let mut cases: Vec<(String, Vec<&Event>)> = Vec::new();
        let mut places = BTreeMap::new();
        for event in &self.events {
            let name = match event.steps.as_slice() {
                [] => self.scenario.clone(),
                steps => steps.join(" / "),
            };
            let at = *places.entry(name.clone()).or_insert_with(|| {
                cases.push((name, Vec::new()));
                cases.len() - 1
            });
            cases[at].1.push(event);
        }
        cases
    }
}

fn case(scenario: &str, name: &str, events: &[&Event]) -> TestCase {
    let failed = events.iter().find(|event| event.outcome == Outcome::Failed);
    let status = match failed {
        Some(event) => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_message(format!("{}: {}", event.text, event.seen));
            status.set_type(if event.expects { "expectation" } else { "action" });
            status.set_description(format!("{}: {}: {}", event.place, event.text, event.seen));
            status
        }
        None if events.iter().any(|event| event.outcome == Outcome::Passed) => {
            TestCaseStatus::success()
        }
        None => TestCaseStatus::skipped(),
    };
    let mut case = TestCase::new(name, status);
    case.set_classname(scenario);
    // Of the last end, as what is watched lasts as long as the step.
    let from = events.iter().map(|event| event.from_s).fold(f64::INFINITY, f64::min);
    let to = events.iter().map(|event| event.from_s + event.took_s).fold(0.0, f64::max);
    case.set_time(seconds((to - from).max(0.0)));
    let mut out = String::new();
    for Event { from_s, text, seen, outcome, .. } in events {
        let outcome = match outcome {
            Outcome::Passed => "passed",
            Outcome::Failed => "FAILED",
            Outcome::Skipped => "skipped",
        };
        let seen = if seen.is_empty() { String::new() } else { format!(": {seen}") };
        // Writing to a text does not fail.
        let _ = writeln!(out, "{from_s:8.2} s  {outcome:7}  {text}{seen}");
    }
    case.set_system_out(out);
    case
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}
