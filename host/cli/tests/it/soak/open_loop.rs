//! Requests at a fixed rate, whether or not the ones before are answered. Knows no application.

use crate::http::{self, Answer};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Requests that may be unanswered at a time; more would be late, and are counted as slow.
const CLIENTS: usize = 32;

pub(super) struct OpenLoop {
    shared: Arc<Shared>,
    clients: Vec<JoinHandle<Report>>,
}

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    turns: AtomicUsize,
    failed: AtomicUsize,
}

/// What became of the requests.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// From when each was due to its answer.
    pub(super) millis: Vec<u64>,
    pub(super) failed: Vec<String>,
}

impl OpenLoop {
    /// So many requests a second, to one front door after the other.
    pub(super) fn start(
        per_second: u32,
        fronts: Vec<SocketAddr>,
        path: &'static str,
        is_good: fn(&Answer) -> bool,
    ) -> Self {
        let (shared, fronts) = (Arc::new(Shared::default()), Arc::new(fronts));
        let (started, every) = (Instant::now(), Duration::from_secs(1) / per_second);
        let client = |_| {
            let (shared, fronts) = (Arc::clone(&shared), Arc::clone(&fronts));
            std::thread::spawn(move || {
                let mut report = Report::default();
                while !shared.stop.load(Relaxed) {
                    let turn = shared.turns.fetch_add(1, Relaxed);
                    let due = started + every * u32::try_from(turn).expect("it ends before");
                    std::thread::park_timeout(due.saturating_duration_since(Instant::now()));
                    let answer = http::get(fronts[turn % fronts.len()], path);
                    report.millis.push(due.elapsed().as_millis() as u64);
                    if !answer.as_ref().is_ok_and(is_good) {
                        shared.failed.fetch_add(1, Relaxed);
                        let seconds = started.elapsed().as_secs();
                        report.failed.push(format!("after {seconds} s: {answer:?}"));
                    }
                }
                report
            })
        };
        let clients = (0..CLIENTS).map(client).collect();
        Self { shared, clients }
    }

    /// How many were sent, and how many failed.
    pub(super) fn so_far(&self) -> (usize, usize) {
        (self.shared.turns.load(Relaxed), self.shared.failed.load(Relaxed))
    }

    pub(super) fn stop(self) -> Report {
        self.shared.stop.store(true, Relaxed);
        let mut all = Report::default();
        for client in self.clients {
            let Report { millis, failed } = client.join().unwrap();
            all.millis.extend(millis);
            all.failed.extend(failed);
        }
        all.millis.sort_unstable();
        all
    }
}

impl Report {
    /// As long as this share of the requests took at most.
    pub(super) fn millis(&self, share: f64) -> u64 {
        let last = self.millis.len().saturating_sub(1);
        let at = (last as f64 * share).round() as usize;
        self.millis.get(at).copied().unwrap_or_default()
    }
}
