//! Whether the client of an HTTP/2 connection takes what its streams have for it. Knows no frames.
//!
//! A client that opens no window for a stream makes nothing wait that a socket could notice: the
//! connection itself is fine. So each body says when it handed something over and was not asked
//! again.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tokio::time::Instant;

/// The bodies of one connection.
#[derive(Debug)]
pub(crate) struct Flow {
    started: Instant,
    bodies: Mutex<Vec<Weak<AtomicU64>>>,
}

/// One body's word: milliseconds after `started` when it handed over data; 0 once it is asked
/// again.
#[derive(Debug)]
pub(crate) struct Pace {
    started: Instant,
    handed: Arc<AtomicU64>,
}

impl Flow {
    pub(crate) fn new() -> Self {
        Self { started: Instant::now(), bodies: Mutex::default() }
    }

    pub(crate) fn pace(&self) -> Pace {
        let handed = Arc::new(AtomicU64::new(0));
        let mut bodies = self.bodies.lock().unwrap_or_else(PoisonError::into_inner);
        if bodies.len() == bodies.capacity() {
            // Before it grows: those that are complete need no place.
            bodies.retain(|body| body.strong_count() > 0);
        }
        bodies.push(Arc::downgrade(&handed));
        Pace { started: self.started, handed }
    }

    /// Whether some body waits for the client for longer than `max`.
    pub(crate) fn is_stalled(&self, max: Duration) -> bool {
        let now = millis(self.started);
        let max = u64::try_from(max.as_millis()).unwrap_or(u64::MAX);
        let mut bodies = self.bodies.lock().unwrap_or_else(PoisonError::into_inner);
        bodies.retain(|body| body.strong_count() > 0);
        let waits_since = bodies.iter().filter_map(Weak::upgrade).map(|body| body.load(Relaxed));
        waits_since.filter(|since| *since > 0).any(|since| now - since > max)
    }
}

impl Pace {
    pub(crate) fn asked(&self) {
        self.handed.store(0, Relaxed);
    }

    pub(crate) fn handed_over(&self) {
        self.handed.store(millis(self.started), Relaxed);
    }
}

/// Never 0: that means that nothing is waited for.
fn millis(started: Instant) -> u64 {
    u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1)
}
