//! How a command ends: exit codes; expected errors apart from defects. Prints nothing.

use aether_api::{Problem, ProblemItem};
use aether_types::code::Code;
use aether_types::{ErrorKind, Problems};
use serde::Serialize;
use std::error::Error as _;
use std::io;

/// The exit codes. They are an interface: scripts depend on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    Done = 0,
    /// It was tried and failed: a slice does not start, a function returned an error.
    Failed = 1,
    /// The command line, a file or a request is not valid.
    Invalid = 2,
    NotFound = 3,
    Conflict = 4,
    Denied = 5,
    /// No node, no leader, no instance: try again later.
    Unavailable = 6,
    TimedOut = 7,
    /// A defect of Aether.
    Bug = 70,
}

/// Why a command did not do what it should.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Somebody can do something about it.
    Expected(Box<Expected>),
    /// Nobody but the developers of Aether can.
    Bug(anyhow::Error),
    /// Who reads the output went away: not worth a word.
    Closed,
    /// Everything is said, and the exit code is a part of it.
    Said(Exit),
}

/// An error with everything that its reader needs.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Expected {
    #[serde(skip)]
    pub(crate) exit: Exit,
    /// What failed, and why.
    pub(crate) message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<String>,
    /// Everything that is wrong, each with its place.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) problems: Vec<ProblemItem>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) help: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) request_id: Option<String>,
}

pub(crate) type Result<T = ()> = std::result::Result<T, Failure>;

impl Failure {
    pub(crate) fn expected(exit: Exit, message: impl Into<String>) -> Self {
        Self::Expected(Box::new(Expected {
            exit,
            message: message.into(),
            code: None,
            problems: Vec::new(),
            help: String::new(),
            request_id: None,
        }))
    }

    /// Something that the user gave is not valid.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::expected(Exit::Invalid, message)
    }

    #[must_use]
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        if let Self::Expected(expected) = &mut self {
            expected.help = help.into();
        }
        self
    }

    #[must_use]
    pub(crate) fn coded(mut self, code: Code) -> Self {
        if let Self::Expected(expected) = &mut self {
            expected.code = Some(code.to_string());
        }
        self
    }

    /// An expected error with this exit code, whatever it is.
    #[must_use]
    pub(crate) fn ending(mut self, exit: Exit) -> Self {
        if let Self::Expected(expected) = &mut self {
            expected.exit = exit;
        }
        self
    }

    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Expected(expected) => expected.exit,
            Self::Bug(_) => Exit::Bug,
            Self::Closed => Exit::Done,
            Self::Said(exit) => *exit,
        }
    }
}

impl Exit {
    /// The code for an error of the management API.
    fn of(error: &aether_client::Error) -> Self {
        if error.is_timeout() {
            return Self::TimedOut;
        }
        match error.kind() {
            ErrorKind::Invalid => Self::Invalid,
            ErrorKind::NotFound => Self::NotFound,
            ErrorKind::Conflict => Self::Conflict,
            ErrorKind::Denied => Self::Denied,
            // The slice was there and failed: trying again later is no advice.
            ErrorKind::Unavailable if code(error) == Some("callee-failed") => Self::Failed,
            ErrorKind::Unavailable => Self::Unavailable,
            ErrorKind::Exhausted => Self::Failed,
            ErrorKind::Internal => Self::Bug,
        }
    }
}

fn code(error: &aether_client::Error) -> Option<&str> {
    error.problem().map(|problem| problem.code.as_str())
}

impl From<aether_client::Error> for Failure {
    fn from(error: aether_client::Error) -> Self {
        let cause = match error.problem() {
            Some(problem) => problem.detail.clone(),
            None => error.source().map(ToString::to_string).unwrap_or_default(),
        };
        let help = match code(&error) {
            Some("unauthenticated") => {
                "give a key with --key or AETHER_KEY; the first one is in admin.key in the node's data folder"
            }
            _ => error.help(),
        };
        let (problems, request_id) = match error.problem() {
            // One problem has become the message itself.
            Some(Problem { problems, request_id, .. }) if problems.len() != 1 => {
                (problems.clone(), Some(request_id.clone()))
            }
            Some(problem) => (Vec::new(), Some(problem.request_id.clone())),
            None => (Vec::new(), None),
        };
        Self::Expected(Box::new(Expected {
            exit: Exit::of(&error),
            message: format!("failed to {error}: {cause}"),
            code: code(&error).map(str::to_owned),
            problems,
            help: help.to_owned(),
            request_id: request_id.filter(|id| !id.is_empty()),
        }))
    }
}

/// An error with all its causes, on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}

/// What is wrong with a file that the user gave.
impl From<Problems> for Failure {
    fn from(problems: Problems) -> Self {
        let items: Vec<ProblemItem> = problems.0.iter().map(ProblemItem::from).collect();
        let mut expected = Expected {
            exit: Exit::Invalid,
            message: format!("{} problems", items.len()),
            code: None,
            problems: Vec::new(),
            help: String::new(),
            request_id: None,
        };
        match items.as_slice() {
            [one] => {
                expected.message = format!("{}: {}", one.place, one.message);
                expected.code = Some(one.code.clone());
                expected.help = one.help.clone();
            }
            _ => expected.problems = items,
        }
        Self::Expected(Box::new(expected))
    }
}

/// Writing to the terminal or pipe.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::Closed,
            _ => Self::expected(Exit::Failed, format!("failed to write the output: {error}")),
        }
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        match error.io_error_kind() {
            Some(kind) => io::Error::from(kind).into(),
            None => Self::Bug(anyhow::Error::new(error).context("write JSON")),
        }
    }
}
