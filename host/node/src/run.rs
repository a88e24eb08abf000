//! Start and end of a node: the order in which things come up and go down.

use crate::belonging::{Belonging, BelongingError, establish};
use crate::clock::Clock;
use crate::config::Settings;
use crate::control::{self, Control};
use crate::disk::DiskFaults;
use crate::founding::Founding;
use crate::listeners::{Listeners, local_address};
use crate::network::Network;
use crate::parts::{Parts, Peers};
use crate::projector::{Pictures, Projector};
use crate::readiness::catch_up;
use crate::records::NodeRecord;
use crate::tasks::Tasks;
use crate::world::WorldError;
use crate::{ControlError, ControlFailure, unix_ms};
use aether_api::local;
use aether_consensus::Restored;
use aether_engine::{Engine, ErasedInfra};
use aether_storage::Storage;
use aether_telemetry::Logs;
use aether_transport::{Addresses, Links};
use aether_types::NodeId;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Name of the file in the data folder that holds an administrator's key.
const KEY_FILE: &str = "admin.key";
/// How long a stopping leader waits for its successor.
const HAND_OVER_TIME: Duration = Duration::from_secs(2);
/// How long what is under way on the links may take to end.
const LINKS_TIME: Duration = Duration::from_secs(2);

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
    #[error("failed to start the links to other nodes")]
    Links(#[source] io::Error),
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
    /// The node takes no part any more: what it acknowledged is missing in its folder.
    #[error("this data folder is an older copy of that of node {node}: {why}")]
    StaleData { node: NodeId, why: String },
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
    let Belonging { identity, tls, restored, founded, introduced } = belonging;
    let starts = storage.count_start()?;
    let Storage { log, artifacts, compiled, .. } = storage;
    let is_new = restored == Restored::default();

    let (run, network, tasks) = (rand::random(), Network::default(), Tasks::new(shutdown));
    let outlet = outlet(&network, &tasks);
    let (node, disk) = (identity.node, Arc::<DiskFaults>::default());
    let disk_faults = Arc::clone(&disk);
    let start = control::Start { node, run, log, disk_faults, restored, outlet };
    let control = control::start(start, &tasks).await?;
    let cache = Arc::new(aether_infra_cache::Embedded::new());
    let engine = Engine::new(engine_settings(&settings, &compiled), infra(Arc::clone(&cache)))?;
    // The engine cleans up after itself; the folder stays locked as long as this process lives.
    let _compiled = compiled;
    let key_file = settings.data.join(KEY_FILE);
    if let Some(authority) = &founded {
        let founding = Founding { node: identity.node, authority, voters: settings.cluster.voters };
        founding.write(&control, &addresses.cluster, &key_file).await?;
    }
    let (projector, pictures) = Projector::start(control.clone())?;
    let started = started(node, &listeners, key_file);
    let parts = Parts {
        record: NodeRecord { starts, run, ..record(&settings, &addresses) },
        settings,
        identity,
        run,
        started: Instant::now(),
        control,
        pictures,
        engine,
        disk,
        artifacts,
        logs,
        network,
        clock: Clock::default(),
        is_new,
    };
    let peers = Peers { tls, addresses, introduced };
    let node = parts.start(&tasks, projector, cache, listeners, peers)?;
    if is_new {
        // It knows no keys, no applications and no members before it has heard of a leader.
        let caught_up = catch_up(&node.control, node.derived.clone());
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
    tasks.failure().map_or(Ok(()), Err)
}

fn started(node: NodeId, listeners: &Listeners, key_file: PathBuf) -> Started {
    Started {
        node,
        http: local_address(&listeners.http),
        api: local_address(&listeners.api),
        cluster: local_address(&listeners.cluster),
        key_file: key_file.is_file().then_some(key_file),
    }
}

/// Where the control thread's messages go.
fn outlet(network: &Network, tasks: &Tasks) -> control::Outlet {
    let (network, tasks) = (network.clone(), tasks.clone());
    Box::new(move |to, message| network.send(to, message, &tasks))
}

/// What this node says of itself.
fn record(settings: &Settings, addresses: &Addresses) -> NodeRecord {
    NodeRecord {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        http: addresses.http.clone(),
        api: addresses.api.clone(),
        cluster: addresses.cluster.clone(),
        zone: settings.cluster.zone.clone(),
        started_ms: unix_ms(),
        memory_budget: settings.limits.memory,
        ..NodeRecord::default()
    }
}

/// A running node's stages of going down, in their order.
pub(crate) struct Running {
    pub(crate) node: NodeId,
    pub(crate) control: Control,
    /// As the traffic sees them.
    pub(crate) derived: Pictures,
    pub(crate) links: Links,
    pub(crate) network: Network,
    /// How long clients have to go elsewhere.
    pub(crate) notice: Duration,
    pub(crate) stops: Stops,
    pub(crate) stages: Stages,
}

/// What ends one after the other.
pub(crate) struct Stages {
    pub(crate) doors: tokio::task::JoinHandle<()>,
    pub(crate) instances: tokio::task::JoinHandle<()>,
    pub(crate) management: tokio::task::JoinHandle<()>,
}

/// What is told to stop, one after the other.
#[derive(Default)]
pub(crate) struct Stops {
    /// Cancelled when others know that this node goes.
    pub(crate) doors: CancellationToken,
    /// Cancelled when the front door has drained.
    pub(crate) instances: CancellationToken,
    /// Cancelled when the instances are down.
    pub(crate) management: CancellationToken,
    /// Cancelled when no management request is left.
    pub(crate) rest: CancellationToken,
}

impl Running {
    /// Let others know; stop accepting and drain the front door; hand leadership over; take the
    /// instances down; let management requests end, which write; flush the log; end.
    async fn stop(self, tasks: &Tasks) {
        // Whoever has to stop serves nobody well. Nobody takes over from a node that is alone.
        if !tasks.has_failed() {
            let gone = Instant::now() + self.notice;
            if self.network.leave().await > 0 {
                tokio::time::sleep_until(gone.into()).await;
            }
        }
        self.stops.doors.cancel();
        drop(self.stages.doors.await);
        hand_over(&self.control, self.node).await;
        self.stops.instances.cancel();
        drop(self.stages.instances.await);
        self.stops.management.cancel();
        drop(self.stages.management.await);
        self.stops.rest.cancel();
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

/// Leaves a note for commands of the same user. Without it they need a key.
fn announce(folder: Option<&Path>, started: &Started) {
    let Some(folder) = folder else { return };
    let Some(key_file) = &started.key_file else { return };
    if let Err(error) = local::announce(folder, started.api.port(), key_file) {
        let folder = folder.display();
        tracing::warn!(%error, %folder, "commands on this machine will not find the key");
    }
}
