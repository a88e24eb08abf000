//! Strict reading of TOML: every problem has a place, a sentence and a way out. Knows no file
//! system.

use crate::code::Code;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::fmt;

/// One thing that is wrong, where, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    pub code: Code,
    /// `file:line:column`, a key path, or the name of the slice.
    pub place: String,
    pub message: String,
    /// What to do; empty where the message already says it.
    pub help: String,
}

/// Everything that is wrong with one thing, never empty when returned as an error.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Problems(pub Vec<Problem>);

impl Problem {
    pub fn new(code: Code, place: impl fmt::Display, message: impl fmt::Display) -> Self {
        Self { code, place: place.to_string(), message: message.to_string(), help: String::new() }
    }

    #[must_use]
    pub fn help(mut self, help: impl fmt::Display) -> Self {
        self.help = help.to_string();
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} [{}]", self.place, self.message, self.code)?;
        match self.help.is_empty() {
            true => Ok(()),
            false => write!(f, "\n  help: {}", self.help),
        }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.0.iter().enumerate() {
            write!(f, "{}{problem}", if i == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

impl Problems {
    /// `Ok(value)` when nothing is wrong.
    pub fn or<T>(self, value: T) -> Result<T, Self> {
        if self.0.is_empty() { Ok(value) } else { Err(self) }
    }
}

/// Reads a TOML text strictly; `file` names it in problems, `later` are keys of versions to come.
pub fn read_toml<T: DeserializeOwned>(
    file: &str,
    text: &str,
    later: &[&str],
) -> Result<T, Problems> {
    Document { file, text, later }.read()
}

/// The word among `known` that somebody who wrote `word` may have meant.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let scored = known.into_iter().map(|k| (strsim::jaro_winkler(word, k), k));
    let best = scored.max_by(|(a, _), (b, _)| a.total_cmp(b))?;
    (best.0 > 0.8).then_some(best.1)
}

/// A TOML document with its name, to say where a problem is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Document<'a> {
    pub(crate) file: &'a str,
    pub(crate) text: &'a str,
    /// Keys that a later version honours.
    pub(crate) later: &'a [&'a str],
}

impl Document<'_> {
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, Problems> {
        toml::from_str(self.text).map_err(|e| self.explain(&e).into())
    }

    /// The place of a key: `file:line:column`, or of its nearest parent that exists.
    pub(crate) fn place(&self, path: &[Step<'_>]) -> String {
        let offset = toml::de::DeTable::parse(self.text).ok().and_then(|table| {
            let mut at = None;
            let mut value = toml::de::DeValue::Table(table.into_inner());
            for step in path {
                let next = match (step, value) {
                    (Step::Key(key), toml::de::DeValue::Table(mut t)) => t.remove(*key)?,
                    (Step::Index(i), toml::de::DeValue::Array(a)) => a.into_iter().nth(*i)?,
                    _ => return at,
                };
                at = Some(next.span().start);
                value = next.into_inner();
            }
            at
        });
        self.at(offset.unwrap_or(0))
    }

    fn at(&self, offset: usize) -> String {
        let before = &self.text[..offset.min(self.text.len())];
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        format!("{}:{line}:{column}", self.file)
    }

    fn explain(&self, error: &toml::de::Error) -> Problem {
        let place = self.at(error.span().map_or(0, |s| s.start));
        let message = error.message().lines().collect::<Vec<_>>().join(" ");
        let words: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
        if let (true, [key, known @ ..]) = (message.starts_with("unknown field"), words.as_slice())
        {
            return self.unknown_key(&place, key, known);
        }
        let code = match toml::de::DeTable::parse(self.text).is_ok() {
            true => Code::TomlValue,
            false => Code::TomlSyntax,
        };
        Problem::new(code, place, message)
    }

    fn unknown_key(&self, place: &str, key: &str, known: &[&str]) -> Problem {
        if self.later.contains(&key) {
            let message = format!("`{key}` is not supported yet");
            return Problem::new(Code::NotSupportedYet, place, message)
                .help("remove it: this version would not act on it");
        }
        let problem =
            Problem::new(Code::TomlUnknownKey, place, format!("there is no key `{key}` here"));
        match nearest(key, known.iter().copied()) {
            Some(near) => problem.help(format!("did you mean `{near}`?")),
            None => problem.help(format!("keys here: {}", known.join(", "))),
        }
    }
}

/// One step of a path into a TOML document.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step<'a> {
    Key(&'a str),
    Index(usize),
}
