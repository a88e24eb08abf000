//! `aether deploy` and `undeploy`: uploads, applies, watches. Knows no table.

mod rollout;

use super::status;
use crate::args::{DeployArgs, StrategyArg, UndeployArgs};
use crate::exit::{Exit, Failure, Result};
use crate::files::{self, Component, Package};
use crate::ui::Ui;
use aether_api::{Application, ApplyRequest, FileArtifact, InstanceState, Phase};
use aether_client::Client;
use aether_types::code::Code;
use aether_types::{AppName, TimeSpan};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// How often the application is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long to wait for an application where nothing else is said.
const TIMEOUT: TimeSpan = TimeSpan::from_secs(120);
/// How long an application may be FAILED for reasons that can pass by themselves.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) async fn run(client: &Client, args: DeployArgs, ui: &mut Ui) -> Result {
    let started = Instant::now();
    let package = files::read(&args.path)?;
    let about = &package.blueprint.application;
    let request = request(&package, args.revision, args.strategy.as_ref());
    let missing = missing(client, &package).await?;
    for component in missing {
        ui.step("Uploading", component)?;
        client.put_artifact(component.digest, component.bytes.clone()).await?;
    }
    ui.step("Applying", format!("{} {}", about.name, about.version))?;
    let applied = client.apply(&about.name, &request).await?;
    if !applied.changed {
        ui.step("Unchanged", format!("revision {} is the same blueprint", applied.revision))?;
    }
    if applied.rollout && !args.no_wait {
        let watched = rollout::watch(client, &applied, args.timeout, started, ui).await;
        ui.waited();
        return rollout::say(&watched?, client, &applied.application, started, ui).await;
    }
    let application = match args.no_wait {
        true => applied.application,
        false => {
            let deadline = started + args.timeout.unwrap_or(TIMEOUT).duration();
            let watched = watch(client, applied.application, deadline, ui).await;
            ui.waited();
            watched?
        }
    };
    let took = started.elapsed().as_secs_f64();
    let verb = match () {
        () if applied.rollout => "Rolling out",
        () if args.no_wait => "Applied",
        () => "Active",
    };
    let Application { name, version, revision, .. } = &application;
    ui.step(verb, format!("{name} {version}, revision {revision}, in {took:.1} s"))?;
    if applied.rollout {
        ui.note(format!("`aether rollout show {name}` shows how far it is"))?;
    }
    if !args.no_wait {
        answering(client, &application, ui).await?;
    }
    ui.data(&application, |ui| status::routes_of(&application, ui))
}

/// Where the application answers, if it has routes.
async fn answering(client: &Client, application: &Application, ui: &mut Ui) -> Result {
    if ui.json || application.routes.is_empty() {
        return Ok(());
    }
    ui.step("Answering", format!("at http://{}", client.status().await?.node.http))
}

pub(super) async fn undo(client: &Client, args: &UndeployArgs, ui: &mut Ui) -> Result {
    let app = &args.app;
    if let Some(slice) = &args.slice {
        let applied = client.remove_slice(app, slice, args.force).await?;
        let revision = applied.revision;
        ui.step("Removed", format!("{slice} from {app}, which is at revision {revision} now"))?;
        return ui.data(&applied, |_| Ok(()));
    }
    client.remove(app).await?;
    ui.step("Removed", format!("{app}; its instances drain now"))?;
    ui.data(&serde_json::json!({ "removed": app }), |_| Ok(()))
}

pub(super) fn request(
    package: &Package,
    if_revision: Option<u64>,
    strategy: Option<&StrategyArg>,
) -> ApplyRequest {
    let artifacts = package.components.iter().map(|component| FileArtifact {
        entry: u32::try_from(component.entry).unwrap_or(u32::MAX),
        digest: component.digest,
    });
    ApplyRequest {
        blueprint: package.text.clone(),
        file: package.file.clone(),
        artifacts: artifacts.collect(),
        if_revision,
        strategy: strategy.map(|arg| arg.strategy.clone()),
    }
}

/// The components that the cluster does not have, or that an instance misses, each once.
pub(super) async fn missing<'a>(
    client: &Client,
    package: &'a Package,
) -> Result<Vec<&'a Component>> {
    if package.components.is_empty() {
        return Ok(Vec::new());
    }
    let there = client.artifacts().await?.artifacts;
    let mut there: BTreeSet<_> = there.into_iter().map(|artifact| artifact.digest).collect();
    for slice in client.slices().await?.slices {
        let mut reasons = slice.instances.iter().filter_map(|instance| instance.reason.as_ref());
        if reasons.any(|reason| reason.code == Code::ArtifactMissing.as_str()) {
            there.remove(&slice.digest);
        }
    }
    Ok(package.components.iter().filter(|c| there.insert(c.digest)).collect())
}

/// Looks at the application until it is active; says what changes on the way.
async fn watch(
    client: &Client,
    mut now: Application,
    deadline: Instant,
    ui: &mut Ui,
) -> Result<Application> {
    let revision = now.revision;
    let mut shown = BTreeSet::new();
    let mut failed_since = None;
    loop {
        if now.revision != revision {
            return Err(overtaken(&now.name, now.revision));
        }
        ui.waiting(progress(&now), &mut shown)?;
        match now.phase {
            Phase::Active => return Ok(now),
            Phase::Failed | Phase::Degraded => {
                let since = *failed_since.get_or_insert_with(Instant::now);
                if !can_pass(&now) || since.elapsed() >= PATIENCE {
                    return Err(stuck(&now, Exit::Failed, "did not become active"));
                }
            }
            Phase::Deploying => failed_since = None,
        }
        if Instant::now() >= deadline {
            return Err(stuck(&now, Exit::TimedOut, "is not active yet"));
        }
        tokio::time::sleep(LOOK_EVERY).await;
        now = client.application(&now.name).await?;
    }
}

fn overtaken(app: &AppName, revision: u64) -> Failure {
    let message = format!("{app} is at revision {revision} now: somebody else deployed");
    Failure::expected(Exit::Conflict, message).help("`aether status` shows what they made of it")
}

/// What each slice that is not there yet is doing.
fn progress(application: &Application) -> Vec<String> {
    let mut lines = Vec::new();
    for slice in application.slices.iter().filter(|slice| slice.active < slice.desired) {
        for instance in slice.instances.iter().filter(|i| i.state != InstanceState::Active) {
            let reason = instance.reason.as_ref().map(|r| format!(": {r}")).unwrap_or_default();
            lines.push(format!("{} is {}{reason}", slice.artifact, instance.state));
        }
        lines.extend(slice.reasons.iter().map(|reason| format!("{}: {reason}", slice.artifact)));
    }
    lines
}

/// Whether trying again can help, for everything that stands in the way.
fn can_pass(application: &Application) -> bool {
    let slices = application.slices.iter();
    let mut reasons = slices.flat_map(|slice| {
        let failed = slice.instances.iter().filter(|i| i.state == InstanceState::Failed);
        failed.filter_map(|i| i.reason.as_ref()).chain(&slice.reasons)
    });
    reasons.all(|reason| reason.retryable)
}

fn stuck(application: &Application, exit: Exit, what: &str) -> Failure {
    let problems = status::why_not(application);
    let message = format!("{} {what}: it is {}", application.name, application.phase);
    let help = match exit {
        Exit::TimedOut => "give it more time with --timeout, or look with `aether status`",
        _ => {
            "the blueprint is stored; `aether logs` has the whole story, `aether undeploy` takes it away"
        }
    };
    match Failure::expected(exit, message).help(help) {
        Failure::Expected(mut expected) => {
            expected.problems = problems;
            Failure::Expected(expected)
        }
        other => other,
    }
}
