//! Counts of what passes the front door, and the tickets of requests in flight. Knows no clock.

use http::StatusCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

/// Numbers since the front door was opened.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Stats {
    /// Connections open now.
    pub connections: usize,
    /// Requests whose answer is not complete.
    pub requests_in_flight: usize,
    /// Requests that were answered, by the first digit of their status.
    pub answered_2xx: u64,
    pub answered_3xx: u64,
    pub answered_4xx: u64,
    pub answered_5xx: u64,
    /// Requests refused because too many were in flight; also among the 5xx.
    pub refused_at_limit: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) connections: AtomicUsize,
    in_flight: AtomicUsize,
    /// 2xx, 3xx, 4xx, 5xx.
    answered: [AtomicU64; 4],
    refused_at_limit: AtomicU64,
}

/// The right to be served; given back when dropped.
#[derive(Debug)]
pub(crate) struct Ticket(Arc<Counters>);

impl Counters {
    /// A ticket, unless `max` are out.
    pub(crate) fn ticket(self: &Arc<Self>, max: usize) -> Option<Ticket> {
        if self.in_flight.fetch_add(1, Relaxed) < max {
            return Some(Ticket(self.clone()));
        }
        self.in_flight.fetch_sub(1, Relaxed);
        self.refused_at_limit.fetch_add(1, Relaxed);
        None
    }

    pub(crate) fn answered(&self, status: StatusCode) {
        let class = (status.as_u16() / 100).clamp(2, 5) - 2;
        self.answered[usize::from(class)].fetch_add(1, Relaxed);
    }

    pub(crate) fn read(&self) -> Stats {
        let [two, three, four, five] = [0, 1, 2, 3].map(|i: usize| self.answered[i].load(Relaxed));
        Stats {
            connections: self.connections.load(Relaxed),
            requests_in_flight: self.in_flight.load(Relaxed),
            answered_2xx: two,
            answered_3xx: three,
            answered_4xx: four,
            answered_5xx: five,
            refused_at_limit: self.refused_at_limit.load(Relaxed),
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Relaxed);
    }
}
