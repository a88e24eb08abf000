//! A report as one HTML page that needs nothing else: what was done and expected on a line of time,
//! the load's curve below it, and the list. Knows no cluster.

use super::report::{Event, LoadPart, Outcome, Report};
use std::fmt::{self, Write};

const WIDTH: f64 = 960.0;
/// Of one line of the chart of actions.
const ROW: f64 = 14.0;
const CURVE: f64 = 140.0;

const STYLE: &str = "\
:root{color-scheme:light dark;--good:#2a7f3f;--bad:#c22f2f;--other:#3266a8;--left:#8a8a8a}
@media(prefers-color-scheme:dark){:root{--good:#6fc585;--bad:#ff8080;--other:#8ab8f5;--left:#999}}
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:64rem;padding:0 1rem}
svg{width:100%;height:auto;font-size:11px}text{fill:currentColor}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;vertical-align:top;padding:.2rem .6rem .2rem 0;border-bottom:1px solid #8884}
td.n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
code{font-size:13px}.passed{color:var(--good)}.failed{color:var(--bad);font-weight:bold}
.skipped{color:var(--left)}";

impl Report {
    /// A whole page.
    pub fn html(&self) -> String {
        Page(self).to_string()
    }
}

struct Page<'a>(&'a Report);

impl fmt::Display for Page<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { scenario, seed, nodes, took_s, events, loads } = self.0;
        let name = escaped(scenario);
        let (word, class) = match self.0.has_failed() {
            true => ("failed", "failed"),
            false => ("passed", "passed"),
        };
        let held = events.iter().filter(|event| event.outcome == Outcome::Passed).count();
        let all = events.len();
        writeln!(f, "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">")?;
        writeln!(f, "<meta name=\"viewport\" content=\"width=device-width\">")?;
        writeln!(f, "<title>{name}: {word}</title><style>{STYLE}</style>")?;
        writeln!(f, "<h1>{name}: <span class=\"{class}\">{word}</span></h1>")?;
        writeln!(f, "<p>{held} of {all} in {took_s:.1} s; {nodes} nodes, seed {seed}.</p>")?;
        for event in self.0.failures() {
            let Event { place, text, seen, .. } = event;
            let (text, seen) = (escaped(text), escaped(seen));
            writeln!(f, "<p class=\"failed\">{}: <code>{text}</code>: {seen}</p>", escaped(place))?;
        }
        timeline(f, events, *took_s)?;
        for load in loads {
            curve(f, load, *took_s)?;
        }
        table(f, events)?;
        loads.iter().try_for_each(|load| targets(f, load))
    }
}

/// A bar for each action and expectation, from its beginning to its end.
fn timeline(f: &mut fmt::Formatter<'_>, events: &[Event], took_s: f64) -> fmt::Result {
    let done: Vec<&Event> =
        events.iter().filter(|event| event.outcome != Outcome::Skipped).collect();
    let height = ROW * done.len() as f64 + 20.0;
    writeln!(f, "<h2>What happened</h2>")?;
    writeln!(f, "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"Time line\">")?;
    for (row, event) in done.iter().enumerate() {
        let Event { text, from_s, took_s: lasted, lasts_s, outcome, expects, .. } = event;
        let (x, y, end) = (at(*from_s, took_s), ROW * row as f64, from_s + lasted);
        let colour = match (outcome, expects) {
            (Outcome::Failed, _) => "bad",
            (_, true) => "good",
            (_, false) => "other",
        };
        let mut bar = |from: f64, to: f64, opacity: f64| {
            writeln!(
                f,
                "<rect x=\"{from:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"2\" \
                 fill=\"var(--{colour})\" opacity=\"{opacity}\"><title>{}</title></rect>",
                (to - from).max(3.0),
                ROW - 2.0,
                escaped(text)
            )
        };
        bar(x, at(end, took_s), 0.45)?;
        if *lasts_s > 0.0 {
            bar(at(end, took_s), at((end + lasts_s).min(took_s), took_s), 0.2)?;
        }
        // Where there is more room: after the beginning of the bar, or before it.
        let (anchor, x) = if x < WIDTH / 2.0 { ("start", x + 2.0) } else { ("end", x - 3.0) };
        let label: String = text.chars().take(70).collect();
        let (y, label) = (y + ROW - 4.0, escaped(&label));
        writeln!(f, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{label}</text>")?;
    }
    axis(f, height - 6.0, took_s)?;
    writeln!(f, "</svg>")
}

/// Good and failed answers in each second of a load.
fn curve(f: &mut fmt::Formatter<'_>, load: &LoadPart, took_s: f64) -> fmt::Result {
    let LoadPart { from_s, report } = load;
    let most = report.seconds.iter().map(|it| it.good.max(it.failed)).max().unwrap_or(0).max(1);
    let height = CURVE + 20.0;
    writeln!(f, "<h2>Answers a second</h2>")?;
    writeln!(f, "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"Load\">")?;
    type Of = fn(&crate::load::Second) -> u64;
    let lines: [(&str, Of); 2] = [("good", |second| second.good), ("bad", |second| second.failed)];
    for (colour, of) in lines {
        let points = report.seconds.iter().map(|second| {
            let x = at(from_s + second.at as f64 + 0.5, took_s);
            let y = CURVE - of(second) as f64 / most as f64 * (CURVE - 14.0);
            format!("{x:.1},{y:.1}")
        });
        let points = points.collect::<Vec<_>>().join(" ");
        writeln!(
            f,
            "<polyline points=\"{points}\" fill=\"none\" stroke=\"var(--{colour})\" \
             stroke-width=\"1.5\"/>"
        )?;
    }
    writeln!(f, "<text x=\"2\" y=\"10\">{most}/s; red: failed</text>")?;
    axis(f, height - 6.0, took_s)?;
    writeln!(f, "</svg>")
}

fn axis(f: &mut fmt::Formatter<'_>, y: f64, took_s: f64) -> fmt::Result {
    for tenth in 0..10 {
        let seconds = took_s * f64::from(tenth) / 10.0;
        writeln!(f, "<text x=\"{:.1}\" y=\"{y:.1}\">{seconds:.1} s</text>", at(seconds, took_s))?;
    }
    Ok(())
}

fn at(seconds: f64, took_s: f64) -> f64 {
    seconds / took_s.max(1e-3) * WIDTH
}

fn table(f: &mut fmt::Formatter<'_>, events: &[Event]) -> fmt::Result {
    writeln!(f, "<h2>One after the other</h2><table>")?;
    writeln!(f, "<tr><th>At<th>Took<th>Step<th>What<th>Outcome<th>Seen</tr>")?;
    for Event { place, steps, text, outcome, seen, from_s, took_s, .. } in events {
        let outcome = match outcome {
            Outcome::Passed => "passed",
            Outcome::Failed => "failed",
            Outcome::Skipped => "skipped",
        };
        writeln!(
            f,
            "<tr><td class=\"n\">{from_s:.2} s<td class=\"n\">{took_s:.2} s<td>{}\
             <td title=\"{}\"><code>{}</code><td class=\"{outcome}\">{outcome}<td>{}</tr>",
            escaped(&steps.join(" / ")),
            escaped(place),
            escaped(text),
            escaped(seen),
        )?;
    }
    writeln!(f, "</table>")
}

fn targets(f: &mut fmt::Formatter<'_>, load: &LoadPart) -> fmt::Result {
    writeln!(f, "<h2>Load from {:.1} s on</h2><table>", load.from_s)?;
    writeln!(f, "<tr><th>Target<th>Good<th>Failed<th>p50<th>p99<th>Longest gap<th>Why</tr>")?;
    for target in &load.report.targets {
        let it = &target.figures;
        let why = it.failures.iter().map(|(why, count)| format!("{count} {why}"));
        let why = escaped(&why.collect::<Vec<_>>().join(", "));
        writeln!(
            f,
            "<tr><td>{}<td class=\"n\">{}<td class=\"n\">{}<td class=\"n\">{:.1} ms\
             <td class=\"n\">{:.1} ms<td class=\"n\">{:.0} ms<td>{why}</tr>",
            escaped(&target.name),
            it.good,
            it.failed,
            it.p50_ms,
            it.p99_ms,
            it.longest_gap_ms,
        )?;
    }
    writeln!(f, "</table>")
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            c => escaped.write_char(c).expect("writing to a text does not fail"),
        }
    }
    escaped
}
