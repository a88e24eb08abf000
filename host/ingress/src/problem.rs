//! Errors as `application/problem+json` (RFC 9457). Knows what clients may see, and hides the rest.

use crate::body::ResponseBody;
use crate::limits::Limits;
use crate::port::Call;
use aether_types::{ByteSize, CallError, Method, RequestId, code::Code};
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use serde::Serialize;
use serde_json::value::RawValue;
use std::collections::BTreeSet;
use std::time::SystemTime;

/// Why a request is not answered by the application, or how the application refused it.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    /// What is wrong; none where the status says all there is to say.
    pub(crate) code: Option<Code>,
    pub(crate) detail: String,
    pub(crate) extra: Extra,
}

/// What goes with some refusals only.
#[derive(Debug)]
pub(crate) enum Extra {
    None,
    /// Where in the request the mistake is.
    Place(String),
    /// Methods that the path has.
    Allow(Vec<Method>),
    /// Seconds.
    RetryAfter(u64),
    /// A business error.
    Case {
        case: String,
        payload: Option<Box<RawValue>>,
    },
}

#[derive(Serialize)]
struct Document<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    #[serde(skip_serializing_if = "str::is_empty")]
    detail: &'a str,
    #[serde(rename = "request-id")]
    request_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    variant: Option<u64>,
    #[serde(rename = "trace-id", skip_serializing_if = "Option::is_none")]
    trace_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    case: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'a RawValue>,
}

/// What a request is known by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Names<'a> {
    request_id: &'a RequestId,
    variant: Option<u64>,
    trace_id: Option<&'a str>,
}

impl<'a> Names<'a> {
    pub(crate) fn of(call: &'a Call) -> Self {
        let Call { request_id, .. } = call;
        Self { request_id, variant: call.variant(), trace_id: Some(call.trace_id()) }
    }
}

const RETRY_SECONDS: u64 = 1;

/// Said of a path or a query.
pub(crate) const NOT_DECODABLE: &str = "not UTF-8, or a % without two hexadecimal digits";

pub(crate) fn uri_too_long(bytes_max: usize) -> String {
    format!("path and query have at most {}", ByteSize(bytes_max as u64))
}

pub(crate) fn head_too_large(limits: &Limits) -> String {
    let size = ByteSize(limits.head_bytes_max as u64);
    format!("a head has at most {size} and {} fields", limits.headers_max)
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, code: Code, detail: impl Into<String>) -> Self {
        Self { status, code: Some(code), detail: detail.into(), extra: Extra::None }
    }

    /// A request that breaks a rule of HTTP or of this front door.
    pub(crate) fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, Code::RequestInvalid, detail)
    }

    pub(crate) fn with(mut self, extra: Extra) -> Self {
        self.extra = extra;
        self
    }

    /// What a client learns of a technical failure. The cause is in the log, under the request id:
    /// it may name what is not the client's business.
    pub(crate) fn call(error: &CallError) -> Self {
        let (status, code, detail) = match error {
            CallError::Unavailable(_) => (
                StatusCode::SERVICE_UNAVAILABLE,
                Code::Unavailable,
                "no instance can take the request now",
            ),
            CallError::DeadlineExceeded => {
                (StatusCode::GATEWAY_TIMEOUT, Code::DeadlineExceeded, "there was no answer in time")
            }
            CallError::Overloaded(_) => (
                StatusCode::SERVICE_UNAVAILABLE,
                Code::Overloaded,
                "more requests are waiting than the slice's queue holds",
            ),
            CallError::CalleeFailed(_) => (
                StatusCode::BAD_GATEWAY,
                Code::CalleeFailed,
                "the slice failed; the log has the cause under the request id",
            ),
            CallError::Denied(_) => {
                (StatusCode::FORBIDDEN, Code::Denied, "the application may not do this")
            }
            CallError::Other(_) => (
                StatusCode::INTERNAL_SERVER_ERROR,
                Code::Internal,
                "the call failed; the log has the cause under the request id",
            ),
        };
        let refusal = Self::new(status, code, detail);
        match error {
            CallError::Unavailable(_) => refusal.with(Extra::RetryAfter(RETRY_SECONDS)),
            CallError::Overloaded(ms) => {
                let seconds = ms.map_or(RETRY_SECONDS, |ms| ms.div_ceil(1_000).max(1));
                refusal.with(Extra::RetryAfter(seconds))
            }
            _ => refusal,
        }
    }

    pub(crate) fn respond(self, names: Names<'_>) -> Response<ResponseBody> {
        let mut res = Response::new(ResponseBody::full(self.document(names)));
        *res.status_mut() = self.status;
        let headers = res.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        match self.extra {
            Extra::Allow(methods) => {
                headers.insert(ALLOW, allow(&methods));
            }
            Extra::RetryAfter(seconds) => {
                headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
            }
            Extra::None | Extra::Place(_) | Extra::Case { .. } => {}
        }
        res
    }

    /// The same for a connection that nobody but us writes to any more.
    pub(crate) fn last_words(self, request_id: &RequestId) -> Vec<u8> {
        let names = Names { request_id, variant: None, trace_id: None };
        let document = self.document(names);
        let (head, _) = self.respond(names).into_parts();
        let mut text = format!("HTTP/1.1 {}\r\n", head.status);
        for (name, value) in &head.headers {
            let value = value.to_str().expect("we write visible ASCII");
            text += &format!("{name}: {value}\r\n");
        }
        text += &format!("x-request-id: {request_id}\r\nconnection: close\r\n");
        text += &format!("content-length: {}\r\n", document.len());
        text += &format!("date: {}\r\n\r\n", httpdate::fmt_http_date(SystemTime::now()));
        [text.into_bytes(), document].concat()
    }

    fn document(&self, names: Names<'_>) -> Vec<u8> {
        let (case, value) = match &self.extra {
            Extra::Case { case, payload } => (Some(case.as_str()), payload.as_deref()),
            _ => (None, None),
        };
        let document = Document {
            r#type: match self.code {
                None => "about:blank".to_owned(),
                Some(code) => format!("urn:aether:error:{code}"),
            },
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: &self.detail,
            request_id: names.request_id.as_str(),
            variant: names.variant,
            trace_id: names.trace_id,
            path: match &self.extra {
                Extra::Place(place) => Some(place),
                _ => None,
            },
            case,
            value,
        };
        serde_json::to_vec(&document).expect("strings and raw JSON always serialise")
    }
}

/// The value of `Allow`: the methods of the routes, and those that are answered for them.
pub(crate) fn allow(methods: &[Method]) -> HeaderValue {
    let mut names: BTreeSet<&str> = methods.iter().map(|m| m.as_str()).collect();
    if methods.contains(&Method::Get) {
        names.insert("HEAD");
    }
    names.insert("OPTIONS");
    let names: Vec<&str> = names.into_iter().collect();
    HeaderValue::try_from(names.join(", ")).expect("method names are visible ASCII")
}
