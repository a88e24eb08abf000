//! A node that remembers what it was told, for tests of the server, the client and the commands.

mod applications;
mod control;
mod entries;
mod graph;
mod measured;
mod rollouts;

use crate::*;
use aether_types::code::Code;
use aether_types::description::Description;
use aether_types::slice_toml::SliceToml;
use aether_types::slow::SlowStrategy;
use aether_types::wit::{Field, Function, Type};
use aether_types::{
    AppName, CallError, Digest, ErrorKind, FunctionName, NodeId, Problems, Revision, TimeSpan,
};
use applications::{advance, artifact, crowded, slice};
use bytes::Bytes;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Its keys are `viewer`, `operator` and `admin`. An application called `broken` fails; every
/// other one is active when it is asked for the second time.
#[derive(Debug, Default)]
pub struct Fake {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    artifacts: BTreeMap<Digest, u64>,
    applications: BTreeMap<AppName, Application>,
    rollouts: BTreeMap<AppName, RolloutStatus>,
    keys: Vec<StoredKey>,
    entries: BTreeMap<String, StoreEntry>,
    control: control::Control,
    written: u64,
    slow: SlowStrategy,
}

const NODE: &str = "a1b2c3d4e5f60718";

/// Serves a fake on a port of its own until the runtime ends; returns its address.
pub async fn serve_fake() -> std::io::Result<std::net::SocketAddr> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(serve(listener, Arc::new(Fake::default()), std::future::pending()));
    Ok(address)
}

impl Fake {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unknown(app: &AppName) -> ApiError {
    ApiError::not_found(Code::UnknownApplication, format!("there is no application {app}"))
        .help("`aether status` lists the applications")
}

#[async_trait::async_trait]
impl Management for Fake {
    fn authenticate(&self, secret: &str) -> Option<Principal> {
        let role = match secret {
            "viewer" => Role::Viewer,
            "operator" => Role::Operator,
            "admin" => Role::Admin,
            other => return self.state().keys.iter().find_map(|key| key.verify(other)),
        };
        Some(Principal { name: format!("the {secret}"), role })
    }

    fn not_ready(&self) -> Vec<String> {
        Vec::new()
    }

    async fn status(&self) -> Result<Status, ApiError> {
        let applications = self.applications().await?;
        Ok(Status {
            node: self.nodes().await?.remove(0),
            cluster: ClusterStatus { id: "c".repeat(32), nodes: 1, writable: true, reason: None },
            raft: RaftStatus {
                role: RaftRole::Leader,
                leader: Some(NODE.to_owned()),
                term: 2,
                last_index: 12,
                committed_index: 12,
                applied_index: 12,
                revision: 7,
            },
            applications: applications.iter().map(ApplicationSummary::from).collect(),
            notes: applications.into_iter().flat_map(|a| a.notes).collect(),
            tasks: Vec::new(),
        })
    }

    async fn nodes(&self) -> Result<Vec<NodeStatus>, ApiError> {
        Ok(vec![NodeStatus {
            id: NODE.to_owned(),
            version: "0.1.0".to_owned(),
            uptime_seconds: 3_725,
            api: "127.0.0.1:8080".to_owned(),
            http: "127.0.0.1:8070".to_owned(),
            generation: 3,
            memory: MemoryStatus { budget: 1 << 30, committed: 128 << 20, resident: 96 << 20 },
            active_instances: 1,
            compiled: 1,
            state: NodeState::OnDuty,
            role: Some(RaftRole::Leader),
            reachable: true,
            cluster: "127.0.0.1:8090".to_owned(),
            zone: String::new(),
            reason: None,
        }])
    }

    async fn measured(&self) -> Result<Metrics, ApiError> {
        Ok(measured::now(NODE))
    }

    async fn metrics_history(&self, query: HistoryQuery) -> Result<MetricsHistory, ApiError> {
        Ok(measured::history(NODE, &query))
    }

    async fn call_metrics(&self, query: CallQuery) -> Result<CallMetrics, ApiError> {
        Ok(measured::functions("shop", &query))
    }

    async fn slow_calls(&self, query: SlowQuery) -> Result<SlowCalls, ApiError> {
        let calls = [measured::slow(NODE, "shop")].into_iter().take(query.limit).collect();
        Ok(SlowCalls { calls, silent: Vec::new(), strategy: self.state().slow.clone() })
    }

    async fn set_slow(&self, strategy: SlowStrategy, _: &Principal) -> Result<(), ApiError> {
        self.state().slow = strategy;
        Ok(())
    }

    async fn describe(&self, bytes: Bytes) -> Result<Description, ApiError> {
        Ok(Description {
            digest: Digest(Sha256::digest(&bytes).into()),
            size: bytes.len() as u64,
            settings: SliceToml::default(),
            exports: Vec::new(),
            dependencies: Vec::new(),
            infra: Vec::new(),
            handler: None,
            has_lifecycle: false,
            is_async: false,
        })
    }

    async fn put_artifact(&self, digest: Digest, bytes: Bytes) -> Result<Artifact, ApiError> {
        let size = bytes.len() as u64;
        self.state().artifacts.insert(digest, size);
        Ok(artifact(digest, size))
    }

    async fn artifacts(&self) -> Result<Vec<Artifact>, ApiError> {
        Ok(self.state().artifacts.iter().map(|(digest, size)| artifact(*digest, *size)).collect())
    }

    async fn check(
        &self,
        apply: Apply,
        described: BTreeMap<Digest, Description>,
    ) -> Result<CheckReport, ApiError> {
        let name = apply.blueprint.application.name;
        let state = self.state();
        let known = |digest| state.artifacts.contains_key(digest) || described.contains_key(digest);
        if let Some(digest) = apply.artifacts.values().find(|digest| !known(digest)) {
            let message = format!("no artifact with digest {digest} is stored");
            return Err(ApiError::invalid(Code::ArtifactMissing, message));
        }
        let revision = state.applications.get(&name).map_or(0, |a| a.revision);
        let change = Change {
            kind: ChangeKind::Added,
            what: "route POST /api/orders".to_owned(),
            detail: String::new(),
        };
        let changes = if revision == 0 { vec![change] } else { Vec::new() };
        let steps = match revision {
            0 => vec![PlanStep {
                kind: StepKind::Add,
                instance: format!("{name}/shop:place-order:1.0.0#0"),
                node: NODE.to_owned(),
                from: None,
            }],
            _ => Vec::new(),
        };
        let notes = if revision == 0 { vec![crowded(&name)] } else { Vec::new() };
        let rollout = None;
        Ok(CheckReport { revision, changed: revision == 0, rollout, changes, steps, notes })
    }

    async fn apply(&self, apply: Apply) -> Result<Applied, ApiError> {
        let name = apply.blueprint.application.name.clone();
        let mut state = self.state();
        let before = state.applications.get(&name).map_or(0, |a| a.revision);
        if apply.if_revision.is_some_and(|wanted| wanted.0 != before) {
            let message = format!("{name} is at revision {before}");
            return Err(ApiError::conflict(Code::RevisionConflict, message));
        }
        let entries = apply.blueprint.slices.iter().enumerate();
        let slices: Vec<Slice> = entries
            .map(|(i, entry)| slice(&name, i, entry, apply.artifacts.get(&i).copied()))
            .collect();
        let route = |slice: &Slice| RouteView {
            route: "POST /api/orders".parse().expect("it is a route"),
            app: name.clone(),
            artifact: slice.artifact.clone(),
            call: format!("{name}:orders/place@1.0.0#place").parse().ok(),
            active: false,
        };
        let application = Application {
            name: name.clone(),
            version: apply.blueprint.application.version.to_string(),
            revision: before + 1,
            phase: Phase::of(&slices),
            routes: slices.iter().take(1).map(route).collect(),
            slices,
            notes: vec![crowded(&name)],
        };
        let strategy = apply.strategy.filter(|_| before > 0);
        let rollout = strategy.is_some();
        if let Some(strategy) = strategy {
            let begun = rollouts::begun(&name, &strategy, before + 1);
            state.rollouts.insert(name.clone(), begun);
        }
        state.applications.insert(name, application.clone());
        Ok(Applied { revision: before + 1, changed: true, rollout, application })
    }

    async fn applications(&self) -> Result<Vec<Application>, ApiError> {
        Ok(self.state().applications.values().cloned().collect())
    }

    async fn application(&self, app: &AppName) -> Result<Application, ApiError> {
        let mut state = self.state();
        let application = state.applications.get_mut(app).ok_or_else(|| unknown(app))?;
        let now = application.clone();
        advance(application);
        Ok(now)
    }

    async fn remove(&self, app: &AppName, _: &Principal) -> Result<(), ApiError> {
        self.state().applications.remove(app).map(drop).ok_or_else(|| unknown(app))
    }

    async fn remove_slice(&self, removal: SliceRemoval) -> Result<Applied, ApiError> {
        let SliceRemoval { app, slice, force, .. } = removal;
        let state = self.state();
        let application = state.applications.get(&app).ok_or_else(|| unknown(&app))?.clone();
        if !force {
            let message = format!("shop:web:1.0.0 is ACTIVE on {NODE} and needs it");
            let problem = aether_types::Problem::new(Code::DependentsActive, &slice, message);
            let error = ApiError::from(Problems(vec![problem]));
            return Err(ApiError { kind: ErrorKind::Conflict, ..error });
        }
        let revision = application.revision + 1;
        Ok(Applied { revision, changed: true, rollout: false, application })
    }

    async fn application_routes(
        &self,
        app: &AppName,
    ) -> Result<(String, Vec<ApplicationRoute>), ApiError> {
        let state = self.state();
        let application = state.applications.get(app).ok_or_else(|| unknown(app))?;
        let function = Function {
            name: "place".to_owned(),
            params: vec![Field { name: "sku".to_owned(), ty: Type::String }],
            result: Some(Type::U32),
            is_async: false,
        };
        let route = |route: &RouteView| ApplicationRoute {
            pattern: route.route.clone(),
            slice: route.artifact.clone(),
            description: String::new(),
            target: RouteTarget::Function {
                name: route.call.clone().expect("the fake has typed routes"),
                function: function.clone(),
                status: Some(201),
                settings: Box::default(),
            },
        };
        Ok((application.version.clone(), application.routes.iter().map(route).collect()))
    }

    async fn call(&self, call: Call) -> Result<CallAnswer, ApiError> {
        let name: Result<FunctionName, _> = call.function.parse();
        let name = name.map_err(|error| ApiError::invalid(Code::RequestInvalid, error))?;
        let answer = |outcome, value| {
            let request_id = call.request_id.to_string();
            Ok(CallAnswer { outcome, value, request_id, duration_us: 42 })
        };
        match name.function.as_str() {
            "place" => answer(Outcome::Ok, json!({ "echo": call.params })),
            "refuse" => answer(Outcome::Err, json!("sold-out")),
            "slow" => Err(CallError::DeadlineExceeded.into()),
            other => {
                let message = format!("no slice of {} exports a function {other}", call.app);
                Err(ApiError::not_found(Code::UnknownFunction, message))
            }
        }
    }

    async fn explain(&self, target: &str) -> Result<Explanation, ApiError> {
        let candidate = Candidate {
            app: "shop".to_owned(),
            artifact: "shop:place-order:1.0.0".to_owned(),
            ordinal: 0,
            node: NODE.to_owned(),
            state: InstanceState::Active,
            chosen: true,
            why: "the only active instance".to_owned(),
        };
        let lines = vec![format!("{target} matches no longer prefix"), "one candidate".to_owned()];
        Ok(Explanation { target: target.to_owned(), lines, candidates: vec![candidate] })
    }

    async fn logs(&self, query: LogQuery) -> Result<LogPage, ApiError> {
        let line = |seq, level, message: &str| LogLine {
            seq,
            time: rfc3339(1_795_298_523_045 + seq),
            level,
            node: NODE.to_owned(),
            message: message.to_owned(),
            target: "aether_node".to_owned(),
            app: Some("shop".to_owned()),
            slice: Some("shop:place-order:1.0.0".to_owned()),
            request_id: (seq == 2).then(|| "r-1".to_owned()),
            fields: BTreeMap::from([("ordinal".to_owned(), "0".to_owned())]),
        };
        let all =
            [line(1, LogLevel::Info, "instance active"), line(2, LogLevel::Warn, "stock is low")];
        let fits = |line: &LogLine| {
            line.level >= query.level
                && query
                    .after
                    .as_ref()
                    .is_none_or(|after| after.0.values().all(|p| line.seq > p.at))
                && query.request_id.iter().all(|id| line.request_id.as_ref() == Some(id))
        };
        let lines = all.into_iter().filter(fits).collect();
        let node = NODE.parse().expect("the fake's node has an id");
        let next = LogCursor(BTreeMap::from([(node, LogPlace { run: 1, at: 2 })]));
        Ok(LogPage { lines, next, lost: 0, silent: vec![] })
    }

    async fn keys(&self) -> Result<Vec<StoredKey>, ApiError> {
        Ok(self.state().keys.clone())
    }

    async fn create_key(&self, request: MintRequest) -> Result<MintedKey, ApiError> {
        let mut state = self.state();
        let random = [u8::try_from(state.keys.len()).unwrap_or(u8::MAX); StoredKey::RANDOM_BYTES];
        let minted = StoredKey::mint(&random, request.name, request.role, 1_795_298_523_045);
        state.keys.push(minted.stored.clone());
        Ok(minted)
    }

    async fn create_token(&self, _: TimeSpan, _: &Principal) -> Result<TokenCreated, ApiError> {
        Ok(TokenCreated {
            token: "aether1.token".to_owned(),
            join: "127.0.0.1:8090".to_owned(),
            expires: rfc3339(1_795_298_523_045),
        })
    }

    async fn change_node(
        &self,
        node: NodeId,
        change: NodeChange,
        _: &Principal,
    ) -> Result<(), ApiError> {
        match node.to_string() == NODE && change != NodeChange::Remove {
            true => Ok(()),
            false => {
                Err(ApiError::not_found(Code::UnknownNode, format!("there is no node {node}")))
            }
        }
    }

    async fn metrics(&self) -> Result<String, ApiError> {
        Ok(String::new())
    }

    async fn graph(&self, app: Option<AppName>) -> Result<Graph, ApiError> {
        let mut graph = graph::of("shop");
        graph.edges.retain(|edge| app.as_ref().is_none_or(|app| *app == edge.app));
        Ok(graph)
    }

    async fn rollouts(&self) -> Result<Vec<RolloutStatus>, ApiError> {
        Ok(vec![rollouts::rolling("shop", RolloutPhase::Holding)])
    }

    async fn rollout(&self, app: &AppName) -> Result<RolloutStatus, ApiError> {
        if let Some(status) = self.state().rollouts.get_mut(app) {
            let now = status.clone();
            rollouts::advance(status);
            return Ok(now);
        }
        match app.as_str() {
            "shop" => Ok(rollouts::rolling("shop", RolloutPhase::Holding)),
            _ => {
                let message = format!("{app} has no rollout");
                Err(ApiError::not_found(Code::UnknownRollout, message))
            }
        }
    }

    async fn command_rollout(
        &self,
        app: &AppName,
        command: RolloutCommand,
        _: &Principal,
    ) -> Result<RolloutStatus, ApiError> {
        let status = self.rollout(app).await?;
        Ok(rollouts::command(status, command))
    }

    async fn put_entry(
        &self,
        key: &StoreKey,
        value: Bytes,
        expected: Expected,
    ) -> Result<Revision, ApiError> {
        let mut state = self.state();
        state.expect(key, expected)?;
        state.written += 1;
        let revision = Revision(state.written);
        state.entries.insert(key.to_string(), StoreEntry { value, revision });
        Ok(revision)
    }

    async fn entry(&self, key: &StoreKey, _: bool) -> Result<StoreEntry, ApiError> {
        let entry = self.state().entries.get(key.as_str()).cloned();
        entry.ok_or_else(|| {
            ApiError::not_found(Code::UnknownEntry, format!("there is no entry {key}"))
        })
    }

    async fn delete_entry(&self, key: &StoreKey, expected: Expected) -> Result<(), ApiError> {
        let mut state = self.state();
        state.expect(key, expected)?;
        state.entries.remove(key.as_str()).map(drop).ok_or_else(|| {
            ApiError::not_found(Code::UnknownEntry, format!("there is no entry {key}"))
        })
    }

    async fn entries(&self, query: EntryQuery) -> Result<Entries, ApiError> {
        let state = self.state();
        let after = |key: &str| query.after.as_deref().is_none_or(|after| key > after);
        let found = state.entries.iter().filter(|(key, _)| key.starts_with(&query.prefix));
        let mut found = found.filter(|(key, _)| after(key)).map(|(key, entry)| EntryView {
            key: key.clone(),
            revision: entry.revision.0,
            bytes: entry.value.len() as u64,
        });
        let entries = found.by_ref().take(query.limit).collect();
        Ok(Entries { entries, more: found.next().is_some() })
    }

    async fn inject(&self, _: Vec<Fault>, _: &Principal) -> Result<Faults, ApiError> {
        Err(ApiError::not_a_sandbox())
    }

    async fn faults(&self) -> Result<Faults, ApiError> {
        Err(ApiError::not_a_sandbox())
    }

    async fn end_faults(&self, _: Option<String>, _: &Principal) -> Result<(), ApiError> {
        Err(ApiError::not_a_sandbox())
    }

    async fn delete_key(&self, id: &str) -> Result<(), ApiError> {
        let mut state = self.state();
        let before = state.keys.len();
        state.keys.retain(|key| key.id != id);
        match state.keys.len() < before {
            true => Ok(()),
            false => {
                Err(ApiError::not_found(Code::UnknownKey, format!("there is no key with id {id}")))
            }
        }
    }
}
