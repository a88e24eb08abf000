//! Several servers under the same load, turn by turn, in one run. Knows no server by name.

use std::net::SocketAddr;
use std::time::Duration;

use aether_forge::Process;

use crate::load::{self, Load, Outcome, Pace};
use crate::report::median;

const CONNECTIONS: u32 = 32;
const WARM_UP: Duration = Duration::from_secs(2);
const ROUND: Duration = Duration::from_secs(4);
const ROUNDS: usize = 5;

/// One server and the request that it gets.
pub(crate) struct Contender<'a> {
    pub(crate) name: &'static str,
    pub(crate) address: SocketAddr,
    pub(crate) process: &'a Process,
    pub(crate) request: Vec<u8>,
}

/// Medians over all rounds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figures {
    pub(crate) per_second: f64,
    /// CPU of the server's process per request under full load.
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
        let outcome = contender.load(WARM_UP, Pace::Closed)?;
        slowest = slowest.min(outcome.per_second);
    }
    let pace = Pace::Open { per_second: slowest / 2.0 };
    eprintln!("{CONNECTIONS} connections; latency at {:.0} requests/s", slowest / 2.0);
    let mut rounds = vec![Vec::new(); contenders.len()];
    for round in 1..=ROUNDS {
        for (contender, figures) in contenders.iter().zip(&mut rounds) {
            let it = contender.round(pace)?;
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
    fn round(&self, pace: Pace) -> anyhow::Result<Figures> {
        let before = self.process.cpu()?;
        let full = self.load(ROUND, Pace::Closed)?;
        let cpu = self.process.cpu()?.saturating_sub(before);
        let paced = self.load(ROUND, pace)?;
        Ok(Figures {
            per_second: full.per_second,
            cpu_us: cpu.as_secs_f64() * 1e6 / full.requests as f64,
            p50_ms: paced.latency_us.value_at_quantile(0.5) as f64 / 1e3,
            p99_ms: paced.latency_us.value_at_quantile(0.99) as f64 / 1e3,
        })
    }

    fn load(&self, duration: Duration, pace: Pace) -> anyhow::Result<Outcome> {
        load::run(&Load {
            address: self.address,
            request: self.request.clone(),
            connections: CONNECTIONS,
            duration,
            pace,
        })
    }
}

/// A request as it goes over the wire.
pub(crate) fn request(method: &str, path: &str, json: &str) -> Vec<u8> {
    let body = match json {
        "" => "\r\n".to_owned(),
        _ => format!(
            "content-type: application/json\r\ncontent-length: {}\r\n\r\n{json}",
            json.len()
        ),
    };
    format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\n{body}").into_bytes()
}
