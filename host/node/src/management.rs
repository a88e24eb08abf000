//! The management API's port: reads the picture, writes through the log. Knows no HTTP and no JSON.

mod aspects;
mod blueprints;
pub(crate) mod dependents;
mod errors;
mod measured;
mod nodes;
mod regulation;
mod writes;

use crate::admission::Admissions;
use crate::alerts::Deliveries;
use crate::calls;
use crate::control::Control;
use crate::counts::Counting;
use crate::depot::Depot;
use crate::examine::{Descriptions, report};
use crate::explain;
use crate::faults::Faults;
use crate::keys;
use crate::logs::AllLogs;
use crate::network::Network;
use crate::planner::Reports;
use crate::projector::{Picture, Pictures};
use crate::reach::Reaches;
use crate::readiness::Readiness;
use crate::records::{Duty, Member, NodeRecord};
use crate::routing::Routing;
use crate::samples::{self, Samples};
use crate::scaling::Desk;
use crate::slow::AllSlow;
use crate::store;
use crate::tasks::Runs;
use crate::unix_ms;
use crate::views::{self, Views};
use aether_api::{
    ApiError, Applied, Apply, Artifact, Call, CallAnswer, CallMetrics, CallQuery, CheckReport,
    Entries, EntryQuery, Expected, Explanation, Graph, HistoryQuery, LogPage, LogQuery, LogSource,
    Management, Metrics, MetricsHistory, MintRequest, MintedKey, NodeChange, NodeStatus, Principal,
    Role, RolloutCommand, RolloutStatus, SliceRemoval, SlowCalls, SlowQuery, Status, StoreEntry,
    StoreKey, StoredKey, TokenCreated,
};
use aether_engine::Engine;
use aether_kv::{Condition, Operation};
use aether_storage::Identity;
use aether_types::code::Code;
use aether_types::description::Description;
use aether_types::slow::SlowStrategy;
use aether_types::versioned::encode;
use aether_types::{AppName, Digest, NodeId, Revision, TimeSpan};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Instant;
use tokio_util::sync::CancellationToken;

pub(crate) use errors::control_error;
use errors::depot_error;
use nodes::unknown_node;
pub(crate) use writes::Put;

/// What the management API of one node works with.
pub(crate) struct Office {
    pub(crate) identity: Identity,
    pub(crate) started: Instant,
    pub(crate) record: NodeRecord,
    pub(crate) control: Control,
    pub(crate) pictures: Pictures,
    pub(crate) admissions: Admissions,
    pub(crate) reports: Reports,
    pub(crate) reaches: Reaches,
    pub(crate) routing: Routing,
    pub(crate) engine: Engine,
    pub(crate) depot: Depot,
    pub(crate) samples: Samples,
    pub(crate) counting: Counting,
    /// This node, of which samples are taken.
    pub(crate) sampled: samples::Node,
    pub(crate) deliveries: Arc<Deliveries>,
    pub(crate) network: Network,
    pub(crate) logs: AllLogs,
    pub(crate) slow: AllSlow,
    pub(crate) desk: Desk,
    pub(crate) runs: Runs,
    /// Tells this run of the node from earlier ones.
    pub(crate) run: u64,
    pub(crate) readiness: Readiness,
    /// Cancelled when the node is about to end.
    pub(crate) shutdown: CancellationToken,
    /// In a node of a sandbox.
    pub(crate) faults: Option<Faults>,
}

#[async_trait::async_trait]
impl Management for Office {
    fn authenticate(&self, secret: &str) -> Option<Principal> {
        let id = StoredKey::id_of(secret)?;
        self.pictures.borrow().world.principals.get(id)?.verify(secret)
    }

    fn not_ready(&self) -> Vec<String> {
        if self.shutdown.is_cancelled() {
            return vec!["the node is shutting down".to_owned()];
        }
        let refusals = self.refusals();
        if !refusals.is_empty() {
            return refusals;
        }
        self.readiness.reasons(&self.pictures.borrow(), self.identity.node, self.run)
    }

    async fn status(&self) -> Result<Status, ApiError> {
        let picture = self.picture();
        let raft = self
            .control
            .status()
            .borrow()
            .clone()
            .ok_or_else(|| ApiError::unavailable("starting"))?;
        let (applications, notes) = self.with_views(&picture, |views| {
            let applications = views.applications();
            (applications.iter().map(Views::summary).collect(), views.notes(|_| true))
        });
        Ok(Status {
            node: self.node_status(&picture, self.identity.node),
            cluster: aether_api::ClusterStatus {
                id: self.identity.cluster.to_string(),
                nodes: picture.world.nodes.len() as u32,
                writable: raft.leader.is_some(),
                reason: self.missing().map(|missing| missing.to_string()),
            },
            raft: self.raft_status(&raft),
            applications,
            notes,
            tasks: self.runs.all().into_iter().map(views::task).collect(),
        })
    }

    async fn nodes(&self) -> Result<Vec<NodeStatus>, ApiError> {
        let picture = self.picture();
        let members = picture.world.members.iter().filter(|(_, at)| at.value.duty != Duty::Removed);
        Ok(members.map(|(id, _)| self.node_status(&picture, *id)).collect())
    }

    async fn describe(&self, bytes: Bytes) -> Result<Description, ApiError> {
        let engine = self.engine.clone();
        let described = tokio::task::spawn_blocking(move || engine.describe(&bytes)).await;
        Ok(described.map_err(ApiError::internal)??)
    }

    async fn put_artifact(&self, digest: Digest, bytes: Bytes) -> Result<Artifact, ApiError> {
        if let Some(known) = self.picture().world.artifacts.get(&digest)
            && self.depot.is_whole(digest).await
        {
            return Ok(Artifact::from(known));
        }
        let (engine, component) = (self.engine.clone(), bytes.clone());
        let described = tokio::task::spawn_blocking(move || engine.describe(&component)).await;
        let description = described.map_err(ApiError::internal)??;
        let status = self.control.status().borrow().clone();
        let members = status.ok_or_else(|| ApiError::unavailable("this node is starting"))?;
        let stored = self.depot.put(bytes, &members.membership).await;
        stored.map_err(|error| depot_error(&error))?;
        let put = Operation::Put {
            key: keys::artifact(&digest),
            value: encode(&description).into(),
            lease: None,
        };
        self.write(vec![], vec![put]).await?;
        Ok(Artifact::from(&description))
    }

    async fn artifacts(&self) -> Result<Vec<Artifact>, ApiError> {
        let picture = self.picture();
        let mut artifacts: Vec<_> = picture.world.artifacts.values().map(Artifact::from).collect();
        artifacts.sort_by(|a, b| (&a.artifact, &a.digest).cmp(&(&b.artifact, &b.digest)));
        Ok(artifacts)
    }

    async fn check(&self, apply: Apply, described: Descriptions) -> Result<CheckReport, ApiError> {
        let picture = self.picture();
        let outlook = self.reports.borrow().clone();
        report(&picture, &outlook, &apply, described)
    }

    async fn apply(&self, apply: Apply) -> Result<Applied, ApiError> {
        self.apply_blueprint(apply).await
    }

    async fn applications(&self) -> Result<Vec<aether_api::Application>, ApiError> {
        Ok(self.with_views(&self.picture(), |views| views.applications()))
    }

    async fn application(&self, app: &AppName) -> Result<aether_api::Application, ApiError> {
        self.known_application(app)
    }

    async fn remove(&self, app: &AppName, by: &Principal) -> Result<(), ApiError> {
        self.remove_blueprint(app, by).await
    }

    async fn remove_slice(&self, removal: SliceRemoval) -> Result<Applied, ApiError> {
        let picture = self.picture();
        let view = self.reports.borrow().view.clone();
        self.apply(dependents::without(&picture, &view, removal)?).await
    }

    async fn graph(&self, app: Option<AppName>) -> Result<Graph, ApiError> {
        Ok(self.counting.graph(app.as_ref()))
    }

    async fn measured(&self) -> Result<Metrics, ApiError> {
        Ok(self.metrics_now())
    }

    async fn metrics_history(&self, query: HistoryQuery) -> Result<MetricsHistory, ApiError> {
        self.metrics_past(&query)
    }

    async fn call_metrics(&self, query: CallQuery) -> Result<CallMetrics, ApiError> {
        Ok(self.metrics_of_calls(&query))
    }

    async fn slow_calls(&self, query: SlowQuery) -> Result<SlowCalls, ApiError> {
        let nodes = self.sources(LogSource::Cluster)?;
        let (calls, silent) = self.slow.newest(query, &nodes).await;
        let strategy = SlowStrategy::clone(&self.picture().world.slow);
        Ok(SlowCalls { calls, silent, strategy })
    }

    async fn set_slow(&self, strategy: SlowStrategy, by: &Principal) -> Result<(), ApiError> {
        if *self.picture().world.slow == strategy {
            return Ok(());
        }
        let value = encode(&strategy).into();
        let put = Operation::Put { key: keys::slow(), value, lease: None };
        self.write(vec![], vec![put]).await?;
        tracing::info!(?strategy, by = by.name, "what counts as slow was changed");
        Ok(())
    }

    async fn metrics(&self) -> Result<String, ApiError> {
        Ok(self.exposition())
    }

    async fn rollouts(&self) -> Result<Vec<RolloutStatus>, ApiError> {
        Ok(self.all_rollouts())
    }

    async fn rollout(&self, app: &AppName) -> Result<RolloutStatus, ApiError> {
        self.one_rollout(app)
    }

    async fn command_rollout(
        &self,
        app: &AppName,
        command: RolloutCommand,
        by: &Principal,
    ) -> Result<RolloutStatus, ApiError> {
        self.command(app, command, by).await
    }

    async fn application_routes(
        &self,
        app: &AppName,
    ) -> Result<(String, Vec<aether_api::ApplicationRoute>), ApiError> {
        let picture = self.picture();
        let routes = self.with_views(&picture, |views| views.typed_routes(app));
        let routes = routes.ok_or_else(|| self.unknown(app))?;
        let application = &picture.world.applications[app].value;
        Ok((application.blueprint.application.version.to_string(), routes))
    }

    async fn call(&self, call: Call) -> Result<CallAnswer, ApiError> {
        calls::call(self.pictures.clone(), &self.routing, call).await
    }

    async fn explain(&self, target: &str) -> Result<Explanation, ApiError> {
        let picture = self.picture();
        self.with_views(&picture, |views| explain::explain(views, &self.routing, target))
    }

    async fn logs(&self, query: LogQuery) -> Result<LogPage, ApiError> {
        let nodes = self.sources(query.source)?;
        Ok(self.logs.page(query, &nodes).await)
    }

    async fn keys(&self) -> Result<Vec<StoredKey>, ApiError> {
        Ok(self.picture().world.principals.values().map(|key| StoredKey::clone(key)).collect())
    }

    async fn create_key(&self, request: MintRequest) -> Result<MintedKey, ApiError> {
        let minted = StoredKey::mint(&rand::random(), request.name, request.role, unix_ms());
        let (conditions, put) = put_key(&minted.stored);
        self.write(conditions, vec![put]).await?;
        let (id, by) = (&minted.stored.id, request.by.name);
        tracing::info!(id, name = minted.stored.name, by, "key created");
        Ok(minted)
    }

    async fn create_token(&self, ttl: TimeSpan, by: &Principal) -> Result<TokenCreated, ApiError> {
        let ttl_ms = u64::try_from(ttl.duration().as_millis()).unwrap_or(u64::MAX);
        let expires_ms = unix_ms().saturating_add(ttl_ms);
        self.check_majority()?;
        let token = self.admissions.token(expires_ms, by.name.clone()).await;
        let token = token.map_err(|error| control_error(&error))?;
        tracing::info!(by = by.name, "join token created");
        Ok(TokenCreated {
            token: token.reveal(),
            join: self.record.cluster.clone(),
            expires: aether_api::rfc3339(expires_ms),
        })
    }

    async fn change_node(
        &self,
        node: NodeId,
        change: NodeChange,
        by: &Principal,
    ) -> Result<(), ApiError> {
        let picture = self.picture();
        let known = picture.world.members.get(&node);
        let known = known.filter(|at| at.value.duty != Duty::Removed);
        let known = known.ok_or_else(|| unknown_node(&picture, node))?;
        let duty = match change {
            NodeChange::Drain => Duty::Draining,
            NodeChange::Activate => Duty::Full,
            NodeChange::Remove => {
                self.check_removable(&picture, node)?;
                Duty::Removed
            }
        };
        if known.value.duty == duty {
            return Ok(());
        }
        let key = keys::member(node);
        let condition = Condition::ModifiedAt { key: key.clone(), revision: known.revision };
        let member = Member { duty, ..known.value.clone() };
        let mut operations =
            vec![Operation::Put { key, value: encode(&member).into(), lease: None }];
        if duty == Duty::Removed {
            // What it said of itself goes with it.
            operations.push(Operation::Delete { key: keys::node(node) });
            operations.push(Operation::Delete { key: keys::observed(node) });
            operations.push(Operation::Delete { key: keys::acknowledged(node) });
        }
        self.write(vec![condition], operations).await?;
        tracing::info!(%node, ?duty, by = by.name, "node changed");
        Ok(())
    }

    async fn put_entry(
        &self,
        key: &StoreKey,
        value: Bytes,
        expected: Expected,
    ) -> Result<Revision, ApiError> {
        self.check_majority()?;
        store::put(&self.control, key, value, expected).await
    }

    async fn entry(&self, key: &StoreKey, stale: bool) -> Result<StoreEntry, ApiError> {
        if !stale {
            self.check_majority()?;
        }
        store::get(&self.control, key, stale).await
    }

    async fn delete_entry(&self, key: &StoreKey, expected: Expected) -> Result<(), ApiError> {
        self.check_majority()?;
        store::delete(&self.control, key, expected).await
    }

    async fn entries(&self, query: EntryQuery) -> Result<Entries, ApiError> {
        if !query.stale {
            self.check_majority()?;
        }
        store::list(&self.control, query).await
    }

    async fn inject(
        &self,
        faults: Vec<aether_api::Fault>,
        by: &Principal,
    ) -> Result<aether_api::Faults, ApiError> {
        self.sandbox()?.inject(faults, by)
    }

    async fn faults(&self) -> Result<aether_api::Faults, ApiError> {
        Ok(self.sandbox()?.all())
    }

    async fn end_faults(&self, name: Option<String>, by: &Principal) -> Result<(), ApiError> {
        self.sandbox()?.end(name.as_deref());
        tracing::info!(by = by.name, name, "faults ended");
        Ok(())
    }

    async fn delete_key(&self, id: &str) -> Result<(), ApiError> {
        let picture = self.picture();
        let principals = &picture.world.principals;
        let known = principals.get(id).ok_or_else(|| {
            ApiError::not_found(Code::UnknownKey, format!("there is no key {id}"))
                .help("`aether keys list` shows them")
        })?;
        let admins = principals.values().filter(|key| key.role == Role::Admin).count();
        if known.role == Role::Admin && admins == 1 {
            let message = "it is the last administrator's key";
            return Err(ApiError::conflict(Code::RevisionConflict, message)
                .help("create another administrator's key first"));
        }
        // Two that delete the last two administrators' keys at once must not both succeed.
        let others = principals.values().filter(|key| key.role == Role::Admin && key.id != id);
        let present = others.take(1).chain([known]);
        let present = present.map(|key| Condition::Present { key: keys::principal(&key.id) });
        let delete = Operation::Delete { key: keys::principal(id) };
        self.write(present.collect(), vec![delete]).await?;
        Ok(())
    }
}

/// The transaction's parts that store a new key.
pub(crate) fn put_key(stored: &StoredKey) -> (Vec<Condition>, Operation) {
    let key = keys::principal(&stored.id);
    let absent = Condition::Absent { key: key.clone() };
    (vec![absent], Operation::Put { key, value: encode(stored).into(), lease: None })
}

impl Office {
    pub(crate) fn picture(&self) -> Arc<Picture> {
        self.pictures.borrow().clone()
    }

    fn sandbox(&self) -> Result<&Faults, ApiError> {
        self.faults.as_ref().ok_or_else(ApiError::not_a_sandbox)
    }

    fn with_views<T>(&self, picture: &Picture, show: impl FnOnce(&Views<'_>) -> T) -> T {
        let (outlook, table) = (self.reports.borrow().clone(), self.routing.table());
        let reach = self.reaches.borrow().clone();
        let answers = |node| reach.is_up(node, self.identity.node);
        show(&Views { picture, report: &outlook.report, table: &table, answers: &answers })
    }

    fn known_application(&self, app: &AppName) -> Result<aether_api::Application, ApiError> {
        let found = self.with_views(&self.picture(), |views| views.application(app));
        found.ok_or_else(|| self.unknown(app))
    }

    pub(crate) fn unknown(&self, app: &AppName) -> ApiError {
        let message = format!("there is no application {app}");
        let known: Vec<String> =
            self.picture().world.applications.keys().map(ToString::to_string).collect();
        let help = match known.is_empty() {
            true => "nothing is deployed: `aether deploy` does that".to_owned(),
            false => format!("there are: {}", known.join(", ")),
        };
        ApiError::not_found(Code::UnknownApplication, message).help(help)
    }
}
