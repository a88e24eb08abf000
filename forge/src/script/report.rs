//! What came of a scenario. Knows no cluster.

use crate::load;
use serde::{Deserialize, Serialize};

/// A scenario that was played.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Report {
    pub scenario: String,
    /// With which all choices are the same.
    pub seed: u64,
    /// At the beginning.
    pub nodes: usize,
    /// Without the start of the nodes, in seconds.
    pub took_s: f64,
    /// As they began, one after the other.
    pub events: Vec<Event>,
    pub loads: Vec<LoadPart>,
}

/// A load, and when it began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LoadPart {
    /// Seconds since the scenario began.
    pub from_s: f64,
    pub report: load::Report,
}

/// Something that was done, or expected.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Event {
    /// `file:line:column` in the script.
    pub place: String,
    /// The steps that it belongs to, the outermost first.
    pub steps: Vec<String>,
    /// In the words of the script, with all values in place.
    pub text: String,
    /// Whether it is an expectation; else it is an action.
    pub expects: bool,
    pub outcome: Outcome,
    /// What was so, or what went wrong.
    pub seen: String,
    /// Seconds since the scenario began.
    pub from_s: f64,
    pub took_s: f64,
    /// How long a fault goes on after that, unless something ends it before; 0 for all others.
    pub lasts_s: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    Passed,
    Failed,
    /// Something failed before its end.
    Skipped,
}

impl Report {
    /// What did not hold or could not be done.
    pub fn failures(&self) -> impl Iterator<Item = &Event> {
        self.events.iter().filter(|event| event.outcome == Outcome::Failed)
    }

    pub fn has_failed(&self) -> bool {
        self.failures().next().is_some()
    }
}

impl Event {
    pub(super) fn at(from_s: f64) -> Self {
        Self {
            place: String::new(),
            steps: Vec::new(),
            text: String::new(),
            expects: false,
            outcome: Outcome::Passed,
            seen: String::new(),
            from_s,
            took_s: 0.0,
            lasts_s: 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Event, LoadPart, Outcome, Report};
    use crate::load::{self, Figures, Progress, Second, TargetReport};
    use expect_test::expect;

    fn event(steps: &[&str], text: &str, outcome: Outcome, seen: &str, from_s: f64) -> Event {
        let steps = steps.iter().map(|step| (*step).to_owned()).collect();
        let (place, expects) = ("a.forge:3:1".to_owned(), text.contains("expect"));
        let (text, seen) = (text.to_owned(), seen.to_owned());
        let lasts_s = if text.starts_with("kill") { 2.0 } else { 0.0 };
        Event { place, steps, text, expects, outcome, seen, from_s, took_s: 0.5, lasts_s }
    }

    fn report() -> Report {
        let figures = Figures { due: 20, good: 18, failed: 2, ..Figures::default() };
        let second = |at, good, failed| Second { at, due: 10, good, failed, ..Second::default() };
        let load = load::Report {
            progress: Progress::Over,
            elapsed_s: 2.0,
            factor: 1.0,
            total: figures.clone(),
            targets: vec![TargetReport { name: "GET /a?b&c".to_owned(), figures }],
            seconds: vec![second(0, 10, 0), second(1, 8, 2)],
        };
        Report {
            scenario: "a".to_owned(),
            seed: 7,
            nodes: 3,
            took_s: 4.0,
            events: vec![
                event(&[], "wait 1s", Outcome::Passed, "", 0.0),
                event(&["one"], "kill leader", Outcome::Passed, "node 2", 1.0),
                event(&["one"], "expect failed < 1", Outcome::Failed, "failed is \"2\"", 2.0),
                event(&["two", "deep"], "expect leader", Outcome::Skipped, "", 2.5),
            ],
            loads: vec![LoadPart { from_s: 0.5, report: load }],
        }
    }

    #[test]
    fn a_step_is_a_case_of_junit() {
        expect![[r#"
            <?xml version="1.0" encoding="UTF-8"?>
            <testsuites name="aether forge" tests="3" skipped="1" failures="1" errors="0" time="4.000">
                <testsuite name="a" tests="3" skipped="1" errors="0" failures="1" time="4.000">
                    <properties>
                        <property name="seed" value="7"/>
                        <property name="nodes" value="3"/>
                    </properties>
                    <testcase name="a" classname="a" time="0.500">
                        <system-out>    0.00 s  passed   wait 1s
            </system-out>
                    </testcase>
                    <testcase name="one" classname="a" time="1.500">
                        <failure message="expect failed &lt; 1: failed is &quot;2&quot;" type="expectation">a.forge:3:1: expect failed &lt; 1: failed is &quot;2&quot;</failure>
                        <system-out>    1.00 s  passed   kill leader: node 2
                2.00 s  FAILED   expect failed &lt; 1: failed is &quot;2&quot;
            </system-out>
                    </testcase>
                    <testcase name="two / deep" classname="a" time="0.500">
                        <skipped/>
                        <system-out>    2.50 s  skipped  expect leader
            </system-out>
                    </testcase>
                </testsuite>
            </testsuites>
        "#]].assert_eq(&report().junit().unwrap());
    }

    #[test]
    fn the_page_shows_everything_and_needs_nothing_else() {
        let page = report().html();
        for shown in [
            "<h1>a: <span class=\"failed\">failed</span></h1>",
            "2 of 4 in 4.0 s; 3 nodes, seed 7",
            "a.forge:3:1: <code>expect failed &lt; 1</code>: failed is &quot;2&quot;",
            "<td>two / deep<td title=\"a.forge:3:1\"><code>expect leader</code>",
            "<tr><td>GET /a?b&amp;c<td class=\"n\">18<td class=\"n\">2",
            // The second second of a load that began after half of one: 2 of 4 seconds.
            "480.0,39.2\" fill=\"none\" stroke=\"var(--good)\"",
            "<rect x=\"240.0\" y=\"14.0\" width=\"120.0\"",
            // And what went wrong until it was over.
            "<rect x=\"360.0\" y=\"14.0\" width=\"480.0\"",
        ] {
            assert!(page.contains(shown), "{shown}: {page}");
        }
        for foreign in ["http://", "https://", "src=", "<script", "@import", "url("] {
            assert!(!page.contains(foreign), "{foreign}");
        }
    }
}
