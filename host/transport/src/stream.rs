//! Byte streams over a link: two directions, each with its window and its end. Knows no socket.

mod window;

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::{
    StreamError,
    frame::{END, Frame, Kind, OPENER},
    link::Link,
};

use window::{Receiving, Sending, Window};

/// Code of a direction that was dropped without a word.
pub const STREAM_DROPPED: u64 = u64::MAX - 1;
/// Code of a stream that the peer has no room for.
pub const STREAM_OVERLOADED: u64 = u64::MAX;

/// Both directions of a stream.
#[derive(Debug)]
pub struct Stream {
    pub send: SendStream,
    pub recv: RecvStream,
}

/// The direction away from here. Dropping it without [`SendStream::finish`] resets it.
#[derive(Debug)]
pub struct SendStream(Arc<StreamState>);

/// The direction towards here. Dropping it before its end stops the sender.
#[derive(Debug)]
pub struct RecvStream(Arc<StreamState>);

/// Which stream of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct StreamKey {
    /// We opened it.
    pub(crate) mine: bool,
    pub(crate) id: u64,
}

/// What a reader finds.
enum Read {
    Bytes(Bytes),
    End,
    Later,
}

pub(crate) struct StreamState {
    key: StreamKey,
    link: Arc<Link>,
    window: Mutex<Window>,
    may_send: Notify,
    may_read: Notify,
    unread: Notify,
}

impl std::fmt::Debug for StreamState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stream").field("key", &self.key).finish_non_exhaustive()
    }
}

impl Stream {
    pub(crate) fn of(state: Arc<StreamState>) -> Self {
        Self { send: SendStream(state.clone()), recv: RecvStream(state) }
    }
}

impl StreamKey {
    /// From a frame of the peer: what the peer opened is not ours.
    pub(crate) fn of(frame: &Frame) -> Self {
        Self { mine: frame.flags & OPENER == 0, id: frame.id }
    }

    pub(crate) fn frame(self, kind: Kind, extra: u64) -> Frame {
        let flags = if self.mine { OPENER } else { 0 };
        Frame { flags, ..Frame::bare(kind, self.id, extra) }
    }
}

impl StreamState {
    pub(crate) fn new(key: StreamKey, link: Arc<Link>) -> Self {
        let window = Mutex::new(Window::default());
        let [may_send, may_read, unread] = [const { Notify::const_new() }; 3];
        Self { key, link, window, may_send, may_read, unread }
    }

    /// A frame of the peer. True: the stream is over.
    pub(crate) fn on_frame(&self, frame: Frame) -> Result<bool, crate::Violation> {
        let mut window = self.window.lock();
        match frame.kind {
            Kind::Data => window.on_data(frame.body, frame.flags & END != 0)?,
            Kind::Credit => window.on_credit(frame.extra)?,
            Kind::Reset => window.on_reset(frame.extra),
            _ => window.on_stop(frame.extra),
        }
        let finished = window.finished();
        drop(window);
        match frame.kind {
            Kind::Data | Kind::Reset => self.may_read.notify_one(),
            _ => {
                self.may_send.notify_one();
                self.unread.notify_one();
            }
        }
        Ok(finished)
    }

    /// The link is gone.
    pub(crate) fn on_lost(&self) {
        self.may_read.notify_one();
        self.may_send.notify_one();
        self.unread.notify_one();
    }

    fn lost(&self) -> Option<StreamError> {
        self.link.closed().cloned().map(StreamError::Lost)
    }

    fn forget_if_finished(&self, window: &Window) {
        if window.finished() {
            self.link.forget_stream(self.key);
        }
    }
}

impl SendStream {
    /// Waits until nobody reads any more: the peer has dropped its end, or the link is gone. One at
    /// a time can wait.
    pub fn unread(&self) -> impl Future<Output = ()> + Send + use<> {
        let state = Arc::clone(&self.0);
        async move {
            let is_stopped = || matches!(state.window.lock().sending, Sending::Stopped(_));
            while state.lost().is_none() && !is_stopped() {
                state.unread.notified().await;
            }
        }
    }

    /// Sends all of `bytes`; waits while the reader is a window behind.
    pub async fn send(&mut self, mut bytes: Bytes) -> Result<(), StreamError> {
        while !bytes.is_empty() {
            let count = self.credit(bytes.len()).await?;
            let mut frame = self.0.key.frame(Kind::Data, 0);
            frame.body = bytes.split_to(count);
            self.0.link.enqueue_begun(frame).await.map_err(StreamError::Lost)?;
        }
        Ok(())
    }

    async fn credit(&self, wanted: usize) -> Result<usize, StreamError> {
        loop {
            match self.try_credit(wanted)? {
                0 => self.0.may_send.notified().await,
                count => return Ok(count),
            }
        }
    }

    fn try_credit(&self, wanted: usize) -> Result<usize, StreamError> {
        if let Some(lost) = self.0.lost() {
            return Err(lost);
        }
        let mut window = self.0.window.lock();
        match window.sending {
            Sending::Stopped(STREAM_OVERLOADED) => {
                Err(StreamError::Overloaded { node: self.0.link.peer.node })
            }
            Sending::Stopped(code) => Err(StreamError::Stopped(code)),
            Sending::Open | Sending::Done => Ok(window.take_credit(wanted)),
        }
    }

    /// Ends this direction: the reader gets everything and then its end.
    pub fn finish(self) -> Result<(), StreamError> {
        if let Some(lost) = self.0.lost() {
            return Err(lost);
        }
        let mut frame = self.0.key.frame(Kind::Data, 0);
        frame.flags |= END;
        self.end(frame);
        Ok(())
    }

    /// Ends this direction without its end; the reader gets `code`.
    pub fn reset(self, code: u64) {
        self.end(self.0.key.frame(Kind::Reset, code));
    }

    fn end(&self, frame: Frame) {
        let mut window = self.0.window.lock();
        if window.sending != Sending::Done {
            window.sending = Sending::Done;
            self.0.link.command(frame);
            self.0.forget_if_finished(&window);
        }
    }
}

impl Drop for SendStream {
    fn drop(&mut self) {
        self.end(self.0.key.frame(Kind::Reset, STREAM_DROPPED));
    }
}

impl RecvStream {
    /// The next bytes; none at the end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, StreamError> {
        loop {
            match self.try_next()? {
                Read::Bytes(bytes) => return Ok(Some(bytes)),
                Read::End => return Ok(None),
                Read::Later => self.0.may_read.notified().await,
            }
        }
    }

    fn try_next(&self) -> Result<Read, StreamError> {
        let mut window = self.0.window.lock();
        if let Some((bytes, credit)) = window.read() {
            if let Some(credit) = credit {
                self.0.link.command(self.0.key.frame(Kind::Credit, credit.into()));
            }
            return Ok(Read::Bytes(bytes));
        }
        match window.receiving {
            Receiving::Ended => {
                window.stop();
                self.0.forget_if_finished(&window);
                Ok(Read::End)
            }
            Receiving::Done => Ok(Read::End),
            Receiving::Reset(STREAM_OVERLOADED) => {
                Err(StreamError::Overloaded { node: self.0.link.peer.node })
            }
            Receiving::Reset(code) => Err(StreamError::Reset(code)),
            Receiving::Open => self.0.lost().map_or(Ok(Read::Later), Err),
        }
    }

    /// Does not read any more; the sender gets `code`.
    pub fn stop(self, code: u64) {
        self.end(code);
    }

    fn end(&self, code: u64) {
        let mut window = self.0.window.lock();
        if window.receiving == Receiving::Open {
            self.0.link.command(self.0.key.frame(Kind::Stop, code));
        }
        window.stop();
        self.0.forget_if_finished(&window);
    }
}

impl Drop for RecvStream {
    fn drop(&mut self) {
        self.end(STREAM_DROPPED);
    }
}
