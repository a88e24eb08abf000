//! Whether a condition holds, by what the cluster and the load say. Changes nothing of them, but
//! for what programs do that a script runs.

use super::ast::{Condition, Part, Program, Request, Side};
use super::form::Metric;
use super::stage::{Seen, Stage};
use super::value::Value;
use crate::http;
use crate::load::{Figures, Report};
use crate::model::NodeView;
use std::time::Duration;

/// How long a front door that says nothing is waited for.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// Of what a program or an answer says.
const SHOWN_MAX: usize = 300;

/// What a look at a condition has shown.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Look {
    /// None: nobody can say yet.
    pub(super) holds: Option<bool>,
    /// What is so instead, or indeed.
    pub(super) seen: String,
}

impl Look {
    fn new(holds: bool, seen: impl Into<String>) -> Self {
        Self { holds: Some(holds), seen: seen.into() }
    }
}

impl Stage {
    /// Looks once. What cannot be asked does not hold.
    pub(super) fn holds(&self, condition: &Condition<Value>) -> Look {
        let look = match condition {
            Condition::Compare { metric, part, sign, value } => {
                return match self.measure(metric, part) {
                    Ok(Some(measured)) => {
                        let holds = sign.holds(measured.number(), value.number());
                        Look::new(holds, format!("{} is {measured}", metric.name))
                    }
                    Ok(None) => Look { holds: None, seen: "no request has ended".to_owned() },
                    Err(error) => Look::new(false, format!("{error:#}")),
                };
            }
            Condition::Leader(side) => self.leads(side.as_ref()),
            Condition::NoLeader => Ok(match self.look().leader() {
                Some(leader) => Look::new(false, format!("node {leader} leads")),
                None => Look::new(true, "no node leads"),
            }),
            Condition::Writable(wanted) => {
                let writable = self.look().writable();
                let seen = if writable { "a majority takes writes" } else { "nobody takes writes" };
                Ok(Look::new(writable == *wanted, seen))
            }
            Condition::Ready(nodes) => self.are_ready(nodes),
            Condition::Answers(request) => self.answers(request),
            Condition::Aether(program) => self.program(program),
        };
        look.unwrap_or_else(|error| Look::new(false, format!("{error:#}")))
    }

    fn leads(&self, side: Option<&Side<Value>>) -> anyhow::Result<Look> {
        // First: they may be those of a role, for which somebody has to lead.
        let side = side.map(|side| anyhow::Ok((side.inside, self.meant(&side.nodes)?)));
        let side = side.transpose()?;
        let Some(leader) = self.look().leader() else {
            return Ok(Look::new(false, "no node leads"));
        };
        let holds = side.is_none_or(|(inside, nodes)| nodes.contains(&leader) == inside);
        Ok(Look::new(holds, format!("node {leader} leads")))
    }

    fn are_ready(&self, nodes: &Value) -> anyhow::Result<Look> {
        let meant = self.meant(nodes)?;
        let seen = self.look();
        let is_ready = |number: &usize| {
            let answer = seen.node(*number).and_then(|node| self.ask(node, "/health/ready"));
            answer.is_ok_and(|answer| answer.status == 200)
        };
        let missing: Vec<String> =
            meant.iter().filter(|it| !is_ready(it)).map(ToString::to_string).collect();
        Ok(match missing.as_slice() {
            [] => Look::new(true, "all are ready"),
            missing => Look::new(false, format!("not ready: {}", missing.join(" and "))),
        })
    }

    /// Of each of the front doors.
    fn answers(&self, request: &Request<Value>) -> anyhow::Result<Look> {
        let seen = self.look();
        let meant = match &request.on {
            Some(on) => self.meant(on)?,
            None => seen.running(),
        };
        anyhow::ensure!(!meant.is_empty(), "no node runs");
        for number in &meant {
            if let Err(seen) = answer(seen.node(*number)?, request) {
                return Ok(Look::new(false, format!("node {number}: {seen}")));
            }
        }
        let count = meant.len();
        Ok(Look::new(true, format!("{count} front doors answered {}", request.status)))
    }

    pub(super) fn program(&self, program: &Program<Value>) -> anyhow::Result<Look> {
        let words: Vec<&str> = program.words.iter().map(Value::text).collect();
        let output = self.command(&words)?.output()?;
        let exit = output.status.code().unwrap_or(-1);
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).trim().to_owned();
        let wanted = program.exits.as_ref().map_or(0.0, Value::number);
        let says = program.says.as_ref().is_none_or(|says| text.contains(says.text()));
        let seen = format!("exit {exit}: {}", short(&text));
        Ok(Look::new(says && f64::from(exit) == wanted, seen))
    }

    fn measure(&self, metric: &Metric, part: &Part<Value>) -> anyhow::Result<Option<Value>> {
        let of_cluster = match metric.name {
            "running" => self.look().running().len() as u64,
            "on-duty" => self.count_members(|it| it.reachable && it.state == "ON_DUTY")?,
            "voters" => self.count_members(crate::node::Member::votes)?,
            "faults" => self.shared.faults().len() as u64,
            "instances" => {
                let slice = match part {
                    Part::Of(slice) => Some(slice.text()),
                    Part::Whole | Part::Over(_) => None,
                };
                self.instances(&self.look(), slice)?
            }
            name => return Ok(self.report().and_then(|report| of_load(&report, name, part))),
        };
        Ok(Some(Value::Number(of_cluster as f64)))
    }

    fn count_members(&self, counts: impl Fn(&crate::node::Member) -> bool) -> anyhow::Result<u64> {
        let seen: Seen = self.look();
        Ok(self.members(&seen)?.iter().filter(|member| counts(member)).count() as u64)
    }
}

/// What is wrong with what the front door of a node answers.
fn answer(node: &NodeView, request: &Request<Value>) -> Result<(), String> {
    let Request { method, path, body, status, with, on: _ } = request;
    let request = http::Request {
        method,
        path: path.text(),
        body: body.as_ref().map(|body| body.text().to_owned()),
        silence_max: ANSWER_MAX,
        ..http::Request::default()
    };
    let address = node.http.parse().map_err(|error| format!("{}: {error}", node.http))?;
    let answer = http::exchange(address, &request).map_err(|error| format!("{error:#}"))?;
    let says = with.as_ref().is_none_or(|with| answer.body.contains(with.text()));
    match f64::from(answer.status) == status.number() && says {
        true => Ok(()),
        false => Err(format!("{} {}", answer.status, short(&answer.body))),
    }
}

fn short(text: &str) -> String {
    let text = text.lines().collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// A number of a load; none while no request of it has ended, or none was answered.
fn of_load(report: &Report, metric: &str, part: &Part<Value>) -> Option<Value> {
    let figures = match part {
        Part::Whole => report.total.clone(),
        Part::Of(name) => {
            let mut targets = report.targets.iter();
            targets.find(|target| target.name == name.text())?.figures.clone()
        }
        Part::Over(time) => last(report, time.time().duration().as_secs_f64()),
    };
    let count = |count: u64| Some(Value::Number(count as f64));
    let time = |ms: f64| (figures.good > 0).then_some(Value::Milliseconds(ms));
    match metric {
        "requests" => count(figures.due),
        "good" => count(figures.good),
        "failed" => count(figures.failed),
        "repeated" => count(figures.repeated),
        "success" => figures.success.map(Value::Share),
        "rate" => Some(Value::Number(figures.per_second)),
        "p50" => time(figures.p50_ms),
        "p90" => time(figures.p90_ms),
        "p99" => time(figures.p99_ms),
        "p999" => time(figures.p999_ms),
        "max" => time(figures.max_ms),
        "gap" => Some(Value::Milliseconds(figures.longest_gap_ms)),
        other => unreachable!("{other} is of the cluster"),
    }
}

/// Counts of the last seconds: whole ones, and the one that is not over.
fn last(report: &Report, seconds: f64) -> Figures {
    let from = report.elapsed_s - seconds;
    let mut figures = Figures::default();
    for second in report.seconds.iter().filter(|it| (it.at + 1) as f64 > from) {
        figures.due += second.due;
        figures.good += second.good;
        figures.failed += second.failed;
    }
    let ended = figures.good + figures.failed;
    figures.success = (ended > 0).then(|| figures.good as f64 / ended as f64);
    let time = seconds.min(report.elapsed_s).max(1e-3);
    figures.per_second = figures.good as f64 / time;
    figures
}

#[cfg(test)]
mod tests {
    use super::{Part, of_load};
    use crate::load::{Figures, Progress, Report, Second, TargetReport};
    use crate::script::value::Value;
    use aether_types::TimeSpan;

    fn report() -> Report {
        let total = Figures {
            due: 100,
            good: 80,
            failed: 10,
            success: Some(80.0 / 90.0),
            p99_ms: 12.5,
            longest_gap_ms: 800.0,
            ..Figures::default()
        };
        let idle = TargetReport { name: "idle".to_owned(), figures: Figures::default() };
        let second = |at, good, failed| Second { at, due: 20, good, failed, ..Second::default() };
        Report {
            progress: Progress::Running,
            elapsed_s: 3.5,
            factor: 1.0,
            total,
            targets: vec![idle],
            seconds: vec![second(0, 20, 0), second(1, 5, 10), second(2, 20, 0), second(3, 10, 0)],
        }
    }

    #[test]
    fn metrics_are_what_the_load_counted() {
        let check = |metric: &str, part: Part<Value>, expected: Option<&str>| {
            let shown = of_load(&report(), metric, &part).map(|it| it.to_string());
            assert_eq!(shown.as_deref(), expected, "{metric} {part:?}");
        };
        let over = |seconds| Part::Over(Value::Time(TimeSpan::from_secs(seconds)));
        let idle = || Part::Of(Value::Text("idle".to_owned()));
        check("requests", Part::Whole, Some("100"));
        check("success", Part::Whole, Some("88.888889%"));
        check("p99", Part::Whole, Some("12.5 ms"));
        check("gap", Part::Whole, Some("800 ms"));
        check("failed", over(2), Some("10"));
        check("failed", over(1), Some("0"));
        check("success", over(1), Some("100%"));
        check("rate", over(3), Some("18.333333"));
        check("good", idle(), Some("0"));
        // Nothing was asked of it: nobody can say.
        check("success", idle(), None);
        check("p99", idle(), None);
    }
}
