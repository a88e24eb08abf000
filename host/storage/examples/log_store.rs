//! Measures what a durable step of the Raft log costs beside a bare append with fdatasync, in one
//! run, interleaved. Knows no node. The figures stand in docs/decisions.
//!
//! `cargo run --release -p aether-storage --example log_store -- DIR`
#![expect(clippy::print_stdout, reason = "a table for people")]

use std::{
    env,
    fs::{self, File},
    io::{self, Write},
    path::PathBuf,
    time::{Duration, Instant},
};

use aether_consensus::{
    Entry, GroupId, HardState, Payload, Persist, PersistNumber, Position, ProposalId, Term,
};
use aether_storage::Storage;
use aether_types::{LogIndex, NodeId, versioned};

const ROUNDS: u64 = 300;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let parent = env::args().nth(1).map_or_else(env::temp_dir, PathBuf::from);
    let home = parent.join(format!("aether-log-store-{}", std::process::id()));
    let mut storage = Storage::open(&home)?;
    let mut plain = File::create(home.join("plain"))?;
    println!("| entries x bytes | append + fdatasync p50 / p99 | ours p50 / p99 | ratio of p50 |");
    println!("|---|---|---|---|");
    let mut next = 1;
    for (count, bytes) in [(1, 100), (1, 4_096), (16, 100), (256, 100), (1, 1 << 20)] {
        let (mut ours, mut bare) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let step = step(next, count, bytes);
            next += count;
            bare.push(timed(|| append(&mut plain, &step))?);
            ours.push(timed(|| storage.log.persist(std::slice::from_ref(&step)))?);
        }
        let [bare_half, bare_most] = [50, 99].map(|percent| percentile(&mut bare, percent));
        let [half, most] = [50, 99].map(|percent| percentile(&mut ours, percent));
        let ratio = half.as_secs_f64() / bare_half.as_secs_f64();
        println!(
            "| {count} x {bytes} | {} / {} | {} / {} | {ratio:.2} |",
            ms(bare_half),
            ms(bare_most),
            ms(half),
            ms(most)
        );
    }
    drop(storage);
    let files = fs::read_dir(home.join("raft"))?;
    let sizes = files.map(|file| Ok(file?.metadata()?.len())).collect::<io::Result<Vec<_>>>()?;
    let opened = timed(|| Storage::open(&home).map(drop))?;
    let size = sizes.iter().sum::<u64>() >> 20;
    println!("\nopening, with every checksum verified: {} for {size} MiB", ms(opened));
    Ok(fs::remove_dir_all(&home)?)
}

fn step(first: u64, count: u64, bytes: usize) -> Persist {
    let entry = |index| Entry {
        position: Position { index: LogIndex(index), term: Term(1) },
        payload: Payload::Command {
            id: ProposalId(index.into()),
            bytes: vec![index as u8; bytes].into(),
        },
    };
    // Compaction keeps the log near a thousand entries.
    let start = LogIndex(first.saturating_sub(1_000).max(1));
    Persist {
        group: GroupId(0),
        number: PersistNumber(first),
        hard_state: HardState { term: Term(1), vote: Some(NodeId(1)), commit: LogIndex(first - 1) },
        snapshot: None,
        retain: start..LogIndex(first),
        entries: (first..first + count).map(entry).collect(),
    }
}

fn append(file: &mut File, step: &Persist) -> io::Result<()> {
    let mut bytes = versioned::encode(&step.hard_state);
    step.entries.iter().for_each(|entry| bytes.extend(versioned::encode(entry)));
    file.write_all(&bytes)?;
    file.sync_data()
}

fn timed<E>(act: impl FnOnce() -> Result<(), E>) -> Result<Duration, E> {
    let start = Instant::now();
    act().map(|()| start.elapsed())
}

fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort();
    times[times.len() * percent / 100]
}

fn ms(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}
