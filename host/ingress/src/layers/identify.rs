//! Gives a request its name and its deadline. Knows nothing else of the request.
//!
//! On top: whatever refuses the request further down, the answer carries the id.

use crate::body::ResponseBody;
use crate::port::Call;
use aether_types::RequestId;
use aether_types::trace::begun_by_door;
use http::header::{HeaderName, HeaderValue};
use http::request::Parts;
use http::{HeaderMap, Response};
use std::net::SocketAddr;
use tokio::time::Instant;
use uuid::Uuid;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");
/// `00-` trace id `-` span id `-` flags: 2 + 32 + 16 + 2 hexadecimal digits and three dashes.
const TRACE_PARENT_LENGTH: usize = 55;

pub(super) struct Identity {
    pub(super) call: Call,
    header: HeaderValue,
}

/// Takes the client's request id and trace if they are such, else begins others; the slice sees the
/// same headers.
pub(super) fn identify(head: &mut Parts, peer: SocketAddr, deadline: Instant) -> Identity {
    let given = head.headers.get(&X_REQUEST_ID);
    let valid = given.and_then(|header| Some((header.to_str().ok()?.parse().ok()?, header)));
    let (request_id, header) = match valid {
        Some((id, header)) => (id, header.clone()),
        None => draw(),
    };
    head.headers.insert(X_REQUEST_ID, header.clone());
    let trace_parent = trace_parent(&head.headers).unwrap_or_else(|| {
        let begun = begin_trace();
        let header = HeaderValue::from_str(&begun).expect("digits and dashes are visible ASCII");
        head.headers.insert(TRACE_PARENT, header);
        begun
    });
    let call = Call { request_id, deadline, trace_parent, variant: None, peer };
    Identity { call, header }
}

impl Identity {
    pub(super) fn sign(&self, res: &mut Response<ResponseBody>) {
        res.headers_mut().insert(X_REQUEST_ID, self.header.clone());
    }
}

/// An id for a request that brought none.
pub(crate) fn draw() -> (RequestId, HeaderValue) {
    let mut buffer = Uuid::encode_buffer();
    let text = &*Uuid::now_v7().hyphenated().encode_lower(&mut buffer);
    let id = text.parse().expect("a UUID is 36 visible ASCII characters");
    (id, HeaderValue::from_str(text).expect("a UUID is visible ASCII"))
}

/// A trace that begins here (W3C Trace Context, level 1): the value of its `traceparent`. It says
/// that the trace is recorded, so that who is called goes on recording.
pub fn begin_trace() -> String {
    // The last 62 bits are drawn, as the standard asks of the last 56; the first ones are the time.
    let trace = Uuid::now_v7().as_u128();
    format!("00-{trace:032x}-{:016x}-01", begun_by_door(trace))
}

/// What the client sent, if the standard calls it valid.
fn trace_parent(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(&TRACE_PARENT)?.to_str().ok()?;
    let dashes = [2, 35, 52];
    let well_formed = text.len() == TRACE_PARENT_LENGTH
        && text.bytes().enumerate().all(|(i, b)| match dashes.contains(&i) {
            true => b == b'-',
            false => b.is_ascii_digit() || (b'a'..=b'f').contains(&b),
        });
    let is_zero = |part: &str| part.bytes().all(|b| b == b'0');
    let is_valid =
        well_formed && !text.starts_with("ff") && !is_zero(&text[3..35]) && !is_zero(&text[36..52]);
    is_valid.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::Call;
    use std::time::Duration;

    fn identified(given: &str) -> (Call, Parts) {
        let request =
            http::Request::builder().header(TRACE_PARENT, given).body(()).expect("a head");
        let mut head = request.into_parts().0;
        let deadline = Instant::now() + Duration::from_secs(1);
        let call = identify(&mut head, ([127, 0, 0, 1], 1).into(), deadline).call;
        (call, head)
    }

    #[test]
    fn a_trace_that_is_none_is_begun_anew_and_the_slice_sees_the_same() {
        let zeros = "00000000000000000000000000000000";
        let [trace, parent] = ["0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"];
        let is_kept = |given: &str| {
            let (call, head) = identified(given);
            assert_eq!(head.headers[TRACE_PARENT], call.trace_parent);
            assert_eq!(call.trace_parent[3..35], *call.trace_id());
            call.trace_parent == given
        };
        assert!(is_kept(&format!("00-{trace}-{parent}-01")));
        assert!(is_kept(&format!("cc-{trace}-{parent}-00")), "what a later version sends");
        let wrong = [
            String::new(),
            format!("00-{trace}-{parent}"),
            format!("00-{}-{parent}-01", trace.to_uppercase()),
            format!("ff-{trace}-{parent}-01"),
            format!("00-{zeros}-{parent}-01"),
            format!("00-{trace}-{}-01", &zeros[..16]),
        ];
        for given in &wrong {
            assert!(!is_kept(given), "{given}");
            let begun = identified(given).0.trace_parent;
            assert!(is_kept(&begun) && begun.ends_with("-01"), "{begun}");
        }
        assert_ne!(identified("").0.trace_id(), identified("").0.trace_id());
    }
}
