//! The task that owns a link's socket: reads and dispatches, takes from the queue and writes. Knows
//! not how links are found.
//!
//! One task does both directions, so that an answer goes out in the same turn. Where the link is
//! idle, whoever has a frame for it writes that himself, and wakes no other thread: see [`Idle`].

mod first;
mod idle;
mod inbound;

use std::{
    collections::HashMap,
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use bytes::BytesMut;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    task::AbortHandle,
    time::{Instant, Interval, MissedTickBehavior, Sleep, interval, sleep_until, timeout},
};
use tokio_util::io::poll_read_buf;

use super::{Link, Out, Queue, Reply};
use crate::{
    DownReason, Violation,
    faults::{Delayed, Direction, Fault},
    frame::{Frame, FrameError, Kind},
    limits::{BATCH_BYTES, FRAME_BYTES_MAX, OWED_BYTES_MAX, TICK},
    liveness::{Liveness, Verdict},
    port::Port,
    stats::add,
    write_buffer::WriteBuffer,
};

/// Room for a frame of 64 KiB and what comes with it.
const INPUT_BYTES: usize = 128 << 10;
/// Room below which the input gets more: one TLS record.
const READ_BYTES: usize = 16 << 10;
/// Up to here, room is made for what a frame's length claims; beyond, for what has come.
const CLAIM_BYTES_MAX: usize = 1 << 20;
/// Slices that one write hands over; the system takes 1,024 at most.
const SLICES_MAX: usize = 64;
/// Turns before other links get theirs: they write half a MiB, for half a millisecond at 1 GB/s.
const TURNS_MAX: usize = 4;
/// How a connection went that the peer has closed.
const END: &str = "end of connection";
/// Bytes that are held back by fault injection before the link stops taking more.
const DELAYED_BYTES_MAX: usize = 4 * FRAME_BYTES_MAX;

pub(crate) use first::Patience;
use first::Work;
pub(crate) use idle::{Driven, Idle};

/// What whoever runs the driver must know.
#[derive(Debug)]
pub(crate) enum Event {
    /// The peer begins nothing new here. Run on.
    Goodbye,
    Closed(DownReason),
}

struct Driver<S> {
    io: S,
    link: Arc<Link>,
    port: Port,
    queue: Queue,
    input: BytesMut,
    output: WriteBuffer,
    /// Something was written since the last flush.
    unflushed: bool,
    /// Frames that are not counted yet.
    uncounted: usize,
    /// Bytes that the link itself owes, since the output was empty.
    owed: usize,
    began: Instant,
    liveness: Liveness,
    ticks: Interval,
    /// What the peer waits for.
    running: HashMap<u64, AbortHandle>,
    /// The same, which this thread begins as soon as it has let go of the link.
    begun: Option<Work>,
    farewell: Farewell,
    delayed_in: Delayed,
    delayed_out: Delayed,
    delay: Pin<Box<Sleep>>,
    /// Of the task, since its first turn.
    waker: Option<Waker>,
    /// What a thread met that is not the task's.
    broken: Option<DownReason>,
}

#[derive(Default)]
struct Farewell {
    /// Why we retire, and until when.
    retire: Option<(DownReason, Instant)>,
    said: bool,
    heard: bool,
    told: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Driver<S> {
    /// `input` is what was read behind the hello.
    fn new(io: S, input: BytesMut, link: Arc<Link>, queue: Queue, port: Port) -> Self {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            io,
            link,
            port,
            queue,
            input,
            output: WriteBuffer::default(),
            unflushed: false,
            uncounted: 0,
            owed: 0,
            began: Instant::now(),
            liveness: Liveness::default(),
            ticks,
            running: HashMap::new(),
            begun: None,
            farewell: Farewell::default(),
            delayed_in: Delayed::default(),
            delayed_out: Delayed::default(),
            delay: Box::pin(sleep_until(Instant::now())),
            waker: None,
            broken: None,
        }
    }

    /// Closes the socket and tells everybody who waits. Gives the reason that counts: the first.
    async fn close(mut self, reason: DownReason) -> DownReason {
        let reason = self.link.closed.get_or_init(|| reason).clone();
        self.link.room.close();
        self.queue.close();
        while let Ok(out) = self.queue.try_recv() {
            if let Out::Frame(Frame { kind: Kind::Request, id, .. }, _) = out {
                self.link.pending.lock().complete(id, Reply::NotSent(reason.clone()));
            }
        }
        self.link.pending.lock().clear();
        self.running.drain().for_each(|(_, task)| task.abort());
        let streams = std::mem::take(&mut *self.link.streams.lock());
        streams.all.values().for_each(|stream| stream.on_lost());
        self.link.gone.cancel();
        let graceful =
            !matches!(reason, DownReason::Reset(_) | DownReason::Silent(_) | DownReason::Fault);
        if graceful {
            // Best effort: the peer notices the end anyway.
            let _ = timeout(TICK, self.io.shutdown()).await;
        }
        reason
    }

    /// Runs until something happens that others must know.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        if !self.waker.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
            self.waker = Some(cx.waker().clone());
        }
        if let Some(reason) = self.broken.take() {
            return Poll::Ready(Event::Closed(reason));
        }
        for _ in 0..TURNS_MAX {
            match self.turn(cx) {
                Ok(true) => {}
                Ok(false) => return Poll::Pending,
                Err(event) => return Poll::Ready(event),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// One look at everything. False: nothing to do, and all will wake us.
    fn turn(&mut self, cx: &mut Context<'_>) -> Result<bool, Event> {
        let read = self.read(cx).map_err(Event::Closed)?;
        self.tick(cx).map_err(Event::Closed)?;
        let written = self.write(cx).map_err(Event::Closed)?;
        let released = self.release(cx).map_err(Event::Closed)?;
        if self.farewell.heard && !self.farewell.told {
            self.farewell.told = true;
            return Err(Event::Goodbye);
        }
        if self.is_finished() {
            return Err(Event::Closed(self.ended(String::new())));
        }
        Ok(read || written || released)
    }

    /// Takes what the socket has and dispatches the frames in it.
    fn read(&mut self, cx: &mut Context<'_>) -> Result<bool, DownReason> {
        if self.delayed_in.bytes() > DELAYED_BYTES_MAX {
            return Ok(false);
        }
        let missing = Frame::missing(&self.input, FRAME_BYTES_MAX).map_err(violation)?;
        if missing == 0 {
            // It came right behind the hello.
            self.take_frames()?;
            return Ok(true);
        }
        let wanted = missing.min(self.input.len().max(CLAIM_BYTES_MAX)).max(READ_BYTES);
        if self.input.capacity() - self.input.len() < wanted {
            self.input.reserve(wanted.max(INPUT_BYTES));
        }
        match poll_read_buf(Pin::new(&mut self.io), cx, &mut self.input) {
            Poll::Pending => return Ok(false),
            Poll::Ready(Ok(0)) => return Err(self.ended(END.to_owned())),
            Poll::Ready(Err(error)) => return Err(self.ended(how_of(&error))),
            Poll::Ready(Ok(count)) => add(&self.link.counters.bytes_received, count),
        }
        self.take_frames()?;
        Ok(true)
    }

    fn take_frames(&mut self) -> Result<(), DownReason> {
        let fault = self.link.faults.of(self.link.peer.node, Direction::In);
        if fault.is_none_or(|fault| !fault.cut) {
            self.liveness.on_heard(self.began.elapsed());
        }
        let mut count = 0;
        while let Some(frame) = Frame::take(&mut self.input, FRAME_BYTES_MAX).map_err(violation)? {
            count += 1;
            match fault {
                None if self.delayed_in.is_empty() => self.on_frame(frame)?,
                None => self.delayed_in.push(Instant::now(), frame),
                Some(fault) if lost(&fault, &frame) => {}
                Some(fault) => self.delayed_in.push(Instant::now() + fault.latency, frame),
            }
        }
        add(&self.link.counters.frames_received, count);
        Ok(())
    }

    /// Takes from the queue what fits into a batch, and writes what the socket takes of it.
    fn write(&mut self, cx: &mut Context<'_>) -> Result<bool, DownReason> {
        self.fill(cx)?;
        let progress = self.write_some(cx)?;
        self.flush(cx)?;
        Ok(progress)
    }

    /// Writes what the socket takes at once of what is ready; whether that was anything.
    fn write_some(&mut self, cx: &mut Context<'_>) -> Result<bool, DownReason> {
        if self.output.bytes() == 0 {
            self.owed = 0;
            return Ok(false);
        }
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let used = self.output.slices(&mut slices);
        match Pin::new(&mut self.io).poll_write_vectored(cx, &slices[..used]) {
            Poll::Pending => return Ok(false),
            Poll::Ready(Ok(0)) => return Err(self.ended("nothing is taken".into())),
            Poll::Ready(Err(error)) => return Err(self.ended(how_of(&error))),
            Poll::Ready(Ok(count)) => {
                add(&self.link.counters.frames_sent, std::mem::take(&mut self.uncounted));
                self.output.advance(count);
                self.unflushed = true;
                add(&self.link.counters.bytes_sent, count);
                self.liveness.on_sent(self.began.elapsed());
            }
        }
        Ok(true)
    }

    fn flush(&mut self, cx: &mut Context<'_>) -> Result<(), DownReason> {
        if self.unflushed {
            match Pin::new(&mut self.io).poll_flush(cx) {
                Poll::Pending => {}
                Poll::Ready(Ok(())) => self.unflushed = false,
                Poll::Ready(Err(error)) => return Err(self.ended(how_of(&error))),
            }
        }
        Ok(())
    }

    fn fill(&mut self, cx: &mut Context<'_>) -> Result<(), DownReason> {
        let mut room = 0;
        while self.output.bytes() < BATCH_BYTES && self.delayed_out.bytes() < DELAYED_BYTES_MAX {
            match self.queue.poll_recv(cx) {
                Poll::Pending | Poll::Ready(None) => break,
                Poll::Ready(Some(Out::Frame(frame, held))) => {
                    room += held as usize;
                    self.on_out(frame);
                }
                Poll::Ready(Some(Out::Retire(reason))) => self.say_goodbye(reason),
                Poll::Ready(Some(Out::Close(reason))) => return Err(reason),
            }
        }
        if room > 0 {
            self.link.room.add_permits(room);
        }
        Ok(())
    }

    /// A frame from the queue.
    fn on_out(&mut self, frame: Frame) {
        match frame.kind {
            Kind::Response => {
                self.running.remove(&frame.id);
            }
            // Queued by somebody who had not seen yet that the link retires.
            Kind::Request if self.farewell.said => {
                let reply = Reply::NotSent(DownReason::Replaced);
                return self.link.pending.lock().complete(frame.id, reply);
            }
            _ => {}
        }
        self.emit(frame);
    }

    /// A frame that the link itself owes for one of the peer.
    fn owe(&mut self, frame: Frame) -> Result<(), DownReason> {
        self.owed += frame.header().len() + frame.body.len();
        self.emit(frame);
        match self.owed > OWED_BYTES_MAX {
            true => Err(DownReason::Violation(Violation::Owed)),
            false => Ok(()),
        }
    }

    fn emit(&mut self, frame: Frame) {
        self.uncounted += 1;
        match self.link.faults.of(self.link.peer.node, Direction::Out) {
            None if self.delayed_out.is_empty() => self.output.push(frame),
            None => self.delayed_out.push(Instant::now(), frame),
            Some(fault) if lost(&fault, &frame) => {}
            Some(fault) => self.delayed_out.push(Instant::now() + fault.latency, frame),
        }
    }

    /// Lets go what fault injection has held back for long enough.
    fn release(&mut self, cx: &mut Context<'_>) -> Result<bool, DownReason> {
        if self.delayed_in.is_empty() && self.delayed_out.is_empty() {
            return Ok(false);
        }
        let now = Instant::now();
        let mut any = false;
        while let Some(frame) = self.delayed_in.pop(now) {
            any = true;
            self.on_frame(frame)?;
        }
        while let Some(frame) = self.delayed_out.pop(now) {
            any = true;
            self.output.push(frame);
        }
        let due = [self.delayed_in.due(), self.delayed_out.due()].into_iter().flatten().min();
        if let Some(due) = due {
            self.delay.as_mut().reset(due);
            any |= self.delay.as_mut().poll(cx).is_ready();
        }
        Ok(any)
    }

    fn tick(&mut self, cx: &mut Context<'_>) -> Result<(), DownReason> {
        while self.ticks.poll_tick(cx).is_ready() {
            match self.liveness.tick(self.began.elapsed()) {
                Verdict::Fine => {}
                Verdict::Ping => self.emit(Frame::bare(Kind::Ping, 0, 0)),
                Verdict::Silent(silence) => {
                    return Err(DownReason::Silent(silence.as_millis() as u64));
                }
            }
            if let Some((reason, until)) = &self.farewell.retire
                && Instant::now() >= *until
            {
                return Err(reason.clone());
            }
        }
        Ok(())
    }
}

/// Rustls has more to say of an end without a goodbye than concerns anybody here.
fn how_of(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => END.to_owned(),
        _ => error.to_string(),
    }
}

fn violation(error: FrameError) -> DownReason {
    DownReason::Violation(Violation::Frame(error))
}

/// Whether a fault swallows the frame.
fn lost(fault: &Fault, frame: &Frame) -> bool {
    fault.cut || (frame.kind == Kind::Message && rand::random::<f64>() < fault.loss)
}

#[cfg(test)]
mod tests;
