//! What a slice can know about the call that it is working on.

use std::time::Duration;

use crate::wit::aether::slice::context;

pub use crate::wit::aether::slice::context::{CallerInfo, attempt, caller, request_id};

/// Time that is left for this call; none if it has no deadline.
pub fn remaining() -> Option<Duration> {
    context::remaining_ms().map(Duration::from_millis)
}
