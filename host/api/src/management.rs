//! The port: what the server asks of a node. Knows no HTTP.

use crate::auth::{Principal, Role};
use crate::error::ApiError;
use crate::model::*;
use crate::{ApplicationRoute, MintedKey, StoredKey};
use aether_alerts::Metric;
use aether_types::blueprint::Blueprint;
use aether_types::code::Code;
use aether_types::description::Description;
use aether_types::rollout::Strategy;
use aether_types::slow::SlowStrategy;
use aether_types::{
    AppName, Coordinates, Digest, FunctionName, NodeId, RequestId, Revision, SliceName, TimeSpan,
};
use bytes::Bytes;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::time::Duration;

/// What a node does for the management API. Implemented in `node`.
///
/// Bodies are parsed, roles are checked and digests are verified before any of these is called.
/// A method has [`Endpoint::time_max`](crate::Endpoint::time_max); then its future is dropped.
#[async_trait::async_trait]
pub trait Management: Regulation + Send + Sync + 'static {
    /// Who holds the key. Local and quick: it is asked for every request.
    fn authenticate(&self, secret: &str) -> Option<Principal>;

    /// Why the node should not get traffic now; empty when it should.
    fn not_ready(&self) -> Vec<String>;

    async fn status(&self) -> Result<Status, ApiError>;
    /// The node's numbers, as text in Prometheus' format 0.0.4.
    async fn metrics(&self) -> Result<String, ApiError>;
    async fn nodes(&self) -> Result<Vec<NodeStatus>, ApiError>;
    /// How busy all nodes are now.
    async fn measured(&self) -> Result<Metrics, ApiError>;
    async fn metrics_history(&self, query: HistoryQuery) -> Result<MetricsHistory, ApiError>;
    async fn call_metrics(&self, query: CallQuery) -> Result<CallMetrics, ApiError>;
    async fn slow_calls(&self, query: SlowQuery) -> Result<SlowCalls, ApiError>;
    /// Says what is slow, on all nodes; it is checked.
    async fn set_slow(&self, strategy: SlowStrategy, by: &Principal) -> Result<(), ApiError>;

    /// What a component is, from its bytes; stores nothing.
    async fn describe(&self, bytes: Bytes) -> Result<Description, ApiError>;
    /// Stores bytes whose digest was verified; the same bytes again are no error.
    async fn put_artifact(&self, digest: Digest, bytes: Bytes) -> Result<Artifact, ApiError>;
    /// Sorted by coordinates, then digest.
    async fn artifacts(&self) -> Result<Vec<Artifact>, ApiError>;

    /// What [`apply`](Self::apply) would do, or why it would refuse; changes nothing.
    /// `described`: components that are not stored.
    async fn check(
        &self,
        apply: Apply,
        described: BTreeMap<Digest, Description>,
    ) -> Result<CheckReport, ApiError>;
    /// Checks the whole application, then stores it. Does not wait for it to be active.
    async fn apply(&self, apply: Apply) -> Result<Applied, ApiError>;
    /// Sorted by name.
    async fn applications(&self) -> Result<Vec<Application>, ApiError>;
    async fn application(&self, app: &AppName) -> Result<Application, ApiError>;
    /// Takes the application away. Its instances drain afterwards.
    async fn remove(&self, app: &AppName, by: &Principal) -> Result<(), ApiError>;
    /// Takes one slice out of an application, as a new revision without it. Conflict where others
    /// need it, unless `force` takes these too.
    async fn remove_slice(&self, removal: SliceRemoval) -> Result<Applied, ApiError>;
    /// The newest rollout of each application, sorted by name.
    async fn rollouts(&self) -> Result<Vec<RolloutStatus>, ApiError>;
    async fn rollout(&self, app: &AppName) -> Result<RolloutStatus, ApiError>;
    /// Conflict where the rollout is not where this could be done.
    async fn command_rollout(
        &self,
        app: &AppName,
        command: RolloutCommand,
        by: &Principal,
    ) -> Result<RolloutStatus, ApiError>;

    /// The application's version and its routes with their types.
    async fn application_routes(
        &self,
        app: &AppName,
    ) -> Result<(String, Vec<ApplicationRoute>), ApiError>;

    async fn call(&self, call: Call) -> Result<CallAnswer, ApiError>;
    /// `target`: a route with a concrete path (`GET /api/orders/7`), a function, or a slice.
    async fn explain(&self, target: &str) -> Result<Explanation, ApiError>;
    /// Edges of all applications, or of one.
    async fn graph(&self, app: Option<AppName>) -> Result<Graph, ApiError>;
    async fn logs(&self, query: LogQuery) -> Result<LogPage, ApiError>;

    async fn keys(&self) -> Result<Vec<StoredKey>, ApiError>;
    /// Mints a key and stores its hash; see [`StoredKey::mint`].
    async fn create_key(&self, request: MintRequest) -> Result<MintedKey, ApiError>;
    /// Not-found where there is no such key; conflict where it is the last administrator's.
    async fn delete_key(&self, id: &str) -> Result<(), ApiError>;

    /// Lets nodes join for some time.
    async fn create_token(&self, ttl: TimeSpan, by: &Principal) -> Result<TokenCreated, ApiError>;
    async fn change_node(
        &self,
        node: NodeId,
        change: NodeChange,
        by: &Principal,
    ) -> Result<(), ApiError>;

    /// Writes an entry of the store; durable on a majority, and readable here, when it returns.
    /// [`Code::PreconditionFailed`] where it is not as expected.
    async fn put_entry(
        &self,
        key: &StoreKey,
        value: Bytes,
        expected: Expected,
    ) -> Result<Revision, ApiError>;
    /// `stale`: what this node has; otherwise everything that was acknowledged anywhere counts.
    async fn entry(&self, key: &StoreKey, stale: bool) -> Result<StoreEntry, ApiError>;
    async fn delete_entry(&self, key: &StoreKey, expected: Expected) -> Result<(), ApiError>;
    async fn entries(&self, query: EntryQuery) -> Result<Entries, ApiError>;

    /// Puts faults into this node, all or none, and answers what is in force then.
    /// [`Code::NotASandbox`] in a node that does not allow it, as for the next two.
    async fn inject(&self, faults: Vec<Fault>, by: &Principal) -> Result<Faults, ApiError>;
    async fn faults(&self) -> Result<Faults, ApiError>;
    /// Ends those with the name, or all of them.
    async fn end_faults(&self, name: Option<String>, by: &Principal) -> Result<(), ApiError>;
}

/// The part of it that is about what watches and steers: the controller, alerts and aspects.
#[async_trait::async_trait]
pub trait Regulation {
    async fn controller_config(&self) -> Result<ControllerConfig, ApiError>;
    /// Invalid where the settings would make no sense together.
    async fn change_controller(
        &self,
        change: ControllerChange,
        by: &Principal,
    ) -> Result<ControllerConfig, ApiError>;
    async fn controller_status(&self) -> Result<ControllerStatus, ApiError>;
    /// Looks and decides now, on the leader; `dry_run`: changes nothing.
    async fn evaluate_controller(
        &self,
        dry_run: bool,
        by: &Principal,
    ) -> Result<ControllerStatus, ApiError>;

    async fn thresholds(&self) -> Result<Thresholds, ApiError>;
    /// Invalid where it makes no sense.
    async fn put_threshold(
        &self,
        metric: Metric,
        request: ThresholdRequest,
        by: &Principal,
    ) -> Result<Threshold, ApiError>;
    /// Not-found where there is none.
    async fn delete_threshold(&self, metric: Metric, by: &Principal) -> Result<(), ApiError>;
    async fn alerts(&self) -> Result<Alerts, ApiError>;
    async fn alert_history(&self) -> Result<AlertHistory, ApiError>;
    async fn clear_alert_history(&self, by: &Principal) -> Result<(), ApiError>;
    /// Not-found where it is not active.
    async fn acknowledge_alert(&self, id: u64, by: &Principal) -> Result<Alert, ApiError>;
    async fn webhook(&self) -> Result<Webhook, ApiError>;
    /// Invalid where it is no URL of HTTP.
    async fn put_webhook(
        &self,
        request: WebhookRequest,
        by: &Principal,
    ) -> Result<Webhook, ApiError>;
    async fn delete_webhook(&self, by: &Principal) -> Result<(), ApiError>;

    /// Everything that can be called, with its aspect.
    async fn aspects(&self, app: Option<AppName>) -> Result<AspectPoints, ApiError>;
    /// Says what is done with calls, on all nodes; answers those that it is about.
    async fn set_aspect(
        &self,
        change: AspectChange,
        by: &Principal,
    ) -> Result<AspectPoints, ApiError>;
}

/// A blueprint to apply: parsed, with the name that the path has, every `file` entry bound.
#[derive(Debug, Clone, PartialEq)]
pub struct Apply {
    pub blueprint: Blueprint,
    /// Name of the file, for messages.
    pub file: String,
    /// The uploaded bytes of `file` entries, by place in `blueprint.slices`; complete.
    pub artifacts: BTreeMap<usize, Digest>,
    /// Apply only if this is still the revision of the application; 0: only if it is new.
    pub if_revision: Option<Revision>,
    /// How an application that exists gets there, as a rollout: what came with the blueprint, or
    /// what stands in it.
    pub strategy: Option<Strategy>,
    pub by: Principal,
}

/// A slice to take out of an application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SliceRemoval {
    pub app: AppName,
    pub slice: SliceName,
    /// With all that need it.
    pub force: bool,
    pub by: Principal,
}

/// A call from outside.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    pub app: AppName,
    /// As it was written: a function's name, whose version may be left out.
    pub function: String,
    /// An array in the order of the parameters, or an object by their names.
    pub params: Value,
    pub request_id: RequestId,
    pub by: Principal,
}

impl Call {
    /// The parameters as one JSON object by their names.
    ///
    /// # Errors
    /// When there are more or fewer than the function has, or they are neither array nor object.
    pub fn object(&self, names: &[&str]) -> Result<Vec<u8>, ApiError> {
        let object = match &self.params {
            Value::Object(_) => self.params.clone(),
            Value::Null if names.is_empty() => Value::Object(Map::new()),
            Value::Array(values) if values.len() == names.len() => {
                let pairs = names.iter().map(|name| (*name).to_owned()).zip(values.clone());
                Value::Object(pairs.collect())
            }
            given => {
                let given = match given {
                    Value::Array(values) => values.len(),
                    _ => 0,
                };
                let wanted = match names {
                    [] => "no parameters".to_owned(),
                    [name] => format!("1 parameter ({name})"),
                    names => format!("{} parameters ({})", names.len(), names.join(", ")),
                };
                let message = format!("the function has {wanted}, and {given} came");
                return Err(ApiError::invalid(Code::RequestInvalid, message)
                    .help("give all of them, in this order or in an object by their names"));
            }
        };
        Ok(object.to_string().into_bytes())
    }
}

impl CallQuery {
    /// Whether it means a function of a slice.
    pub fn means(&self, app: &AppName, slice: &Coordinates, function: &FunctionName) -> bool {
        let is_slice =
            |wanted: &String| *wanted == slice.to_string() || *wanted == slice.slice.to_string();
        self.app.as_ref().is_none_or(|wanted| wanted == app)
            && self.slice.as_ref().is_none_or(is_slice)
            && self.function.as_ref().is_none_or(|wanted| wanted.means(function))
    }
}

impl CallAnswer {
    /// An answer whose value is a JSON text; `null` where there is none.
    pub fn of(
        outcome: Outcome,
        json: Option<&[u8]>,
        request_id: &RequestId,
        took: Duration,
    ) -> Self {
        let value = json.map_or(Ok(Value::Null), serde_json::from_slice);
        Self {
            outcome,
            value: value.expect("the codec writes JSON"),
            request_id: request_id.to_string(),
            duration_us: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        }
    }
}

/// Which lines of the log. Everything that is set must match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogQuery {
    pub app: Option<AppName>,
    /// `group:artifact`, or with `:version`.
    pub slice: Option<String>,
    pub request_id: Option<String>,
    /// This level and above.
    pub level: LogLevel,
    /// Lines after this place; absent: the newest `limit` lines.
    pub after: Option<LogCursor>,
    pub source: LogSource,
    /// 1 to 1,000.
    pub limit: usize,
}

/// Which measurements of the past.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryQuery {
    /// The last so many: 1 to 120.
    pub minutes: u32,
    /// Of this node alone; it may be gone.
    pub node: Option<NodeId>,
}

/// Which functions. Everything that is set must match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallQuery {
    pub app: Option<AppName>,
    /// `group:artifact`, or with `:version`.
    pub slice: Option<String>,
    pub function: Option<FunctionName>,
}

/// Which slow calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlowQuery {
    pub calls: CallQuery,
    /// 1 to 1,000: the newest.
    pub limit: usize,
}

/// A key to mint; the name is checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MintRequest {
    pub name: String,
    pub role: Role,
    pub by: Principal,
}

/// What an operator wants of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeChange {
    /// Give its instances and its vote away.
    Drain,
    /// Take part again.
    Activate,
    /// Forget it for ever.
    Remove,
}
