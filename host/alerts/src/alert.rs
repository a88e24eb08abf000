//! Alerts and their history, as one value that is stored. Decides nothing.

use crate::metric::Metric;
use aether_types::versioned::Versioned;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::fmt;

/// Milliseconds since 1970.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Time(pub u64);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Severity {
    Warning,
    Critical,
}

/// Something that lasts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// Never used again.
    pub id: u64,
    pub metric: Metric,
    /// The node, the application, or `cluster`.
    pub of: String,
    pub severity: Severity,
    /// When it became as severe as it is.
    pub value: f64,
    pub threshold: f64,
    pub raised: Time,
    pub acknowledged: Option<Acknowledged>,
}

/// Somebody looks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledged {
    pub by: String,
    pub at: Time,
}

/// Something that happened to an alert.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    pub at: Time,
    pub id: u64,
    pub metric: Metric,
    pub of: String,
    pub happened: Happened,
    pub severity: Severity,
    /// None: nothing is measured any more.
    pub value: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Happened {
    Raised,
    /// From warning to critical.
    Escalated,
    /// From critical to warning.
    Eased,
    Resolved,
    Acknowledged {
        by: String,
    },
}

/// What is active, and what happened lately.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alerts {
    next: u64,
    /// In the order in which they were raised.
    pub active: Vec<Alert>,
    /// The oldest first, [`HISTORY_MAX`] at most.
    pub history: VecDeque<Event>,
}

/// Alerts at a time: 8 metrics of 32 nodes and applications. What comes later waits.
pub const ACTIVE_MAX: usize = 256;
/// Events that are kept: with names of 64 bytes, 30 KiB.
pub const HISTORY_MAX: usize = 200;

impl Versioned for Alerts {
    const FORMAT: u8 = 1;
}

impl Alerts {
    /// The id of a new alert, from 1.
    pub(crate) fn new_id(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    pub(crate) fn note(&mut self, event: Event) {
        self.history.push_back(event);
        while self.history.len() > HISTORY_MAX {
            self.history.pop_front();
        }
    }

    /// Somebody looks at an active alert; None: it is not active. Whoever was first stays.
    pub fn acknowledge(&mut self, id: u64, by: &str, now: Time) -> Option<&Alert> {
        let place = self.active.iter().position(|alert| alert.id == id)?;
        if self.active[place].acknowledged.is_none() {
            self.active[place].acknowledged = Some(Acknowledged { by: by.to_owned(), at: now });
            let happened = Happened::Acknowledged { by: by.to_owned() };
            let event = self.active[place].event(now, happened);
            self.note(event);
        }
        Some(&self.active[place])
    }

    /// Forgets what happened; what is active stays.
    pub fn clear_history(&mut self) {
        self.history.clear();
    }
}

impl Alert {
    pub(crate) fn event(&self, at: Time, happened: Happened) -> Event {
        Event {
            at,
            id: self.id,
            metric: self.metric,
            of: self.of.clone(),
            happened,
            severity: self.severity,
            value: Some(self.value),
        }
    }
}

impl Severity {
    pub fn word(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

impl Happened {
    pub fn word(&self) -> &'static str {
        match self {
            Self::Raised => "raised",
            Self::Escalated => "escalated",
            Self::Eased => "eased",
            Self::Resolved => "resolved",
            Self::Acknowledged { .. } => "acknowledged",
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, metric, of, severity, .. } = self;
        let (happened, severity) = (self.happened.word(), severity.word());
        write!(f, "alert {id} {happened}: {severity}, {metric} of {of}")?;
        match self.value {
            Some(value) => write!(f, " is {}", metric.unit().show(value)),
            None => f.write_str(" is not measured any more"),
        }
    }
}
