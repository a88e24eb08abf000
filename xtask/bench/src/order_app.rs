//! `order-app`: orders placed at a fixed rate, whatever the answers do, through all doors of three
//! nodes; beside it the same application on one node.

use std::path::Path;
use std::time::Duration;

use aether_forge::Node;
use aether_forge::load::{self, Doors, Load, Rate, Spec, Target};
use aether_types::TimeSpan;
use anyhow::{Context, ensure};

use crate::aether;
use crate::guests::Guests;
use crate::report::{self, Measure, median};

const APPLICATION: &str = "examples/order";
const SLICES: [&str; 5] =
    ["inventory", "pricing", "place-order", "get-order-status", "cancel-order"];
const NODES: usize = 3;
/// Orders per second for the latencies.
const RATE: f64 = 300.0;
const ROUNDS: usize = 5;
const ROUND: TimeSpan = TimeSpan::from_secs(6);
const WARM_UP: TimeSpan = TimeSpan::from_secs(1);
/// The highest rate is the highest with a p99 below this.
const P99_MAX_MS: f64 = 10.0;
const STEP: TimeSpan = TimeSpan::from_secs(3);
/// Halvings of the space between a rate that is good and one that is not.
const STEPS: usize = 5;
const CONNECTIONS: u32 = 96;
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
        let it = offer(nodes, RATE, ROUND)?;
        ensure!(it.failed == 0, "orders failed: {:?}", it.failures);
        let busy = cpu_time(nodes)?.saturating_sub(before).as_secs_f64();
        let busy = busy / ROUND.duration().as_secs_f64();
        cpu.push(100.0 * busy / nodes.len() as f64);
        for (figure, figures) in [it.p50_ms, it.p99_ms, it.p999_ms].into_iter().zip(&mut quantiles)
        {
            figures.push(figure);
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

/// A rate is good if it is twice, before it is bad twice: one measurement says little of a p99.
fn highest(nodes: &[Node]) -> anyhow::Result<f64> {
    let is_good_once = |rate| -> anyhow::Result<bool> {
        // What it has stored counts against its buckets, which refuse more than 256 MiB.
        nodes[0].order(&["undeploy", "order"])?;
        nodes[0].order(&["deploy", APPLICATION])?;
        offer(nodes, RATE, WARM_UP)?;
        let load::Figures { p99_ms, failed, .. } = offer(nodes, rate, STEP)?;
        let count = nodes.len();
        eprintln!("{count} nodes: {rate:>6.0} orders/s, p99 {p99_ms:.2} ms, {failed} failed");
        Ok(failed == 0 && p99_ms < P99_MAX_MS)
    };
    let is_good = |rate| -> anyhow::Result<bool> {
        let (first, second) = (is_good_once(rate)?, is_good_once(rate)?);
        if first == second { Ok(first) } else { is_good_once(rate) }
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

/// Orders through all doors in turn.
fn offer(nodes: &[Node], rate: f64, duration: TimeSpan) -> anyhow::Result<load::Figures> {
    let doors = Doors::default();
    nodes.iter().zip(1..).for_each(|(node, number)| doors.set(number, Some(node.http)));
    let rate = Rate::per_second(rate).context("more than one machine can send")?;
    let target = Target::new("POST", "/api/orders", Some(ORDER), rate);
    let mut target = target.map_err(anyhow::Error::msg)?;
    target.connections = CONNECTIONS;
    let spec = Spec { duration: Some(duration), seed: 0, targets: vec![target] };
    Ok(Load::start(spec, doors)?.wait()?.total)
}

fn cpu_time(nodes: &[Node]) -> anyhow::Result<Duration> {
    nodes.iter().map(|node| node.process().cpu()).sum()
}
