//! Pages of the logs of nodes. Knows no subscriber and no file.

use aether_types::NodeId;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;
use utoipa::ToSchema;

/// Lines of the logs in the order of time; those of one node in which they were written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct LogPage {
    pub lines: Vec<LogLine>,
    /// Give it as `after` to get what comes next.
    #[schema(value_type = String)]
    pub next: LogCursor,
    /// Lines after the cursor that their nodes have already forgotten.
    pub lost: u64,
    /// Nodes that did not answer in time.
    #[serde(default)]
    pub silent: Vec<LogSilence>,
}

/// A node whose lines are missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct LogSilence {
    /// Id of the node.
    pub node: String,
    pub reason: String,
}

/// How far a reader has come in the log of each node. To others it is a word without a meaning.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct LogCursor(pub BTreeMap<NodeId, LogPlace>);

/// How far a reader has come in one log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPlace {
    /// Which process of the node: another one begins anew.
    pub run: u32,
    /// The last line that was seen.
    pub at: u64,
}

/// Whose logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogSource {
    /// Those of all members.
    Cluster,
    Node(NodeId),
}

impl fmt::Display for LogCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (node, LogPlace { run, at })) in self.0.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            write!(f, "{comma}{node}-{run:08x}-{at}")?;
        }
        Ok(())
    }
}

impl std::str::FromStr for LogCursor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let place = |word: &str| {
            let mut parts = word.split('-');
            let (node, run, at) = (parts.next()?, parts.next()?, parts.next()?);
            let place = LogPlace { run: u32::from_str_radix(run, 16).ok()?, at: at.parse().ok()? };
            parts.next().is_none().then_some((node.parse().ok()?, place))
        };
        let words = text.split(',').filter(|word| !word.is_empty());
        let places = words.map(|word| place(word).ok_or(word));
        let places = places.collect::<Result<_, _>>();
        places.map(Self).map_err(|word| format!("{word:?} is no place in a log"))
    }
}

impl Serialize for LogCursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for LogCursor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
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
