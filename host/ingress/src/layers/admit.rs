//! Bounds the requests in flight. Knows nothing of the request.
//!
//! Under `identify` only, before anything is parsed or matched: refusing must cost less than
//! serving.

use crate::door::Shared;
use crate::problem::{Extra, Refusal};
use crate::stats::Ticket;
use aether_types::code::Code;
use http::StatusCode;

const RETRY_SECONDS: u64 = 1;

pub(super) fn admit(door: &Shared) -> Result<Ticket, Refusal> {
    door.counters.ticket(door.limits.requests_max).ok_or_else(|| {
        let detail = "this node serves as many requests as it may";
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, Code::Overloaded, detail)
            .with(Extra::RetryAfter(RETRY_SECONDS))
    })
}
