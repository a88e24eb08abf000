//! Raises what lasts and resolves what is over, each once. Measures nothing.

use crate::alert::{ACTIVE_MAX, Alert, Alerts, Event, Happened, Severity, Time};
use crate::metric::Metric;
use crate::threshold::{Threshold, Thresholds};
use aether_types::TimeSpan;
use std::collections::{BTreeMap, BTreeSet};

/// A measured value. What is not measured now has none.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    pub metric: Metric,
    /// The node, the application, or `cluster`.
    pub of: String,
    pub value: f64,
}

/// What is remembered from look to look. A new leader begins with nothing, and waits anew: what is
/// active already stays so.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Memory(BTreeMap<Key, Lasting>);

type Key = (Metric, String);

/// Whether each threshold is reached, and since when that is so.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Lasting {
    warning: (bool, Time),
    critical: (bool, Time),
}

/// The alerts that follow from `before`, and what happened; nothing happened: they are the same.
/// For the same input the same.
pub fn evaluate(
    thresholds: &Thresholds,
    now: Time,
    readings: &[Reading],
    memory: &mut Memory,
    before: &Alerts,
) -> (Alerts, Vec<Event>) {
    let values: BTreeMap<Key, f64> =
        readings.iter().map(|r| ((r.metric, r.of.clone()), r.value)).collect();
    let active = before.active.iter().map(|alert| (alert.metric, alert.of.clone()));
    let keys: BTreeSet<Key> = values.keys().cloned().chain(active).collect();
    memory.0.retain(|key, _| keys.contains(key) && thresholds.0.contains_key(&key.0));
    let mut alerts = before.clone();
    let mut events = Vec::new();
    for key in keys {
        let value = values.get(&key).copied();
        let current = alerts.active.iter().position(|a| (a.metric, &a.of) == (key.0, &key.1));
        let severity = current.map(|place| alerts.active[place].severity);
        let threshold = thresholds.0.get(&key.0);
        // What has no threshold any more is no alert.
        let next = threshold.and_then(|t| memory.next(t, now, &key, value, severity));
        if next != severity {
            events.extend(change(&mut alerts, now, (key, value), current, next.zip(threshold)));
        }
    }
    (alerts, events)
}

impl Memory {
    /// How severe it is from now on.
    fn next(
        &mut self,
        threshold: &Threshold,
        now: Time,
        key: &Key,
        value: Option<f64>,
        severity: Option<Severity>,
    ) -> Option<Severity> {
        let reached = value.and_then(|value| threshold.severity(key.0, value));
        let (warning, critical) = (reached.is_some(), reached == Some(Severity::Critical));
        let new = Lasting { warning: (warning, now), critical: (critical, now) };
        let lasting = self.0.entry(key.clone()).or_insert(new);
        for (since, is) in [(&mut lasting.warning, warning), (&mut lasting.critical, critical)] {
            if since.0 != is {
                *since = (is, now);
            }
        }
        let lasts = |(is, since): (bool, Time), wanted: bool, span: TimeSpan| {
            is == wanted && now.0.saturating_sub(since.0) >= span.as_millis()
        };
        let raised = |end| lasts(end, true, threshold.raise_after);
        let over = |end| lasts(end, false, threshold.resolve_after);
        match severity {
            _ if raised(lasting.critical) => Some(Severity::Critical),
            Some(Severity::Critical) if !over(lasting.critical) => Some(Severity::Critical),
            Some(_) if !over(lasting.warning) => Some(Severity::Warning),
            None if raised(lasting.warning) => Some(Severity::Warning),
            _ => None,
        }
    }
}

/// None: there is no room for another alert.
fn change(
    alerts: &mut Alerts,
    now: Time,
    ((metric, of), value): (Key, Option<f64>),
    current: Option<usize>,
    next: Option<(Severity, &Threshold)>,
) -> Option<Event> {
    let end = |severity: Severity, threshold: &Threshold| {
        threshold.end(severity).or(threshold.critical).unwrap_or_default()
    };
    let event = match (current, next) {
        (None, Some((severity, threshold))) => {
            if alerts.active.len() >= ACTIVE_MAX {
                return None;
            }
            let (id, value) = (alerts.new_id(), value.unwrap_or_default());
            let threshold = end(severity, threshold);
            let (raised, acknowledged) = (now, None);
            let alert = Alert { id, metric, of, severity, value, threshold, raised, acknowledged };
            let event = alert.event(now, Happened::Raised);
            alerts.active.push(alert);
            event
        }
        (Some(place), Some((severity, threshold))) => {
            let alert = &mut alerts.active[place];
            let happened = match severity > alert.severity {
                true => Happened::Escalated,
                false => Happened::Eased,
            };
            alert.severity = severity;
            alert.value = value.unwrap_or(alert.value);
            alert.threshold = end(severity, threshold);
            alert.event(now, happened)
        }
        (Some(place), None) => {
            let alert = alerts.active.remove(place);
            Event { value, ..alert.event(now, Happened::Resolved) }
        }
        (None, None) => return None,
    };
    alerts.note(event.clone());
    Some(event)
}
