//! A typed route: the request is read whole, the function's answer becomes the response. Knows no
//! WIT.
//!
//! At the bottom, beside `forward`: the only layer that waits for a body.

use super::check::too_large;
use super::technical;
use crate::body::{BodyError, RequestBody, ResponseBody};
use crate::door::Shared;
use crate::port::{Answer, Call, Failure, RouteRef, TakesBody, TypedRequest};
use crate::problem::{Extra, NOT_DECODABLE, Refusal};
use aether_types::{CallError, code::Code};
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue};
use http::request::Parts;
use http::{Response, StatusCode};
use http_body::Body;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::value::RawValue;
use std::time::Duration;
use tokio::time::{timeout, timeout_at};

pub(super) struct Target {
    pub(super) route: RouteRef,
    pub(super) params: Vec<(String, String)>,
    pub(super) takes: TakesBody,
}

pub(super) async fn call(
    door: &Shared,
    target: Target,
    head: &Parts,
    body: Incoming,
    call: &Call,
) -> Result<Response<ResponseBody>, Refusal> {
    let query = head.uri.query().map_or(Ok(Vec::new()), query)?;
    let body = match target.takes {
        TakesBody::No => Bytes::new(),
        TakesBody::Json if body.is_end_stream() => Bytes::new(),
        TakesBody::Json => {
            must_be_json(head)?;
            read(RequestBody::new(body, &door.limits), door.limits.body_time_max).await?
        }
    };
    let req = TypedRequest { path: target.params, query, body, call: call.clone() };
    let answered = timeout_at(call.deadline, door.app.typed(target.route, req)).await;
    match answered.unwrap_or(Err(Failure::Call(CallError::DeadlineExceeded))) {
        Ok(answer) => respond(answer, call),
        Err(Failure::Call(error)) => Err(technical(&error, call)),
        Err(Failure::Input { place, message }) => {
            Err(Refusal::invalid(message).with(Extra::Place(place)))
        }
    }
}

fn must_be_json(head: &Parts) -> Result<(), Refusal> {
    let refuse = |detail| {
        Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, Code::RequestInvalid, detail))
    };
    if head.headers.get(CONTENT_ENCODING).is_some_and(|v| v != "identity") {
        return refuse("send the body without content-encoding");
    }
    let given = head.headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    match is_json(given) {
        true => Ok(()),
        false => refuse("send JSON, with `content-type: application/json`"),
    }
}

/// `application/json` or `…+json`, in UTF-8 where a character set is given.
fn is_json(content_type: &str) -> bool {
    let mut parts = content_type.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default().to_ascii_lowercase();
    let utf8 = parts.all(|p| {
        let p = p.to_ascii_lowercase();
        !p.starts_with("charset=") || p.trim_start_matches("charset=").trim_matches('"') == "utf-8"
    });
    utf8 && (essence == "application/json"
        || essence.starts_with("application/") && essence.ends_with("+json"))
}

async fn read(body: RequestBody, time_max: Duration) -> Result<Bytes, Refusal> {
    match timeout(time_max, body.collect()).await {
        Ok(Ok(whole)) => Ok(whole.to_bytes()),
        Ok(Err(BodyError::TooLarge(max))) => Err(too_large(max.bytes())),
        Err(_) | Ok(Err(BodyError::TooSlow(_))) => Err(too_slow()),
        Ok(Err(BodyError::Broken(_))) => Err(Refusal::invalid("the body ended before its end")),
    }
}

pub(super) fn too_slow() -> Refusal {
    let detail = "the body did not arrive in time";
    Refusal::new(StatusCode::REQUEST_TIMEOUT, Code::DeadlineExceeded, detail)
}

/// Decodes `a=1&b=x+y%21`.
fn query(text: &str) -> Result<Vec<(String, String)>, Refusal> {
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let decoded = decode(key).zip(decode(value));
            decoded.ok_or_else(|| {
                Refusal::invalid(NOT_DECODABLE).with(Extra::Place(format!("query `{pair}`")))
            })
        })
        .collect()
}

/// Percent-decoded, `+` as a space; none if it is not UTF-8 or ends within an escape.
pub(super) fn decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let hex = |digit: Option<u8>| char::from(digit?).to_digit(16);
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let value = hex(bytes.next())? * 16 + hex(bytes.next())?;
                out.push(u8::try_from(value).expect("two hexadecimal digits are one byte"));
            }
            byte => out.push(byte),
        }
    }
    String::from_utf8(out).ok()
}

fn respond(answer: Answer, call: &Call) -> Result<Response<ResponseBody>, Refusal> {
    match answer {
        Answer::Good { status, json } => {
            let mut res = Response::new(ResponseBody::empty());
            *res.status_mut() = status;
            if let Some(json) = json {
                let json_type = HeaderValue::from_static("application/json");
                res.headers_mut().insert(CONTENT_TYPE, json_type);
                *res.body_mut() = ResponseBody::full(json);
            }
            Ok(res)
        }
        Answer::Refused { status, case, payload } => {
            let payload = payload.map(raw).transpose().map_err(|error| {
                let error = CallError::Other(format!("the error's payload is no JSON: {error}"));
                technical(&error, call)
            })?;
            let refusal = Refusal { status, code: None, detail: String::new(), extra: Extra::None };
            Err(refusal.with(Extra::Case { case, payload }))
        }
    }
}

fn raw(json: Vec<u8>) -> Result<Box<RawValue>, serde_json::Error> {
    serde_json::from_slice(&json)
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    #[test]
    fn media_types() {
        let yes = ["application/json", "Application/JSON; charset=UTF-8", "application/ld+json"];
        let no = ["", "text/plain", "application/jsonp", "application/json; charset=latin-1"];
        assert!(yes.into_iter().all(is_json));
        assert!(!no.into_iter().any(is_json));
        assert!(is_json("application/json; charset=\"utf-8\"; profile=x"));
    }

    fn check(text: &str, expect: Expect) {
        expect.assert_eq(&match query(text) {
            Ok(pairs) => format!("{pairs:?}"),
            Err(refusal) => format!("{:?} {}", refusal.extra, refusal.detail),
        });
    }

    #[test]
    fn queries() {
        check("", expect!["[]"]);
        check("a=1&b=&c&&a=2", expect![[r#"[("a", "1"), ("b", ""), ("c", ""), ("a", "2")]"#]]);
        check("q=x+y%21%C3%A9&k%20=a=b", expect![[r#"[("q", "x y!é"), ("k ", "a=b")]"#]]);
        check(
            "a=%4",
            expect![[r#"Place("query `a=%4`") not UTF-8, or a % without two hexadecimal digits"#]],
        );
        check(
            "a=%ff",
            expect![[r#"Place("query `a=%ff`") not UTF-8, or a % without two hexadecimal digits"#]],
        );
    }
}
