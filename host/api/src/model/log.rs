//! Pages of the node's log. Knows no subscriber and no file.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use utoipa::ToSchema;

/// Lines of the log in the order in which they were written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct LogPage {
    pub lines: Vec<LogLine>,
    /// Give it as `after` to get what comes next.
    pub next: u64,
    /// Lines after the cursor that the node has already forgotten.
    pub lost: u64,
}

/// One line of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct LogLine {
    /// Place in the node's log.
    pub seq: u64,
    /// RFC 3339.
    pub time: String,
    pub level: LogLevel,
    /// Id of the node.
    pub node: String,
    pub message: String,
    /// Where in Aether, or in the slice, it was written.
    pub target: String,
    #[serde(default)]
    pub app: Option<String>,
    /// `group:artifact:version`.
    #[serde(default)]
    pub slice: Option<String>,
    #[serde(default)]
    pub request_id: Option<String>,
    /// Everything else that the line carries.
    #[serde(default)]
    pub fields: BTreeMap<String, String>,
}

/// How much a line matters, least first.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum LogLevel {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Trace => "TRACE",
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
        })
    }
}

impl std::str::FromStr for LogLevel {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "trace" => Ok(Self::Trace),
            "debug" => Ok(Self::Debug),
            "info" => Ok(Self::Info),
            "warn" => Ok(Self::Warn),
            "error" => Ok(Self::Error),
            _ => Err(format!("{text:?} is not trace, debug, info, warn or error")),
        }
    }
}
