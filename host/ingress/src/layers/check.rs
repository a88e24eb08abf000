//! Whether a head says one thing only, within the limits. Knows HTTP, no routes.
//!
//! Above `route`: a head that two readers could understand differently must not choose a slice.

use crate::limits::Limits;
use crate::problem::Refusal;
use aether_types::code::Code;
use http::header::{HOST, HeaderValue};
use http::request::Parts;
use http::uri::Authority;
use http::{Method, StatusCode};
use http_body::Body;
use hyper::body::Incoming;

pub(super) fn check(head: &mut Parts, body: &Incoming, limits: &Limits) -> Result<(), Refusal> {
    sizes(head, body, limits)?;
    authority(head)?;
    path(head)
}

fn sizes(head: &Parts, body: &Incoming, limits: &Limits) -> Result<(), Refusal> {
    let uri = head.uri.path_and_query().map_or(0, |p| p.as_str().len());
    if uri > limits.uri_bytes_max {
        let detail = format!("path and query have at most {} bytes", limits.uri_bytes_max);
        return Err(Refusal::new(StatusCode::URI_TOO_LONG, Code::RequestInvalid, detail));
    }
    if head.headers.len() > limits.headers_max {
        let detail = format!("a request has at most {} header fields", limits.headers_max);
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        return Err(Refusal::new(status, Code::RequestInvalid, detail));
    }
    // What is announced as too large is refused before a byte of it is read.
    match body.size_hint().lower() > limits.body_bytes_max {
        true => Err(too_large(limits.body_bytes_max)),
        false => Ok(()),
    }
}

pub(super) fn too_large(max: u64) -> Refusal {
    let detail = format!("a body has at most {max} bytes");
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, Code::BodyTooLarge, detail)
}

/// Exactly one authority (RFC 9112, 3.2); the one in the request line wins over `Host`.
fn authority(head: &mut Parts) -> Result<(), Refusal> {
    if let Some(authority) = head.uri.authority() {
        let host = HeaderValue::from_str(authority.as_str());
        head.headers.insert(HOST, host.expect("an authority is visible ASCII"));
    }
    let mut hosts = head.headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return Err(Refusal::invalid("a request names its host exactly once"));
    };
    match Authority::try_from(host.as_bytes()) {
        Ok(authority) if !authority.as_str().contains('@') => Ok(()),
        _ => Err(Refusal::invalid("the host is not a name or address with an optional port")),
    }
}

/// Absolute, and without segments that mean another path to whoever resolves them.
fn path(head: &Parts) -> Result<(), Refusal> {
    let path = head.uri.path();
    if head.method == Method::CONNECT || !path.starts_with('/') {
        return Err(Refusal::invalid("the request must name a path; this is no proxy"));
    }
    match path.contains(['.', '%']) && path.split('/').any(is_dots) {
        true => Err(Refusal::invalid("a path must not have `.` or `..` segments")),
        false => Ok(()),
    }
}

/// `.` or `..`, each dot possibly written as `%2e`.
fn is_dots(segment: &str) -> bool {
    if segment.len() > "%2e%2e".len() {
        return false;
    }
    let plain = segment.to_ascii_lowercase().replace("%2e", ".");
    plain == "." || plain == ".."
}

#[cfg(test)]
mod tests {
    use super::is_dots;

    #[test]
    fn dots_are_found_in_every_spelling() {
        for bad in [".", "..", "%2e", "%2E", ".%2e", "%2E.", "%2e%2E"] {
            assert!(is_dots(bad), "{bad}");
        }
        for good in ["", "a", "...", ".well-known", "a.b", "%2f", "%2e%2e%2e"] {
            assert!(!is_dots(good), "{good}");
        }
    }
}
