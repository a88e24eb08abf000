//! Start and end of a node: the order in which things come up and go down.

use crate::config::Settings;
use crate::control::{self, Control};
use crate::door::Door;
use crate::loader::Loader;
use crate::management::{Office, put_key};
use crate::planner::Planner;
use crate::projector::{Pictures, Projector};
use crate::readiness::Readiness;
use crate::reconcile::{Reconcile, publish};
use crate::routing::Routing;
use crate::tasks::{OnFailure, Runs, Tasks};
use crate::world::{NodeRecord, WorldError};
use crate::{ControlError, ControlFailure, keys, unix_ms};
use aether_api::{Role, StoredKey, local};
use aether_engine::{Engine, ErasedInfra};
use aether_ingress::FrontDoor;
use aether_kv::{Operation, Transaction};
use aether_storage::{Identity, Storage};
use aether_telemetry::Logs;
use aether_types::versioned::encode;
use aether_types::{ClusterId, NodeId};
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Name of the file in the data folder that holds an administrator's key.
const KEY_FILE: &str = "admin.key";
/// How long the control group may take to have a leader at start.
const LEADER_TIMEOUT: Duration = Duration::from_secs(30);

/// A node that runs: what its user wants to know.
#[derive(Debug, Clone)]
pub struct Started {
    pub node: NodeId,
    pub http: SocketAddr,
    pub api: SocketAddr,
    /// Holds an administrator's key.
    pub key_file: PathBuf,
}

/// Why a node did not start, or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("failed to open the data folder")]
    Storage(#[from] aether_storage::Error),
    #[error("failed to start the log of the state")]
    Control(#[from] ControlFailure),
    #[error("failed to read the state")]
    World(#[from] WorldErrorText),
    #[error("failed to start the engine")]
    Engine(#[from] aether_engine::Error),
    #[error("failed to listen on {address} ({what}); another port: {flag}")]
    Listen {
        what: &'static str,
        flag: &'static str,
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
    #[error("failed to write {path}")]
    KeyFile {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("failed to write this node's record")]
    Record(#[from] ControlError),
    #[error("the control group had no leader within {LEADER_TIMEOUT:?}")]
    NoLeader,
    #[error("the node had to stop: {0}")]
    Failed(String),
}

/// An entry of the state that this version cannot read.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct WorldErrorText(String);

impl From<WorldError> for Error {
    fn from(error: WorldError) -> Self {
        let source = std::error::Error::source(&error).map(ToString::to_string);
        Self::World(WorldErrorText(format!("{error}: {}", source.unwrap_or_default())))
    }
}

/// Everything that the host provides to guests, in one place.
pub fn infra_slices() -> Vec<Arc<dyn ErasedInfra>> {
    infra(Arc::new(aether_infra_cache::Embedded::new()))
}

fn infra(cache: Arc<aether_infra_cache::Embedded>) -> Vec<Arc<dyn ErasedInfra>> {
    vec![
        Arc::new(aether_infra_cache::Cache::new(cache)),
        Arc::new(aether_infra_config::Config::new(Arc::new(aether_infra_config::Blueprint))),
        Arc::new(aether_infra_logging::Logging),
        Arc::new(aether_infra_http_client::HttpClient::new()),
    ]
}

/// Runs a node until `shutdown`, or until it cannot go on. `state_folder` is where commands of the
/// same user look for its key; `on_started` is called once, when it is ready for traffic.
pub async fn run(
    settings: Settings,
    logs: Logs,
    state_folder: Option<PathBuf>,
    shutdown: CancellationToken,
    on_started: impl FnOnce(&Started) + Send,
) -> Result<(), Error> {
    let mut storage = Storage::open(&settings.data)?;
    let identity = identify(&mut storage)?;
    let http = listen(settings.listen.http, "applications' HTTP", "--http").await?;
    let api = listen(settings.listen.api, "management API", "--api").await?;
    let Storage { log, artifacts, compiled, .. } = storage;

    let (control, control_loop) = control::open(identity.node, rand::random(), log)?;
    let tasks = Tasks::new(shutdown);
    tasks.spawn("control", OnFailure::StopNode, async move {
        let thread = tokio::task::spawn_blocking(move || control_loop.run());
        thread.await.expect("the control thread does not panic unless an invariant is broken")
    });
    leading(&control).await?;

    let cache = Arc::new(aether_infra_cache::Embedded::new());
    let engine = Engine::new(engine_settings(&settings, &compiled), infra(Arc::clone(&cache)))?;
    // The engine cleans up after itself; the folder stays locked as long as this process lives.
    let _compiled = compiled;
    let (projector, pictures) = Projector::start(control.clone())?;
    let key_file = settings.data.join(KEY_FILE);
    found_keys(&control, &pictures, &key_file).await?;
    let record = NodeRecord {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        http: local_address(&http).to_string(),
        api: local_address(&api).to_string(),
        started_ms: unix_ms(),
        memory_budget: settings.limits.memory.bytes(),
    };
    write_record(&control, identity.node, &record).await?;

    let started = Started {
        node: identity.node,
        http: local_address(&http),
        api: local_address(&api),
        key_file,
    };
    let parts = Parts { settings, identity, control, pictures, engine, artifacts, logs, record };
    let node = parts.start(&tasks, projector, cache, (http, api));
    announce(state_folder.as_deref(), &started);
    tracing::info!(node = %started.node, http = %started.http, api = %started.api, "node started");
    on_started(&started);

    tasks.shutdown().cancelled().await;
    node.stop(&tasks).await;
    if let Some(folder) = state_folder {
        local::withdraw(&folder, started.api.port());
    }
    tracing::info!(node = %started.node, "node stopped");
    tasks.failure().map_or(Ok(()), |failure| Err(Error::Failed(failure)))
}

/// What the tasks of a node are made of.
struct Parts {
    settings: Settings,
    identity: Identity,
    control: Control,
    pictures: Pictures,
    engine: Engine,
    artifacts: aether_storage::Artifacts,
    logs: Logs,
    record: NodeRecord,
}

/// A running node's stages of going down, in their order.
struct Running {
    control: Control,
    /// Cancelled when the front door has drained.
    stop_instances: CancellationToken,
    /// Cancelled when the instances are down.
    stop_rest: CancellationToken,
    doors: tokio::task::JoinHandle<()>,
    instances: tokio::task::JoinHandle<()>,
}

impl Parts {
    fn start(
        self,
        tasks: &Tasks,
        projector: Projector,
        cache: Arc<aether_infra_cache::Embedded>,
        (http, api): (TcpListener, TcpListener),
    ) -> Running {
        let Self { settings, identity, control, pictures, engine, artifacts, logs, record } = self;
        let (run, runs) = (rand::random(), Runs::default());
        let (stop_instances, stop_rest) = (CancellationToken::new(), CancellationToken::new());
        let routing = Routing::new(identity.node, run);
        routing.derive(pictures.borrow().clone());
        let (planner, reports) = Planner::new(control.clone(), pictures.clone());
        let loader = Loader::new(engine.clone(), artifacts.clone());
        let lifecycle = aether_lifecycle::Settings { node: identity.node, run, seed: run };
        let (reconcile, observed) =
            Reconcile::new(lifecycle, loader, routing.clone(), tasks.clone(), pictures.clone());

        let vital = OnFailure::StopNode;
        tasks.spawn("projector", vital, projector.run(runs.clone(), stop_rest.clone()));
        tasks.spawn("planner", vital, planner.run(runs.clone(), stop_rest.clone()));
        let table = routing.clone().run(pictures.clone(), runs.clone(), stop_rest.clone());
        tasks.spawn("routing", vital, table);
        tasks.spawn("buckets", vital, forget_buckets(cache, pictures.clone(), stop_rest.clone()));
        let published = tokio::spawn(publish(control.clone(), observed, runs.clone()));
        let reconciled = tokio::spawn(reconcile.run(stop_instances.clone()));
        let instances = watched(tasks, "instances", async move {
            let ended = reconciled.await;
            drop(published.await);
            ended.map(drop).map_err(|e| e.to_string())
        });

        let limits = aether_ingress::Limits {
            body_bytes_max: settings.limits.request_body.bytes(),
            drain_time_max: settings.limits.shutdown.duration(),
            ..aether_ingress::Limits::STANDARD
        };
        let door = FrontDoor::new(Arc::new(Door { routing: routing.clone() }), limits);
        let shutdown = tasks.shutdown().clone();
        let doors = watched(tasks, "front door", async move {
            door.serve(http, shutdown).await;
            Ok(())
        });
        let office = Arc::new(Office {
            identity,
            started: Instant::now(),
            record,
            control: control.clone(),
            pictures: routing.derived(),
            reports,
            routing,
            engine,
            artifacts,
            logs,
            runs,
            run,
            readiness: Readiness::default(),
        });
        let stop_api = stop_rest.clone();
        tasks.spawn("management", vital, async move {
            aether_api::serve(api, office, stop_api.cancelled_owned()).await;
            Ok::<(), Infallible>(())
        });
        Running { control, stop_instances, stop_rest, doors, instances }
    }
}

/// A vital task whose end somebody waits for.
fn watched(
    tasks: &Tasks,
    name: &'static str,
    task: impl Future<Output = Result<(), String>> + Send + 'static,
) -> tokio::task::JoinHandle<()> {
    let ended = tokio::spawn(task);
    let (tell, told) = tokio::sync::oneshot::channel::<()>();
    tasks.spawn(name, OnFailure::StopNode, async move {
        let result = ended.await.unwrap_or_else(|e| Err(e.to_string()));
        drop(tell);
        result
    });
    tokio::spawn(async move { drop(told.await) })
}

impl Running {
    /// Stop accepting and drain the front door; take the instances down; flush the log; end.
    async fn stop(self, tasks: &Tasks) {
        drop(self.doors.await);
        self.stop_instances.cancel();
        drop(self.instances.await);
        self.stop_rest.cancel();
        let control = self.control;
        // Waits for room in the queue of the control thread, if it must.
        drop(tokio::task::spawn_blocking(move || control.stop()).await);
        tasks.join().await;
    }
}

/// The identity on disk, drawn at the first start.
fn identify(storage: &mut Storage) -> Result<Identity, Error> {
    if let Some(identity) = storage.identity {
        return Ok(identity);
    }
    let drawn = Identity {
        node: NodeId(rand::random_range(1..=u64::MAX)),
        cluster: ClusterId(rand::random()),
        created_ms: unix_ms(),
    };
    storage.identify(drawn)?;
    Ok(drawn)
}

async fn listen(
    address: SocketAddr,
    what: &'static str,
    flag: &'static str,
) -> Result<TcpListener, Error> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|source| Error::Listen { what, flag, address, source })
}

fn local_address(listener: &TcpListener) -> SocketAddr {
    listener.local_addr().expect("a listener that is bound has an address")
}

/// Waits until this node may write: with one voter, after its first step.
async fn leading(control: &Control) -> Result<(), Error> {
    let mut leading = control.leading();
    let elected = leading.wait_for(Option::is_some);
    match tokio::time::timeout(LEADER_TIMEOUT, elected).await {
        Ok(Ok(_)) => Ok(()),
        _ => Err(Error::NoLeader),
    }
}

fn engine_settings(
    settings: &Settings,
    compiled: &aether_storage::Compiled,
) -> aether_engine::Settings {
    aether_engine::Settings {
        cache_bytes_max: settings.limits.compiled_code,
        memory_budget: settings.limits.memory,
        wasm_instances_max: settings.limits.wasm_instances,
        ..aether_engine::Settings::for_machine(compiled.path().to_owned())
    }
}

/// Creates the first administrator's key where the cluster has none. The file comes first: a crash
/// in between leaves a key that nobody accepts, and the next start replaces it.
async fn found_keys(control: &Control, pictures: &Pictures, path: &Path) -> Result<(), Error> {
    let principals = &pictures.borrow().world.principals.clone();
    if principals.values().any(|key| key.role == Role::Admin) {
        return Ok(());
    }
    let name = "first administrator".to_owned();
    let minted = StoredKey::mint(&rand::random(), name, Role::Admin, unix_ms());
    let written = match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => local::write_key(path, &minted.secret),
    };
    written.map_err(|source| Error::KeyFile { path: path.to_owned(), source })?;
    let (conditions, put) = put_key(&minted.stored);
    control.transact(Transaction { conditions, operations: vec![put] }).await?;
    Ok(())
}

async fn write_record(control: &Control, node: NodeId, record: &NodeRecord) -> Result<(), Error> {
    let put = Operation::Put { key: keys::node(node), value: encode(record).into(), lease: None };
    control.transact(Transaction { conditions: vec![], operations: vec![put] }).await?;
    Ok(())
}

/// Leaves a note for commands of the same user. Without it they need a key.
fn announce(folder: Option<&Path>, started: &Started) {
    let Some(folder) = folder else { return };
    if let Err(error) = local::announce(folder, started.api.port(), &started.key_file) {
        let folder = folder.display();
        tracing::warn!(%error, %folder, "commands on this machine will not find the key");
    }
}

/// Buckets of applications that are gone are given back.
async fn forget_buckets(
    cache: Arc<aether_infra_cache::Embedded>,
    mut pictures: Pictures,
    shutdown: CancellationToken,
) -> Result<(), Infallible> {
    let mut known = pictures.borrow_and_update().world.applications.clone();
    while let Some(Ok(())) = shutdown.run_until_cancelled(pictures.changed()).await {
        let now = pictures.borrow_and_update().world.applications.clone();
        for app in known.keys().filter(|app| !now.contains_key(*app)) {
            cache.forget(app);
        }
        known = now;
    }
    Ok(())
}
