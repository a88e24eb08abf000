//! What the live feed shows. Knows no socket and no moment but its own.

use super::{
    Alert, Application, ClusterStatus, GraphEdge, LogLine, NodeStatus, Note, RaftStatus,
    RolloutStatus,
};
use crate::auth::{Principal, Role};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// The answer to a request; over a socket it comes once, and then as what changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Live {
    /// RFC 3339.
    pub at: String,
    pub viewer: LiveViewer,
    pub picture: LivePicture,
}

/// Whose key it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct LiveViewer {
    pub name: String,
    pub role: Role,
}

/// Everything that the dashboard shows, as one node sees it. Lists are maps where single entries
/// change, so that what changes is small.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct LivePicture {
    /// Id of the node that answers.
    pub node: String,
    /// Why it should not get traffic now; empty when it should.
    pub not_ready: Vec<String>,
    pub cluster: ClusterStatus,
    pub raft: RaftStatus,
    /// What the plan could not do as it should, or not yet.
    pub notes: Vec<Note>,
    /// What went wrong in the last run of a background task of the node, by its name.
    pub failing_tasks: BTreeMap<String, String>,
    /// By id.
    pub nodes: BTreeMap<String, NodeStatus>,
    /// By name.
    pub applications: BTreeMap<String, Application>,
    /// The newest rollout of each application, by its name.
    pub rollouts: BTreeMap<String, RolloutStatus>,
    /// What is out of its bounds, by id.
    pub alerts: BTreeMap<String, Alert>,
    /// Edges along which something was called, by words that tell them apart; rates are rounded.
    pub calls: BTreeMap<String, GraphEdge>,
    /// The newest lines of the node's own log, without what slices say, by their place.
    pub events: BTreeMap<String, LogLine>,
}

impl From<&Principal> for LiveViewer {
    fn from(principal: &Principal) -> Self {
        Self { name: principal.name.clone(), role: principal.role }
    }
}
