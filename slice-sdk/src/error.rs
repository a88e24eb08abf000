//! How the shared error types read for people. One line each, as a fragment.

use std::fmt;

use crate::CallError;

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable(reason) => write!(f, "no instance can take the call: {reason}"),
            Self::DeadlineExceeded => f.write_str("the deadline of the call passed"),
            Self::Overloaded(None) => f.write_str("all queues are full"),
            Self::Overloaded(Some(ms)) => write!(f, "all queues are full, retry after {ms} ms"),
            Self::CalleeFailed(reason) => write!(f, "the callee failed: {reason}"),
            Self::Denied(reason) => write!(f, "the call is not allowed: {reason}"),
            Self::Other(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for CallError {}
