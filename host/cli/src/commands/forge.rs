//! `aether forge`: starts a Forge and waits for its end, or talks to the one that runs. Does none
//! of it itself.

mod load;
mod script;

use crate::args::{
    ForgeArgs, ForgeCommand, ForgeFaultCommand, ForgeNodeCommand, ForgeRunArgs, Running,
};
use crate::exit::{Exit, Failure, Result};
use crate::target::Surroundings;
use crate::ui::{Cell, Table, Tone, Ui, cell, toned};
use aether_forge::model::{
    FaultView, LoadRequest, NodeView, Overview, ProcessState, Refused, WatchState, WatchView,
};
use aether_forge::{Forge, ForgeSettings, Found, Remote, RemoteError};
use aether_types::Problems;
use std::path::Path;
use std::time::Instant;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch::Receiver;

pub(super) fn run(args: ForgeArgs, around: &Surroundings, ui: &mut Ui) -> Result {
    let Some(command) = args.command else { return start(args.run, around, ui) };
    let command = match command {
        ForgeCommand::Check(args) => return script::check(&args, ui),
        command => command,
    };
    let running = command.running().expect("all others talk to one");
    let remote = remote(running, around)?;
    match command {
        ForgeCommand::Check(_) => unreachable!("it is done"),
        ForgeCommand::Status(_) => {
            let overview = remote.overview()?;
            ui.data(&overview, |ui| show(&overview, ui))
        }
        ForgeCommand::End(_) => {
            let ended = remote.end()?;
            ui.step("Ending", "the forge and its nodes")?;
            ui.data(&ended, |_| Ok(()))
        }
        ForgeCommand::Node(command) => {
            let node = act(&remote, &command)?;
            let verb = match &command {
                ForgeNodeCommand::Add(_) => "Added",
                ForgeNodeCommand::Kill(_) => "Killed",
                ForgeNodeCommand::Stop(_) => "Stopped",
                ForgeNodeCommand::Resume(_) => "Resumed",
                ForgeNodeCommand::Restart(_) => "Restarted",
                ForgeNodeCommand::Drain(_) => "Draining",
                ForgeNodeCommand::Activate(_) => "Activated",
            };
            ui.step(verb, format!("node {}", node.number))?;
            ui.data(&node, |_| Ok(()))
        }
        ForgeCommand::Fault(command) => fault(&remote, *command, ui),
        ForgeCommand::Load(command) => load::run(&remote, command, ui),
    }
}

fn fault(remote: &Remote, command: ForgeFaultCommand, ui: &mut Ui) -> Result {
    let faults = match command {
        ForgeFaultCommand::List(_) => remote.faults()?,
        ForgeFaultCommand::End { fault: Some(number), .. } => {
            let faults = remote.end_fault(number)?;
            ui.step("Ended", format!("fault {number}"))?;
            faults
        }
        ForgeFaultCommand::End { fault: None, .. } => {
            let faults = remote.end_faults()?;
            ui.step("Ended", "all faults")?;
            faults
        }
        other => {
            let order = other.order().expect("all others order something");
            let faults = remote.begin_fault(&order)?;
            ui.step("Begun", format!("for {}", order.duration))?;
            faults
        }
    };
    ui.data(&faults, |ui| faults_table(&faults, ui))
}

fn faults_table(faults: &[FaultView], ui: &mut Ui) -> Result {
    if faults.is_empty() {
        return Ok(());
    }
    let mut table = Table::new(&["FAULT", "LEFT", "WHAT"]);
    for FaultView { number, trouble, left_ms } in faults {
        let left = format!("{:.1} s", *left_ms as f64 / 1e3);
        table.row(vec![cell(number), cell(left), cell(trouble)]);
    }
    ui.table(table)
}

fn act(remote: &Remote, command: &ForgeNodeCommand) -> Result<NodeView> {
    match command.action() {
        None => Ok(remote.add_node()?),
        Some((number, action)) => Ok(remote.act(number, action)?),
    }
}

/// Where neither flags nor a scenario say how many.
const NODES: usize = 5;

/// Everything up, then the wait for a signal or for somebody who asks for the end.
fn start(args: ForgeRunArgs, around: &Surroundings, ui: &mut Ui) -> Result {
    let ForgeRunArgs { nodes, blueprint, load, watch, scenario, keep, listen, .. } = args;
    let bug = |error: std::io::Error| Failure::Bug(error.into());
    let begun = Instant::now();
    // Read first: who made a mistake in it learns it before anything is started.
    let load = load.map(|file| read_load(&file)).transpose()?;
    let plan = script::read(&scenario, nodes, blueprint.as_ref(), load.as_ref())?;
    let nodes = plan.as_ref().map_or(nodes.unwrap_or(NODES), |plan| plan.nodes);
    let blueprint = match plan.as_ref().and_then(|plan| plan.blueprint.clone()).or(blueprint) {
        Some(path) => Some(path),
        None => aether_forge::find_blueprint(&std::env::current_dir().map_err(bug)?),
    };
    let settings = ForgeSettings {
        program: std::env::current_exe().map_err(bug)?,
        listen,
        nodes,
        blueprint,
        watch,
        keep,
        notes: around.forges.clone(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(bug)?;
    let (mut interrupt, mut terminate) = runtime.block_on(async {
        let caught = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
        Ok::<_, Failure>((caught.0.map_err(bug)?, caught.1.map_err(bug)?))
    })?;
    let mut said = Ok(());
    let mut say = |verb: &str, what: &str| {
        if said.is_ok() {
            said = ui.step(verb, what);
        }
    };
    let forge = Forge::start(settings, &mut say).map_err(|error| failure(&error))?;
    said?;
    if let Some(load) = &load {
        forge.start_load(load).map_err(|error| failure(&error))?;
    }
    ui.step("Serving", format!("after {:.1} s", begun.elapsed().as_secs_f64()))?;
    if let Some(plan) = &plan {
        let signals = async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                () = forge.asked_to_end() => {}
            }
        };
        return script::play(&forge, plan, &scenario, &runtime, signals, ui);
    }
    let started = Started { key: forge.key(), overview: forge.overview() };
    match ui.json {
        true => ui.json_line(&started)?,
        false => {
            show(&started.overview, ui)?;
            invite(&started, ui)?;
        }
    }
    runtime.block_on(async {
        tokio::select! {
            _ = interrupt.recv() => Ok(()),
            _ = terminate.recv() => Ok(()),
            () = forge.asked_to_end() => Ok(()),
            told = tell(forge.watched(), ui) => told,
        }
    })?;
    ui.step("Ending", "all nodes")?;
    Ok(())
}

/// Says how the application's sources fare, for ever.
async fn tell(watched: Option<Receiver<WatchView>>, ui: &mut Ui) -> Result {
    let Some(mut watched) = watched else { return std::future::pending().await };
    // Fails at the end of the forge, which somebody else waits for.
    while watched.changed().await.is_ok() {
        let WatchView { state, said, .. } = watched.borrow_and_update().clone();
        match state {
            WatchState::Building => ui.step("Building", said)?,
            WatchState::RollingOut => ui.step("Rolling out", said)?,
            WatchState::Watching => ui.step("Up to date", "the application is as its sources")?,
            WatchState::Failed => {
                ui.step("Failed", "what was there goes on serving")?;
                ui.note(said)?;
            }
        }
    }
    std::future::pending().await
}

/// For scripts, on one line.
#[derive(Debug, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
struct Started {
    /// For Forge's API and for the cluster's.
    key: String,
    overview: Overview,
}

fn show(overview: &Overview, ui: &mut Ui) -> Result {
    let headings = ["NODE", "PROCESS", "STATE", "ROLE", "APPLICATIONS", "MANAGEMENT", "ID"];
    let mut table = Table::new(&headings);
    overview.nodes.iter().for_each(|node| table.row(row(node)));
    ui.table(table)?;
    if !overview.faults.is_empty() {
        ui.line("")?;
        faults_table(&overview.faults, ui)?;
    }
    if let Some(report) = &overview.load {
        ui.line("")?;
        load::table(report, ui)?;
    }
    Ok(())
}

fn row(node: &NodeView) -> Vec<Cell> {
    let (process, tone) = match node.process {
        ProcessState::Running => ("running", Tone::Good),
        ProcessState::Changing => ("changing", Tone::Busy),
        ProcessState::Stopped => ("stopped", Tone::Busy),
        ProcessState::Down => ("down", Tone::Bad),
    };
    vec![
        cell(node.number),
        toned(process, tone),
        cell(node.state.as_deref().unwrap_or("-")),
        cell(node.role.as_deref().unwrap_or("-")),
        cell(format!("http://{}", node.http)),
        cell(format!("http://{}", node.api)),
        cell(&node.id),
    ]
}

/// What somebody can do now.
fn invite(started: &Started, ui: &mut Ui) -> Result {
    let Started { key, overview } = started;
    let front = overview.nodes.first().map_or("", |node| node.http.as_str());
    let application = match &overview.application {
        Some(name) => format!("application  {name}: on every node, such as http://{front}"),
        None => "application  none: `aether deploy` brings one".to_owned(),
    };
    let (url, folder) = (&overview.url, overview.folder.display());
    ui.line(format!(
        "
{application}
dashboard    {url}/#key={key}
logs         {folder}/node-*/log

For `aether` in another terminal:
  export AETHER_SERVER={url} AETHER_KEY={key}
  aether status

Break something, and look; or on the pages Chaos and Load of the dashboard:
  aether forge node kill 1
  aether forge node restart 1
  aether forge fault partition 1,2 3,4,5 --for 30s
  aether forge load start load.toml
  aether forge status

Ctrl-C ends all of it."
    ))
}

/// The one that runs, or the one that is meant.
fn remote(running: &Running, around: &Surroundings) -> Result<Remote> {
    let found = around.forges.as_deref().map(aether_forge::forges).unwrap_or_default();
    let meant = |found: &Found| running.forge.is_none_or(|pid| found.pid == pid);
    let mut meant = found.into_iter().filter(meant);
    let none = || {
        let failure = Failure::expected(Exit::NotFound, "no forge of yours runs on this machine");
        failure.help("`aether forge` starts one")
    };
    let one = meant.next().ok_or_else(none)?;
    let others: Vec<String> = meant.map(|found| found.pid.to_string()).collect();
    if !others.is_empty() {
        let message = format!("several forges run: {}, {}", one.pid, others.join(", "));
        return Err(Failure::invalid(message).help("say which one with --forge PID"));
    }
    let remote = Remote::new(&one.url, &one.key);
    remote.ok_or_else(|| Failure::invalid(format!("{:?} is no forge's address", one.url)))
}

fn read_load(file: &Path) -> Result<LoadRequest> {
    let shown = file.display().to_string();
    let text = std::fs::read_to_string(file).map_err(|error| {
        Failure::expected(Exit::NotFound, format!("failed to read {shown}: {error}"))
    })?;
    aether_forge::load::Spec::parse(&shown, &text)?;
    Ok(LoadRequest { file: shown, text })
}

impl From<RemoteError> for Failure {
    fn from(error: RemoteError) -> Self {
        let exit = match &error {
            RemoteError::Refused { status: 400, .. } => Exit::Invalid,
            RemoteError::Refused { status: 401, .. } => Exit::Denied,
            RemoteError::Refused { status: 404, .. } => Exit::NotFound,
            RemoteError::Refused { status: 409, .. } => Exit::Conflict,
            RemoteError::Refused { .. } => Exit::Failed,
            RemoteError::Unreachable { .. } => Exit::Unavailable,
        };
        Self::expected(exit, error.to_string())
    }
}

/// What kept a Forge from starting.
fn failure(error: &anyhow::Error) -> Failure {
    let exit = match error.downcast_ref::<Refused>() {
        Some(Refused::Invalid(_)) => Exit::Invalid,
        Some(Refused::NotFound(_)) => Exit::NotFound,
        Some(Refused::Conflict(_)) => Exit::Conflict,
        None => Exit::Failed,
    };
    match error.downcast_ref::<Problems>() {
        Some(problems) => problems.clone().into(),
        None => Failure::expected(exit, format!("failed to start the forge: {error:#}")),
    }
}
