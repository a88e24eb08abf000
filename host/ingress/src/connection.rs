//! One connection: HTTP/1.1 or, by prior knowledge, HTTP/2. Knows no listener and no routes.

use crate::door::{Closing, Shared};
use crate::flow::Flow;
use crate::head_timer::HeadTimer;
use crate::io::Io;
use crate::layers::{self, Answered};
use crate::limits::Limits;
use crate::problem::{self, Refusal};
use crate::turn::Turn;
use aether_types::code::Code;
use http::header::CONNECTION;
use http::{HeaderValue, Request, StatusCode, Version};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::{HttpService, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// hyper wants at least 8 KiB; a body is read through the same buffer, in pieces of this size.
const READ_BUFFER_MIN: usize = 64 << 10;
/// An HTTP/2 client that does not answer pings for the sum of both is gone.
const PING_INTERVAL: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(10);
/// How much and how long a client may still send after the last answer. Closing on unread bytes
/// would reset the connection, and the client could lose the answer that told it to stop.
const LINGER_BYTES: u64 = 1 << 20;
const LINGER_TIME: Duration = Duration::from_secs(1);

pub(crate) async fn serve<T>(
    door: Arc<Shared>,
    io: T,
    peer: SocketAddr,
    Closing { notice, stop }: Closing,
) where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let begun = Arc::new(AtomicBool::new(false));
    let turn = Turn::default();
    let io = TokioIo::new(Io::new(io, door.limits.write_stall_max, turn.clone()));
    let limits = door.limits.clone();
    let flow = Arc::new(Flow::new());
    let (served, streams) = (door.clone(), flow.clone());
    let (noticed, first) = (notice.clone(), begun.clone());
    let service = service_fn(move |req: Request<Incoming>| {
        first.store(true, Ordering::Relaxed);
        let (door, flow, turn) = (served.clone(), flow.clone(), turn.clone());
        let noticed = noticed.clone();
        async move {
            let version = req.version();
            let mut answer = layers::answer(&door, peer, req).await;
            if version != Version::HTTP_2 && noticed.is_cancelled() {
                answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<Answered, Infallible>(answer.map(|reply| match version {
                Version::HTTP_2 => reply.paced(&flow),
                _ => reply.in_turn(&turn),
            }))
        }
    });
    let mut conn = http1_builder(&limits).serve_connection(io, service);
    let mut stopping = pin!(stopped(&stop, &begun));
    let mut told = false;
    let ended = poll_fn(|cx| {
        if !told && stopping.as_mut().poll(cx).is_ready() {
            told = true;
            Pin::new(&mut conn).graceful_shutdown();
        }
        Pin::new(&mut conn).poll(cx)
    })
    .await;
    let parts = conn.into_parts();
    match ended {
        Err(error) if error.is_parse_version_h2() => {
            let io = TokioIo::new(parts.io.into_inner().rewind(parts.read_buf));
            // The first streams tell the client to begin no others: nothing is lost by it.
            serve_http2(&limits, io, parts.service, &streams, notice.clone()).await;
        }
        Err(error) => {
            tracing::debug!(%peer, %error, "connection ended");
            let mut io = parts.io.into_inner();
            let is_too_slow = error.is_timeout() && !parts.read_buf.is_empty();
            let status = io.take_over();
            if let Some(status) = status.or(is_too_slow.then_some(StatusCode::REQUEST_TIMEOUT)) {
                let answer = refuse_head(&door, status, &error);
                if io.write_all(&answer).await.is_err() {
                    return;
                }
            }
            linger(io).await;
        }
        Ok(()) => linger(parts.io.into_inner()).await,
    }
}

/// hyper closes a connection on which nothing has come yet when it is told to stop, and its first
/// request may be on its way. It has this long; its answer ends the connection.
const FIRST_REQUEST_TIME: Duration = Duration::from_secs(1);

async fn stopped(stop: &CancellationToken, begun: &AtomicBool) {
    stop.cancelled().await;
    if !begun.load(Ordering::Relaxed) {
        tokio::time::sleep(FIRST_REQUEST_TIME).await;
    }
}

/// The answer to a head that hyper could not hand to the layers.
fn refuse_head(door: &Shared, status: StatusCode, error: &hyper::Error) -> Vec<u8> {
    let limits = &door.limits;
    let code = match status {
        StatusCode::REQUEST_TIMEOUT => Code::DeadlineExceeded,
        _ => Code::RequestInvalid,
    };
    let detail = match status {
        StatusCode::REQUEST_TIMEOUT => {
            format!("the head did not arrive within {:?}", limits.head_time_max)
        }
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => problem::head_too_large(limits),
        StatusCode::URI_TOO_LONG => problem::uri_too_long(limits.uri_bytes_max),
        _ => {
            let error = error.to_string();
            format!("the head cannot be read: {}", error.trim_end_matches(" parsed"))
        }
    };
    let (request_id, _) = layers::draw_request_id();
    door.counters.answered(status);
    tracing::debug!(%request_id, status = status.as_u16(), "request answered");
    Refusal::new(status, code, detail).last_words(&request_id)
}

fn http1_builder(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(HeadTimer::default())
        .header_read_timeout(limits.head_time_max)
        .max_header_size(limits.head_bytes_max)
        .max_buf_size(limits.head_bytes_max.max(READ_BUFFER_MIN));
    // hyper parses up to 100 headers on the stack; another number costs an allocation per request.
    if limits.headers_max != 100 {
        builder.max_headers(limits.headers_max);
    }
    builder
}

/// A client that knows we speak HTTP/2 starts with its preface; hyper's HTTP/1 stops there.
async fn serve_http2<T, S>(
    limits: &Limits,
    io: TokioIo<Io<T>>,
    service: S,
    streams: &Flow,
    shutdown: CancellationToken,
) where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: HttpService<
            Incoming,
            ResBody = crate::body::Reply<crate::stats::Ticket>,
            Error = Infallible,
        >,
    S::Future: Send + 'static,
{
    // What is a little too large is left to the layers, which say so in words; h2 would not.
    let head_bytes_max = u32::try_from(limits.head_bytes_max * 2).unwrap_or(u32::MAX);
    let conn = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_header_list_size(head_bytes_max)
        .max_concurrent_streams(limits.streams_max)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT)
        .serve_connection(io, service);
    let mut conn = pin!(conn);
    let mut stopping = pin!(shutdown.cancelled());
    let mut told = false;
    let mut look = tokio::time::interval(limits.write_stall_max);
    let ended = poll_fn(|cx| {
        if !told && stopping.as_mut().poll(cx).is_ready() {
            told = true;
            conn.as_mut().graceful_shutdown();
        }
        while look.poll_tick(cx).is_ready() {
            if streams.is_stalled(limits.write_stall_max) {
                return Poll::Ready(None);
            }
        }
        conn.as_mut().poll(cx).map(Some)
    })
    .await;
    match ended {
        Some(Ok(())) => {}
        Some(Err(error)) => tracing::debug!(%error, "connection ended"),
        None => tracing::debug!("connection ended: the client takes nothing"),
    }
}

/// Closes our side and reads on for a moment.
async fn linger<T: AsyncRead + AsyncWrite + Unpin>(mut io: Io<T>) {
    if io.shutdown().await.is_err() {
        return;
    }
    let rest = async {
        let mut rest = io.take(LINGER_BYTES);
        tokio::io::copy(&mut rest, &mut tokio::io::sink()).await
    };
    // Whether the rest came in time or not, the connection is over.
    let _ = timeout(LINGER_TIME, rest).await;
}
