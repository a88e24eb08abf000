//! One link as those see it who send on it. Knows no socket: `driver` has it.

mod driver;
mod pending;

use std::{
    collections::HashMap,
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Instant,
};

use aether_types::NodeId;
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::{
    sync::{Semaphore, TryAcquireError, mpsc, watch},
    time::{timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;

use crate::{
    CallFailure, DownReason, Peer, Request, Response, Stream, StreamError,
    faults::FaultTable,
    frame::{Frame, Kind, OPENER},
    limits::{FRAME_BYTES_MAX, FRAME_OVERHEAD, PROBE_TICKS, QUEUE_BYTES_MAX, STREAMS_MAX, TICK},
    port,
    resolve::Claim,
    stats::Counters,
    stream::{StreamKey, StreamState},
};

use driver::Idle;
pub(crate) use driver::{Driven, Event, Patience};
use pending::{Pending, Reply};

/// What the driver finds in its queue.
#[derive(Debug)]
pub(crate) enum Out {
    /// With the room that it holds.
    Frame(Frame, u32),
    /// Begin nothing new, finish what is in flight, close.
    Retire(DownReason),
    Close(DownReason),
}

/// What the driver takes from.
pub(crate) type Queue = mpsc::UnboundedReceiver<Out>;

/// Shared by everybody who uses the link and the task that drives it.
pub(crate) struct Link {
    pub(crate) peer: Peer,
    pub(crate) dialed_by: NodeId,
    pub(crate) faults: Arc<FaultTable>,
    pub(crate) counters: Arc<Counters>,
    /// Cancelled when the link is closed.
    pub(crate) gone: CancellationToken,
    /// Unbounded by type; bounded by `room` and, for frames that are owed (ends of streams, credit,
    /// cancels: at most a few for each stream and call), by the limits of those.
    queue: mpsc::UnboundedSender<Out>,
    room: Semaphore,
    /// Whoever drives the link, as soon as somebody does.
    driver: OnceLock<Weak<dyn Idle>>,
    pending: Mutex<Pending>,
    streams: Mutex<Streams>,
    retiring: AtomicBool,
    closed: OnceLock<DownReason>,
    /// How many pings of probes were sent, and the newest that was answered.
    probes: AtomicU64,
    pong: watch::Sender<u64>,
}

#[derive(Default)]
struct Streams {
    all: HashMap<StreamKey, Arc<StreamState>>,
    /// The last number that we, and that the peer, opened.
    newest_mine: u64,
    newest_theirs: u64,
    mine: usize,
}

impl Link {
    /// The link, and what its driver takes from.
    pub(crate) fn new(
        peer: Peer,
        dialed_by: NodeId,
        faults: Arc<FaultTable>,
        counters: Arc<Counters>,
    ) -> (Arc<Self>, Queue) {
        let (queue, rx) = mpsc::unbounded_channel();
        let link = Self {
            peer,
            dialed_by,
            faults,
            counters,
            gone: CancellationToken::new(),
            queue,
            room: Semaphore::new(QUEUE_BYTES_MAX),
            driver: OnceLock::new(),
            pending: Mutex::default(),
            streams: Mutex::default(),
            retiring: AtomicBool::new(false),
            closed: OnceLock::new(),
            probes: AtomicU64::new(0),
            pong: watch::Sender::new(0),
        };
        (Arc::new(link), rx)
    }

    pub(crate) fn claim(&self) -> Claim {
        Claim { run: self.peer.run, dialed_by: self.dialed_by }
    }

    /// From now on frames go there while the link is idle.
    fn idle(&self, driver: Weak<dyn Idle>) {
        assert!(self.driver.set(driver).is_ok(), "a link is driven once");
    }

    /// Writes a frame if the link is idle, or gives it back.
    fn write_idle(&self, frame: Frame) -> Result<(), Frame> {
        match self.driver.get().and_then(Weak::upgrade) {
            Some(driver) => driver.write(frame),
            None => Err(frame),
        }
    }

    /// Why it is closed, if it is.
    pub(crate) fn closed(&self) -> Option<&DownReason> {
        self.closed.get()
    }

    /// Begins nothing new, and closes when what is in flight is done.
    pub(crate) fn retire(&self, reason: DownReason) {
        self.tell(Out::Retire(reason));
    }

    pub(crate) fn close(&self, reason: DownReason) {
        self.tell(Out::Close(reason));
    }

    /// Asks the peer's process whether it is there.
    pub(crate) async fn probe(&self) -> bool {
        let mut pong = self.pong.subscribe();
        let nonce = self.probes.fetch_add(1, Ordering::Relaxed) + 1;
        self.command(Frame::bare(Kind::Ping, 0, nonce));
        for _ in 0..PROBE_TICKS {
            let answered = pong.wait_for(|answered| *answered >= nonce);
            match self.gone.run_until_cancelled(timeout(TICK, answered)).await {
                Some(Ok(answer)) => return answer.is_ok(),
                Some(Err(_)) => {}
                None => return false,
            }
        }
        false
    }

    /// Queues a message, or drops and counts it if there is no room.
    pub(crate) fn send(&self, group: u64, bytes: Bytes) -> bool {
        let frame = Frame::new(Kind::Message, group, bytes);
        if !self.is_open() || !fits(&frame) {
            return false;
        }
        let Err(frame) = self.write_idle(frame) else { return true };
        let sent = self.try_take_room(&frame);
        if sent {
            let room = cost(&frame);
            self.tell(Out::Frame(frame, room));
        }
        sent
    }

    /// Sends a request and waits for the answer. If the future is dropped, so is the handler's.
    pub(crate) async fn call(&self, request: Request) -> Result<Response, CallFailure> {
        let node = self.peer.node;
        let bytes = request.body.len();
        if bytes > FRAME_BYTES_MAX {
            return Err(CallFailure::TooLong { bytes, most: FRAME_BYTES_MAX });
        }
        let waiting = self.pending.lock().insert();
        let Some((id, rx)) = waiting else { return Err(CallFailure::Overloaded { node }) };
        let mut waiting = Waiting { link: self, id, sent: false };
        let left = port::left_ms(request.deadline, Instant::now());
        let extra = u64::from(request.kind) << 32 | u64::from(left);
        let frame = Frame { extra, ..Frame::new(Kind::Request, id, request.body) };
        let deadline = request.deadline.into();
        match timeout_at(deadline, self.enqueue(frame)).await {
            Ok(Ok(())) => waiting.sent = true,
            Ok(Err(reason)) => return Err(CallFailure::NotSent { node, reason }),
            Err(_) => {
                let reason = self.closed().cloned().unwrap_or(DownReason::Congested);
                return Err(CallFailure::NotSent { node, reason });
            }
        }
        let reply = timeout_at(deadline, rx).await;
        if reply.is_ok() {
            waiting.sent = false;
        }
        match reply {
            Ok(Ok(Reply::Done(response))) => Ok(response),
            Ok(Ok(Reply::Overloaded)) => Err(CallFailure::Overloaded { node }),
            Ok(Ok(Reply::Failed)) => Err(CallFailure::Failed { node }),
            Ok(Ok(Reply::NotSent(reason))) => Err(CallFailure::NotSent { node, reason }),
            Ok(Err(_)) => Err(CallFailure::MaybeStarted { node, reason: self.why_closed() }),
            Err(_) => Err(CallFailure::Deadline { node }),
        }
    }

    /// Opens a stream with a head.
    pub(crate) async fn open(self: &Arc<Self>, head: Bytes) -> Result<Stream, StreamError> {
        let node = self.peer.node;
        let bytes = head.len();
        if bytes > FRAME_BYTES_MAX {
            return Err(StreamError::TooLong { bytes, most: FRAME_BYTES_MAX });
        }
        let not_sent = |reason| StreamError::NotSent { node, reason };
        let frame = Frame { flags: OPENER, ..Frame::new(Kind::Open, 0, head) };
        self.take_room(&frame).await.map_err(not_sent)?;
        // Numbers go out in their order, so they are drawn when the frame is queued.
        let mut streams = self.streams.lock();
        if streams.mine >= STREAMS_MAX {
            self.room.add_permits(cost(&frame) as usize);
            return Err(StreamError::Overloaded { node });
        }
        if !self.is_open() {
            return Err(not_sent(self.why_closed()));
        }
        streams.newest_mine += 1;
        streams.mine += 1;
        let id = streams.newest_mine;
        let key = StreamKey { mine: true, id };
        let state = Arc::new(StreamState::new(key, self.clone()));
        streams.all.insert(key, state.clone());
        let room = cost(&frame);
        self.tell(Out::Frame(Frame { id, ..frame }, room));
        Ok(Stream::of(state))
    }

    pub(crate) fn forget_stream(&self, key: StreamKey) {
        let mut streams = self.streams.lock();
        if streams.all.remove(&key).is_some() && key.mine {
            streams.mine -= 1;
        }
    }

    /// Queues a frame that takes no room: what is owed for something that took some.
    pub(crate) fn command(&self, frame: Frame) {
        self.tell(Out::Frame(frame, 0));
    }

    /// Queues a frame that begins something.
    async fn enqueue(&self, frame: Frame) -> Result<(), DownReason> {
        match self.is_open() {
            true => self.enqueue_begun(frame).await,
            false => Err(self.why_closed()),
        }
    }

    /// Queues a frame that belongs to something begun: also while the link retires.
    pub(crate) async fn enqueue_begun(&self, frame: Frame) -> Result<(), DownReason> {
        let frame = match frame.kind {
            Kind::Request | Kind::Response => match self.write_idle(frame) {
                Ok(()) => return Ok(()),
                Err(frame) => frame,
            },
            _ => frame,
        };
        self.take_room(&frame).await?;
        let room = cost(&frame);
        match self.queue.send(Out::Frame(frame, room)) {
            Ok(()) => Ok(()),
            Err(_) => Err(self.why_closed()),
        }
    }

    /// Waits until the queue has room for a frame.
    async fn take_room(&self, frame: &Frame) -> Result<(), DownReason> {
        if self.try_take_room(frame) {
            return Ok(());
        }
        match self.room.acquire_many(cost(frame)).await {
            Ok(permit) => permit.forget(),
            Err(_) => return Err(self.why_closed()),
        }
        Ok(())
    }

    fn try_take_room(&self, frame: &Frame) -> bool {
        match self.room.try_acquire_many(cost(frame)) {
            Ok(permit) => permit.forget(),
            Err(TryAcquireError::NoPermits | TryAcquireError::Closed) => return false,
        }
        true
    }

    fn tell(&self, out: Out) {
        // A closed link has told everybody already.
        let _ = self.queue.send(out);
    }

    fn is_open(&self) -> bool {
        !self.retiring.load(Ordering::Acquire) && self.closed.get().is_none()
    }

    fn why_closed(&self) -> DownReason {
        self.closed.get().cloned().unwrap_or(DownReason::Replaced)
    }
}

fn fits(frame: &Frame) -> bool {
    frame.body.len() <= FRAME_BYTES_MAX
}

fn cost(frame: &Frame) -> u32 {
    u32::try_from(frame.body.len() + FRAME_OVERHEAD).expect("bodies are limited to 16 MiB")
}

/// A call that somebody waits for; if he stops waiting, its handler is told.
struct Waiting<'a> {
    link: &'a Link,
    id: u64,
    /// And not answered.
    sent: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.link.pending.lock().remove(self.id);
        if self.sent {
            self.link.command(Frame::bare(Kind::Cancel, self.id, 0));
        }
    }
}
