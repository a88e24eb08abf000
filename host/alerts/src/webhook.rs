//! Where alerts are told, and what waits until it is. Sends nothing.

use crate::alert::{Alerts, Event, Happened, Time};
use aether_types::versioned::Versioned;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::Uri;
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// What waits at most; beyond that, the oldest goes. With names of 64 bytes, 60 KiB.
pub const WAITING_MAX: usize = 512;

/// How long an event is tried to be told.
pub const GIVE_UP_AFTER: Duration = Duration::from_secs(15 * 60);

/// First wait after a failure, doubled with each up to the second.
const RETRY_MIN: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(60);

/// Bytes of a URL.
const URL_BYTES_MAX: usize = 2_048;

/// Where alerts are told, if anywhere.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Webhook {
    pub url: Option<WebhookUrl>,
}

impl Versioned for Webhook {
    const FORMAT: u8 = 1;
}

/// An address of HTTP. Shown are its scheme, host and port: the rest may be a secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookUrl(String);

/// What a URL is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Without name and password.
    pub uri: Uri,
    /// Those, as a value of `Authorization`.
    pub basic: Option<String>,
}

/// A URL to which nothing can be told. Says nothing of what stands in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlProblem {
    #[error("the URL has {0} bytes; it must have at most {URL_BYTES_MAX}")]
    Long(usize),
    #[error("the URL must begin with http:// or https://")]
    Scheme,
    #[error("the URL names no host")]
    Host,
    #[error("the URL has a fragment (#…), which no server gets")]
    Fragment,
    #[error("that is not a URL: {0}")]
    Malformed(String),
}

/// What waits to be told, in its order. Written by the leader alone.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outbox {
    next: u64,
    pub waiting: VecDeque<Notice>,
}

impl Versioned for Outbox {
    const FORMAT: u8 = 1;
}

/// Something that happened to an alert, to be told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// Never used again: whoever hears it twice knows it by that.
    pub id: u64,
    pub event: Event,
    /// What was reached.
    pub threshold: f64,
    /// When the alert was raised.
    pub since: Time,
}

/// When the next try is due. Remembered by whoever tries; the next leader begins anew.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Tries {
    failures: u32,
    not_before: Time,
}

impl WebhookUrl {
    /// As it was said: a secret.
    pub fn whole(&self) -> &str {
        &self.0
    }

    pub fn target(&self) -> Target {
        target(&self.0).expect("it was read when it was made")
    }
}

impl FromStr for WebhookUrl {
    type Err = UrlProblem;

    fn from_str(text: &str) -> Result<Self, UrlProblem> {
        target(text).map(|_| Self(text.to_owned()))
    }
}

fn target(text: &str) -> Result<Target, UrlProblem> {
    if text.len() > URL_BYTES_MAX {
        return Err(UrlProblem::Long(text.len()));
    }
    let begins =
        |with: &str| text.get(..with.len()).is_some_and(|it| it.eq_ignore_ascii_case(with));
    if !["http://", "https://"].into_iter().any(begins) {
        return Err(UrlProblem::Scheme);
    }
    if text.contains('#') {
        return Err(UrlProblem::Fragment);
    }
    let uri: Uri = text.parse().map_err(|e: http::uri::InvalidUri| malformed(&e))?;
    let mut parts = uri.into_parts();
    let authority = parts.authority.take().ok_or(UrlProblem::Host)?;
    let (basic, place) = match authority.as_str().rsplit_once('@') {
        Some((credential, place)) => (Some(basic(credential)), place),
        None => (None, authority.as_str()),
    };
    let place: http::uri::Authority = place.parse().map_err(|_| UrlProblem::Host)?;
    if place.host().is_empty() {
        return Err(UrlProblem::Host);
    }
    if place.port().is_none() && place.as_str() != place.host() {
        return Err(UrlProblem::Malformed("its port is no number up to 65535".to_owned()));
    }
    parts.authority = Some(place);
    let uri = Uri::from_parts(parts).map_err(|error| malformed(&error))?;
    Ok(Target { uri, basic })
}

/// What HTTP makes of `NAME:PASSWORD` in a URL.
fn basic(credential: &str) -> String {
    let (name, password) = credential.split_once(':').unwrap_or((credential, ""));
    let [name, password] = [name, password].map(|it| percent_decode_str(it).collect::<Vec<u8>>());
    format!("Basic {}", BASE64_STANDARD.encode([&name[..], b":", &password].concat()))
}

fn malformed(error: &dyn fmt::Display) -> UrlProblem {
    UrlProblem::Malformed(error.to_string())
}

impl fmt::Display for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Target { uri, basic } = self.target();
        let scheme = uri.scheme_str().unwrap_or_default();
        let place = uri.authority().map_or("", |place| place.as_str());
        let hidden = if basic.is_some() { "…@" } else { "" };
        let rest = if matches!(uri.path_and_query().map(|it| it.as_str()), None | Some("/")) {
            "/"
        } else {
            "/…"
        };
        write!(f, "{scheme}://{hidden}{place}{rest}")
    }
}

impl fmt::Debug for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Outbox {
    /// Lets events wait that led from one state of the alerts to the next. Answers what there is no
    /// room for any more.
    pub fn add(&mut self, events: &[Event], before: &Alerts, after: &Alerts) -> Vec<Notice> {
        for event in events {
            if let Happened::Acknowledged { .. } = event.happened {
                continue;
            }
            let mut known = after.active.iter().chain(&before.active);
            let Some(alert) = known.find(|alert| alert.id == event.id) else { continue };
            self.next += 1;
            self.waiting.push_back(Notice {
                id: self.next,
                event: event.clone(),
                threshold: alert.threshold,
                since: alert.raised,
            });
        }
        let surplus = self.waiting.len().saturating_sub(WAITING_MAX);
        self.waiting.drain(..surplus).collect()
    }

    /// Forgets what was told: everything up to this one.
    pub fn told(&mut self, id: u64) {
        self.waiting.retain(|notice| notice.id > id);
    }

    /// Takes out what was tried for long enough.
    pub fn give_up(&mut self, now: Time) -> Vec<Notice> {
        let after = u64::try_from(GIVE_UP_AFTER.as_millis()).unwrap_or(u64::MAX);
        let is_late = |notice: &Notice| now.0.saturating_sub(notice.event.at.0) >= after;
        let (late, waiting) = self.waiting.drain(..).partition(is_late);
        self.waiting = waiting;
        Vec::from(late)
    }
}

impl Notice {
    /// Whether the alert is over.
    pub fn is_resolved(&self) -> bool {
        self.event.happened == Happened::Resolved
    }
}

impl Tries {
    pub fn is_due(&self, now: Time) -> bool {
        now >= self.not_before
    }

    pub fn on_failure(&mut self, now: Time) {
        let wait = RETRY_MIN.saturating_mul(1 << self.failures.min(16)).min(RETRY_MAX);
        self.failures = self.failures.saturating_add(1);
        self.not_before = Time(now.0 + u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
    }

    pub fn on_success(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests;
