//! `join`: from the start of a process that joins a cluster to the first request that it serves,
//! against etcd and the first write that its new member takes.

use std::path::Path;
use std::time::Instant;

use aether_forge::until;

use crate::aether::{self, plain};
use crate::client;
use crate::etcd::{self, Etcd};
use crate::guests::Guests;
use crate::kv::Door;
use crate::report::{self, Measure, median};

/// In each of them a second and a third node join.
const ROUNDS: usize = 5;
const JOINING: usize = 2;

pub(crate) fn run(folder: &Path, rounds: Option<usize>) -> anyhow::Result<()> {
    let program = etcd::program(folder)?;
    let guests = Guests::build(&["guest-http-hello"], folder)?;
    let hello = guests.path("guest-http-hello");
    let blueprint = plain("hello", hello, &[("* /**", "handler = \"wasi:http\"")]);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 1..=rounds.unwrap_or(ROUNDS) {
        ours.extend(our_round(folder, &blueprint)?);
        theirs.extend(their_round(folder, &program)?);
        let last = |times: &[f64]| times[times.len() - JOINING..].to_vec();
        eprintln!("round {round}: {:.0?} ms, etcd {:.0?} ms", last(&ours), last(&theirs));
    }
    let theirs = (etcd::NAME, median(theirs));
    report::publish(folder, "join", &[Measure::new("join ms", "ms", median(ours), theirs)])
}

fn our_round(folder: &Path, blueprint: &str) -> anyhow::Result<Vec<f64>> {
    let founder = aether::start(folder, "join")?;
    aether::deploy(&founder, blueprint)?;
    let mut nodes = vec![founder];
    let mut times = Vec::new();
    for _ in 0..JOINING {
        let invitation = nodes[0].invitation()?;
        let start = Instant::now();
        let node = nodes[0].joined_by(invitation)?;
        until("the new node serves a request", || client::get(node.http, "/hello").is_ok())?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
        nodes.push(node);
    }
    Ok(times)
}

fn their_round(folder: &Path, program: &Path) -> anyhow::Result<Vec<f64>> {
    let mut etcd = Etcd::start(program, &folder.join("join-etcd"), 1)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut times = Vec::new();
    for _ in 0..JOINING {
        let member = etcd.add()?;
        let start = Instant::now();
        member.start()?;
        let door = member.door();
        until("the new member takes a write", || runtime.block_on(write(&door)).is_ok())?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    Ok(times)
}

async fn write(door: &Door) -> anyhow::Result<()> {
    door.connect().await?.put("join", "value".into()).await
}
