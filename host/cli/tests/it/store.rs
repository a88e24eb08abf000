//! A client of the store that knows several nodes: what it asked, and what it can be sure of. Knows
//! no faults.

use crate::node::Node;
use aether_forge::http::{Answer, Request, exchange};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::{Arc, RwLock};
use std::time::Duration;

/// A client that hears nothing for so long goes on without an answer.
const SILENCE_MAX: Duration = Duration::from_secs(2);

/// Where the nodes are: they come back at other addresses.
#[derive(Clone)]
pub(crate) struct Store {
    doors: Arc<RwLock<Vec<SocketAddr>>>,
    key: String,
}

/// What a client knows of a write that it asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    /// At this revision.
    At(u64),
    /// What was expected did not hold.
    Refused,
    /// Nobody took it.
    Never,
    /// Perhaps, now or later: the connection ended without an answer.
    Perhaps,
    /// The same, and the node said so.
    Failed,
}

/// A value and the revision at which it was written.
pub(crate) type Held = Option<(String, u64)>;

impl Store {
    pub(crate) fn of(nodes: &[Node]) -> Self {
        let store = Self { doors: Arc::default(), key: nodes[0].key.clone() };
        store.moved(nodes);
        store
    }

    /// Nodes may be at other addresses now.
    pub(crate) fn moved(&self, nodes: &[Node]) {
        *self.doors.write().unwrap() = nodes.iter().map(|node| node.api).collect();
    }

    /// Writes through this node; only over `expected`, where that is given: a revision, or none.
    pub(crate) fn put(
        &self,
        at: usize,
        key: &str,
        value: &str,
        expected: Option<Option<u64>>,
    ) -> Written {
        let mut headers = BTreeMap::new();
        match expected {
            None => None,
            Some(None) => headers.insert("if-none-match".to_owned(), "*".to_owned()),
            Some(Some(revision)) => headers.insert("if-match".to_owned(), revision.to_string()),
        };
        match self.ask(at, "PUT", key, headers, Some(value.to_owned())) {
            Ok(answer) if answer.status == 200 => Written::At(revision(&answer)),
            Ok(answer) if answer.status == 412 || answer.status == 409 => Written::Refused,
            Ok(answer) => {
                let fine = answer.status >= 500;
                assert!(fine, "PUT {key}: {} {}", answer.status, answer.body);
                Written::Failed
            }
            Err(error) if is_refused(&error) => Written::Never,
            Err(_) => Written::Perhaps,
        }
    }

    /// Reads through this node; none without an answer.
    pub(crate) fn get(&self, at: usize, key: &str) -> Option<Held> {
        let answer = self.ask(at, "GET", key, BTreeMap::new(), None).ok()?;
        match answer.status {
            200 => Some(Some((answer.body.clone(), revision(&answer)))),
            404 => Some(None),
            status => {
                assert!(status >= 500, "GET {key}: {status} {}", answer.body);
                None
            }
        }
    }

    fn ask(
        &self,
        at: usize,
        method: &str,
        key: &str,
        mut headers: BTreeMap<String, String>,
        body: Option<String>,
    ) -> anyhow::Result<Answer> {
        let door = self.doors.read().unwrap()[at];
        headers.insert("authorization".to_owned(), format!("Bearer {}", self.key));
        let path = &format!("/api/kv/{key}");
        let request = Request { method, path, headers, body, silence_max: SILENCE_MAX };
        exchange(door, &request)
    }
}

/// Nobody listened: nothing can have happened.
pub(crate) fn is_refused(error: &anyhow::Error) -> bool {
    let cause = error.downcast_ref::<std::io::Error>();
    cause.is_some_and(|cause| cause.kind() == ErrorKind::ConnectionRefused)
}

fn revision(answer: &Answer) -> u64 {
    answer.headers["etag"].trim_matches('"').parse().unwrap()
}
