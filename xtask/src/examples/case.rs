//! One story: steps that run in order, each one request. Knows no application.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use aether_forge::http::{self, Request};
use anyhow::{Context, bail, ensure};
use serde::Deserialize;
use serde_json::Value;

use super::pattern;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// What the story shows.
    about: String,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    #[serde(default)]
    about: String,
    request: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: Option<String>,
    status: u16,
    answer: Option<String>,
    #[serde(default)]
    save: BTreeMap<String, String>,
}

/// What the steps so far have saved.
type Saved = BTreeMap<String, String>;

/// Runs the story in `file` against the front door.
pub(super) fn run(file: &Path, door: SocketAddr) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(file)?;
    let case: Case = toml::from_str(&text)?;
    ensure!(!case.steps.is_empty(), "a story has steps");
    let mut saved = Saved::new();
    for (at, step) in case.steps.iter().enumerate() {
        let place = || format!("{}: step {} ({}) {}", case.about, at + 1, step.request, step.about);
        step.run(door, &mut saved).with_context(place)?;
    }
    Ok(())
}

impl Step {
    fn run(&self, door: SocketAddr, saved: &mut Saved) -> anyhow::Result<()> {
        let line = fill(&self.request, saved)?;
        let (method, path) = line.split_once(' ').context("a request is METHOD PATH")?;
        let headers = self.headers.iter();
        let headers = headers.map(|(name, value)| Ok((name.clone(), fill(value, saved)?)));
        let headers = headers.collect::<anyhow::Result<_>>()?;
        let body = self.body.as_ref().map(|body| fill(body, saved)).transpose()?;
        let request = Request { method, path, headers, body, ..Request::default() };
        let answer = http::exchange(door, &request)?;
        ensure!(
            answer.status == self.status,
            "status {} instead of {}: {}",
            answer.status,
            self.status,
            answer.body
        );
        if self.answer.is_none() && self.save.is_empty() {
            return Ok(());
        }
        let value: Value =
            serde_json::from_str(&answer.body).with_context(|| answer.body.clone())?;
        if let Some(wanted) = &self.answer {
            let wanted: Value = serde_json::from_str(&fill(wanted, saved)?)?;
            pattern::check(&wanted, &value)
                .map_err(|why| anyhow::anyhow!("{why}\n  answer: {value}"))?;
        }
        for (name, pointer) in &self.save {
            let found = value.pointer(pointer);
            let found = found.with_context(|| format!("nothing at {pointer} in {value}"))?;
            let text = found.as_str().map_or_else(|| found.to_string(), str::to_owned);
            saved.insert(name.clone(), text);
        }
        Ok(())
    }
}

/// Replaces each `{name}` by what was saved under that name.
fn fill(text: &str, saved: &Saved) -> anyhow::Result<String> {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        filled += before;
        match after.split_once('}') {
            Some((name, after)) if is_name(name) => {
                let Some(value) = saved.get(name) else { bail!("no step has saved {{{name}}}") };
                filled += value;
                rest = after;
            }
            _ => {
                filled.push('{');
                rest = after;
            }
        }
    }
    Ok(filled + rest)
}

/// What can stand between braces and is no JSON.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
}

#[cfg(test)]
mod tests {
    use super::{Saved, fill};

    #[test]
    fn saved_names_are_filled_in() {
        let saved = Saved::from([("code".to_owned(), "x1".to_owned())]);
        assert_eq!(fill("GET /urls/{code}/{code}", &saved).unwrap(), "GET /urls/x1/x1");
        assert_eq!(
            fill(r#"{"code": "{code}", "a": {}}"#, &saved).unwrap(),
            r#"{"code": "x1", "a": {}}"#
        );
        assert!(fill("{other}", &saved).is_err());
    }
}
