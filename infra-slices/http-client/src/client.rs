//! The pooled client that sends requests out, and its errors in the words of `wasi:http`. Knows no
//! grants.

use crate::body::ResponseBody;
use crate::resolve::{ResolveError, Resolver};
use http::{Request, Response, Version};
use http_body_util::BodyExt;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::Client as Pooled;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::io::ErrorKind;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout_at};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody};

/// Longest time to establish a connection.
pub const CONNECT_TIME_MAX: Duration = Duration::from_secs(10);
/// Longest time without a byte of a response's body.
pub const RESPONSE_PAUSE_MAX: Duration = Duration::from_secs(30);
/// Connections to one origin that are kept for the next request, and for how long.
pub const IDLE_PER_ORIGIN_MAX: usize = 32;
pub const IDLE_TIME_MAX: Duration = Duration::from_secs(30);
/// Bytes of a response's head.
pub const RESPONSE_HEAD_BYTES_MAX: usize = 64 << 10;

/// Cheap to clone: all clones share the connections.
#[derive(Clone)]
pub(crate) struct Client(Pooled<HttpsConnector<HttpConnector<Resolver>>, WasiBody>);

/// Within which bounds a request is sent.
pub(crate) struct Bounds {
    pub(crate) options: Option<RequestOptions>,
    pub(crate) deadline: Instant,
    pub(crate) permit: OwnedSemaphorePermit,
}

impl Client {
    pub(crate) fn new() -> Self {
        let mut http = HttpConnector::new_with_resolver(Resolver::new());
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_connect_timeout(Some(CONNECT_TIME_MAX));
        let https = HttpsConnectorBuilder::new()
            .with_webpki_roots()
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        let client = Pooled::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIME_MAX)
            .pool_max_idle_per_host(IDLE_PER_ORIGIN_MAX)
            .http1_max_buf_size(RESPONSE_HEAD_BYTES_MAX)
            .build(https);
        Self(client)
    }

    pub(crate) async fn send(
        self,
        mut req: Request<WasiBody>,
        bounds: Bounds,
    ) -> Result<Response<WasiBody>, Error> {
        *req.version_mut() = Version::HTTP_11;
        let options = bounds.options.unwrap_or_default();
        let head_by = bounds.deadline.min(head_deadline(&options));
        let answered = timeout_at(head_by, self.0.request(req)).await;
        let res = answered.map_err(|_| Error::HttpResponseTimeout)?.map_err(|e| explain(&e))?;
        let pause_max = options.between_bytes_timeout.unwrap_or(RESPONSE_PAUSE_MAX);
        let pause_max = pause_max.min(RESPONSE_PAUSE_MAX);
        Ok(res.map(|body| {
            ResponseBody::new(body, pause_max, bounds.deadline, bounds.permit).boxed_unsync()
        }))
    }
}

/// A pooled connection may not have to be established: its time counts towards the first byte.
fn head_deadline(options: &RequestOptions) -> Instant {
    let connect = options.connect_timeout.unwrap_or(CONNECT_TIME_MAX).min(CONNECT_TIME_MAX);
    let now = Instant::now();
    let by =
        options.first_byte_timeout.and_then(|first| now.checked_add(connect)?.checked_add(first));
    // Without a word of the guest only the call's own deadline counts.
    by.unwrap_or_else(|| now + Duration::from_secs(24 * 3_600))
}

/// The cause at the bottom decides.
fn explain(error: &legacy::Error) -> Error {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(resolve) = error.downcast_ref::<ResolveError>() {
            return match resolve {
                ResolveError::Prohibited(_) => Error::DestinationIpProhibited,
                ResolveError::Unknown(io) => {
                    Error::DnsError { rcode: Some(io.to_string()), info_code: None }
                }
            };
        }
        if let Some(http) = error.downcast_ref::<hyper::Error>()
            && let Some(known) = explain_hyper(http)
        {
            return known;
        }
        if let Some(io) = error.downcast_ref::<std::io::Error>()
            && let Some(known) = explain_io(io.kind())
        {
            return known;
        }
        cause = below(error);
    }
    match error.is_connect() {
        true => Error::DestinationUnavailable,
        false => Error::HttpProtocolError,
    }
}

/// The next cause. An `io::Error` that wraps another error skips it in `source`.
fn below<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> Option<&'a (dyn std::error::Error + 'static)> {
    let io = error.downcast_ref::<std::io::Error>();
    match io.and_then(std::io::Error::get_ref) {
        Some(inner) => Some(inner),
        None => error.source(),
    }
}

fn explain_hyper(error: &hyper::Error) -> Option<Error> {
    if error.is_incomplete_message() {
        return Some(Error::HttpResponseIncomplete);
    }
    if error.is_parse_too_large() {
        let max = u32::try_from(RESPONSE_HEAD_BYTES_MAX).ok();
        return Some(Error::HttpResponseHeaderSectionSize(max));
    }
    error.is_parse().then_some(Error::HttpProtocolError)
}

fn explain_io(kind: ErrorKind) -> Option<Error> {
    Some(match kind {
        ErrorKind::ConnectionRefused => Error::ConnectionRefused,
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => {
            Error::ConnectionTerminated
        }
        ErrorKind::TimedOut => Error::ConnectionTimeout,
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => {
            Error::DestinationIpUnroutable
        }
        // rustls reports what the other side presented as invalid data.
        ErrorKind::InvalidData => Error::TlsProtocolError,
        _ => return None,
    })
}
