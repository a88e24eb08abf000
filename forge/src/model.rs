//! What Forge says about itself over HTTP. Knows no process and no socket.

use crate::load::Report;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Everything at a glance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Overview {
    /// Of this API.
    pub url: String,
    /// Where the nodes' folders are.
    pub folder: PathBuf,
    /// The application that was deployed at the start.
    pub application: Option<String>,
    pub nodes: Vec<NodeView>,
    /// Of the load that was started last.
    pub load: Option<Report>,
}

/// A node of the sandbox.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct NodeView {
    /// From 1, never given twice.
    pub number: usize,
    pub id: String,
    pub process: ProcessState,
    /// As the cluster sees it: `leader`, `follower`, …; none where nobody knows.
    pub role: Option<String>,
    /// As the cluster sees it: `ON_DUTY`, `DRAINING`, …
    pub state: Option<String>,
    /// The front door of the applications.
    pub http: String,
    /// The management API.
    pub api: String,
    /// Where other nodes reach it.
    pub cluster: String,
    pub log: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProcessState {
    /// On its way up or down.
    Changing,
    Running,
    /// By SIGSTOP.
    Stopped,
    /// There is none.
    Down,
}

/// A load to start: a file and its name in messages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LoadRequest {
    pub file: String,
    pub text: String,
}

/// How many times the rates of its file.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct FactorRequest {
    pub factor: f64,
}

/// Why something was not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Refusal {
    pub message: String,
}

/// What is done to a node that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeAction {
    /// kill -9.
    Kill,
    /// SIGSTOP.
    Stop,
    /// SIGCONT.
    Resume,
    /// Asks it to end if it runs, and starts it again with its identity, where it was.
    Restart,
    /// Gives its instances and its vote to others.
    Drain,
    /// Lets a drained node take part again.
    Activate,
}

impl NodeAction {
    pub const ALL: [Self; 6] =
        [Self::Kill, Self::Stop, Self::Resume, Self::Restart, Self::Drain, Self::Activate];

    pub fn word(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Stop => "stop",
            Self::Resume => "resume",
            Self::Restart => "restart",
            Self::Drain => "drain",
            Self::Activate => "activate",
        }
    }
}

/// A request that Forge does not fulfil, and whose fault it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("{0}")]
    Invalid(String),
    #[error("{0}")]
    NotFound(String),
    #[error("{0}")]
    Conflict(String),
}
