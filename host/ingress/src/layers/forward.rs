//! A component's own handler: the request goes on as it is, without what belonged to the
//! connection.
//!
//! At the bottom, beside `typed`: streams both ways and reads nothing itself.

use super::check::too_large;
use super::{technical, typed::too_slow};
use crate::body::{RequestBody, ResponseBody, Standing};
use crate::door::Shared;
use crate::port::{Call, RouteRef};
use crate::problem::Refusal;
use aether_types::CallError;
use http::header::{CONNECTION, HeaderName, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use http::request::Parts;
use http::{HeaderMap, Request, Response};
use hyper::body::Incoming;
use tokio::time::timeout_at;

/// Headers that speak to the next hop, not to the end (RFC 9110, 7.6.1).
const HOP_BY_HOP: [HeaderName; 7] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

pub(super) async fn forward(
    door: &Shared,
    route: RouteRef,
    mut head: Parts,
    body: Incoming,
    call: &Call,
) -> Result<Response<ResponseBody>, Refusal> {
    strip(&mut head.headers);
    let body = RequestBody::new(body, &door.limits);
    let course = body.course();
    let req = Request::from_parts(head, body);
    let answered = timeout_at(call.deadline, door.app.http(route, req, call.clone())).await;
    let answered = answered.unwrap_or(Err(CallError::DeadlineExceeded));
    // A broken limit is the client's mistake, whatever the slice made of the broken body.
    match course.map_or(Standing::Fine, |course| course.get()) {
        Standing::TooLarge => return Err(too_large(door.limits.body_bytes_max)),
        Standing::TooSlow => return Err(too_slow()),
        Standing::Waiting if matches!(answered, Err(CallError::DeadlineExceeded)) => {
            return Err(too_slow());
        }
        Standing::Waiting | Standing::Fine => {}
    }
    let mut res = answered.map_err(|error| technical(&error, call))?;
    if res.status().is_informational() {
        let error = format!("the handler answered with the interim status {}", res.status());
        return Err(technical(&CallError::CalleeFailed(error), call));
    }
    strip(res.headers_mut());
    Ok(res)
}

/// Removes hop-by-hop headers and those that `Connection` names.
fn strip(headers: &mut HeaderMap) {
    if headers.contains_key(CONNECTION) {
        let named: Vec<HeaderName> = headers
            .get_all(CONNECTION)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .filter_map(|name| name.trim().parse().ok())
            .collect();
        for name in named {
            headers.remove(name);
        }
    }
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn what_belongs_to_the_connection_goes() {
        let mut headers = HeaderMap::new();
        let given = [
            ("connection", "keep-alive, X-Secret"),
            ("connection", "x-other"),
            ("keep-alive", "timeout=5"),
            ("te", "trailers"),
            ("upgrade", "websocket"),
            ("x-secret", "1"),
            ("x-other", "1"),
            ("x-mine", "1"),
            ("host", "a"),
        ];
        for (name, value) in given {
            headers.append(name, HeaderValue::from_static(value));
        }
        strip(&mut headers);
        let left: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        assert_eq!(left, ["x-mine", "host"]);
    }
}
