//! `kv-put`: acknowledged writes to three nodes, against etcd with the same clients, values and
//! number of members, turn by turn. Both on the same disk, both wait for it.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use aether_forge::load::histogram;
use anyhow::{Context, ensure};
use bytes::Bytes;
use hdrhistogram::Histogram;

use crate::aether;
use crate::etcd::{self, Etcd};
use crate::kv::{Connection, Door};
use crate::replicas::{MEMBERS, Replicas, doors};
use crate::report::{self, Measure, median};

const CLIENTS: [usize; 3] = [1, 64, 1_000];
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(4);
const WARM_UP: Duration = Duration::from_secs(2);
/// Of one connection, as etcd's own benchmark has it.
const STREAMS: usize = 10;
const VALUE_BYTES: usize = 256;
/// Of each client; then it starts with the first one again.
const KEYS: usize = 10;

/// Of one round.
struct Outcome {
    per_second: f64,
    /// Microseconds.
    latency_us: Histogram<u64>,
}

pub(crate) fn run(folder: &Path, rounds: Option<usize>) -> anyhow::Result<()> {
    let program = etcd::program(folder)?;
    let ours = aether::sandbox(folder, "kv-put")?.cluster(MEMBERS)?;
    let theirs = Etcd::start(&program, &folder.join("kv-put-etcd"), MEMBERS)?;
    let contenders: [&dyn Replicas; 2] = [&ours, &theirs];
    for replicas in contenders {
        load(&doors(replicas)?, 64, WARM_UP)?;
    }
    // For each number of clients the rounds of both.
    let mut outcomes = CLIENTS.map(|_| [Vec::new(), Vec::new()]);
    for round in 1..=rounds.unwrap_or(ROUNDS) {
        for (clients, outcomes) in CLIENTS.iter().zip(&mut outcomes) {
            for (replicas, outcomes) in contenders.iter().zip(outcomes) {
                // The leader may have changed: a single client is its client, in both.
                let outcome = load(&doors(*replicas)?, *clients, ROUND)?;
                eprintln!(
                    "round {round}: {:<8} {clients:>4} clients {:>8.0}/s, p50 {:.2} ms, p99 {:.2} ms",
                    replicas.name(),
                    outcome.per_second,
                    percentile_ms(&outcome, 0.5),
                    percentile_ms(&outcome, 0.99),
                );
                outcomes.push(outcome);
            }
        }
    }
    report::publish(folder, "kv-put", &measures(&outcomes))
}

fn percentile_ms(outcome: &Outcome, quantile: f64) -> f64 {
    outcome.latency_us.value_at_quantile(quantile) as f64 / 1e3
}

fn measures(outcomes: &[[Vec<Outcome>; 2]; 3]) -> Vec<Measure> {
    let measure = |name: String, unit, of: &dyn Fn(&Outcome) -> f64, rounds: &[Vec<Outcome>; 2]| {
        let [ours, theirs] = rounds.each_ref().map(|rounds| median(rounds.iter().map(of)));
        Measure::new(name, unit, ours, (etcd::NAME, theirs))
    };
    let throughput = |(clients, rounds)| {
        let name = format!("throughput {clients}");
        measure(name, "writes/s", &|outcome| outcome.per_second, rounds)
    };
    let mut measures: Vec<_> = CLIENTS.iter().zip(outcomes).map(throughput).collect();
    for (name, quantile) in [("p50 1", 0.5), ("p99 1", 0.99)] {
        let of = |outcome: &Outcome| percentile_ms(outcome, quantile);
        measures.push(measure(name.to_owned(), "ms", &of, &outcomes[0]));
    }
    measures
}

/// Clients, spread over the doors, each of which writes again as soon as it was acknowledged.
fn load(doors: &[Door], clients: usize, duration: Duration) -> anyhow::Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let connections = connect(doors, clients).await?;
        let latency_us = Rc::new(RefCell::new(histogram()));
        let start = Instant::now();
        let end = start + duration;
        let start_client = |(number, connection)| {
            tokio::task::spawn_local(client(number, connection, end, latency_us.clone()))
        };
        let clients: Vec<_> = connections.into_iter().enumerate().map(start_client).collect();
        for client in clients {
            client.await?.context("a write")?;
        }
        let latency_us = Rc::into_inner(latency_us).expect("all clients have ended").into_inner();
        ensure!(!latency_us.is_empty(), "no write was acknowledged");
        let per_second = latency_us.len() as f64 / start.elapsed().as_secs_f64();
        Ok(Outcome { per_second, latency_us })
    })
}

/// One for each client: the doors take turns, and clients at one door share its connections.
async fn connect(doors: &[Door], clients: usize) -> anyhow::Result<Vec<Connection>> {
    let mut connections: Vec<Connection> = Vec::with_capacity(clients);
    for client in 0..clients {
        let (door, place) = (client % doors.len(), client / doors.len());
        let connection = match place % STREAMS {
            0 => doors[door].connect().await?,
            _ => connections[client - doors.len()].clone(),
        };
        connections.push(connection);
    }
    Ok(connections)
}

async fn client(
    number: usize,
    mut connection: Connection,
    end: Instant,
    latency_us: Rc<RefCell<Histogram<u64>>>,
) -> anyhow::Result<()> {
    let value = Bytes::from(vec![b'v'; VALUE_BYTES]);
    for turn in 0.. {
        let from = Instant::now();
        if from >= end {
            break;
        }
        let key = format!("bench-{number:04}-{:04}", turn % KEYS);
        connection.put(&key, value.clone()).await?;
        let micros = u64::try_from(from.elapsed().as_micros()).unwrap_or(u64::MAX);
        latency_us.borrow_mut().saturating_record(micros.max(1));
    }
    Ok(())
}
