//! Several servers under the same load, turn by turn, in one run. Knows no server by name.

use std::net::SocketAddr;
use std::time::Duration;

use aether_forge::Process;
use aether_forge::load::{self, Doors, Load, Rate, Saturated, Spec, Target, saturate};
use aether_types::TimeSpan;
use anyhow::{Context, ensure};

use crate::report::median;

const CONNECTIONS: u32 = 32;
const WARM_UP: Duration = Duration::from_secs(2);
const ROUND: TimeSpan = TimeSpan::from_secs(4);
const ROUNDS: usize = 5;

/// One server and the request that it gets.
pub(crate) struct Contender<'a> {
    pub(crate) name: &'static str,
    pub(crate) address: SocketAddr,
    pub(crate) process: &'a Process,
    pub(crate) request: Request<'a>,
}

/// The request that everybody gets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    /// JSON, if any.
    pub(crate) body: Option<&'a str>,
}

/// Medians over all rounds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figures {
    pub(crate) per_second: f64,
    /// CPU of the server's process, and of those that it has started, per request under full load.
    pub(crate) cpu_us: f64,
    /// At the same fixed rate for everybody.
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
}

/// Takes turns: for each round and contender, full load for throughput and CPU, then a fixed rate
/// for latency. The rate is half of what the slowest can do, so that nobody's latency is a queue.
pub(crate) fn run(contenders: &[Contender<'_>]) -> anyhow::Result<Vec<Figures>> {
    let mut slowest = f64::INFINITY;
    for contender in contenders {
        slowest = slowest.min(contender.saturated(WARM_UP)?.per_second);
    }
    let rate = Rate::per_second(slowest / 2.0).context("more than one machine can send")?;
    eprintln!("{CONNECTIONS} connections; latency at {:.0} requests/s", slowest / 2.0);
    let mut rounds = vec![Vec::new(); contenders.len()];
    for round in 1..=ROUNDS {
        for (contender, figures) in contenders.iter().zip(&mut rounds) {
            let it = contender.round(rate)?;
            let Figures { per_second, cpu_us, p50_ms, p99_ms } = it;
            let name = contender.name;
            eprintln!(
                "round {round}: {name:<24} {per_second:>8.0}/s {cpu_us:>7.1} us CPU/request, \
                 p50 {p50_ms:.2} ms, p99 {p99_ms:.2} ms"
            );
            figures.push(it);
        }
    }
    let middle = |rounds: &Vec<Figures>, of: fn(&Figures) -> f64| median(rounds.iter().map(of));
    Ok(rounds
        .iter()
        .map(|rounds| Figures {
            per_second: middle(rounds, |it| it.per_second),
            cpu_us: middle(rounds, |it| it.cpu_us),
            p50_ms: middle(rounds, |it| it.p50_ms),
            p99_ms: middle(rounds, |it| it.p99_ms),
        })
        .collect())
}

impl Contender<'_> {
    fn round(&self, rate: Rate) -> anyhow::Result<Figures> {
        let before = self.process.cpu()?;
        let full = self.saturated(ROUND.duration())?;
        let cpu = self.process.cpu()?.saturating_sub(before);
        let paced = self.paced(rate)?;
        Ok(Figures {
            per_second: full.per_second,
            cpu_us: cpu.as_secs_f64() * 1e6 / full.requests as f64,
            p50_ms: paced.p50_ms,
            p99_ms: paced.p99_ms,
        })
    }

    fn saturated(&self, duration: Duration) -> anyhow::Result<Saturated> {
        saturate(&self.target(Rate::MAX)?, self.address, CONNECTIONS, duration)
    }

    /// At a fixed rate.
    fn paced(&self, rate: Rate) -> anyhow::Result<load::Figures> {
        let doors = Doors::default();
        doors.set(1, Some(self.address));
        let targets = vec![self.target(rate)?];
        let total =
            Load::start(Spec { duration: Some(ROUND), seed: 0, targets }, doors)?.wait()?.total;
        ensure!(total.failed == 0, "{}: {:?}", self.name, total.failures);
        Ok(total)
    }

    fn target(&self, rate: Rate) -> anyhow::Result<Target> {
        let Request { method, path, body } = self.request;
        let mut target = Target::new(method, path, body, rate).map_err(anyhow::Error::msg)?;
        target.connections = CONNECTIONS;
        Ok(target)
    }
}
