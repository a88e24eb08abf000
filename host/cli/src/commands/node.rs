//! `aether node`: settings, log and signals of a node's process. Knows nothing of what a node does.

use crate::args::RunArgs;
use crate::exit::{Exit, Failure, Result, chain};
use crate::target::Surroundings;
use crate::ui::{Ui, step};
use aether_node::{LogFormat, Settings, Started};
use aether_types::code::Code;
use aether_types::{ByteSize, ErrorKind};
use std::io::Write;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Log lines that `aether logs` can show: some ten thousand usual ones.
const LOG_KEPT: ByteSize = ByteSize::mib(16);
/// What is left of blocking work after the node has stopped gets this long.
const END_TIME: Duration = Duration::from_secs(1);

pub(super) fn run(args: RunArgs, around: &Surroundings, ui: &mut Ui) -> Result {
    let settings = settings(args)?;
    let log = aether_telemetry::Settings {
        filter: settings.log.level.clone(),
        format: match settings.log.format {
            LogFormat::Text => aether_telemetry::Format::Text,
            LogFormat::Json => aether_telemetry::Format::Json,
        },
        kept_bytes_max: LOG_KEPT,
    };
    let logs = aether_telemetry::init(&log)
        .map_err(|error| Failure::invalid(format!("failed to {}", chain(&error))))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::Bug(error.into()))?;
    let shutdown = CancellationToken::new();
    let (notes, colour) = (around.notes.clone(), ui.colour_err);
    let ended = runtime.block_on(async {
        tokio::spawn(stop_on_signals(shutdown.clone(), signals()?));
        let told = move |started: &Started| greet(started, colour);
        let ended = aether_node::run(settings, logs, notes, shutdown, told).await;
        ended.map_err(failure)
    });
    runtime.shutdown_timeout(END_TIME);
    ended
}

/// The file, and the flags over it.
fn settings(args: RunArgs) -> Result<Settings> {
    let mut settings = match &args.config {
        Some(path) if !path.exists() => {
            let message = format!("failed to read {}: there is no such file", path.display());
            return Err(Failure::expected(Exit::NotFound, message));
        }
        Some(path) => Settings::load(path)?,
        None => Settings::default(),
    };
    let RunArgs { data, http, api, cluster, log, config: _, .. } = args;
    settings.listen.cluster = cluster.unwrap_or(settings.listen.cluster);
    let place = &mut settings.cluster;
    place.advertise = args.advertise.or(place.advertise.take());
    place.join = args.join.or(place.join.take());
    place.token = args.token.or(place.token.take());
    place.zone = args.zone.unwrap_or(std::mem::take(&mut place.zone));
    place.voters = args.voters.unwrap_or(place.voters);
    settings.data = data.unwrap_or(settings.data);
    settings.sandbox |= args.sandbox;
    settings.listen.http = http.unwrap_or(settings.listen.http);
    settings.listen.api = api.unwrap_or(settings.listen.api);
    settings.log.level = log.unwrap_or(settings.log.level);
    settings.validate("the command line")?;
    Ok(settings)
}

/// Where everything is. The reader may have gone; the node stays.
fn greet(started: &Started, colour: bool) {
    let Started { node, http, api, cluster, key_file } = started;
    let mut lines = vec![
        ("Started", format!("node {node}")),
        ("applications", format!("http://{http}")),
        ("management", format!("http://{api}")),
        ("other nodes", cluster.to_string()),
    ];
    if let Some(file) = key_file {
        lines.push(("key", file.display().to_string()));
    }
    for (verb, what) in lines {
        let _ = writeln!(std::io::stderr(), "{}", step(verb, what, colour));
    }
}

fn signals() -> Result<[Signal; 2]> {
    let catch = |kind| signal(kind).map_err(|error| Failure::Bug(error.into()));
    Ok([catch(SignalKind::interrupt())?, catch(SignalKind::terminate())?])
}

/// The first signal asks the node to stop; the second one means now.
async fn stop_on_signals(shutdown: CancellationToken, [mut interrupt, mut terminate]: [Signal; 2]) {
    for again in [false, true] {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        if again {
            std::process::exit(i32::from(Exit::Failed as u8));
        }
        let _ = writeln!(std::io::stderr(), "stopping; a second signal stops at once");
        shutdown.cancel();
    }
}

fn failure(error: aether_node::Error) -> Failure {
    use aether_node::Error;
    match &error {
        Error::Listen { what, flag, address, source } => {
            let message = format!("failed to listen on {address} ({what}): {source}");
            let help = format!("free it, or name another address with {flag}");
            Failure::expected(Exit::Unavailable, message).help(help)
        }
        Error::Storage(cause) if cause.kind() == ErrorKind::Unavailable => {
            Failure::expected(Exit::Unavailable, chain(&error))
                .help("a folder belongs to one node: stop the other, or name another with --data")
        }
        Error::StaleData { node, .. } => {
            let help = format!(
                "take it out with `aether node remove {node}` on another node, then start this one \
                 with --join, --token and an empty folder"
            );
            Failure::expected(Exit::Conflict, chain(&error)).coded(Code::StaleData).help(help)
        }
        _ => Failure::expected(Exit::Failed, chain(&error)),
    }
}
