//! A link as the task that drives it and those who have a frame for it share it.
//!
//! A frame in the queue has to wake the task, on another thread; where nothing else is on its way,
//! that takes longer than to encrypt and write it. Where many short ones are on their way, the
//! queue is better: one write takes all that is in it. A long one gains nothing from that, and
//! encrypting is most of the work: it is done on the thread that has the frame.

use std::{
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::BytesMut;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{Driver, Event, Link, Queue};
use crate::{
    DownReason,
    faults::Direction,
    frame::{Frame, Kind},
    limits::BATCH_BYTES,
    port::Port,
};

/// Calls in one direction, up to which a link is idle.
const CALLS_MAX: usize = 1;

/// Bytes of a call from which on it is long: a TLS record.
const LONG_BYTES: usize = 16 << 10;

/// How long such a call waits for somebody who holds the link, before it goes into the queue: as
/// long as the turns of its task may take.
const WAIT_MAX: Duration = Duration::from_millis(1);

/// A link that somebody drives.
pub(crate) struct Driven<S>(Arc<Mutex<Option<Driver<S>>>>);

/// Takes frames of any thread.
pub(crate) trait Idle: Send + Sync {
    /// Writes a frame now; gives it back where it is better off in the queue. What the socket does
    /// not take at once, the driver writes.
    fn write(&self, frame: Frame) -> Result<(), Frame>;
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Driven<S> {
    /// `input` is what was read behind the hello.
    pub(crate) fn new(io: S, input: BytesMut, link: Arc<Link>, queue: Queue, port: Port) -> Self {
        let driver = Driver::new(io, input, Arc::clone(&link), queue, port);
        let driven = Arc::new(Mutex::new(Some(driver)));
        link.idle(Arc::downgrade(&driven) as _);
        Self(driven)
    }

    /// Runs until something happens that others must know.
    pub(crate) async fn next(&mut self) -> Event {
        poll_fn(|cx| {
            let mut held = self.0.lock();
            let Some(driver) = &mut *held else { return Poll::Pending };
            let polled = driver.poll(cx);
            let Some(work) = driver.begun.take() else { return polled };
            if let Poll::Ready(Event::Closed(_)) = polled {
                return polled;
            }
            let Port { work: runtime, patience, .. } = driver.port.clone();
            drop(held);
            let rest = work.begin(&runtime, &patience);
            if let (Some(rest), Some(driver)) = (rest, &mut *self.0.lock()) {
                driver.spawn(rest);
            }
            polled
        })
        .await
    }

    /// Closes the socket and tells everybody who waits. Gives the reason that counts: the first.
    pub(crate) async fn close(self, reason: DownReason) -> DownReason {
        let driver = self.0.lock().take();
        driver.expect("a link is closed once").close(reason).await
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Idle for Mutex<Option<Driver<S>>> {
    fn write(&self, frame: Frame) -> Result<(), Frame> {
        let mut held = if is_long(&frame) { self.try_lock_for(WAIT_MAX) } else { self.try_lock() };
        match held.as_deref_mut() {
            Some(Some(driver)) => driver.write_now(frame),
            _ => Err(frame),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Driver<S> {
    fn write_now(&mut self, frame: Frame) -> Result<(), Frame> {
        let Some(waker) = self.waker.clone().filter(|_| self.is_idle_for(&frame)) else {
            return Err(frame);
        };
        self.on_out(frame);
        if let Err(reason) = self.write_ready(&mut Context::from_waker(&waker)) {
            self.broken = Some(reason);
            waker.wake();
        }
        Ok(())
    }

    /// Takes nothing from the queue: what comes there meanwhile is the task's.
    fn write_ready(&mut self, cx: &mut Context<'_>) -> Result<(), DownReason> {
        while self.write_some(cx)? {}
        self.flush(cx)
    }

    fn is_idle_for(&self, frame: &Frame) -> bool {
        let has_few = match frame.kind {
            _ if is_long(frame) => true,
            Kind::Request => self.link.pending.lock().len() <= CALLS_MAX,
            Kind::Response => self.running.len() <= CALLS_MAX,
            _ => true,
        };
        has_few
            && frame.body.len() <= BATCH_BYTES
            && self.output.bytes() == 0
            && !self.unflushed
            && self.queue.is_empty()
            && self.delayed_out.is_empty()
            && !self.farewell.said
            && self.broken.is_none()
            && self.link.faults.of(self.link.peer.node, Direction::Out).is_none()
    }
}

/// Messages are not: whoever has one waits for nobody.
fn is_long(frame: &Frame) -> bool {
    matches!(frame.kind, Kind::Request | Kind::Response) && frame.body.len() >= LONG_BYTES
}
