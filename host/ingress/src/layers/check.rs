//! Whether a head says one thing only, within the limits. Knows HTTP, no routes.
//!
//! Above `route`: a head that two readers could understand differently must not choose a slice.

use super::typed::decode;
use crate::limits::Limits;
use crate::problem::{self, Extra, Refusal};
use aether_types::ByteSize;
use aether_types::code::Code;
use http::header::{HOST, HeaderValue};
use http::request::Parts;
use http::uri::Authority;
use http::{Method, StatusCode, Version};
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
        let detail = problem::uri_too_long(limits.uri_bytes_max);
        return Err(Refusal::new(StatusCode::URI_TOO_LONG, Code::RequestInvalid, detail));
    }
    // HTTP/1.1 was bounded while it was parsed.
    if head.version == Version::HTTP_2 {
        let size: usize = head.headers.iter().map(|(k, v)| k.as_str().len() + v.len()).sum();
        if head.headers.len() > limits.headers_max || uri + size > limits.head_bytes_max {
            let detail = problem::head_too_large(limits);
            let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
            return Err(Refusal::new(status, Code::RequestInvalid, detail));
        }
    }
    // What is announced as too large is refused before a byte of it is read.
    match body.size_hint().lower() > limits.body_bytes_max {
        true => Err(too_large(limits.body_bytes_max)),
        false => Ok(()),
    }
}

pub(super) fn too_large(max: u64) -> Refusal {
    let detail = format!("a body has at most {}", ByteSize(max));
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

/// Absolute, readable, and without segments that mean another path to whoever resolves them.
fn path(head: &Parts) -> Result<(), Refusal> {
    let path = head.uri.path();
    if head.method == Method::CONNECT || !path.starts_with('/') {
        return Err(Refusal::invalid("the request must name a path; this is no proxy"));
    }
    if path.contains(['.', '%']) && path.split('/').any(is_dots) {
        return Err(Refusal::invalid("a path must not have `.` or `..` segments"));
    }
    let bad = path.split('/').find(|segment| segment.contains('%') && decode(segment).is_none());
    match bad {
        Some(segment) => {
            let place = Extra::Place(format!("segment `{segment}`"));
            Err(Refusal::invalid(problem::NOT_DECODABLE).with(place))
        }
        None => Ok(()),
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
