//! `remote-call`: slice to slice between two nodes, against a unary echo in gRPC between two
//! processes. TLS on both; the caller measures from inside.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use aether_forge::Node;
use anyhow::{Context, ensure};
use serde::Deserialize;

use crate::aether::{self, plain, slice};
use crate::client;
use crate::grpc::{self, Peer};
use crate::guests::Guests;
use crate::report::{self, Measure, median};
use crate::server::{Server, free_address};

const ROUNDS: usize = 5;
const CALLS: u32 = 5_000;
const LARGE: usize = 64 << 10;
const LARGE_CALLS: u32 = 1_000;
/// Callers at the same time, for throughput, and the calls of each: a second or so, within the
/// deadline of a request.
const CALLERS: u32 = 64;
const CALLS_EACH: u32 = 2_000;
const LARGE_CALLERS: u32 = 16;
const LARGE_CALLS_EACH: u32 = 1_000;

const PEER: &str = "tonic";

/// What the caller says of its calls, in nanoseconds.
#[derive(Deserialize)]
struct Times {
    p50: u64,
    p99: u64,
}

#[derive(Default)]
struct Figures {
    small_p50: Vec<f64>,
    small_p99: Vec<f64>,
    small_per_second: Vec<f64>,
    large_p50: Vec<f64>,
    large_per_second: Vec<f64>,
}

pub(crate) fn run(folder: &Path) -> anyhow::Result<()> {
    let guests = Guests::build(&["guest-pair-caller", "guest-pair-echo"], folder)?;
    let nodes = two_nodes(folder)?;
    let caller = deploy(&nodes, &guests)?;
    grpc::certify(folder)?;
    let address = free_address()?;
    let mut echo = Command::new(std::env::current_exe()?);
    echo.arg("grpc-echo").arg(address.to_string()).arg("--folder").arg(folder);
    let _server = Server::start(&mut echo, address, &folder.join("grpc.log"))?;
    let peer = Peer::connect(address, folder)?;

    let (mut ours, mut theirs) = (Figures::default(), Figures::default());
    for _ in 0..ROUNDS {
        our_round(caller, &mut ours)?;
        their_round(&peer, &mut theirs)?;
    }
    let pair = |ours, theirs| (median(ours), (PEER, median(theirs)));
    let measure = |name, unit, (ours, theirs)| Measure::new(name, unit, ours, theirs);
    report::publish(
        folder,
        "remote-call",
        &[
            measure("small p50", "ns", pair(ours.small_p50, theirs.small_p50)),
            measure("small p99", "ns", pair(ours.small_p99, theirs.small_p99)),
            measure(
                "small throughput 64",
                "calls/s",
                pair(ours.small_per_second, theirs.small_per_second),
            ),
            measure("64 KiB p50", "ns", pair(ours.large_p50, theirs.large_p50)),
            measure(
                "64 KiB throughput 16",
                "calls/s",
                pair(ours.large_per_second, theirs.large_per_second),
            ),
        ],
    )
}

fn two_nodes(folder: &Path) -> anyhow::Result<Vec<Node>> {
    let sandbox = aether::sandbox(folder, "remote-call")?;
    let first = sandbox.found()?;
    let second = first.joined()?;
    Ok(vec![first, second])
}

/// Puts caller and callee on a node each; the front door of the caller's node.
fn deploy(nodes: &[Node], guests: &Guests) -> anyhow::Result<std::net::SocketAddr> {
    let (caller, echo) = (guests.path("guest-pair-caller"), guests.path("guest-pair-echo"));
    let routes = [
        ("GET /pair/records", "call = \"bench:pair/run#record-times\""),
        ("GET /pair/bytes", "call = \"bench:pair/run#bytes-times\""),
    ];
    let apart = "[slices.placement]\nrequire-away-from = [\"bench:pair\"]\n";
    let blueprint = plain("pair", caller, &routes) + &slice("pair-echo", echo) + apart;
    aether::deploy(&nodes[0], &blueprint)?;
    let listed = nodes[0].json(&["slices"])?.to_string();
    let both = nodes.iter().all(|node| listed.contains(&node.id));
    ensure!(both, "caller and callee are not on a node each: {listed}");
    // Whose door takes the request does not matter to what the caller measures.
    Ok(nodes[0].http)
}

fn our_round(door: std::net::SocketAddr, figures: &mut Figures) -> anyhow::Result<()> {
    let small = times(door, &format!("/pair/records?calls={CALLS}"))?;
    figures.small_p50.push(small.p50 as f64);
    figures.small_p99.push(small.p99 as f64);
    let path = format!("/pair/records?calls={CALLS_EACH}");
    figures.small_per_second.push(per_second(door, CALLERS, CALLS_EACH, &path)?);
    let large = times(door, &format!("/pair/bytes?bytes={LARGE}&calls={LARGE_CALLS}"))?;
    figures.large_p50.push(large.p50 as f64);
    let path = format!("/pair/bytes?bytes={LARGE}&calls={LARGE_CALLS_EACH}");
    figures.large_per_second.push(per_second(door, LARGE_CALLERS, LARGE_CALLS_EACH, &path)?);
    Ok(())
}

fn their_round(peer: &Peer, figures: &mut Figures) -> anyhow::Result<()> {
    let small = peer.records(CALLS)?;
    figures.small_p50.push(small.value_at_quantile(0.5) as f64);
    figures.small_p99.push(small.value_at_quantile(0.99) as f64);
    figures.small_per_second.push(peer.records_per_second(CALLERS, CALLS_EACH)?);
    let large = peer.bytes(LARGE_CALLS, LARGE)?;
    figures.large_p50.push(large.value_at_quantile(0.5) as f64);
    let large = peer.bytes_per_second(LARGE_CALLERS, LARGE_CALLS_EACH, LARGE)?;
    figures.large_per_second.push(large);
    Ok(())
}

fn times(door: std::net::SocketAddr, path: &str) -> anyhow::Result<Times> {
    let answer = client::get(door, path)?;
    serde_json::from_str(&answer).with_context(|| answer.clone())
}

/// So many callers at the same time, each an instance of its own that makes so many calls.
fn per_second(
    door: std::net::SocketAddr,
    callers: u32,
    calls: u32,
    path: &str,
) -> anyhow::Result<f64> {
    let start = Instant::now();
    std::thread::scope(|scope| {
        let callers: Vec<_> =
            (0..callers).map(|_| scope.spawn(|| client::get(door, path).map(drop))).collect();
        callers.into_iter().try_for_each(|caller| caller.join().expect("a caller never panics"))
    })?;
    Ok(f64::from(callers) * f64::from(calls) / start.elapsed().as_secs_f64())
}
