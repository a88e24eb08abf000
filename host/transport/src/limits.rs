//! The limits of links, with the arithmetic beside each. Knows no code that keeps them.

use std::time::Duration;

/// Longest body of one frame: two of the largest Raft entries (5 MiB) with room, and on a link of
/// 1 Gbit/s at most 0.13 s in which the others of its class wait. What may be longer is a stream.
pub const FRAME_BYTES_MAX: usize = 16 << 20;

/// Longest frame from somebody who has not said yet who he is. A hello has about 300 bytes, a join
/// with its certificate request about 2 KiB.
pub const HELLO_BYTES_MAX: usize = 16 << 10;

/// Processors for which there is one thread of the links of a node, up to [`THREADS_MAX`]. On a
/// machine without processors to spare a second one only takes work from the first one, and time
/// from those who work: docs/decisions/0015-threads-of-links.md.
pub const PROCESSORS_PER_THREAD: usize = 4;

/// Most threads of the links of a node. One decrypts 2 GB/s or more.
pub const THREADS_MAX: usize = 4;

/// Longest answer to a join: 4,000 members with three addresses of 80 bytes each.
pub const ADMIT_BYTES_MAX: usize = 1 << 20;

/// TLS and hello together, on both sides. Four round trips: enough at 500 ms each.
pub const HELLO_TIME_MAX: Duration = Duration::from_secs(2);

/// Connections at the same time that have not said yet who they are: 64 nodes that dial with all
/// three classes at once, and a quarter more. At about 100 KiB of buffers each: 25 MiB.
pub const UNKNOWN_MAX: usize = 256;

/// Bytes that may wait for a link to be written: one frame of the greatest length and as much
/// again. A frame counts its body and [`FRAME_OVERHEAD`], so it bounds the number of frames too.
pub const QUEUE_BYTES_MAX: usize = 2 * FRAME_BYTES_MAX;

/// What a queued frame costs besides its body: header, its place in the queue, a buffer's count.
pub const FRAME_OVERHEAD: usize = 128;

/// Bytes taken from the queue at once: eight TLS records, one system call.
pub const BATCH_BYTES: usize = 128 << 10;

/// Answers that the link itself owes and the peer does not take: pongs and overload answers of
/// 24 bytes. A peer that reads nothing and asks on is cut off here.
pub const OWED_BYTES_MAX: usize = BATCH_BYTES + (1 << 20);

/// Requests in flight on one link in one direction. At 20 µs per call that is 50,000 calls per
/// second with one slot; 4,096 carry that many per second at 80 ms each.
pub const REQUESTS_MAX: usize = 4096;

/// Streams in each direction on one link. With [`STREAM_WINDOW`] 64 MiB of memory at worst.
pub const STREAMS_MAX: usize = 256;

/// Bytes of one stream that its sender may be ahead of its reader: 256 KiB in a round trip of 1 ms
/// are 256 MB/s. A chunk counts its bytes and [`CHUNK_OVERHEAD`].
pub const STREAM_WINDOW: u32 = 256 << 10;

/// What a chunk costs besides its bytes.
pub const CHUNK_OVERHEAD: u32 = 64;

/// Longest chunk: a quarter of the window, so that sender and reader work at the same time.
pub const CHUNK_BYTES_MAX: usize = (STREAM_WINDOW / 4 - CHUNK_OVERHEAD) as usize;

/// Silence on our side after which a ping goes out.
pub const PING_EVERY: Duration = Duration::from_millis(200);

/// How often a link looks at its clock.
pub const TICK: Duration = Duration::from_millis(100);

/// Silence on the peer's side after which the link is down: four pings lost. With [`TICK`] it is
/// noticed after at most 0.9 s, so within a second.
pub const SILENCE_MAX: Duration = Duration::from_millis(800);

/// Ticks in which a link must answer when another process claims the identity of its peer: as long
/// as silence is tolerated, and less than [`HELLO_TIME_MAX`], in which the claimant waits. In
/// ticks, so that a pause of our own uses up one of them only.
pub const PROBE_TICKS: u32 = (SILENCE_MAX.as_millis() / TICK.as_millis()) as u32;

/// How long a link that is replaced or shut down may finish what is in flight.
pub const RETIRE_MAX: Duration = Duration::from_secs(10);

/// First wait between dials, doubled up to [`REDIAL_MAX`], each with a random half added.
pub const REDIAL_MIN: Duration = Duration::from_millis(50);

/// A node that was away for long is found again within 3 s of its return, even if it does not dial;
/// 100 absent nodes with three classes cost at most 150 dials per second.
pub const REDIAL_MAX: Duration = Duration::from_secs(2);

/// A link that lived less long has not proved that dialing again at once is sensible.
pub const PROVEN: Duration = Duration::from_secs(2);

/// Difference of wall clocks above which a link is refused. Certificates, expiry of secrets and
/// times in logs tolerate 10 s; leases and elections use no wall clock. NTP keeps below 0.1 s.
pub const CLOCK_SKEW_MAX: Duration = Duration::from_secs(10);

/// Longest advertised address: a DNS name (253) and a port.
pub const ADDRESS_BYTES_MAX: usize = 260;
