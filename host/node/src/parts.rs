//! What the tasks of a node are made of, and in what order they start. Knows no end.

mod lead;

use crate::admission::Admissions;
use crate::alerts::Deliveries;
use crate::clock::Clock;
use crate::config::Settings;
use crate::control::Control;
use crate::counts::{self, Counting};
use crate::depot::Depot;
use crate::disk::DiskFaults;
use crate::door::Door;
use crate::faults::{Faults, Places};
use crate::housekeeping::Housekeeping;
use crate::keepers::Keeper;
use crate::keys;
use crate::listeners::Listeners;
use crate::loader::Loader;
use crate::logs::AllLogs;
use crate::management::Office;
use crate::members;
use crate::network::{Network, Switchboard, follow_links, follow_members};
use crate::otlp::Exporter;
use crate::planner::Reports;
use crate::projector::{Pictures, Projector};
use crate::reach::{Leavers, Reach, Reaches};
use crate::readiness::{Readiness, first_ready, heard};
use crate::reconcile::{Reconcile, publish};
use crate::records::NodeRecord;
use crate::remote::Callees;
use crate::rollouts;
use crate::routing::Routing;
use crate::run::{Error, Running, Stages, Stops};
use crate::samples::{self, Samples};
use crate::scaling::Desk;
use crate::shared_code::SharedCode;
use crate::shared_history::SharedHistory;
use crate::slow::AllSlow;
use crate::tasks::{OnFailure, Runs, Tasks, with_causes};
use aether_engine::Engine;
use aether_ingress::{Closing, FrontDoor};
use aether_kv::{Operation, Transaction};
use aether_storage::Identity;
use aether_telemetry::Logs;
use aether_transport::{Addresses, Links, Tls};
use aether_types::NodeId;
use aether_types::versioned::encode;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How long to wait before saying again what this node is.
const RECORD_RETRY: Duration = Duration::from_millis(500);

/// How long the front door of a node that starts stays closed for its instances to start.
const READY_TIME: Duration = Duration::from_secs(5);

/// What the links to other nodes are made of.
#[derive(Clone)]
pub(crate) struct Peers {
    pub(crate) tls: Tls,
    pub(crate) addresses: Addresses,
    pub(crate) introduced: BTreeMap<NodeId, Vec<String>>,
}

/// What the tasks of a node are made of.
pub(crate) struct Parts {
    pub(crate) settings: Settings,
    pub(crate) identity: Identity,
    /// Tells this run of the node from earlier ones.
    pub(crate) run: u64,
    pub(crate) started: Instant,
    pub(crate) control: Control,
    pub(crate) pictures: Pictures,
    pub(crate) engine: Engine,
    pub(crate) disk: Arc<DiskFaults>,
    pub(crate) artifacts: aether_storage::Artifacts,
    pub(crate) logs: Logs,
    pub(crate) record: NodeRecord,
    pub(crate) network: Network,
    pub(crate) clock: Clock,
    /// Whether it knew nothing of its cluster when it started.
    pub(crate) is_new: bool,
}

impl Parts {
    pub(crate) fn start(
        self,
        tasks: &Tasks,
        projector: Projector,
        cache: Arc<aether_infra_cache::Embedded>,
        listeners: Listeners,
        peers: Peers,
    ) -> Result<Running, Error> {
        let node = self.identity.node;
        let runs = Runs::default();
        let stops = Stops::default();
        let stop_rest = stops.rest.clone();
        let (reaching, reaches) = watch::channel(Arc::default());
        let routing = Routing::new(node, self.run, self.network.clone());
        routing.derive(self.pictures.borrow().clone(), &Reach::default());
        let depot = self.depot(&reaches, tasks);
        let samples = Samples::new(self.clock.clone());
        let counting = Counting::default();
        let code = SharedCode { engine: self.engine.clone(), depot: depot.clone() };
        let history = self.history(&depot, &samples, &counting, &peers);
        let leavers = Arc::new(Leavers::default());
        let (desk, asked, said) = Desk::new(node, self.control.clone(), self.network.clone());
        let answers = Answers {
            desk: desk.clone(),
            depot: depot.clone(),
            code: code.clone(),
            samples: samples.clone(),
            counting: counting.clone(),
            leavers: leavers.clone(),
            history: history.clone(),
        };
        let links = self.link(tasks, &routing, answers, listeners.cluster, peers.clone())?;
        let vital = OnFailure::StopNode;
        let (seen, own) = ((links.statuses(), leavers.subscribe()), (node, tasks.clone()));
        tasks.spawn("links", vital, follow_links(seen, reaching, own, stop_rest.clone()));
        self.follow_members(tasks, &links, peers.introduced, &stop_rest);
        let reports = self.lead(tasks, &reaches, &counting, &runs, &stop_rest);
        let measured = (samples.clone(), counting.clone(), reaches.clone());
        let told = self.watch(tasks, measured.clone(), &runs, &stop_rest);
        self.scale(tasks, measured, (reports.clone(), asked, said), (&runs, &stop_rest));
        self.keep_house(tasks, &depot, cache, &runs, &stop_rest);

        let loader = (Loader::new(self.engine.clone(), depot.clone(), code), counting.clone());
        let lifecycle = aether_lifecycle::Settings { node, run: self.run, seed: self.run };
        let pictures = self.pictures.clone();
        let (reconcile, observed) =
            Reconcile::new(lifecycle, loader, routing.clone(), tasks.clone(), pictures.clone());
        tasks.spawn("projector", vital, projector.run(runs.clone(), stop_rest.clone()));
        self.route(tasks, &routing, &reaches, &runs, &stop_rest);
        let sampled = self.tell(tasks, counting, &samples, &stop_rest);
        tasks.spawn("history", OnFailure::Log, history.ask(stop_rest.clone()));
        let published = tokio::spawn(publish(self.control.clone(), observed, runs.clone()));
        let reconciled = tokio::spawn(reconcile.run(stops.instances.clone()));
        let instances = watched(tasks, "instances", async move {
            let ended = reconciled.await;
            drop(published.await);
            ended.map(drop).map_err(|e| e.to_string())
        });
        let (control, derived) = (self.control.clone(), routing.derived());
        let faults = self.faults(&links, tasks, &stop_rest);
        let office =
            Shown { desk, routing, depot, samples, sampled, told, reports, reaches, runs, faults };
        let doors = (listeners.http, listeners.api);
        let (network, notice) = (self.network.clone(), self.settings.limits.notice.duration());
        let (doors, management) = self.open(tasks, office, doors, &stops);
        let stages = Stages { doors, instances, management };
        Ok(Running { node, control, derived, links, network, notice, stops, stages })
    }

    /// The links to other nodes, and what they may ask of this one.
    fn link(
        &self,
        tasks: &Tasks,
        routing: &Routing,
        answers: Answers,
        listener: TcpListener,
        peers: Peers,
    ) -> Result<Links, Error> {
        let Answers { depot, code, samples, counting, leavers, desk, history } = answers;
        let slow = self.all_slow(counting.clone());
        let switchboard = Switchboard {
            control: self.control.clone(),
            pictures: self.pictures.clone(),
            admissions: self.admissions(),
            depot,
            code,
            callees: Callees { routing: routing.clone(), tasks: tasks.clone() },
            samples,
            counting,
            leavers,
            logs: self.all_logs(),
            slow,
            desk,
            history,
        };
        let mut settings = aether_transport::Settings::new(peers.addresses);
        settings.run = aether_transport::Run(self.run);
        settings.starts = self.record.starts;
        let clock = self.clock.clone();
        settings.clock_ms = Arc::new(move || clock.now_ms());
        let links = Links::start(settings, peers.tls, listener, Arc::new(switchboard));
        let links = links.map_err(Error::Links)?;
        self.network.begin(links.clone());
        Ok(links)
    }

    fn depot(&self, reaches: &Reaches, tasks: &Tasks) -> Depot {
        Depot {
            node: self.identity.node,
            artifacts: self.artifacts.clone(),
            network: self.network.clone(),
            reaches: reaches.clone(),
            tasks: tasks.clone(),
        }
    }

    /// None outside of a sandbox.
    fn faults(&self, links: &Links, tasks: &Tasks, stop: &CancellationToken) -> Option<Faults> {
        self.settings.sandbox.then(|| {
            let (calls, disk) = (self.engine.tampering(), Arc::clone(&self.disk));
            let places = Places { links: links.clone(), clock: self.clock.clone(), calls, disk };
            Faults::start(self.identity.node, places, tasks, stop.clone())
        })
    }

    fn history(
        &self,
        depot: &Depot,
        samples: &Samples,
        counting: &Counting,
        peers: &Peers,
    ) -> SharedHistory {
        let known = members::peers(&self.pictures.borrow().clone(), self.identity.node);
        let is_alone = known.is_empty() && peers.introduced.is_empty();
        SharedHistory::new(depot.clone(), samples.clone(), counting.clone(), is_alone)
    }

    /// Keeps the table up to date, and says which traffic it knows of.
    fn route(
        &self,
        tasks: &Tasks,
        routing: &Routing,
        reaches: &Reaches,
        runs: &Runs,
        stop: &CancellationToken,
    ) {
        let (pictures, reaches) = (self.pictures.clone(), reaches.clone());
        let table = routing.clone().run(pictures, reaches, runs.clone(), stop.clone());
        tasks.spawn("routing", OnFailure::StopNode, table);
        let own = (self.identity.node, self.run);
        let (control, derived) = (self.control.clone(), routing.derived());
        let follows = rollouts::acknowledge(own, control, derived, runs.clone(), stop.clone());
        tasks.spawn("acknowledge", OnFailure::StopNode, follows);
    }

    fn follow_members(
        &self,
        tasks: &Tasks,
        links: &Links,
        introduced: BTreeMap<NodeId, Vec<String>>,
        stop: &CancellationToken,
    ) {
        let (node, pictures) = (self.identity.node, self.pictures.clone());
        let follow = follow_members(links.clone(), node, pictures, introduced, stop.clone());
        tasks.spawn("peers", OnFailure::StopNode, follow);
    }

    fn all_logs(&self) -> AllLogs {
        AllLogs {
            node: self.identity.node,
            run: self.run as u32,
            own: self.logs.clone(),
            network: self.network.clone(),
        }
    }

    fn all_slow(&self, own: Counting) -> AllSlow {
        AllSlow { node: self.identity.node, own, network: self.network.clone() }
    }

    fn admissions(&self) -> Admissions {
        Admissions {
            cluster: self.identity.cluster,
            control: self.control.clone(),
            pictures: self.pictures.clone(),
        }
    }

    /// Says every second how this node is, and what it has counted.
    fn tell(
        &self,
        tasks: &Tasks,
        counting: Counting,
        samples: &Samples,
        stop: &CancellationToken,
    ) -> samples::Node {
        let (own, network) = ((self.identity.node, self.run), self.network.clone());
        let pictures = self.pictures.clone();
        let counted = (counting.clone(), samples.timeline);
        let counts = counts::tell(own, counted, pictures, network.clone(), stop.clone());
        tasks.spawn("counts", OnFailure::StopNode, counts);
        let node = samples::Node {
            engine: self.engine.clone(),
            control: self.control.clone(),
            counting,
            clock: self.clock.clone(),
            started: self.started,
            data: self.settings.data.clone().into(),
            processors: std::thread::available_parallelism().map_or(1, |n| n.get() as u32),
        };
        let sampled = (self.identity.node, node.clone());
        let told = samples::tell(sampled, samples.clone(), network, stop.clone());
        tasks.spawn("samples", OnFailure::StopNode, told);
        node
    }

    fn keep_house(
        &self,
        tasks: &Tasks,
        depot: &Depot,
        cache: Arc<aether_infra_cache::Embedded>,
        runs: &Runs,
        stop: &CancellationToken,
    ) {
        let forget = forget_buckets(cache, self.pictures.clone(), stop.clone());
        tasks.spawn("buckets", OnFailure::StopNode, forget);
        let record = write_record(self.control.clone(), self.identity.node, self.record.clone());
        tasks.spawn("record", OnFailure::StopNode, ends_with(stop.clone(), record));
        let housekeeping = Housekeeping {
            control: self.control.clone(),
            pictures: self.pictures.clone(),
            depot: depot.clone(),
            leading: self.control.leading(),
        };
        let keep = housekeeping.run(runs.clone(), stop.clone());
        tasks.spawn("housekeeping", OnFailure::StopNode, keep);
        let (control, pictures) = (self.control.clone(), self.pictures.clone());
        let keeper = Keeper { control, pictures, depot: depot.clone() };
        tasks.spawn("artifacts", OnFailure::StopNode, keeper.run(runs.clone(), stop.clone()));
    }

    /// Opens both front doors, and says when they have ended.
    fn open(
        self,
        tasks: &Tasks,
        shown: Shown,
        (http, api): (TcpListener, TcpListener),
        stops: &Stops,
    ) -> (tokio::task::JoinHandle<()>, tokio::task::JoinHandle<()>) {
        let limits = aether_ingress::Limits {
            body_bytes_max: self.settings.limits.request_body.bytes(),
            drain_time_max: self.settings.limits.shutdown.duration(),
            ..aether_ingress::Limits::STANDARD
        };
        let pictures = shown.routing.derived();
        let door = Door { routing: shown.routing.clone() };
        let door = FrontDoor::new(Arc::new(door), limits);
        let shutdown = tasks.shutdown().clone();
        let closing = Closing { notice: shutdown.clone(), stop: stops.doors.clone() };
        let control = self.is_new.then(|| self.control.clone());
        let ready = first_ready(control, pictures.clone(), self.identity.node, self.run);
        let doors = watched(tasks, "front door", async move {
            // The system takes connections already; they wait, instead of being told that nobody
            // serves them.
            let ready = tokio::time::timeout(READY_TIME, ready);
            closing.stop.run_until_cancelled(ready).await;
            door.serve(http, closing).await;
            Ok(())
        });
        let collector = self.settings.telemetry.otlp.clone();
        let (admissions, logs) = (self.admissions(), self.all_logs());
        let slow = self.all_slow(shown.sampled.counting.clone());
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
            counting: shown.sampled.counting.clone(),
            sampled: shown.sampled,
            deliveries: shown.told,
            network: self.network,
            desk: shown.desk,
            logs,
            slow,
            runs: shown.runs,
            readiness: Readiness::default(),
            shutdown,
            faults: shown.faults,
        });
        if let Some(collector) = &collector {
            let exporter = Exporter::new(collector, Arc::clone(&office), office.engine.traces());
            let stop = stops.rest.clone();
            if let Some(exporter) = exporter {
                tasks.spawn("otlp", OnFailure::Log, exporter.run(stop));
            }
        }
        let stop = stops.management.clone();
        let management = watched(tasks, "management", async move {
            let served = aether_api::serve(api, office, stop.cancelled_owned()).await;
            served.map_err(|error| with_causes(&error))
        });
        (doors, management)
    }
}

/// What other nodes ask for, beside calls.
struct Answers {
    depot: Depot,
    code: SharedCode,
    samples: Samples,
    counting: Counting,
    leavers: Arc<Leavers>,
    desk: Desk,
    history: SharedHistory,
}

/// What the management API shows of the other tasks.
struct Shown {
    desk: Desk,
    routing: Routing,
    depot: Depot,
    samples: Samples,
    sampled: samples::Node,
    told: Arc<Deliveries>,
    reports: Reports,
    reaches: Reaches,
    runs: Runs,
    faults: Option<Faults>,
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
