//! Forge: a cluster on this machine with an application, load and faults. Knows the program's
//! command line and its sockets, nothing of what is inside a node.

mod application;
mod faults;
mod nodes;

use crate::desk::Desk;
use crate::load::{Load, Report, Spec};
use crate::model::{FaultOrder, FaultView, LoadRequest, Overview, Refused};
use crate::note::Note;
use crate::sandbox::{Sandbox, Settings as SandboxSettings};
pub use application::find as find_blueprint;
use faults::Faults;
use nodes::Nodes;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use anyhow::{Context, ensure};

/// What a Forge is started with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The `aether` program.
    pub program: PathBuf,
    /// Where the API listens.
    pub listen: SocketAddr,
    pub nodes: usize,
    /// A blueprint or its folder.
    pub blueprint: Option<PathBuf>,
    /// Where the nodes' folders stay: it must be empty, or not exist.
    pub keep: Option<PathBuf>,
    /// Where commands look for the Forges that run; none: they do not find this one.
    pub notes: Option<PathBuf>,
}

/// More processes than a desk can carry.
pub const NODES_MAX: usize = 50;

/// Serves the files of a dashboard: a path without the leading `/` to media type and content.
pub type Pages = fn(&str) -> Option<(&'static str, &'static [u8])>;

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
    load: Mutex<Option<Load>>,
}

impl Forge {
    /// Starts the nodes, then builds and deploys the application; says what it does. Returns when
    /// the application answers.
    pub fn start(
        settings: Settings,
        pages: Option<Pages>,
        say: &mut dyn FnMut(&str, &str),
    ) -> anyhow::Result<Self> {
        let Settings { program, listen, nodes: count, blueprint, keep, notes } = settings;
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
        let application = application.map(|application| application.name);
        let (faults, load) = (Faults::default(), Mutex::default());
        let shared = Shared { url: url.clone(), folder, application, nodes, faults, load };
        let shared = Arc::new(shared);
        let key = shared.nodes.key();
        let desk = Desk::open(listener, shared.clone(), key.clone(), pages)?;
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
            load: self.load().as_ref().map(Load::report),
        }
    }

    pub(crate) fn begin_fault(&self, order: &FaultOrder) -> anyhow::Result<Vec<FaultView>> {
        self.faults.begin(&self.nodes, order)
    }

    pub(crate) fn faults(&self) -> Vec<FaultView> {
        self.faults.views()
    }

    pub(crate) fn end_faults(&self) -> anyhow::Result<()> {
        self.faults.end_all(&self.nodes)
    }

    /// In place of the one that runs, if any.
    pub(crate) fn start_load(&self, request: &LoadRequest) -> anyhow::Result<Report> {
        let LoadRequest { file, text } = request;
        let spec = Spec::parse(file, text);
        let spec = spec.map_err(|problems| Refused::Invalid(problems.to_string()))?;
        let mut load = self.load();
        // Its requests end before those of the next one begin to be counted.
        if let Some(last) = load.take() {
            last.stop()?;
        }
        let started = load.insert(Load::start(spec, self.nodes.doors.clone())?);
        Ok(started.report())
    }

    /// What `change` does to the load that runs, and how it is then.
    pub(crate) fn steer_load(
        &self,
        change: impl FnOnce(&Load) -> anyhow::Result<()>,
    ) -> anyhow::Result<Report> {
        let load = self.load();
        let load = load.as_ref().ok_or_else(no_load)?;
        change(load)?;
        Ok(load.report())
    }

    pub(crate) fn stop_load(&self) -> anyhow::Result<Report> {
        let load = self.load().take().ok_or_else(no_load)?;
        load.stop()
    }

    fn load(&self) -> MutexGuard<'_, Option<Load>> {
        self.load.lock().expect("nobody panics with it")
    }
}

fn no_load() -> Refused {
    Refused::NotFound("there is no load: `aether forge load start FILE` starts one".to_owned())
}
