//! Errors as `application/problem+json` (RFC 9457). Knows what clients may see, and hides the rest.

use crate::body::ResponseBody;
use aether_types::{CallError, Method, RequestId, code::Code};
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use serde::Serialize;
use serde_json::value::RawValue;

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
    path: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    case: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'a RawValue>,
}

const RETRY_SECONDS: u64 = 1;

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
                StatusCode::TOO_MANY_REQUESTS,
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

    pub(crate) fn respond(self, request_id: &RequestId) -> Response<ResponseBody> {
        let mut res = Response::new(ResponseBody::full(self.document(request_id)));
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

    fn document(&self, request_id: &RequestId) -> Vec<u8> {
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
            request_id: request_id.as_str(),
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

fn allow(methods: &[Method]) -> HeaderValue {
    let mut names: Vec<&str> = methods.iter().map(|m| m.as_str()).collect();
    if methods.contains(&Method::Get) && !methods.contains(&Method::Head) {
        names.push("HEAD");
    }
    names.sort_unstable();
    HeaderValue::try_from(names.join(", ")).expect("method names are visible ASCII")
}
