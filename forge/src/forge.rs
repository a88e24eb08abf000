//! Forge: a cluster on this machine with an application, load and faults. Knows the program's
//! command line and its sockets, nothing of what is inside a node.

mod application;
mod faults;
mod loads;
mod marks;
mod nodes;
mod watch;

use crate::desk::Desk;
use crate::load::{Load, Report};
use crate::model::{
    FaultOrder, FaultView, Happening, LiveView, LoadRequest, NodeAction, NodeView, Overview,
    WatchView,
};
use crate::note::Note;
use crate::sandbox::{Sandbox, Settings as SandboxSettings};
use crate::script::{self, Plan};
pub use application::find as find_blueprint;
use faults::Faults;
use loads::Loads;
use marks::{Marks, now_ms};
pub(crate) use nodes::Nodes;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use tokio::sync::watch::Receiver;
use watch::Watch;

use anyhow::{Context, ensure};

/// What a Forge is started with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The `aether` program.
    pub program: PathBuf,
    /// Where the API and the dashboard are.
    pub listen: SocketAddr,
    pub nodes: usize,
    /// A blueprint or its folder.
    pub blueprint: Option<PathBuf>,
    /// Build and roll out whatever changes in the application's sources.
    pub watch: bool,
    /// Where the nodes' folders stay: it must be empty, or not exist.
    pub keep: Option<PathBuf>,
    /// Where commands look for the Forges that run; none: they do not find this one.
    pub notes: Option<PathBuf>,
}

/// More processes than a desk can carry.
pub const NODES_MAX: usize = 50;

/// A running Forge. Everything ends with it, however this process ends.
#[derive(Debug)]
pub struct Forge {
    /// Closed before the nodes end.
    desk: Desk,
    shared: Arc<Shared>,
    _note: Option<Note>,
}

/// What the desk works with.
#[derive(Debug)]
pub(crate) struct Shared {
    url: String,
    folder: PathBuf,
    application: Option<String>,
    pub(crate) nodes: Arc<Nodes>,
    faults: Faults,
    loads: Loads,
    marks: Arc<Marks>,
    watch: Option<Watch>,
}

impl Forge {
    /// Starts the nodes, then builds and deploys the application; says what it does. Returns when
    /// the application answers.
    pub fn start(settings: Settings, say: &mut dyn FnMut(&str, &str)) -> anyhow::Result<Self> {
        let Settings { program, listen, nodes: count, blueprint, watch, keep, notes } = settings;
        ensure!(!watch || blueprint.is_some(), "there is no application to watch");
        ensure!((1..=NODES_MAX).contains(&count), "a Forge has 1 to {NODES_MAX} nodes");
        if let Some(folder) = &keep {
            let empty =
                std::fs::read_dir(folder).map_or(true, |mut entries| entries.next().is_none());
            ensure!(empty, "{} is not empty: name another folder", folder.display());
        }
        let listener = TcpListener::bind(listen).with_context(|| format!("listen on {listen}"))?;
        let url = format!("http://{}", listener.local_addr()?);
        let application = blueprint.map(|path| application::read(&path)).transpose()?;
        let arguments = vec!["--sandbox".to_owned()];
        let sandbox = Sandbox::new(SandboxSettings { program, folder: keep, arguments })?;
        let folder = sandbox.folder().to_owned();
        say("Starting", &format!("{count} nodes in {}", folder.display()));
        let nodes = Arc::new(Nodes::start(&sandbox, count)?);
        if let Some(application) = &application {
            application.build(sandbox.program(), say)?;
            say("Deploying", &application.path.display().to_string());
            nodes.with_any(|node| node.order(&["deploy", &application.path.to_string_lossy()]))?;
        }
        nodes.wait_until_ready()?;
        let watched = application.as_ref().filter(|_| watch);
        let watch = watched.map(|it| Watch::start(it, sandbox.program(), &folder, nodes.clone()));
        let watch = watch.transpose()?;
        let application = application.map(|application| application.name);
        let marks: Arc<Marks> = Arc::default();
        let (faults, loads) = (Faults::new(marks.clone()), Loads::default());
        let shared = Arc::new(Shared {
            url: url.clone(),
            folder,
            application,
            nodes,
            faults,
            loads,
            marks,
            watch,
        });
        let key = shared.nodes.key();
        let desk = Desk::open(listener, shared.clone(), key.clone())?;
        let note = notes.map(|folder| Note::leave(&folder, &url, &key)).transpose()?;
        Ok(Self { desk, shared, _note: note })
    }

    pub fn overview(&self) -> Overview {
        self.shared.overview()
    }

    /// An administrator's key of the cluster, which is also that of the desk.
    pub fn key(&self) -> String {
        self.shared.nodes.key()
    }

    pub fn start_load(&self, request: &LoadRequest) -> anyhow::Result<Report> {
        self.shared.start_load(request)
    }

    /// Plays a scenario to its end; `cancelled` ends it before. Says what it does, as it does it.
    pub fn play(
        &self,
        plan: &Plan,
        cancelled: Arc<AtomicBool>,
        say: &mut dyn FnMut(&script::Event),
    ) -> script::Report {
        script::play(self.shared.clone(), plan, cancelled, say)
    }

    /// How the application's sources fare, if they are watched: each change of it.
    pub fn watched(&self) -> Option<Receiver<WatchView>> {
        self.shared.watch.as_ref().map(Watch::views)
    }

    /// Completes when somebody asks for the end over HTTP.
    pub async fn asked_to_end(&self) {
        self.desk.asked_to_end().await;
    }
}

impl Shared {
    pub(crate) fn overview(&self) -> Overview {
        Overview {
            url: self.url.clone(),
            folder: self.folder.clone(),
            application: self.application.clone(),
            nodes: self.nodes.views(),
            faults: self.faults.views(),
            load: self.load_report(),
        }
    }

    /// The same in short, with what was counted after this moment.
    pub(crate) fn live(&self, since_ms: u64) -> LiveView {
        LiveView {
            now_ms: now_ms(),
            nodes: self.nodes.processes(),
            faults: self.faults.views(),
            marks: self.marks.all(),
            load: self.loads.view(since_ms),
            watch: self.watch.as_ref().map(Watch::view),
        }
    }

    pub(crate) fn add_node(&self) -> anyhow::Result<NodeView> {
        let from = now_ms();
        let added = self.nodes.add()?;
        self.marks.put(Happening::Added { node: added.number }, from, now_ms());
        Ok(added)
    }

    pub(crate) fn act(&self, node: usize, action: NodeAction) -> anyhow::Result<NodeView> {
        let from = now_ms();
        let view = self.nodes.act(node, action)?;
        self.marks.put(Happening::Node { node, action }, from, now_ms());
        Ok(view)
    }

    pub(crate) fn begin_fault(&self, order: &FaultOrder) -> anyhow::Result<Vec<FaultView>> {
        self.faults.begin(&self.nodes, order)
    }

    pub(crate) fn faults(&self) -> Vec<FaultView> {
        self.faults.views()
    }

    pub(crate) fn end_fault(&self, number: u64) -> anyhow::Result<()> {
        self.faults.end(&self.nodes, number)
    }

    pub(crate) fn end_faults(&self) -> anyhow::Result<()> {
        self.faults.end_all(&self.nodes)
    }

    /// In place of the one that runs, if any.
    pub(crate) fn start_load(&self, request: &LoadRequest) -> anyhow::Result<Report> {
        self.loads.start(request, self.nodes.doors.clone())
    }

    /// What `change` does to the load that runs, and how it is then.
    pub(crate) fn steer_load(
        &self,
        change: impl FnOnce(&Load) -> anyhow::Result<()>,
    ) -> anyhow::Result<Report> {
        self.loads.steer(change)
    }

    /// Of the load that runs, or has ended by itself.
    pub(crate) fn load_report(&self) -> Option<Report> {
        self.loads.report()
    }

    pub(crate) fn stop_load(&self) -> anyhow::Result<Report> {
        self.loads.stop()
    }

    /// What the last load was started with.
    pub(crate) fn load_request(&self) -> anyhow::Result<LoadRequest> {
        Ok(self.loads.request()?)
    }
}
