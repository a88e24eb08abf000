//! What one client, and all of them together, may take from this node. Knows no requests.

use aether_types::slice_toml::TIMEOUT_MAX;
use std::time::Duration;

/// Bounds of the front door. Every field is enforced; none of them turns anything off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request's head: request line and headers. Beyond: 431.
    pub head_bytes_max: usize,
    /// Header fields of a request. Beyond: 431.
    pub headers_max: usize,
    /// Bytes of path and query. Beyond: 414.
    pub uri_bytes_max: usize,
    /// Bytes of a request's body, counted as they arrive. Beyond: 413.
    pub body_bytes_max: u64,
    /// Time for a whole head, also how long a connection may wait for its next request. Beyond:
    /// 408 if a part of a head has come, otherwise the connection is closed.
    pub head_time_max: Duration,
    /// Time between two pieces of a request's body. Beyond: 408.
    pub body_stall_max: Duration,
    /// Time for the whole body of a request to a typed route; a component's own handler reads as
    /// it likes, within its time limit. Beyond: 408.
    pub body_time_max: Duration,
    /// Time in which a client takes nothing of a response; with HTTP/2 up to twice that. Beyond:
    /// the connection is closed.
    pub write_stall_max: Duration,
    /// Time from the end of what is read here to the head of the response: the most that a slice
    /// may be given. Slices have their own, usually much shorter. Beyond: 504.
    pub answer_time_max: Duration,
    /// Connections at the same time. Beyond: they wait in the backlog of the listener.
    pub connections_max: usize,
    /// Requests at the same time, over all connections. Beyond: 503 with `Retry-After`.
    pub requests_max: usize,
    /// Streams at the same time in one HTTP/2 connection. Beyond: the stream is refused.
    pub streams_max: u32,
    /// How long requests in flight may go on after shutdown began. Beyond: they are cut.
    pub drain_time_max: Duration,
}

impl Limits {
    /// 10,000 connections with full heads are 320 MB at worst, 40 MB when they send little;
    /// 4,096 requests with full bodies are bounded by what the slices' queues admit.
    pub const STANDARD: Self = Self {
        head_bytes_max: 32 << 10,
        headers_max: 100,
        uri_bytes_max: 8 << 10,
        body_bytes_max: 8 << 20,
        head_time_max: Duration::from_secs(30),
        body_stall_max: Duration::from_secs(15),
        body_time_max: Duration::from_secs(60),
        answer_time_max: TIMEOUT_MAX.duration(),
        write_stall_max: Duration::from_secs(30),
        connections_max: 10_000,
        requests_max: 4_096,
        streams_max: 256,
        drain_time_max: Duration::from_secs(30),
    };
}
