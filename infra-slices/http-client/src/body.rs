//! A response's body on its way to a guest: bounded in size and in time. Knows no client.

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep};
use wasmtime_wasi_http::Error;

/// Bytes of one response's body.
pub const RESPONSE_BYTES_MAX: u64 = 64 << 20;

pub(crate) struct ResponseBody<B> {
    inner: B,
    left: u64,
    /// Longest time between two pieces.
    pause_max: Duration,
    /// The end of the call that asked.
    deadline: Instant,
    timer: Option<Pin<Box<Sleep>>>,
    _permit: OwnedSemaphorePermit,
}

impl<B> ResponseBody<B> {
    pub(crate) fn new(
        inner: B,
        pause_max: Duration,
        deadline: Instant,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        let left = RESPONSE_BYTES_MAX;
        Self { inner, left, pause_max, deadline, timer: None, _permit: permit }
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        let until = self.deadline.min(Instant::now() + self.pause_max);
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
        timer.as_mut().poll(cx).map(|()| Error::ConnectionReadTimeout)
    }

    fn count(&mut self, frame: &Frame<Bytes>) -> Result<(), Error> {
        self.timer = None;
        let length = frame.data_ref().map_or(0, |data| data.len() as u64);
        match self.left.checked_sub(length) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(Error::HttpResponseBodySize(Some(RESPONSE_BYTES_MAX))),
        }
    }
}

impl<B: Body<Data = Bytes, Error = hyper::Error> + Unpin> Body for ResponseBody<B> {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let Poll::Ready(next) = Pin::new(&mut self.inner).poll_frame(cx) else {
            return self.poll_timer(cx).map(|error| Some(Err(error)));
        };
        Poll::Ready(match next {
            Some(Ok(frame)) => Some(self.count(&frame).map(|()| frame)),
            Some(Err(error)) if error.is_incomplete_message() => {
                Some(Err(Error::HttpResponseIncomplete))
            }
            Some(Err(_)) => Some(Err(Error::ConnectionTerminated)),
            None => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
