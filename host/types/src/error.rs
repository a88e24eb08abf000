//! What an error means for whoever gets it. Knows no transport and no status codes.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What the caller should do about an error. A new kind only where the reaction differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorKind {
    /// Fix the request.
    Invalid,
    /// It does not exist.
    NotFound,
    /// Read again, decide again, retry.
    Conflict,
    /// Present a key, or one with the needed role or grant.
    Denied,
    /// Retry later.
    Unavailable,
    /// Raise a limit or send less.
    Exhausted,
    /// Report it.
    Internal,
}

/// Why a call to a slice did not produce an answer. Technical, never business.
///
/// The host's side of `aether:slice/types.call-error`; the cases are the same, in the same order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum CallError {
    #[error("no instance can take the call: {0}")]
    Unavailable(String),
    #[error("the deadline passed")]
    DeadlineExceeded,
    /// Milliseconds after which a retry makes sense, if known.
    #[error("the queue of the slice is full")]
    Overloaded(Option<u64>),
    #[error("the callee failed: {0}")]
    CalleeFailed(String),
    #[error("denied: {0}")]
    Denied(String),
    #[error("{0}")]
    Other(String),
}

impl CallError {
    /// Whether another instance, or the same one later, may take the call.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Overloaded(_))
    }

    /// The word that logs, metrics and problem documents use for this case.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "unavailable",
            Self::DeadlineExceeded => "deadline-exceeded",
            Self::Overloaded(_) => "overloaded",
            Self::CalleeFailed(_) => "callee-failed",
            Self::Denied(_) => "denied",
            Self::Other(_) => "other",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Invalid => "invalid",
            Self::NotFound => "not-found",
            Self::Conflict => "conflict",
            Self::Denied => "denied",
            Self::Unavailable => "unavailable",
            Self::Exhausted => "exhausted",
            Self::Internal => "internal",
        })
    }
}
