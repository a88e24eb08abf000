//! Errors of the management API and their document (RFC 9457). Knows no connection.

use aether_types::code::Code;
use aether_types::{CallError, ErrorKind, Problems, RequestId, Revision};
use serde::{Deserialize, Serialize};
use std::fmt;
use utoipa::ToSchema;

/// Media type of [`Problem`].
pub const PROBLEM_JSON: &str = "application/problem+json";

/// Why a request failed, and what its sender can do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    pub kind: ErrorKind,
    pub code: Code,
    /// A sentence without a full stop.
    pub message: String,
    /// What to do; empty where the message already says it.
    pub help: String,
    /// Everything that is wrong, where it is more than one thing or has a place in a file.
    pub problems: Problems,
    /// The one that it has now, where another one was expected; 0: it does not exist.
    pub revision: Option<Revision>,
    /// Of a call that failed.
    pub call: Option<Box<FailedCall>>,
}

/// What a call that failed is known by, beside its request id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedCall {
    /// 32 hexadecimal digits.
    pub trace_id: Option<String>,
    /// The version of the application that it got, if it got one.
    pub variant: Option<Revision>,
    pub principal: Option<String>,
}

/// The body of every answer that is an error: `application/problem+json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Problem {
    /// `urn:aether:error:` and the code.
    #[serde(rename = "type")]
    pub type_uri: String,
    /// What the kind of error means, the same for every error of a kind.
    pub title: String,
    /// The status of the response.
    pub status: u16,
    /// What happened.
    pub detail: String,
    /// A word that can be searched for in the documentation.
    pub code: String,
    /// What to do about it: `invalid` (fix it), `not-found`, `conflict` (read again, retry),
    /// `denied`, `unavailable` (retry later), `exhausted` (raise a limit), `internal` (report it).
    #[schema(value_type = String)]
    pub kind: ErrorKind,
    /// What to do, in a sentence; empty where the detail already says it.
    #[serde(default)]
    pub help: String,
    /// Stands in the logs of the node.
    #[serde(default)]
    pub request_id: String,
    /// Everything that is wrong, each with its place.
    #[serde(default)]
    pub problems: Vec<ProblemItem>,
    /// The revision that it has now, where another one was expected; 0: it does not exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
    /// Of a call: the trace that it belongs to, 32 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// Of a call: the revision of the application that it got.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<u64>,
    /// Of a call: who made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ProblemItem {
    pub code: String,
    /// `file:line:column`, a key path, or the name of the slice.
    pub place: String,
    pub message: String,
    #[serde(default)]
    pub help: String,
}

impl ApiError {
    pub fn new(kind: ErrorKind, code: Code, message: impl fmt::Display) -> Self {
        let message = message.to_string();
        let (help, problems) = (String::new(), Problems::default());
        Self { kind, code, message, help, problems, revision: None, call: None }
    }

    /// Fix the request.
    pub fn invalid(code: Code, message: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Invalid, code, message)
    }

    pub fn not_found(code: Code, message: impl fmt::Display) -> Self {
        Self::new(ErrorKind::NotFound, code, message)
    }

    pub fn conflict(code: Code, message: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Conflict, code, message)
    }

    /// Retry later.
    pub fn unavailable(message: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Unavailable, Code::Unavailable, message)
    }

    /// A defect of Aether.
    pub fn internal(message: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Internal, Code::Internal, message)
            .help("this is a defect of Aether: report it with the node's log of this request id")
    }

    /// Only nodes of a sandbox break on purpose.
    pub fn not_a_sandbox() -> Self {
        let message = "this node is not of a sandbox: nobody can put faults into it";
        Self::new(ErrorKind::Denied, Code::NotASandbox, message)
            .help("to try out faults, start nodes nobody needs with `aether node --sandbox`")
    }

    pub fn no_threshold(metric: impl fmt::Display) -> Self {
        Self::not_found(Code::UnknownAlert, format!("{metric} has no threshold"))
            .help("`aether alerts thresholds` shows those that are set")
    }

    pub fn no_alert(id: u64) -> Self {
        Self::not_found(Code::UnknownAlert, format!("no alert {id} is active"))
            .help("`aether alerts` shows those that are, `aether alerts history` what happened")
    }

    #[must_use]
    pub fn help(mut self, help: impl fmt::Display) -> Self {
        self.help = help.to_string();
        self
    }

    /// What it is now.
    #[must_use]
    pub fn revision(mut self, revision: Revision) -> Self {
        self.revision = Some(revision);
        self
    }

    /// A call failed, and this is what it is known by.
    #[must_use]
    pub fn of_call(mut self, request_id: &RequestId, call: FailedCall) -> Self {
        if self.code == Code::CalleeFailed {
            self.help = format!("`aether logs --request-id {request_id}` has the slice's side");
        }
        self.call = Some(Box::new(call));
        self
    }

    /// Status of the response: by kind, more exactly where HTTP has a status for the code.
    pub fn status(&self) -> http::StatusCode {
        use http::StatusCode as S;
        match (self.code, self.kind) {
            (Code::Unauthenticated, _) => S::UNAUTHORIZED,
            (Code::MethodNotAllowed, _) => S::METHOD_NOT_ALLOWED,
            (Code::BodyTooLarge, _) => S::PAYLOAD_TOO_LARGE,
            (Code::DeadlineExceeded, _) => S::GATEWAY_TIMEOUT,
            (Code::CalleeFailed, _) => S::BAD_GATEWAY,
            (Code::PreconditionFailed, _) => S::PRECONDITION_FAILED,
            (Code::StoreFull, _) => S::INSUFFICIENT_STORAGE,
            (_, ErrorKind::Invalid) => S::BAD_REQUEST,
            (_, ErrorKind::NotFound) => S::NOT_FOUND,
            (_, ErrorKind::Conflict) => S::CONFLICT,
            (_, ErrorKind::Denied) => S::FORBIDDEN,
            (_, ErrorKind::Unavailable) => S::SERVICE_UNAVAILABLE,
            (_, ErrorKind::Exhausted) => S::TOO_MANY_REQUESTS,
            (_, ErrorKind::Internal) => S::INTERNAL_SERVER_ERROR,
        }
    }

    /// The document that the client gets.
    pub fn document(&self, request_id: &str) -> Problem {
        let title = match self.kind {
            ErrorKind::Invalid => "The request is not valid",
            ErrorKind::NotFound => "It does not exist",
            ErrorKind::Conflict => "It was changed by somebody else",
            ErrorKind::Denied => "This is not allowed",
            ErrorKind::Unavailable => "Not possible at the moment",
            ErrorKind::Exhausted => "A limit is reached",
            ErrorKind::Internal => "Aether failed",
        };
        Problem {
            type_uri: format!("urn:aether:error:{}", self.code),
            title: title.to_owned(),
            status: self.status().as_u16(),
            detail: self.message.clone(),
            code: self.code.to_string(),
            kind: self.kind,
            help: self.help.clone(),
            request_id: request_id.to_owned(),
            problems: self.problems.0.iter().map(ProblemItem::from).collect(),
            revision: self.revision.map(|revision| revision.0),
            trace_id: self.call.as_ref().and_then(|call| call.trace_id.clone()),
            variant: self.call.as_ref().and_then(|call| Some(call.variant?.0)),
            principal: self.call.as_ref().and_then(|call| call.principal.clone()),
        }
    }
}

impl From<&aether_types::Problem> for ProblemItem {
    fn from(problem: &aether_types::Problem) -> Self {
        Self {
            code: problem.code.to_string(),
            place: problem.place.clone(),
            message: problem.message.clone(),
            help: problem.help.clone(),
        }
    }
}

/// What a person can fix. One problem speaks for itself, several are counted.
impl From<Problems> for ApiError {
    fn from(problems: Problems) -> Self {
        match problems.0.as_slice() {
            [] => Self::internal("it was refused without a reason"),
            [one] => {
                let message = format!("{}: {}", one.place, one.message);
                Self { problems: problems.clone(), ..Self::invalid(one.code, message) }
                    .help(&one.help)
            }
            [first, ..] => {
                let message = format!("{} problems", problems.0.len());
                Self { problems: problems.clone(), ..Self::invalid(first.code, message) }
            }
        }
    }
}

/// A technical failure of a call; business errors are answers.
impl From<CallError> for ApiError {
    fn from(error: CallError) -> Self {
        let (kind, code, help) = match &error {
            CallError::Unavailable(_) => {
                (ErrorKind::Unavailable, Code::Unavailable, "`aether status` says why")
            }
            CallError::DeadlineExceeded => {
                (ErrorKind::Unavailable, Code::DeadlineExceeded, "raise its timeout, or retry")
            }
            CallError::Overloaded(_) => {
                (ErrorKind::Exhausted, Code::Overloaded, "retry, or raise max-concurrency")
            }
            CallError::CalleeFailed(_) => {
                (ErrorKind::Unavailable, Code::CalleeFailed, "`aether logs` has the slice's side")
            }
            CallError::Denied(_) => (ErrorKind::Denied, Code::Denied, ""),
            CallError::Other(_) => (ErrorKind::Internal, Code::Internal, ""),
        };
        Self::new(kind, code, error).help(help)
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]", self.message, self.code)
    }
}

impl std::error::Error for ApiError {}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]", self.detail, self.code)
    }
}

impl fmt::Display for ProblemItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} [{}]", self.place, self.message, self.code)
    }
}
