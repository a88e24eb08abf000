//! Bodies in both directions: bounded while they stream in, owned while they stream out. Knows no
//! slices.

use crate::flow::{Flow, Pace};
use crate::limits::Limits;
use crate::turn::{Answering, Turn};
use aether_types::ByteSize;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why a request's body ended before its end.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    #[error("the body is larger than {0}")]
    TooLarge(ByteSize),
    #[error("nothing of the body came for {0:?}")]
    TooSlow(Duration),
    #[error("the connection broke while the body was read")]
    Broken(#[source] hyper::Error),
}

/// A request's body as it arrives. Reading it is what makes the client send more.
pub struct RequestBody {
    inner: hyper::body::Incoming,
    left: u64,
    max: u64,
    stall_max: Duration,
    stall: Option<Pin<Box<Sleep>>>,
    course: Option<Arc<Course>>,
}

/// How reading went, for the one who answers when the reader itself cannot say.
#[derive(Debug, Default)]
pub(crate) struct Course(AtomicU8);

/// Where the reading of a body stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Fine = 0,
    /// The reader waits for the client.
    Waiting = 1,
    TooLarge = 2,
    TooSlow = 3,
}

impl Course {
    pub(crate) fn get(&self) -> Standing {
        match self.0.load(Ordering::Relaxed) {
            1 => Standing::Waiting,
            2 => Standing::TooLarge,
            3 => Standing::TooSlow,
            _ => Standing::Fine,
        }
    }

    fn set(&self, standing: Standing) {
        self.0.store(standing as u8, Ordering::Relaxed);
    }
}

impl RequestBody {
    pub(crate) fn new(inner: hyper::body::Incoming, limits: &Limits) -> Self {
        // Most requests have no body: those need no shared word about it.
        let course = (!inner.is_end_stream()).then(Arc::default);
        let max = limits.body_bytes_max;
        Self { inner, left: max, max, stall_max: limits.body_stall_max, stall: None, course }
    }

    pub(crate) fn course(&self) -> Option<Arc<Course>> {
        self.course.clone()
    }

    fn stand(&self, standing: Standing) {
        if let Some(course) = &self.course {
            course.set(standing);
        }
    }

    /// The client owes us bytes: ready with an error when it has owed them for too long.
    fn poll_stall(&mut self, cx: &mut Context<'_>) -> Poll<BodyError> {
        self.stand(Standing::Waiting);
        let stall_max = self.stall_max;
        let stall = self.stall.get_or_insert_with(|| Box::pin(tokio::time::sleep(stall_max)));
        ready!(stall.as_mut().poll(cx));
        self.stand(Standing::TooSlow);
        Poll::Ready(BodyError::TooSlow(stall_max))
    }

    fn count(&mut self, frame: &Frame<Bytes>) -> Result<(), BodyError> {
        self.stand(Standing::Fine);
        if let Some(stall) = &mut self.stall {
            stall.as_mut().reset(Instant::now() + self.stall_max);
        }
        let length = frame.data_ref().map_or(0, |data| data.len() as u64);
        match self.left.checked_sub(length) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => {
                self.left = 0;
                self.stand(Standing::TooLarge);
                Err(BodyError::TooLarge(ByteSize(self.max)))
            }
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Poll::Ready(next) = Pin::new(&mut self.inner).poll_frame(cx) else {
            return self.poll_stall(cx).map(|error| Some(Err(error)));
        };
        Poll::Ready(match next {
            Some(Ok(frame)) => Some(self.count(&frame).map(|()| frame)),
            Some(Err(error)) => Some(Err(BodyError::Broken(error))),
            None => {
                self.stand(Standing::Fine);
                None
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// A response's body: bytes that are there, or a stream of them.
pub struct ResponseBody(Kind);

enum Kind {
    Full(Option<Bytes>),
    Stream(Pin<Box<dyn Body<Data = Bytes, Error = BoxError> + Send>>),
}

impl ResponseBody {
    pub fn empty() -> Self {
        Self(Kind::Full(None))
    }

    pub fn full(bytes: impl Into<Bytes>) -> Self {
        Self(Kind::Full(Some(bytes.into()).filter(|b| !b.is_empty())))
    }

    /// An error of the stream cuts the connection, so that the client sees that the end is missing.
    pub fn stream<B>(body: B) -> Self
    where
        B: Body<Data = Bytes, Error = BoxError> + Send + 'static,
    {
        Self(Kind::Stream(Box::pin(body)))
    }

    pub(crate) fn is_stream(&self) -> bool {
        matches!(self.0, Kind::Stream(_))
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.0 {
            Kind::Full(bytes) => Poll::Ready(bytes.take().map(|b| Ok(Frame::data(b)))),
            Kind::Stream(body) => body.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Full(bytes) => bytes.is_none(),
            Kind::Stream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Full(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |b| b.len() as u64)),
            Kind::Stream(body) => body.size_hint(),
        }
    }
}

/// A response's body with the ticket of its request: both go together.
pub(crate) struct Reply<T> {
    body: ResponseBody,
    pace: Option<Pace>,
    answering: Option<Answering>,
    _ticket: Option<T>,
}

impl<T> Reply<T> {
    pub(crate) fn new(body: ResponseBody, ticket: Option<T>) -> Self {
        Self { body, pace: None, answering: None, _ticket: ticket }
    }

    /// The same, telling `flow` when the client does not take it.
    pub(crate) fn paced(mut self, flow: &Flow) -> Self {
        self.pace = (!self.body.is_end_stream()).then(|| flow.pace());
        self
    }

    /// The same, telling `turn` how long it is being written.
    pub(crate) fn in_turn(mut self, turn: &Turn) -> Self {
        self.answering = Some(turn.answer());
        self
    }
}

impl<T: Unpin> Body for Reply<T> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(pace) = &self.pace {
            pace.asked();
        }
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if let (Some(pace), Poll::Ready(Some(Ok(_)))) = (&self.pace, &polled) {
            pace.handed_over();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
