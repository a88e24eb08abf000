//! Standard output and error of guests: line by line into the node's log. Knows no file.

use crate::{AppContext, Origin};
use bytes::Bytes;
use parking_lot::Mutex;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

/// Bytes of a line; a longer one is cut into several.
pub const OUTPUT_LINE_BYTES_MAX: usize = 4 << 10;
/// Bytes that one call may write to each of the two streams; the rest is dropped, and the log says
/// so. At 64 KiB a guest that does nothing but print cannot fill a disk faster than it is called.
pub const OUTPUT_BYTES_PER_CALL_MAX: usize = 64 << 10;

/// What one call writes to both streams. A line without an end is logged when this is dropped.
pub(crate) struct CallOutput {
    app: Arc<AppContext>,
    origin: Arc<Origin>,
    lines: [Mutex<Line>; 2],
}

struct Line {
    bytes: Vec<u8>,
    bytes_left: usize,
}

/// Where the two streams of one `WasmInstance` lead: to the call that it is working on.
#[derive(Clone)]
pub(crate) struct CurrentOutput(Arc<Mutex<Arc<CallOutput>>>);

/// One of the two streams of one `WasmInstance`.
pub(crate) struct GuestOutput {
    current: CurrentOutput,
    stream: Stream,
}

/// A stream that a call opened: what comes later is still of that call.
struct OpenedOutput {
    output: Arc<CallOutput>,
    stream: Stream,
}

#[derive(Debug, Clone, Copy)]
enum Stream {
    Stdout,
    Stderr,
}

impl CurrentOutput {
    pub(crate) fn new(output: Arc<CallOutput>) -> Self {
        Self(Arc::new(Mutex::new(output)))
    }

    /// What is written from now on belongs to this call.
    pub(crate) fn select(&self, output: &Arc<CallOutput>) {
        let before = std::mem::replace(&mut *self.0.lock(), Arc::clone(output));
        drop(before);
    }

    pub(crate) fn stdout(&self) -> GuestOutput {
        GuestOutput { current: self.clone(), stream: Stream::Stdout }
    }

    pub(crate) fn stderr(&self) -> GuestOutput {
        GuestOutput { current: self.clone(), stream: Stream::Stderr }
    }
}

impl CallOutput {
    pub(crate) fn new(app: &Arc<AppContext>, origin: &Arc<Origin>) -> Arc<Self> {
        let line = || Mutex::new(Line { bytes: Vec::new(), bytes_left: OUTPUT_BYTES_PER_CALL_MAX });
        let (app, origin) = (Arc::clone(app), Arc::clone(origin));
        Arc::new(Self { app, origin, lines: [line(), line()] })
    }

    fn write(&self, stream: Stream, bytes: &[u8]) {
        let mut line = self.lines[stream as usize].lock();
        if line.bytes_left == 0 {
            return;
        }
        let taken = &bytes[..bytes.len().min(line.bytes_left)];
        for &byte in taken {
            if byte != b'\n' {
                line.bytes.push(byte);
            }
            if byte == b'\n' || line.bytes.len() == OUTPUT_LINE_BYTES_MAX {
                self.end_line(stream, &mut line);
            }
        }
        line.bytes_left -= taken.len();
        if line.bytes_left == 0 {
            self.end_line(stream, &mut line);
            line.bytes.extend_from_slice(b"(the rest of what this call writes is dropped)");
            self.end_line(stream, &mut line);
        }
    }

    fn end_line(&self, stream: Stream, line: &mut Line) {
        if line.bytes.is_empty() {
            return;
        }
        let text = String::from_utf8_lossy(&line.bytes);
        let text = text.trim_end_matches('\r');
        tracing::info!(
            target: "slice",
            app = %self.app.app,
            slice = %self.app.coordinates,
            request_id = %self.origin.request_id,
            variant = self.origin.variant_number(),
            trace_id = self.origin.trace_id(),
            principal = self.origin.principal_name(),
            stream = stream.name(),
            "{text}"
        );
        line.bytes.clear();
    }
}

impl Drop for CallOutput {
    fn drop(&mut self) {
        for stream in [Stream::Stdout, Stream::Stderr] {
            self.end_line(stream, &mut self.lines[stream as usize].lock());
        }
    }
}

impl Stream {
    fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

impl GuestOutput {
    fn current(&self) -> Arc<CallOutput> {
        Arc::clone(&self.current.0.lock())
    }
}

impl StdoutStream for GuestOutput {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(OpenedOutput { output: self.current(), stream: self.stream })
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(Self { current: self.current.clone(), stream: self.stream })
    }
}

impl IsTerminal for GuestOutput {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl OutputStream for GuestOutput {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.current().write(self.stream, &bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(OUTPUT_BYTES_PER_CALL_MAX)
    }
}

impl Pollable for GuestOutput {
    /// Always ready; written without the macro that the trait was made with.
    fn ready<'a, 'b>(&'a mut self) -> Pin<Box<dyn Future<Output = ()> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(std::future::ready(()))
    }
}

impl AsyncWrite for OpenedOutput {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        self.output.write(self.stream, bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
