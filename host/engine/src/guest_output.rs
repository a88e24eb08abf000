//! Standard output and error of guests: line by line into the node's log. Knows no file.

use crate::AppContext;
use aether_types::RequestId;
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

/// One of the two streams of one `WasmInstance`. Clones write to the same place.
#[derive(Clone)]
pub(crate) struct GuestOutput(Arc<Stream>);

struct Stream {
    app: Arc<AppContext>,
    name: &'static str,
    state: Mutex<State>,
}

struct State {
    request_id: RequestId,
    line: Vec<u8>,
    bytes_left: usize,
}

impl GuestOutput {
    pub(crate) fn new(app: Arc<AppContext>, name: &'static str, request_id: RequestId) -> Self {
        let state = State { request_id, line: Vec::new(), bytes_left: OUTPUT_BYTES_PER_CALL_MAX };
        Self(Arc::new(Stream { app, name, state: Mutex::new(state) }))
    }

    /// What is written from now on belongs to another request.
    pub(crate) fn begin(&self, request_id: &RequestId) {
        let mut state = self.0.state.lock();
        self.0.end_line(&mut state);
        state.request_id = request_id.clone();
        state.bytes_left = OUTPUT_BYTES_PER_CALL_MAX;
    }
}

impl Stream {
    fn write(&self, bytes: &[u8]) {
        let mut state = self.state.lock();
        if state.bytes_left == 0 {
            return;
        }
        let taken = &bytes[..bytes.len().min(state.bytes_left)];
        for &byte in taken {
            if byte != b'\n' {
                state.line.push(byte);
            }
            if byte == b'\n' || state.line.len() == OUTPUT_LINE_BYTES_MAX {
                self.end_line(&mut state);
            }
        }
        state.bytes_left -= taken.len();
        if state.bytes_left == 0 {
            self.end_line(&mut state);
            state.line.extend_from_slice(b"(the rest of what this call writes is dropped)");
            self.end_line(&mut state);
        }
    }

    fn end_line(&self, state: &mut State) {
        if state.line.is_empty() {
            return;
        }
        let line = String::from_utf8_lossy(&state.line);
        let line = line.trim_end_matches('\r');
        tracing::info!(
            target: "slice",
            app = %self.app.app,
            slice = %self.app.coordinates,
            request_id = %state.request_id,
            stream = self.name,
            "{line}"
        );
        state.line.clear();
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let mut state = self.state.lock();
        self.end_line(&mut state);
    }
}

impl StdoutStream for GuestOutput {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl IsTerminal for GuestOutput {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl OutputStream for GuestOutput {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.0.write(&bytes);
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

impl AsyncWrite for GuestOutput {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        self.0.write(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
