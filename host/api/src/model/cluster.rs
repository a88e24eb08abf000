//! The cluster, its nodes and its keys. Knows no consensus.

use crate::auth::{Role, StoredKey};
use aether_types::TimeSpan;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Application, Note, Phase, rfc3339};

/// The cluster as one node sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Status {
    /// The node that answers.
    pub node: NodeStatus,
    pub cluster: ClusterStatus,
    pub raft: RaftStatus,
    pub applications: Vec<ApplicationSummary>,
    /// What the plan could not do as it should, or not yet; also for what was undeployed.
    #[serde(default)]
    pub notes: Vec<Note>,
    pub tasks: Vec<TaskStatus>,
}

/// A node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct NodeStatus {
    /// Sixteen hexadecimal digits.
    pub id: String,
    /// Version of its `aether`.
    pub version: String,
    pub uptime_seconds: u64,
    /// Address of the management API.
    pub api: String,
    /// Address of the front door.
    pub http: String,
    /// Generation of the plan that it follows.
    pub generation: u64,
    pub memory: MemoryStatus,
    /// Instances that take calls; of a node that is not reachable, as it said last.
    pub active_instances: u32,
    /// How often it compiled a component since it started. Code that another node has is not
    /// compiled again.
    #[serde(default)]
    pub compiled: u64,
    pub state: NodeState,
    /// What it is in the group that keeps the state; absent where it is no member yet.
    #[serde(default)]
    pub role: Option<RaftRole>,
    /// Whether it answers the node that was asked.
    pub reachable: bool,
    /// Address at which other nodes reach it.
    pub cluster: String,
    /// Its failure domain; empty where it names none.
    pub zone: String,
    /// Why it is not as it should be.
    #[serde(default)]
    pub reason: Option<String>,
}

/// Where a node is in its life in the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum NodeState {
    /// Admitted; it has not said yet what it is.
    Joining,
    OnDuty,
    /// Gives its instances and its vote away.
    Draining,
    /// Has none of them left: it can be stopped and removed, or activated again.
    Decommissioned,
    /// Is about to end; it keeps its place.
    ShuttingDown,
}

/// A token to create.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct TokenRequest {
    /// How long nodes may join with it, such as `1h`: 1 second to 30 days.
    #[schema(value_type = String)]
    pub ttl: TimeSpan,
}

/// A new token. It is shown here and never again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct TokenCreated {
    /// What `aether node --join ADDRESS --token` takes.
    pub token: String,
    /// Address of a node that admits others.
    pub join: String,
    pub expires: String,
}

/// Memory in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct MemoryStatus {
    /// What slices may use together.
    pub budget: u64,
    /// What the admitted slices may use at most.
    pub committed: u64,
    /// What the process holds now.
    pub resident: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ClusterStatus {
    /// Thirty-two hexadecimal digits.
    pub id: String,
    pub nodes: u32,
    /// Whether writes are possible: there is a leader with a majority.
    pub writable: bool,
    /// Who is missing, where that is why they are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct RaftStatus {
    pub role: RaftRole,
    /// Id of the leader, if this node knows one.
    #[serde(default)]
    pub leader: Option<String>,
    pub term: u64,
    /// Last entry of the log on this node.
    pub last_index: u64,
    /// Last entry that a majority has on disk.
    pub committed_index: u64,
    /// Last entry that this node's state contains.
    pub applied_index: u64,
    /// Revision of the replicated map.
    pub revision: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RaftRole {
    Leader,
    Follower,
    Candidate,
    Learner,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ApplicationSummary {
    pub name: String,
    pub version: String,
    pub revision: u64,
    pub phase: Phase,
    pub slices: u32,
    /// Instances that the blueprint wants, and those that take calls.
    pub desired: u32,
    pub active: u32,
}

/// A background task of the node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct TaskStatus {
    pub name: String,
    /// Start of its last run; absent before the first.
    #[serde(default)]
    pub last_run: Option<String>,
    pub last_duration_us: u64,
    /// What went wrong in the last run.
    #[serde(default)]
    pub error: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Nodes {
    pub nodes: Vec<NodeStatus>,
}

/// Whether the node lives, or is ready for traffic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Health {
    pub ready: bool,
    /// Why it is not ready.
    pub reasons: Vec<String>,
}

/// A key to create.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct KeyRequest {
    /// Who will hold it: 1 to 64 characters. Stands in logs.
    pub name: String,
    pub role: Role,
}

/// A key without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct KeyView {
    pub id: String,
    pub name: String,
    pub role: Role,
    pub created: String,
}

/// A new key. The secret is shown here and never again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct KeyCreated {
    pub key: KeyView,
    /// What goes after `Authorization: Bearer`.
    pub secret: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Keys {
    pub keys: Vec<KeyView>,
}

impl From<&StoredKey> for KeyView {
    fn from(key: &StoredKey) -> Self {
        Self {
            id: key.id.clone(),
            name: key.name.clone(),
            role: key.role,
            created: rfc3339(key.created_ms),
        }
    }
}

impl From<&Application> for ApplicationSummary {
    fn from(application: &Application) -> Self {
        let slices = &application.slices;
        Self {
            name: application.name.to_string(),
            version: application.version.clone(),
            revision: application.revision,
            phase: application.phase,
            slices: u32::try_from(slices.len()).unwrap_or(u32::MAX),
            desired: slices.iter().map(|s| s.desired).sum(),
            active: slices.iter().map(|s| s.active).sum(),
        }
    }
}
