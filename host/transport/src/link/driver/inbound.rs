//! What a frame of the peer does. Never waits: what takes time gets a task of its own.

use std::{
    sync::{Arc, atomic::Ordering},
    thread::panicking,
    time::Instant,
};

use tokio::io::{AsyncRead, AsyncWrite};

use super::{Driver, Link, Reply, Work};
use crate::{
    DownReason, Refusal, Request, Response, Stream, Violation,
    frame::{Frame, Kind, OPENER},
    hello,
    limits::{BATCH_BYTES, REQUESTS_MAX, RETIRE_MAX, STREAMS_MAX},
    port,
    stats::add,
    stream::{STREAM_OVERLOADED, StreamKey, StreamState},
};

/// Outcomes of a request, in the flags of its response.
const DONE: u16 = 0;
const OVERLOADED: u16 = 1;
const FAILED: u16 = 2;

impl<S: AsyncRead + AsyncWrite + Unpin> Driver<S> {
    pub(super) fn on_frame(&mut self, frame: Frame) -> Result<(), DownReason> {
        match frame.kind {
            Kind::Message => {
                let peer = &self.link.peer;
                self.port.handler.on_message(peer.node, peer.class, frame.id, frame.body);
            }
            Kind::Request => return self.on_request(frame),
            Kind::Response => self.on_response(frame),
            Kind::Cancel => {
                self.begun.take_if(|begun| begun.id() == frame.id);
                if let Some(task) = self.running.remove(&frame.id) {
                    task.abort();
                }
            }
            Kind::Open => return self.on_open(frame),
            Kind::Data | Kind::Credit | Kind::Reset | Kind::Stop => return self.on_stream(frame),
            Kind::Ping => return self.owe(Frame::bare(Kind::Pong, 0, frame.extra)),
            Kind::Pong => {
                // 0 is that of a ping which only fills silence.
                if (1..=self.link.probes.load(Ordering::Relaxed)).contains(&frame.extra) {
                    self.link.pong.send_modify(|newest| *newest = frame.extra.max(*newest));
                }
            }
            Kind::Goodbye => {
                self.farewell.heard = true;
                self.link.retiring.store(true, Ordering::Release);
                // Behind what is queued: the peer still takes that.
                self.link.retire(DownReason::Goodbye);
            }
            Kind::Refuse => {
                let refusal = hello::decode(&frame.body).unwrap_or(Refusal::NotAether);
                return Err(DownReason::Refused(refusal));
            }
            Kind::Hello | Kind::Welcome | Kind::Join | Kind::Admit => {
                return Err(DownReason::Violation(Violation::Order));
            }
        }
        Ok(())
    }

    fn on_request(&mut self, frame: Frame) -> Result<(), DownReason> {
        let id = frame.id;
        let running = self.running.len() + usize::from(self.begun.is_some());
        if running >= REQUESTS_MAX {
            add(&self.link.counters.requests_refused, 1);
            let refused = Frame { flags: OVERLOADED, ..Frame::bare(Kind::Response, id, 0) };
            return self.owe(refused);
        }
        let is_alone = running == 0 && frame.body.len() <= BATCH_BYTES;
        let (kind, left_ms) = ((frame.extra >> 32) as u32, frame.extra as u32);
        let deadline = port::deadline(left_ms, Instant::now());
        let request = Request { kind, deadline, body: frame.body };
        if self.running.contains_key(&id) || self.begun.as_ref().is_some_and(|it| it.id() == id) {
            return Err(DownReason::Violation(Violation::Order));
        }
        let (handler, link) = (self.port.handler.clone(), self.link.clone());
        let work = Work::new(id, async move {
            let owed = Owed { link: &link, id };
            let response = handler.call(&link.peer, request).await;
            owed.pay(response).await;
        });
        match is_alone && self.port.patience.is_left() {
            true => self.begun = Some(work),
            false => self.spawn(work),
        }
        Ok(())
    }

    /// Has a request served by the runtime that does the work.
    pub(super) fn spawn(&mut self, work: Work) {
        let id = work.id();
        let task = self.port.work.spawn(work);
        self.running.insert(id, task.abort_handle());
    }

    fn on_response(&mut self, frame: Frame) {
        let reply = match frame.flags {
            DONE => Reply::Done(Response { status: frame.extra, body: frame.body }),
            OVERLOADED => Reply::Overloaded,
            _ => Reply::Failed,
        };
        self.link.pending.lock().complete(frame.id, reply);
    }

    fn on_open(&mut self, frame: Frame) -> Result<(), DownReason> {
        let key = StreamKey { mine: false, id: frame.id };
        let mut streams = self.link.streams.lock();
        if frame.flags & OPENER == 0 || frame.id <= streams.newest_theirs {
            return Err(DownReason::Violation(Violation::Stream));
        }
        streams.newest_theirs = frame.id;
        if streams.all.len() - streams.mine >= STREAMS_MAX {
            drop(streams);
            self.owe(key.frame(Kind::Stop, STREAM_OVERLOADED))?;
            return self.owe(key.frame(Kind::Reset, STREAM_OVERLOADED));
        }
        let state = Arc::new(StreamState::new(key, self.link.clone()));
        streams.all.insert(key, state.clone());
        drop(streams);
        self.port.on_stream(&self.link.peer, frame.body, Stream::of(state));
        Ok(())
    }

    fn on_stream(&mut self, frame: Frame) -> Result<(), DownReason> {
        let key = StreamKey::of(&frame);
        let streams = self.link.streams.lock();
        let newest = if key.mine { streams.newest_mine } else { streams.newest_theirs };
        let Some(state) = streams.all.get(&key).cloned() else {
            return match key.id <= newest {
                // It ended here while this was on its way.
                true => Ok(()),
                false => Err(DownReason::Violation(Violation::Stream)),
            };
        };
        drop(streams);
        if state.on_frame(frame).map_err(DownReason::Violation)? {
            self.link.forget_stream(key);
        }
        Ok(())
    }

    /// Begins nothing new here; what is in flight gets its time.
    pub(super) fn say_goodbye(&mut self, reason: DownReason) {
        if !self.farewell.said {
            self.link.retiring.store(true, Ordering::Release);
            self.farewell.said = true;
            self.farewell.retire = Some((reason, tokio::time::Instant::now() + RETIRE_MAX));
            self.emit(Frame::bare(Kind::Goodbye, 0, 0));
        }
    }

    /// Both have said goodbye and nothing is in flight.
    pub(super) fn is_finished(&self) -> bool {
        self.farewell.said
            && self.farewell.heard
            && self.output.bytes() == 0
            && !self.unflushed
            && self.delayed_in.is_empty()
            && self.delayed_out.is_empty()
            && self.running.is_empty()
            && self.begun.is_none()
            && self.queue.is_empty()
            && self.link.pending.lock().is_empty()
            && self.link.streams.lock().all.is_empty()
    }

    /// Why the connection ended: as agreed, or all of a sudden.
    pub(super) fn ended(&self, how: String) -> DownReason {
        match &self.farewell.retire {
            Some((reason, _)) if self.farewell.heard => reason.clone(),
            _ => DownReason::Reset(how),
        }
    }
}

/// A response that the peer waits for.
struct Owed<'a> {
    link: &'a Link,
    id: u64,
}

impl Owed<'_> {
    async fn pay(self, response: Response) {
        let mut frame = Frame::bare(Kind::Response, self.id, response.status);
        frame.body = response.body;
        if frame.body.len() > crate::limits::FRAME_BYTES_MAX {
            frame = Frame { flags: FAILED, ..Frame::bare(Kind::Response, self.id, 0) };
        }
        // A link that is gone has told the caller already.
        let _ = self.link.enqueue_begun(frame).await;
    }
}

impl Drop for Owed<'_> {
    fn drop(&mut self) {
        // A dropped future was cancelled, and then nobody waits.
        if panicking() {
            let failed = Frame { flags: FAILED, ..Frame::bare(Kind::Response, self.id, 0) };
            self.link.command(failed);
        }
    }
}
