//! What people and scripts see: data to stdout, talk to stderr, colour, tables. Knows no command.

use crate::exit::{Expected, Failure, Result};
use serde::Serialize;
use std::fmt;
use std::io::Write;

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
}

/// What a word means to its reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    Good,
    Busy,
    Bad,
    Faint,
    Strong,
}

/// A word with its tone; as wide as the word.
#[derive(Debug, Clone)]
pub(crate) struct Cell {
    text: String,
    tone: Tone,
}

/// Rows below a head, in columns as wide as they need to be.
#[derive(Debug)]
pub(crate) struct Table {
    head: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
}

impl Ui {
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

    /// Talk while something goes on: a verb and what it is done to. Scripts get none.
    pub(crate) fn step(&mut self, verb: &str, what: impl fmt::Display) -> Result {
        if self.json {
            return Ok(());
        }
        Ok(writeln!(self.err, "{}", step(verb, what, self.colour_err))?)
    }

    /// Talk that is neither progress nor an error.
    pub(crate) fn note(&mut self, text: impl fmt::Display) -> Result {
        Ok(writeln!(self.err, "{text}")?)
    }

    pub(crate) fn paint(&self, text: &str, tone: Tone) -> String {
        paint(text, tone, self.colour_out)
    }

    pub(crate) fn table(&mut self, table: &Table) -> Result {
        let text = table.render(self.colour_out);
        Ok(self.out.write_all(text.as_bytes())?)
    }

    /// The last words of a command that failed. Nobody is left to tell if this fails.
    pub(crate) fn failure(&mut self, failure: &Failure) {
        let text = match failure {
            Failure::Closed => return,
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
    pub(crate) fn new(head: &[&'static str]) -> Self {
        Self { head: head.to_vec(), rows: Vec::new() }
    }

    pub(crate) fn row(&mut self, cells: Vec<Cell>) {
        debug_assert_eq!(cells.len(), self.head.len());
        self.rows.push(cells);
    }

    fn render(&self, colour: bool) -> String {
        let width = |column: usize| {
            let cells = self.rows.iter().map(|row| row[column].text.chars().count());
            cells.chain([self.head[column].len()]).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.head.len()).map(width).collect();
        let head = self.head.iter().map(|text| Cell::new(text, Tone::Faint)).collect();
        let mut out = String::new();
        for row in std::iter::once(&head).chain(&self.rows) {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                let pad = " ".repeat(width - cell.text.chars().count() + 2);
                line += &paint(&cell.text, cell.tone, colour);
                line += &pad;
            }
            out += line.trim_end();
            out.push('\n');
        }
        out
    }
}

impl Cell {
    pub(crate) fn new(text: impl fmt::Display, tone: Tone) -> Self {
        Self { text: text.to_string(), tone }
    }
}

/// A verb, right-aligned, and what it is done to.
pub(crate) fn step(verb: &str, what: impl fmt::Display, colour: bool) -> String {
    format!("{} {what}", paint(&format!("{verb:>12}"), Tone::Good, colour))
}

/// A cell without a tone.
pub(crate) fn cell(text: impl fmt::Display) -> Cell {
    Cell::new(text, Tone::Plain)
}

fn paint(text: &str, tone: Tone, colour: bool) -> String {
    let code = match tone {
        _ if !colour => return text.to_owned(),
        Tone::Plain => return text.to_owned(),
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
