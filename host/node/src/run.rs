//! Start and end of a node: the order in which things come up and go down.

use crate::admission::Admissions;
use crate::belonging::{Belonging, BelongingError, establish};
use crate::config::Settings;
use crate::control::{self, Control};
use crate::depot::Depot;
use crate::door::Door;
use crate::founding::Founding;
use crate::loader::Loader;
use crate::management::Office;
use crate::members::MembersTask;
use crate::network::{Network, Switchboard, follow_links, follow_members};
use crate::planner::{Planner, Reports};
use crate::projector::{Pictures, Projector};
use crate::reach::{Reach, Reaches};
use crate::readiness::Readiness;
use crate::reconcile::{Reconcile, publish};
use crate::records::NodeRecord;
use crate::remote::Callees;
use crate::routing::Routing;
use crate::samples::{self, Samples};
use crate::tasks::{OnFailure, Runs, Tasks};
use crate::world::WorldError;
use crate::{ControlError, ControlFailure, keys, unix_ms};
use aether_api::local;
use aether_consensus::Restored;
use aether_engine::{Engine, ErasedInfra};
use aether_ingress::FrontDoor;
use aether_kv::{Operation, Transaction};
use aether_storage::{Identity, Storage};
use aether_telemetry::Logs;
use aether_transport::{Addresses, Links, Tls};
use aether_types::NodeId;
use aether_types::versioned::encode;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Name of the file in the data folder that holds an administrator's key.
const KEY_FILE: &str = "admin.key";
/// How long a stopping leader waits for its successor.
const HAND_OVER_TIME: Duration = Duration::from_secs(2);
/// How long what is under way on the links may take to end.
const LINKS_TIME: Duration = Duration::from_secs(2);
/// How long to wait before saying again what this node is.
const RECORD_RETRY: Duration = Duration::from_millis(500);

/// A node that runs: what its user wants to know.
#[derive(Debug, Clone)]
pub struct Started {
    pub node: NodeId,
    pub http: SocketAddr,
    pub api: SocketAddr,
    pub cluster: SocketAddr,
    /// Holds an administrator's key; on the node that founded the cluster.
    pub key_file: Option<PathBuf>,
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
    #[error(transparent)]
    Belonging(#[from] BelongingError),
    #[error("failed to found the cluster")]
    Founding(#[from] ControlError),
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
/// same user look for its key; `on_started` is called once, when it serves.
pub async fn run(
    settings: Settings,
    logs: Logs,
    state_folder: Option<PathBuf>,
    shutdown: CancellationToken,
    on_started: impl FnOnce(&Started) + Send,
) -> Result<(), Error> {
    let mut storage = Storage::open(&settings.data)?;
    let listeners = Listeners::bind(&settings).await?;
    let addresses = listeners.addresses(&settings);
    let belonging = establish(&settings, &mut storage, &addresses).await?;
    let Belonging { identity, tls, restored, authority, introduced } = belonging;
    let Storage { log, artifacts, compiled, .. } = storage;
    let is_new = restored == Restored::default();

    let (run, network) = (rand::random(), Network::default());
    let outlet = network.clone();
    let outlet: control::Outlet = Box::new(move |to, message| outlet.send(to, &message));
    let start = control::Start { node: identity.node, run, log, restored, outlet };
    let (control, control_loop) = control::open(start)?;
    let tasks = Tasks::new(shutdown);
    tasks.spawn("control", OnFailure::StopNode, async move {
        let thread = tokio::task::spawn_blocking(move || control_loop.run());
        thread.await.expect("the control thread does not panic unless an invariant is broken")
    });
    let cache = Arc::new(aether_infra_cache::Embedded::new());
    let engine = Engine::new(engine_settings(&settings, &compiled), infra(Arc::clone(&cache)))?;
    // The engine cleans up after itself; the folder stays locked as long as this process lives.
    let _compiled = compiled;
    let key_file = settings.data.join(KEY_FILE);
    if let Some(authority) = &authority {
        let founding = Founding { node: identity.node, authority, voters: settings.cluster.voters };
        founding.write(&control, &addresses.cluster, &key_file).await?;
    }
    let (projector, pictures) = Projector::start(control.clone())?;
    let record = NodeRecord {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        http: addresses.http.clone(),
        api: addresses.api.clone(),
        cluster: addresses.cluster.clone(),
        zone: settings.cluster.zone.clone(),
        started_ms: unix_ms(),
        memory_budget: settings.limits.memory,
    };
    let started = Started {
        node: identity.node,
        http: local_address(&listeners.http),
        api: local_address(&listeners.api),
        cluster: local_address(&listeners.cluster),
        key_file: key_file.is_file().then_some(key_file),
    };
    let caught_up = catch_up(control.clone(), pictures.clone());
    let parts = Parts {
        settings,
        identity,
        run,
        started: Instant::now(),
        control,
        pictures,
        engine,
        artifacts,
        logs,
        record,
        network,
    };
    let peers = Peers { tls, addresses, introduced };
    let node = parts.start(&tasks, projector, cache, listeners, peers);
    if is_new {
        // It knows no keys, no applications and no members before it has heard of a leader.
        tasks.shutdown().run_until_cancelled(caught_up).await;
    }
    announce(state_folder.as_deref(), &started);
    let Started { node: id, http, api, cluster, .. } = &started;
    tracing::info!(node = %id, %http, %api, %cluster, "node started");
    on_started(&started);

    tasks.shutdown().cancelled().await;
    node.stop(&tasks).await;
    if let Some(folder) = state_folder {
        local::withdraw(&folder, started.api.port());
    }
    tracing::info!(node = %started.node, "node stopped");
    tasks.failure().map_or(Ok(()), |failure| Err(Error::Failed(failure)))
}

/// The sockets that others connect to.
struct Listeners {
    http: TcpListener,
    api: TcpListener,
    cluster: TcpListener,
}

impl Listeners {
    async fn bind(settings: &Settings) -> Result<Self, Error> {
        let addresses = &settings.listen;
        Ok(Self {
            http: listen(addresses.http, "applications' HTTP", "--http").await?,
            api: listen(addresses.api, "management API", "--api").await?,
            cluster: listen(addresses.cluster, "other nodes", "--cluster").await?,
        })
    }

    /// What others are told.
    fn addresses(&self, settings: &Settings) -> Addresses {
        let cluster = settings.cluster.advertise.clone();
        Addresses {
            cluster: cluster.unwrap_or_else(|| local_address(&self.cluster).to_string()),
            http: local_address(&self.http).to_string(),
            api: local_address(&self.api).to_string(),
        }
    }
}

/// What the links to other nodes are made of.
#[derive(Clone)]
struct Peers {
    tls: Tls,
    addresses: Addresses,
    introduced: BTreeMap<NodeId, Vec<String>>,
}

/// What the tasks of a node are made of.
struct Parts {
    settings: Settings,
    identity: Identity,
    /// Tells this run of the node from earlier ones.
    run: u64,
    started: Instant,
    control: Control,
    pictures: Pictures,
    engine: Engine,
    artifacts: aether_storage::Artifacts,
    logs: Logs,
    record: NodeRecord,
    network: Network,
}

/// A running node's stages of going down, in their order.
struct Running {
    node: NodeId,
    control: Control,
    links: Links,
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
        listeners: Listeners,
        peers: Peers,
    ) -> Running {
        let node = self.identity.node;
        let runs = Runs::default();
        let (stop_instances, stop_rest) = (CancellationToken::new(), CancellationToken::new());
        let (reaching, reaches) = watch::channel(Arc::default());
        let routing = Routing::new(node, self.run, self.network.clone());
        routing.derive(self.pictures.borrow().clone(), &Reach::default());
        let depot = Depot {
            artifacts: self.artifacts.clone(),
            network: self.network.clone(),
            reaches: reaches.clone(),
            tasks: tasks.clone(),
        };
        let samples = Samples::default();
        let links = self.link(tasks, &routing, &depot, &samples, listeners.cluster, peers.clone());
        let vital = OnFailure::StopNode;
        let statuses = links.statuses();
        tasks.spawn("links", vital, follow_links(statuses, reaching, stop_rest.clone()));
        let Peers { introduced, .. } = peers;
        let pictures = self.pictures.clone();
        let members = follow_members(links.clone(), node, pictures, introduced, stop_rest.clone());
        tasks.spawn("peers", vital, members);
        let reports = self.lead(tasks, &reaches, &runs, &stop_rest);

        let loader = Loader::new(self.engine.clone(), depot.clone());
        let lifecycle = aether_lifecycle::Settings { node, run: self.run, seed: self.run };
        let pictures = self.pictures.clone();
        let (reconcile, observed) =
            Reconcile::new(lifecycle, loader, routing.clone(), tasks.clone(), pictures.clone());
        tasks.spawn("projector", vital, projector.run(runs.clone(), stop_rest.clone()));
        let table =
            routing.clone().run(pictures.clone(), reaches.clone(), runs.clone(), stop_rest.clone());
        tasks.spawn("routing", vital, table);
        tasks.spawn("buckets", vital, forget_buckets(cache, pictures, stop_rest.clone()));
        let record = write_record(self.control.clone(), node, self.record.clone());
        tasks.spawn("record", vital, ends_with(stop_rest.clone(), record));
        let tell = samples::tell(
            self.engine.clone(),
            self.started,
            self.network.clone(),
            stop_rest.clone(),
        );
        tasks.spawn("samples", vital, tell);
        let published = tokio::spawn(publish(self.control.clone(), observed, runs.clone()));
        let reconciled = tokio::spawn(reconcile.run(stop_instances.clone()));
        let instances = watched(tasks, "instances", async move {
            let ended = reconciled.await;
            drop(published.await);
            ended.map(drop).map_err(|e| e.to_string())
        });
        let control = self.control.clone();
        let office = Shown { routing, depot, samples, reports, reaches, runs };
        let doors = self.open(tasks, office, (listeners.http, listeners.api), &stop_rest);
        Running { node, control, links, stop_instances, stop_rest, doors, instances }
    }

    /// The links to other nodes, and what they may ask of this one.
    fn link(
        &self,
        tasks: &Tasks,
        routing: &Routing,
        depot: &Depot,
        samples: &Samples,
        listener: TcpListener,
        peers: Peers,
    ) -> Links {
        let switchboard = Switchboard {
            control: self.control.clone(),
            pictures: self.pictures.clone(),
            admissions: self.admissions(),
            depot: depot.clone(),
            callees: Callees { routing: routing.clone(), tasks: tasks.clone() },
            samples: samples.clone(),
        };
        let mut settings = aether_transport::Settings::new(peers.addresses);
        settings.run = aether_transport::Run(self.run);
        let links = Links::start(settings, peers.tls, listener, Arc::new(switchboard));
        self.network.begin(links.clone());
        links
    }

    fn admissions(&self) -> Admissions {
        Admissions {
            cluster: self.identity.cluster,
            control: self.control.clone(),
            pictures: self.pictures.clone(),
        }
    }

    /// What only the leader does: planning, and the care for the members.
    fn lead(
        &self,
        tasks: &Tasks,
        reaches: &Reaches,
        runs: &Runs,
        stop: &CancellationToken,
    ) -> Reports {
        let node = self.identity.node;
        let (control, pictures) = (self.control.clone(), self.pictures.clone());
        let (planner, reports) = Planner::new((node, self.run), control, pictures, reaches.clone());
        tasks.spawn("planner", OnFailure::StopNode, planner.run(runs.clone(), stop.clone()));
        let members = MembersTask {
            node,
            control: self.control.clone(),
            pictures: self.pictures.clone(),
            reaches: reaches.clone(),
            leading: self.control.leading(),
        };
        tasks.spawn("members", OnFailure::StopNode, members.run(runs.clone(), stop.clone()));
        reports
    }

    /// Opens both front doors. The one for applications ends with the node's shutdown.
    fn open(
        self,
        tasks: &Tasks,
        shown: Shown,
        (http, api): (TcpListener, TcpListener),
        stop_rest: &CancellationToken,
    ) -> tokio::task::JoinHandle<()> {
        let limits = aether_ingress::Limits {
            body_bytes_max: self.settings.limits.request_body.bytes(),
            drain_time_max: self.settings.limits.shutdown.duration(),
            ..aether_ingress::Limits::STANDARD
        };
        let pictures = shown.routing.derived();
        let door = Door { routing: shown.routing.clone(), pictures: pictures.clone() };
        let door = FrontDoor::new(Arc::new(door), limits);
        let shutdown = tasks.shutdown().clone();
        let doors = watched(tasks, "front door", async move {
            door.serve(http, shutdown).await;
            Ok(())
        });
        let admissions = self.admissions();
        let office = Arc::new(Office {
            identity: self.identity,
            run: self.run,
            started: self.started,
            record: self.record,
            control: self.control,
            pictures,
            admissions,
            reports: shown.reports,
            reaches: shown.reaches,
            routing: shown.routing,
            engine: self.engine,
            depot: shown.depot,
            samples: shown.samples,
            network: self.network,
            logs: self.logs,
            runs: shown.runs,
            readiness: Readiness::default(),
        });
        let stop_api = stop_rest.clone();
        tasks.spawn("management", OnFailure::StopNode, async move {
            aether_api::serve(api, office, stop_api.cancelled_owned()).await;
            Ok::<(), Infallible>(())
        });
        doors
    }
}

/// What the management API shows of the other tasks.
struct Shown {
    routing: Routing,
    depot: Depot,
    samples: Samples,
    reports: Reports,
    reaches: Reaches,
    runs: Runs,
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
    /// Stop accepting and drain the front door; hand leadership over; take the instances down; flush
    /// the log; end.
    async fn stop(self, tasks: &Tasks) {
        drop(self.doors.await);
        hand_over(&self.control, self.node).await;
        self.stop_instances.cancel();
        drop(self.instances.await);
        self.stop_rest.cancel();
        self.links.shutdown(LINKS_TIME).await;
        let control = self.control;
        // Waits for room in the queue of the control thread, if it must.
        drop(tokio::task::spawn_blocking(move || control.stop()).await);
        tasks.join().await;
    }
}

/// Lets another voter lead, so that nobody has to notice that this node goes.
async fn hand_over(control: &Control, me: NodeId) {
    let status = control.status().borrow().clone();
    let Some(status) = status.filter(|status| status.leader == Some(me)) else { return };
    let others = status.membership.voters.iter().filter(|voter| **voter != me);
    let Some(heir) = others.max_by_key(|voter| status.matched.get(voter)) else { return };
    control.hand_over(*heir);
    let mut leading = control.leading();
    // Whoever is there elects a leader without being asked, if this takes too long.
    let _ = tokio::time::timeout(HAND_OVER_TIME, leading.wait_for(Option::is_none)).await;
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

/// Returns when a leader was heard of and this node has caught up with it.
pub(crate) async fn heard(control: &Control) {
    while control.fresh().await.is_err() {
        tokio::time::sleep(RECORD_RETRY).await;
    }
}

/// Returns when this node shows what the cluster had when it started.
async fn catch_up(control: Control, mut pictures: Pictures) {
    heard(&control).await;
    let revision = control.read(aether_kv::State::revision);
    // The projector ends with the node.
    let _ = pictures.wait_for(|picture| picture.world.revision >= revision).await;
}

/// Says what this node is, as soon as there is a leader to say it to.
async fn write_record(
    control: Control,
    node: NodeId,
    record: NodeRecord,
) -> Result<(), Infallible> {
    heard(&control).await;
    let put = Operation::Put { key: keys::node(node), value: encode(&record).into(), lease: None };
    let transaction = Transaction { conditions: vec![], operations: vec![put] };
    while let Err(error) = control.transact(transaction.clone()).await {
        tracing::warn!(%error, "failed to write this node's record");
        tokio::time::sleep(RECORD_RETRY).await;
    }
    Ok(())
}

async fn ends_with(
    stop: CancellationToken,
    task: impl Future<Output = Result<(), Infallible>>,
) -> Result<(), Infallible> {
    stop.run_until_cancelled(task).await.unwrap_or(Ok(()))
}

/// Leaves a note for commands of the same user. Without it they need a key.
fn announce(folder: Option<&Path>, started: &Started) {
    let Some(folder) = folder else { return };
    let Some(key_file) = &started.key_file else { return };
    if let Err(error) = local::announce(folder, started.api.port(), key_file) {
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
