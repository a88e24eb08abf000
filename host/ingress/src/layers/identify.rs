//! Gives a request its name and its deadline. Knows nothing else of the request.
//!
//! On top: whatever refuses the request further down, the answer carries the id.

use crate::body::ResponseBody;
use crate::port::Call;
use aether_types::RequestId;
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

/// Takes the client's request id if it is one, else draws one; the slice sees the same header.
pub(super) fn identify(head: &mut Parts, peer: SocketAddr, deadline: Instant) -> Identity {
    let given = head.headers.get(&X_REQUEST_ID);
    let valid = given.and_then(|header| Some((header.to_str().ok()?.parse().ok()?, header)));
    let (request_id, header) = match valid {
        Some((id, header)) => (id, header.clone()),
        None => draw(),
    };
    head.headers.insert(X_REQUEST_ID, header.clone());
    let trace_parent = trace_parent(&head.headers);
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

fn trace_parent(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(&TRACE_PARENT)?.to_str().ok()?;
    let dashes = [2, 35, 52];
    let well_formed = text.len() == TRACE_PARENT_LENGTH
        && text.bytes().enumerate().all(|(i, b)| match dashes.contains(&i) {
            true => b == b'-',
            false => b.is_ascii_digit() || (b'a'..=b'f').contains(&b),
        });
    well_formed.then(|| text.to_owned())
}
