//! Why a request to the management API failed, and what to do. Knows no exit codes.

use aether_api::Problem;
use aether_types::ErrorKind;
use std::fmt;

/// Reads after "failed to": it names what was asked for.
#[derive(Debug, thiserror::Error)]
#[error("{action}")]
pub struct Error {
    /// What was asked for: `deploy shop`.
    pub action: String,
    #[source]
    pub failure: Failure,
}

/// What went wrong.
#[derive(Debug)]
pub enum Failure {
    /// The node answered with a problem.
    Refused(Box<Problem>),
    /// Nobody listens there.
    Unreachable { server: String, detail: String },
    /// There was no answer in time.
    TimedOut { server: String },
    /// The connection broke, or the answer is none of a management API.
    Broken { server: String, detail: String },
}

impl Error {
    pub fn kind(&self) -> ErrorKind {
        match &self.failure {
            Failure::Refused(problem) => problem.kind,
            Failure::Unreachable { .. } | Failure::TimedOut { .. } => ErrorKind::Unavailable,
            Failure::Broken { .. } => ErrorKind::Internal,
        }
    }

    /// Whether the time was over, here or on the node.
    pub fn is_timeout(&self) -> bool {
        match &self.failure {
            Failure::Refused(problem) => problem.code == "deadline-exceeded",
            Failure::TimedOut { .. } => true,
            Failure::Unreachable { .. } | Failure::Broken { .. } => false,
        }
    }

    /// What to do about it; empty where the message already says it.
    pub fn help(&self) -> &str {
        match &self.failure {
            Failure::Refused(problem) => &problem.help,
            Failure::Unreachable { .. } => {
                "is a node running there? start one with `aether node --data DIR`, or name another with --server"
            }
            Failure::TimedOut { .. } => "`aether status` shows whether it happened all the same",
            Failure::Broken { .. } => "is this the address of the management API?",
        }
    }

    /// The document of the node, where it sent one.
    pub fn problem(&self) -> Option<&Problem> {
        match &self.failure {
            Failure::Refused(problem) => Some(problem),
            _ => None,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(problem) => problem.fmt(f),
            Self::Unreachable { server, detail } => {
                write!(f, "nobody answers at {server}: {detail}")
            }
            Self::TimedOut { server } => write!(f, "no answer from {server} in time"),
            Self::Broken { server, detail } => write!(f, "bad answer from {server}: {detail}"),
        }
    }
}

impl std::error::Error for Failure {}
