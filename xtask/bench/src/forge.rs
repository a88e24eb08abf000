//! `forge`: five nodes from nothing to serving, what requests notice of a lost leader and of a
//! restart of every node, memory, and what the dashboard costs. Through Forge, as its users do.

mod dashboard;

use std::path::Path;
use std::time::{Duration, Instant};

use aether_forge::load::Report;
use aether_forge::model::{LoadRequest, NodeAction, NodeView, ProcessState};
use aether_forge::{Forge, ForgeSettings, Remote, memory, until};
use anyhow::{Context, ensure};

use crate::aether;
use crate::client;
use crate::guests::Guests;
use crate::report::{self, Measure, median};

const NODES: usize = 5;
const STARTS: usize = 5;
const ROUNDS: usize = 3;
/// Requests a second: what is wanted, and what is tried where a machine cannot carry that.
const RATES: [u32; 6] = [2_000, 1_500, 1_000, 750, 500, 250];
/// A machine carries a rate if nothing fails and nobody waits for longer.
const P99_MAX_MS: f64 = 100.0;
const CALM: Duration = Duration::from_secs(10);
/// Load before something is lost, and afterwards.
const AROUND: Duration = Duration::from_secs(5);
const PATH: &str = "/hello";
/// What the Java system of the same name says of itself.
const CLAIM: (&str, f64) = ("the Java system's claim", 9.7);

pub(crate) fn run(folder: &Path, rounds: Option<usize>) -> anyhow::Result<()> {
    let rounds = rounds.unwrap_or(ROUNDS);
    let guests = Guests::build(&["guest-http-hello"], folder)?;
    let application = folder.join("forge-application");
    write(&application, guests.path("guest-http-hello"))?;
    let mut starts = Vec::new();
    for round in 1..=STARTS {
        let (_forge, took) = start(&application)?;
        eprintln!("start {round}: {took:.2} s");
        starts.push(took);
    }
    let (forge, _) = start(&application)?;
    let remote = remote(&forge)?;
    let idle = memory_mib(&remote)?;
    let (rate, calm, loaded) = carried(&remote)?;
    begin(&remote, rate)?;
    let traffic = dashboard::traffic(&forge)?;
    remote.stop_load()?;
    let losses = worst("leader lost", rounds, || lose_the_leader(&remote, rate))?;
    let restarts = worst("all restarted", rounds, || restart_all(&remote, rate))?;

    let requests = format!("of all, at {rate}/s");
    let failed = |name: &str, [failed, sent, _]: [f64; 3]| {
        Measure::new(name, "requests", failed, (&requests, sent))
    };
    let undisturbed = ("undisturbed", calm.total.longest_gap_ms);
    let measures = [
        Measure::new("start to serving s", "s", median(starts), CLAIM),
        failed("failed requests leader loss", losses),
        Measure::new("longest gap ms leader loss", "ms", losses[2], undisturbed),
        failed("failed requests rolling restart", restarts),
        Measure::new("longest gap ms rolling restart", "ms", restarts[2], undisturbed),
        Measure::new("memory MiB per node loaded", "MiB", loaded, ("idle", idle)),
        Measure::new("p99 ms undisturbed", "ms", calm.total.p99_ms, ("p50", calm.total.p50_ms)),
        Measure::new(
            "dashboard bytes/s",
            "B/s",
            traffic.live,
            ("the whole picture, polled", traffic.polled),
        ),
        Measure::new("forge pages bytes/s", "B/s", traffic.forge, ("the live feed", traffic.live)),
    ];
    report::publish(folder, "forge", &measures)
}

/// One slice on every node.
fn write(folder: &Path, component: &Path) -> anyhow::Result<()> {
    let slice = aether::slice("hello", component);
    let head = "[application]\nname = \"hello\"\nversion = \"1.0.0\"\n";
    let route =
        "\n[[routes]]\nroute = \"* /**\"\nslice = \"bench:hello\"\nhandler = \"wasi:http\"\n";
    std::fs::create_dir_all(folder)?;
    let text = format!("{head}{slice}instances = {NODES}\n{route}");
    std::fs::write(folder.join("blueprint.toml"), text)?;
    Ok(())
}

/// Until every node answers a request; in seconds.
fn start(application: &Path) -> anyhow::Result<(Forge, f64)> {
    let began = Instant::now();
    let settings = ForgeSettings {
        program: aether::program()?,
        listen: (std::net::Ipv4Addr::LOCALHOST, 0).into(),
        nodes: NODES,
        blueprint: Some(application.to_owned()),
        watch: false,
        keep: None,
        notes: None,
    };
    let forge = Forge::start(settings, &mut |_, _| {})?;
    for node in forge.overview().nodes {
        let door = node.http.parse()?;
        until("a node answers", || client::get(door, PATH).is_ok())?;
    }
    Ok((forge, began.elapsed().as_secs_f64()))
}

fn remote(forge: &Forge) -> anyhow::Result<Remote> {
    Remote::new(&forge.overview().url, &forge.key()).context("a Forge has an address")
}

fn begin(remote: &Remote, rate: u32) -> anyhow::Result<()> {
    let text = format!("[[targets]]\npath = \"{PATH}\"\nrate = \"{rate}/s\"\nconnections = 512\n");
    remote.start_load(&LoadRequest { file: "load.toml".to_owned(), text })?;
    Ok(())
}

/// The highest of the rates that the machine carries, what came of it, and the memory of a node
/// meanwhile.
fn carried(remote: &Remote) -> anyhow::Result<(u32, Report, f64)> {
    for rate in RATES {
        begin(remote, rate)?;
        let_pass(CALM);
        let loaded = memory_mib(remote)?;
        let report = remote.stop_load()?;
        let total = &report.total;
        eprintln!("{rate}/s: p99 {:.1} ms, {} failed", total.p99_ms, total.failed);
        if total.failed == 0 && total.p99_ms < P99_MAX_MS {
            return Ok((rate, report, loaded));
        }
    }
    anyhow::bail!("this machine does not carry {} requests a second", RATES[RATES.len() - 1])
}

/// Failed requests, requests and the longest gap, each from the worst of the rounds.
fn worst(
    what: &str,
    rounds: usize,
    mut round: impl FnMut() -> anyhow::Result<Report>,
) -> anyhow::Result<[f64; 3]> {
    let mut worst = [0.0_f64; 3];
    for number in 1..=rounds {
        let total = round()?.total;
        let (failed, due, gap) = (total.failed, total.due, total.longest_gap_ms);
        eprintln!(
            "{what} {number}: {failed} of {due} failed, gap {gap:.0} ms {:?}",
            total.failures
        );
        let seen = [failed as f64, due as f64, gap];
        worst.iter_mut().zip(seen).for_each(|(worst, seen)| *worst = worst.max(seen));
    }
    Ok(worst)
}

fn lose_the_leader(remote: &Remote, rate: u32) -> anyhow::Result<Report> {
    let leader = || -> anyhow::Result<usize> {
        let nodes = remote.nodes()?;
        let leader = nodes.iter().find(|node| node.role.as_deref() == Some("leader"));
        Ok(leader.context("there is no leader")?.number)
    };
    until("a node leads", || leader().is_ok())?;
    begin(remote, rate)?;
    let_pass(AROUND);
    let lost = leader()?;
    remote.act(lost, NodeAction::Kill)?;
    let_pass(AROUND);
    until("another one leads", || leader().is_ok_and(|it| it != lost))?;
    let report = remote.stop_load()?;
    remote.act(lost, NodeAction::Restart)?;
    until("all are back", || {
        remote.nodes().is_ok_and(|nodes| {
            let well = |it: &NodeView| {
                it.process == ProcessState::Running && it.state.as_deref() == Some("ON_DUTY")
            };
            nodes.iter().all(well)
        })
    })?;
    Ok(report)
}

fn restart_all(remote: &Remote, rate: u32) -> anyhow::Result<Report> {
    begin(remote, rate)?;
    let_pass(AROUND);
    for number in 1..=NODES {
        remote.act(number, NodeAction::Restart)?;
    }
    let_pass(AROUND);
    Ok(remote.stop_load()?)
}

/// What happens in some time is what is measured.
fn let_pass(time: Duration) {
    let end = Instant::now() + time;
    while let Some(left) = end.checked_duration_since(Instant::now()) {
        std::thread::park_timeout(left);
    }
}

/// Of a node, the mean.
fn memory_mib(remote: &Remote) -> anyhow::Result<f64> {
    let nodes = remote.nodes()?;
    ensure!(!nodes.is_empty(), "there are no nodes");
    let bytes = nodes.iter().map(|node| memory(node.pid)).sum::<anyhow::Result<u64>>()?;
    Ok(bytes as f64 / nodes.len() as f64 / f64::from(1 << 20))
}
