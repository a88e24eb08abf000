//! What links count. Knows no exporter.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use parking_lot::Mutex;

/// Counts since the start of the process, over all links.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Stats {
    /// Bytes before encryption.
    pub bytes_sent: u64,
    pub bytes_received: u64,
    pub frames_sent: u64,
    pub frames_received: u64,
    /// One-way messages for which there was no link or no room.
    pub messages_dropped: u64,
    /// Requests of peers that were refused because too many were in flight.
    pub requests_refused: u64,
    /// Connections that were closed at once because too many had not said who they are.
    pub connections_refused: u64,
    /// Links and attempts that ended, by [`crate::DownReason::label`].
    pub ended: BTreeMap<&'static str, u64>,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) bytes_sent: AtomicU64,
    pub(crate) bytes_received: AtomicU64,
    pub(crate) frames_sent: AtomicU64,
    pub(crate) frames_received: AtomicU64,
    pub(crate) messages_dropped: AtomicU64,
    pub(crate) requests_refused: AtomicU64,
    pub(crate) connections_refused: AtomicU64,
    ended: Mutex<BTreeMap<&'static str, u64>>,
}

pub(crate) fn add(counter: &AtomicU64, count: usize) {
    counter.fetch_add(count as u64, Relaxed);
}

impl Counters {
    pub(crate) fn ended(&self, label: &'static str) {
        *self.ended.lock().entry(label).or_default() += 1;
    }

    pub(crate) fn read(&self) -> Stats {
        Stats {
            bytes_sent: self.bytes_sent.load(Relaxed),
            bytes_received: self.bytes_received.load(Relaxed),
            frames_sent: self.frames_sent.load(Relaxed),
            frames_received: self.frames_received.load(Relaxed),
            messages_dropped: self.messages_dropped.load(Relaxed),
            requests_refused: self.requests_refused.load(Relaxed),
            connections_refused: self.connections_refused.load(Relaxed),
            ended: self.ended.lock().clone(),
        }
    }
}
