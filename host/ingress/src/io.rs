//! A byte stream that starts with bytes already read, gives up on clients that take nothing, and
//! keeps back what hyper answers on its own account. Knows no routes.

use crate::turn::Turn;
use bytes::{Buf, Bytes};
use http::StatusCode;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

pub(crate) struct Io<T> {
    inner: T,
    /// Read before, to be read again.
    prefix: Bytes,
    stall_max: Duration,
    stall: Option<Pin<Box<Sleep>>>,
    /// None where hyper says nothing on its own account that could be told apart: HTTP/2.
    turn: Option<Turn>,
    refused: Option<StatusCode>,
}

impl<T> Io<T> {
    pub(crate) fn new(inner: T, stall_max: Duration, turn: Turn) -> Self {
        Self {
            inner,
            prefix: Bytes::new(),
            stall_max,
            stall: None,
            turn: Some(turn),
            refused: None,
        }
    }

    /// hyper is done with the stream: what is written from here on is ours. The status of the
    /// answer that was kept back, to be answered better.
    pub(crate) fn take_over(&mut self) -> Option<StatusCode> {
        self.turn = None;
        self.refused.take()
    }

    /// Whether `bytes` are hyper's own refusal, or come behind it.
    fn keeps_back(&mut self, bytes: &[u8]) -> bool {
        self.refused = self.refused.or_else(|| self.turn.as_ref()?.refusal(bytes));
        self.refused.is_some()
    }

    /// The same stream, with `bytes` to be read first, for HTTP/2.
    pub(crate) fn rewind(mut self, bytes: Bytes) -> Self {
        debug_assert!(self.prefix.is_empty(), "a stream is rewound once");
        self.prefix = bytes;
        self.turn = None;
        self
    }

    /// Starts or ends the wait for the client, as the write below came out.
    fn watch<R>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<R>>,
    ) -> Poll<io::Result<R>> {
        if written.is_ready() {
            self.stall = None;
            return written;
        }
        let stall_max = self.stall_max;
        let stall = self.stall.get_or_insert_with(|| Box::pin(tokio::time::sleep(stall_max)));
        match stall.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Io<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.prefix.is_empty() {
            return Pin::new(&mut self.inner).poll_read(cx, buf);
        }
        let length = self.prefix.len().min(buf.remaining());
        buf.put_slice(&self.prefix[..length]);
        self.prefix.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Io<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.keeps_back(buf) {
            return Poll::Ready(Ok(buf.len()));
        }
        let written = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.watch(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.keeps_back(bufs.first().map_or(&[], |first| first)) {
            return Poll::Ready(Ok(bufs.iter().map(|buf| buf.len()).sum()));
        }
        let written = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        self.watch(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(turn) = &self.turn {
            turn.flushed();
        }
        // A socket has nothing to flush: being done with it says nothing about the client.
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.refused.is_some() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
