//! The newest picture and the last changes that led to it, as the messages that clients get. Pure:
//! time comes in.

use super::patch::{diff, prune};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

/// Changes that are kept for those who were away: two minutes of a busy cluster.
const DELTAS_MAX: usize = 240;
/// What they may have in all; beyond it, a picture is cheaper than its changes.
const DELTAS_BYTES_MAX: usize = 1 << 20;

/// Where a client is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Place {
    pub(super) epoch: String,
    pub(super) seq: u64,
}

/// What a client gets next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next {
    /// There is no picture yet.
    Nothing,
    /// It was away for too long, or was never here.
    Snapshot(Place, Arc<str>),
    /// In order; empty where it has seen everything.
    Deltas(Place, Vec<Arc<str>>),
}

/// Holds one picture; each change has a number.
pub(super) struct History {
    epoch: String,
    seq: u64,
    at: String,
    picture: Value,
    /// Numbered from the oldest to `seq`, without gaps.
    deltas: VecDeque<Arc<str>>,
    deltas_bytes: usize,
    /// The message with the whole picture, if somebody has asked for it since it changed.
    snapshot: Option<Arc<str>>,
    /// When the node was looked at.
    pub(super) seen: Option<Instant>,
}

impl History {
    pub(super) fn new(epoch: String) -> Self {
        Self {
            epoch,
            seq: 0,
            at: String::new(),
            picture: Value::Object(serde_json::Map::new()),
            deltas: VecDeque::new(),
            deltas_bytes: 0,
            snapshot: None,
            seen: None,
        }
    }

    /// Takes note of how things are; `at` as clients show it.
    pub(super) fn push(&mut self, seen: Instant, at: String, picture: Value) {
        let picture = prune(picture);
        self.seen = Some(seen);
        let Some(patch) = diff(&self.picture, &picture) else { return };
        self.picture = picture;
        self.at = at;
        self.seq += 1;
        self.snapshot = None;
        let delta = json!({ "type": "delta", "seq": self.seq, "at": self.at, "patch": patch });
        let delta: Arc<str> = delta.to_string().into();
        self.deltas_bytes += delta.len();
        self.deltas.push_back(delta);
        while self.deltas.len() > DELTAS_MAX || self.deltas_bytes > DELTAS_BYTES_MAX {
            let Some(gone) = self.deltas.pop_front() else { break };
            self.deltas_bytes -= gone.len();
        }
    }

    pub(super) fn since(&mut self, place: Option<&Place>) -> Next {
        if self.seq == 0 {
            return Next::Nothing;
        }
        let now = Place { epoch: self.epoch.clone(), seq: self.seq };
        let known = place.filter(|place| place.epoch == self.epoch);
        let missing = known.and_then(|place| self.seq.checked_sub(place.seq));
        match missing.map(|missing| usize::try_from(missing).unwrap_or(usize::MAX)) {
            Some(missing) if missing <= self.deltas.len() => {
                let deltas = self.deltas.range(self.deltas.len() - missing..);
                Next::Deltas(now, deltas.cloned().collect())
            }
            _ => Next::Snapshot(now, self.snapshot()),
        }
    }

    fn snapshot(&mut self) -> Arc<str> {
        let Self { epoch, seq, at, picture, .. } = self;
        let make = || {
            json!({ "type": "snapshot", "epoch": epoch, "seq": seq, "at": at, "picture": picture })
                .to_string()
                .into()
        };
        self.snapshot.get_or_insert_with(make).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(pictures: impl IntoIterator<Item = Value>) -> History {
        let mut history = History::new("e".to_owned());
        for picture in pictures {
            history.push(Instant::now(), "t".to_owned(), picture);
        }
        history
    }

    fn shown(history: &mut History, place: Option<(&str, u64)>) -> String {
        let place = place.map(|(epoch, seq)| Place { epoch: epoch.to_owned(), seq });
        match history.since(place.as_ref()) {
            Next::Nothing => "nothing".to_owned(),
            Next::Snapshot(now, text) => format!("{}: {text}", now.seq),
            Next::Deltas(now, texts) => format!("{}: {}", now.seq, texts.join(" ")),
        }
    }

    #[test]
    fn clients_get_what_they_have_not_seen() {
        let mut history = history([json!({"a": 1, "b": null}), json!({"a": 1}), json!({"a": 2})]);
        let snapshot =
            r#"2: {"at":"t","epoch":"e","picture":{"a":2},"seq":2,"type":"snapshot"}"#.to_owned();
        assert_eq!(shown(&mut history, None), snapshot);
        assert_eq!(shown(&mut history, Some(("e", 2))), "2: ");
        let delta = r#"2: {"at":"t","patch":{"a":2},"seq":2,"type":"delta"}"#;
        assert_eq!(shown(&mut history, Some(("e", 1))), delta);
        assert_eq!(shown(&mut history, Some(("other", 1))), snapshot, "another run of the server");
        assert_eq!(shown(&mut history, Some(("e", 3))), snapshot, "nobody can be ahead");
        assert_eq!(shown(&mut History::new("e".to_owned()), None), "nothing");
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut many = history((0..1_000).map(|i| json!({ "a": i })));
        assert_eq!(many.deltas.len(), DELTAS_MAX);
        assert!(shown(&mut many, Some(("e", 999))).contains("delta"));
        let oldest = 1_000 - DELTAS_MAX as u64;
        assert_eq!(shown(&mut many, Some(("e", oldest))).matches("delta").count(), DELTAS_MAX);
        assert!(shown(&mut many, Some(("e", oldest - 1))).contains("snapshot"));
        let large = history((0..9).map(|i| json!({ "a": i, "b": vec![i; 150_000] })));
        assert!(large.deltas_bytes <= DELTAS_BYTES_MAX && large.deltas.len() < 9);
    }
}
