//! `order-app`: orders placed at a fixed rate, whatever the answers do, through all doors of three
//! nodes; beside it the same application on one node.

use std::path::Path;
use std::time::Duration;

use aether_forge::Node;
use anyhow::Context;

use crate::aether;
use crate::compare::request;
use crate::guests::Guests;
use crate::load::{self, Load, Outcome, Pace, histogram};
use crate::report::{self, Measure, median};

const APPLICATION: &str = "examples/order";
const SLICES: [&str; 5] =
    ["inventory", "pricing", "place-order", "get-order-status", "cancel-order"];
const NODES: usize = 3;
/// Orders per second for the latencies.
const RATE: f64 = 300.0;
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(6);
const WARM_UP: Duration = Duration::from_secs(3);
/// The highest rate is the highest with a p99 below this.
const P99_MAX_MS: f64 = 10.0;
const STEP: Duration = Duration::from_secs(3);
/// Halvings of the space between a rate that is good and one that is not.
const STEPS: usize = 5;
/// At each door.
const CONNECTIONS: u32 = 32;
const ORDER: &str = r#"{"customer": "ada", "items": [{"product": "book", "quantity": 1}]}"#;

/// Medians over the rounds.
struct Figures {
    quantiles_ms: [f64; 3],
    highest: f64,
    /// Of all nodes, the mean.
    cpu_percent: f64,
    memory_mib: f64,
}

pub(crate) fn run(folder: &Path) -> anyhow::Result<()> {
    Guests::build(&SLICES, folder)?;
    let cluster = aether::sandbox(folder, "order-app")?.cluster(NODES)?;
    let ours = figures(&cluster)?;
    drop(cluster);
    let alone = [aether::start(folder, "order-app-alone")?];
    let theirs = figures(&alone)?;
    let measure = |name: &str, unit, of: &dyn Fn(&Figures) -> f64| {
        Measure::new(name, unit, of(&ours), ("one node", of(&theirs)))
    };
    let measures = [
        measure("p50 ms", "ms", &|it| it.quantiles_ms[0]),
        measure("p99 ms", "ms", &|it| it.quantiles_ms[1]),
        measure("p99.9 ms", "ms", &|it| it.quantiles_ms[2]),
        measure("highest orders/s", "orders/s", &|it| it.highest),
        measure("CPU % per node", "% of a core", &|it| it.cpu_percent),
        measure("memory MiB per node", "MiB", &|it| it.memory_mib),
    ];
    report::publish(folder, "order-app", &measures)
}

fn figures(nodes: &[Node]) -> anyhow::Result<Figures> {
    nodes[0].order(&["deploy", APPLICATION])?;
    offer(nodes, RATE, WARM_UP)?;
    let (mut quantiles, mut cpu) = ([const { Vec::new() }; 3], Vec::new());
    for _ in 0..ROUNDS {
        let before = cpu_time(nodes)?;
        let outcome = offer(nodes, RATE, ROUND)?;
        let busy = cpu_time(nodes)?.saturating_sub(before).as_secs_f64() / ROUND.as_secs_f64();
        cpu.push(100.0 * busy / nodes.len() as f64);
        for (quantile, figures) in [0.5, 0.99, 0.999].into_iter().zip(&mut quantiles) {
            figures.push(outcome.latency_us.value_at_quantile(quantile) as f64 / 1e3);
        }
    }
    let memory = nodes.iter().map(|node| node.process().memory());
    let memory = memory.sum::<anyhow::Result<u64>>()? as f64 / nodes.len() as f64;
    Ok(Figures {
        quantiles_ms: quantiles.map(median),
        highest: highest(nodes)?,
        cpu_percent: median(cpu),
        memory_mib: memory / f64::from(1 << 20),
    })
}

fn highest(nodes: &[Node]) -> anyhow::Result<f64> {
    let is_good = |rate| -> anyhow::Result<bool> {
        let outcome = offer(nodes, rate, STEP)?;
        let p99 = outcome.latency_us.value_at_quantile(0.99) as f64 / 1e3;
        eprintln!("{} nodes: {rate:>6.0} orders/s, p99 {p99:.2} ms", nodes.len());
        Ok(p99 < P99_MAX_MS)
    };
    let (mut good, mut bad) = (0.0, RATE);
    while is_good(bad)? {
        (good, bad) = (bad, 2.0 * bad);
    }
    for _ in 0..STEPS {
        let middle = f64::midpoint(good, bad);
        match is_good(middle)? {
            true => good = middle,
            false => bad = middle,
        }
    }
    Ok(good)
}

/// Orders through all doors at the same time.
fn offer(nodes: &[Node], per_second: f64, duration: Duration) -> anyhow::Result<Outcome> {
    let pace = Pace::Open { per_second: per_second / nodes.len() as f64 };
    let outcomes = std::thread::scope(|scope| {
        let offer = |node: &Node| {
            let (address, request) = (node.http, request("POST", "/api/orders", ORDER));
            let load = Load { address, request, connections: CONNECTIONS, duration, pace };
            scope.spawn(move || load::run(&load))
        };
        let running: Vec<_> = nodes.iter().map(offer).collect();
        let ended = running.into_iter().map(|it| it.join().expect("a load never panics"));
        ended.collect::<anyhow::Result<Vec<_>>>()
    })?;
    let mut latency_us = histogram();
    for outcome in &outcomes {
        latency_us.add(&outcome.latency_us).context("histograms of one kind")?;
    }
    let requests = outcomes.iter().map(|it| it.requests).sum();
    let per_second = outcomes.iter().map(|it| it.per_second).sum();
    Ok(Outcome { per_second, requests, latency_us })
}

fn cpu_time(nodes: &[Node]) -> anyhow::Result<Duration> {
    nodes.iter().map(|node| node.process().cpu()).sum()
}
