//! The body of a guest's response, while the guest still writes it or after. Knows no request.

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use wasmtime_wasi_http::WasiBody;

/// The body of a guest's response. Ends with an error when the guest does not finish it.
pub struct HttpBody {
    /// What was there when the guest ended.
    ready: VecDeque<Result<Frame<Bytes>, BodyError>>,
    /// What may still come.
    rest: Option<WasiBody>,
    ending: Arc<Ending>,
}

/// A guest failed while it wrote its response.
#[derive(Debug, thiserror::Error)]
#[error("the response is not complete: {0}")]
pub struct BodyError(String);

/// Whether the guest was stopped before its own end: then what it wrote may look complete and is
/// not.
#[derive(Debug, Default)]
pub(super) struct Ending {
    broken: AtomicBool,
}

/// Marks the ending as broken when it is dropped, unless it was told that all went well.
pub(crate) struct Guard(Option<Arc<Ending>>);

impl HttpBody {
    /// A body that is still being written.
    pub(super) fn streaming(body: WasiBody, ending: Arc<Ending>) -> Self {
        Self { ready: VecDeque::new(), rest: Some(body), ending }
    }

    /// The body of a guest that has ended: what it wrote is in memory (two chunks at most, because
    /// for more it would have had to wait), so its length is known and nobody waits for it.
    pub(super) fn written(body: WasiBody, ending: Arc<Ending>) -> Self {
        let mut written = Self::streaming(body, ending);
        let mut ready = VecDeque::new();
        let mut cx = Context::from_waker(Waker::noop());
        loop {
            match written.poll_rest(&mut cx) {
                Poll::Ready(Some(frame)) => ready.push_back(frame),
                Poll::Ready(None) => break,
                Poll::Pending => return Self { ready, ..written },
            }
        }
        Self { ready, rest: None, ..written }
    }

    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(body) = &mut self.rest else { return Poll::Ready(None) };
        let polled = Pin::new(body).poll_frame(cx);
        polled.map(|frame| match frame {
            Some(frame) => Some(frame.map_err(|error| BodyError(error.to_string()))),
            None => {
                self.rest = None;
                let broken = self.ending.broken.load(Ordering::Acquire);
                broken.then(|| Err(BodyError("the guest was stopped".to_owned())))
            }
        })
    }
}

impl Body for HttpBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.ready.pop_front() {
            Some(frame) => Poll::Ready(Some(frame)),
            None => self.poll_rest(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ready.is_empty() && self.rest.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let data = |frame: &Result<Frame<Bytes>, BodyError>| match frame {
            Ok(frame) => frame.data_ref().map(|data| data.len() as u64),
            Err(_) => None,
        };
        match &self.rest {
            Some(_) => SizeHint::default(),
            None => self
                .ready
                .iter()
                .map(data)
                .sum::<Option<u64>>()
                .map_or_else(SizeHint::default, SizeHint::with_exact),
        }
    }
}

impl Guard {
    pub(super) fn new(ending: &Arc<Ending>) -> Self {
        Self(Some(Arc::clone(ending)))
    }

    /// The guest came to its own end.
    pub(crate) fn release(mut self) {
        self.0 = None;
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(ending) = self.0.take() {
            ending.broken.store(true, Ordering::Release);
        }
    }
}
