//! What people and scripts see: data to stdout, talk to stderr, colour, tables, progress. Knows no
//! command.

use crate::exit::{Expected, Failure, Result};
pub(crate) use comfy_table::Cell;
use comfy_table::presets::NOTHING;
use comfy_table::{Attribute, Color, ContentArrangement};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use std::collections::BTreeSet;
use std::fmt;
use std::io::{IsTerminal, Write, stderr, stdout};
use std::time::Duration;

/// Where a command writes.
pub(crate) struct Ui {
    /// Data.
    pub(crate) out: Box<dyn Write>,
    /// Talk.
    pub(crate) err: Box<dyn Write>,
    /// Data is JSON.
    pub(crate) json: bool,
    pub(crate) colour_out: bool,
    pub(crate) colour_err: bool,
    /// Columns of the terminal that shows the data; none where there is no terminal.
    pub(crate) width_out: Option<u16>,
    /// Hidden where talk does not go to a terminal.
    pub(crate) progress: ProgressBar,
}

/// Blanks between two columns of a table.
const COLUMN_GAP: u16 = 2;
/// Between two pictures of what moves.
const TICK: Duration = Duration::from_millis(100);

/// What a word means to its reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Good,
    Busy,
    Bad,
    Faint,
    Strong,
}

/// Rows below a head, in columns as wide as they need to be; narrower on a narrow terminal.
#[derive(Debug)]
pub(crate) struct Table(comfy_table::Table);

impl Ui {
    /// The streams of this process.
    pub(crate) fn of_process(json: bool) -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let talks = stderr().is_terminal() && !json;
        let progress = if talks { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
        let style = ProgressStyle::with_template("{spinner:>12.green} {wide_msg} {elapsed:.dim}");
        Self {
            out: Box::new(stdout()),
            err: Box::new(stderr()),
            json,
            colour_out: !plain && stdout().is_terminal(),
            colour_err: !plain && stderr().is_terminal(),
            width_out: comfy_table::Table::new().width(),
            progress: progress.with_style(style.expect("the template is well-formed")),
        }
    }

    /// Data, for scripts as JSON, else as `people` writes it.
    pub(crate) fn data<T: Serialize>(
        &mut self,
        value: &T,
        people: impl FnOnce(&mut Self) -> Result,
    ) -> Result {
        match self.json {
            true => self.json(value),
            false => people(self),
        }
    }

    pub(crate) fn json<T: Serialize>(&mut self, value: &T) -> Result {
        serde_json::to_writer_pretty(&mut self.out, value)?;
        Ok(writeln!(self.out)?)
    }

    /// One value on one line, for streams.
    pub(crate) fn json_line<T: Serialize>(&mut self, value: &T) -> Result {
        serde_json::to_writer(&mut self.out, value)?;
        Ok(writeln!(self.out)?)
    }

    pub(crate) fn line(&mut self, text: impl fmt::Display) -> Result {
        Ok(writeln!(self.out, "{text}")?)
    }

    /// Bytes as they are.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result {
        Ok(self.out.write_all(bytes)?)
    }

    /// Talk while something goes on: a verb and what it is done to. Scripts get none.
    pub(crate) fn step(&mut self, verb: &str, what: impl fmt::Display) -> Result {
        if self.json {
            return Ok(());
        }
        let (err, colour) = (&mut self.err, self.colour_err);
        Ok(self.progress.suspend(|| writeln!(err, "{}", step(verb, what, colour)))?)
    }

    /// Talk that is neither progress nor an error.
    pub(crate) fn note(&mut self, text: impl fmt::Display) -> Result {
        Ok(writeln!(self.err, "{text}")?)
    }

    pub(crate) fn paint(&self, text: &str, tone: Tone) -> String {
        paint(text, tone, self.colour_out)
    }

    pub(crate) fn table(&mut self, mut table: Table) -> Result {
        let text = table.render(self.colour_out, self.width_out);
        self.line(text)
    }

    /// What takes its time. On a terminal it moves, in place of what was there before; elsewhere
    /// each line is a step, once.
    pub(crate) fn waiting(&mut self, now: Vec<String>, said: &mut BTreeSet<String>) -> Result {
        if !self.progress.is_hidden() {
            self.progress.set_message(now.join(", "));
            self.progress.enable_steady_tick(TICK);
            return Ok(());
        }
        let new = now.into_iter().filter(|line| said.insert(line.clone()));
        new.collect::<Vec<_>>().into_iter().try_for_each(|line| self.step("Waiting", line))
    }

    /// What was waited for is there, or will not come.
    pub(crate) fn waited(&mut self) {
        self.progress.disable_steady_tick();
        self.progress.finish_and_clear();
    }

    /// The last words of a command that failed. Nobody is left to tell if this fails.
    pub(crate) fn failure(&mut self, failure: &Failure) {
        let text = match failure {
            Failure::Closed | Failure::Said(_) => return,
            Failure::Expected(expected) if self.json => {
                serde_json::json!({ "error": expected }).to_string()
            }
            Failure::Expected(expected) => self.explain(expected),
            Failure::Bug(error) => format!(
                "{} {error:#}\n{} this is a defect of Aether: please report it",
                paint("error:", Tone::Bad, self.colour_err),
                paint("help:", Tone::Strong, self.colour_err),
            ),
        };
        let _ = writeln!(self.err, "{text}");
    }

    fn explain(&self, expected: &Expected) -> String {
        let colour = self.colour_err;
        let mut text = paint("error:", Tone::Bad, colour);
        text += &format!(" {}", expected.message);
        if let (Some(code), true) = (&expected.code, expected.problems.is_empty()) {
            text += &paint(&format!(" [{code}]"), Tone::Faint, colour);
        }
        for problem in &expected.problems {
            text += &format!("\n  {}: {}", problem.place, problem.message);
            text += &paint(&format!(" [{}]", problem.code), Tone::Faint, colour);
            if !problem.help.is_empty() {
                text += &format!("\n    {} {}", paint("help:", Tone::Strong, colour), problem.help);
            }
        }
        if !expected.help.is_empty() {
            text += &format!("\n{} {}", paint("help:", Tone::Strong, colour), expected.help);
        }
        if let (Some(id), true) = (&expected.request_id, expected.exit == crate::exit::Exit::Bug) {
            text += &format!("\nrequest id: {id}");
        }
        text
    }
}

impl Table {
    pub(crate) fn new(head: &[&str]) -> Self {
        let mut table = comfy_table::Table::new();
        table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
        table.set_header(head.iter().map(|text| toned(text, Tone::Faint)));
        let gaps = (1..head.len()).map(|_| COLUMN_GAP).chain([0]);
        for (column, gap) in table.column_iter_mut().zip(gaps) {
            column.set_padding((0, gap));
        }
        Self(table)
    }

    pub(crate) fn row(&mut self, cells: Vec<Cell>) {
        self.0.add_row(cells);
    }

    fn render(&mut self, colour: bool, width: Option<u16>) -> String {
        match colour {
            true => self.0.enforce_styling(),
            false => self.0.force_no_tty(),
        };
        if let Some(width) = width {
            self.0.set_width(width);
        }
        self.0.trim_fmt()
    }
}

/// A verb, right-aligned, and what it is done to.
pub(crate) fn step(verb: &str, what: impl fmt::Display, colour: bool) -> String {
    format!("{} {what}", paint(&format!("{verb:>12}"), Tone::Good, colour))
}

/// A cell without a tone.
pub(crate) fn cell(text: impl fmt::Display) -> Cell {
    Cell::new(text.to_string())
}

pub(crate) fn toned(text: impl fmt::Display, tone: Tone) -> Cell {
    let cell = cell(text);
    match tone {
        Tone::Good => cell.fg(Color::DarkGreen).add_attribute(Attribute::Bold),
        Tone::Busy => cell.fg(Color::DarkYellow),
        Tone::Bad => cell.fg(Color::DarkRed).add_attribute(Attribute::Bold),
        Tone::Faint => cell.add_attribute(Attribute::Dim),
        Tone::Strong => cell.add_attribute(Attribute::Bold),
    }
}

fn paint(text: &str, tone: Tone, colour: bool) -> String {
    let code = match tone {
        _ if !colour => return text.to_owned(),
        Tone::Good => "1;32",
        Tone::Busy => "33",
        Tone::Bad => "1;31",
        Tone::Faint => "2",
        Tone::Strong => "1",
    };
    format!("\x1b[{code}m{text}\x1b[0m")
}

/// `1.5 MiB`: for people, so three digits are enough.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = count as f64;
    let mut unit = 0;
    while value >= 1_024.0 && unit + 1 < UNITS.len() {
        value /= 1_024.0;
        unit += 1;
    }
    match unit {
        0 => format!("{count} B"),
        _ if value < 10.0 => format!("{value:.1} {}", UNITS[unit]),
        _ => format!("{value:.0} {}", UNITS[unit]),
    }
}

/// `3d 4h`: the two largest units.
pub(crate) fn span(seconds: u64) -> String {
    let (days, hours) = (seconds / 86_400, seconds / 3_600 % 24);
    let (minutes, seconds) = (seconds / 60 % 60, seconds % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m {seconds}s"),
        (0, _, _) => format!("{hours}h {minutes}m"),
        _ => format!("{days}d {hours}h"),
    }
}

/// The beginning of a long hexadecimal id: enough for people.
pub(crate) fn short(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}

/// `1 slice`, `2 slices`.
pub(crate) fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}
