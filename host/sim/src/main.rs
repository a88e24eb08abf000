//! `aether-sim`: replays a seed, searches seeds, proves that planted defects are found. Knows no
//! rules: the library does.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for a terminal")]

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};

use aether_sim::{Options, Report, run};
use clap::Parser;

/// Simulates clusters from seeds.
#[derive(Parser)]
struct Arguments {
    /// Replay one seed with its trace
    #[arg(long, conflicts_with = "seeds")]
    seed: Option<u64>,
    /// Search these seeds: `A..B`
    #[arg(long, value_parser = parse_seeds, default_value = "0..100")]
    seeds: std::ops::Range<u64>,
    /// Threads that search
    #[arg(long, default_value_t = 1)]
    jobs: u64,
    /// Show that each planted defect is found within 2,000 seeds
    #[cfg(feature = "planted")]
    #[arg(long, conflicts_with = "seed")]
    planted: bool,
    /// Say how many of the first COUNT seeds find each, instead of ending at one that does
    #[cfg(feature = "planted")]
    #[arg(long, requires = "planted")]
    count: Option<u64>,
    /// Only this planted defect; with `--seed`, replay with it
    #[cfg(feature = "planted")]
    #[arg(long)]
    defect: Option<String>,
}

fn parse_seeds(text: &str) -> Result<std::ops::Range<u64>, String> {
    let ends = text.split_once("..").and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
    let (from, to) = ends.ok_or_else(|| format!("{text:?} is not like 0..100"))?;
    Ok(from..to)
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // Failures are in the reports; what the cores say on their way out is not news.
    std::panic::set_hook(Box::new(|_| {}));
    let done = match arguments.seed {
        Some(seed) => replay(seed, &arguments),
        #[cfg(feature = "planted")]
        None if arguments.planted => {
            planted::prove(arguments.defect.as_deref(), arguments.jobs, arguments.count)
        }
        None => search(arguments.seeds, arguments.jobs),
    };
    match done {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// Shows everything that happens in one run.
fn replay(seed: u64, arguments: &Arguments) -> bool {
    let mut options = Options::default();
    #[cfg(feature = "planted")]
    {
        options.planted = arguments.defect.as_deref().map(planted::named);
    }
    #[cfg(not(feature = "planted"))]
    let _ = arguments;
    let mut again = options;
    options.keep_trace = true;
    again.keep_trace = false;
    let report = run(seed, options);
    report.trace.iter().for_each(|line| println!("{line}"));
    let again = run(seed, again);
    println!("{}", describe(&report));
    if again.hash != report.hash {
        println!("a second run of seed {seed} is another one");
    }
    report.failure.is_none() && again.hash == report.hash
}

fn describe(report: &Report) -> String {
    let Report { seed, hash, steps, simulated_ms, failure, .. } = report;
    let verdict = failure.as_ref().map_or("ok".to_owned(), |failure| format!("FAILED: {failure}"));
    format!("seed {seed}: {steps} steps, {simulated_ms} ms, trace {hash:016x}: {verdict}")
}

/// Runs every seed; each twice, so that chance from outside the seed is found too.
fn search(seeds: std::ops::Range<u64>, jobs: u64) -> bool {
    let (next, failed) = (AtomicU64::new(seeds.start), AtomicU64::new(0));
    let worker = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return;
            }
            let report = run(seed, Options::default());
            let again = run(seed, Options::default());
            if report.hash != again.hash || report.failure.is_some() {
                failed.fetch_add(1, Ordering::Relaxed);
                println!("{}", describe(&report));
                if report.hash != again.hash {
                    println!("a second run of seed {seed} is another one");
                }
                println!("  replay: cargo xtask sim --seed {seed}");
            }
        }
    };
    std::thread::scope(|scope| {
        (0..jobs.max(1)).for_each(|_| drop(scope.spawn(worker)));
    });
    let failed = failed.into_inner();
    eprintln!("{} seeds, each twice: {failed} failed", seeds.end - seeds.start);
    failed == 0
}

#[cfg(feature = "planted")]
mod planted {
    //! Known defects, each of which a search has to find.

    use super::*;
    use aether_sim::Planted;

    const SEEDS_MAX: u64 = 2_000;

    const ALL: [(&str, Planted); 5] = [
        ("acknowledge-before-fsync", Planted::AcknowledgeBeforeFsync),
        ("drop-vote", Planted::DropVote),
        ("commit-older-term", Planted::CommitOlderTerm),
        ("skip-fence", Planted::SkipFence),
        ("reuse-question", Planted::ReuseQuestion),
    ];

    pub(super) fn named(name: &str) -> Planted {
        let found = ALL.iter().find(|(known, _)| *known == name);
        found.unwrap_or_else(|| panic!("{name} is none of {:?}", ALL.map(|(name, _)| name))).1
    }

    /// True if each defect is found, and by what it breaks.
    pub(super) fn prove(only: Option<&str>, jobs: u64, count: Option<u64>) -> bool {
        let seeds = count.unwrap_or(SEEDS_MAX);
        let wanted = ALL.iter().filter(|(name, _)| only.is_none_or(|only| only == *name));
        let found = wanted.map(|(name, planted)| {
            let mut failures = failures(*planted, jobs, seeds, count.is_some());
            failures.sort_by_key(|report| report.seed);
            if let Some(count) = count {
                println!("{name}: found by {} of {count} seeds", failures.len());
            }
            match failures.first() {
                Some(report) => {
                    println!("{name}: {}", describe(report));
                    println!("  replay: cargo xtask sim --seed {} --defect {name}", report.seed);
                }
                None => println!("{name}: not found in {seeds} seeds"),
            }
            !failures.is_empty()
        });
        found.filter(|found| !found).count() == 0
    }

    /// All of them, or at least one.
    fn failures(planted: Planted, jobs: u64, seeds: u64, all: bool) -> Vec<Report> {
        let options = Options { keep_trace: false, planted: Some(planted) };
        let (next, found) = (AtomicU64::new(0), std::sync::Mutex::new(Vec::new()));
        let worker = || {
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= seeds {
                    return;
                }
                let report = run(seed, options);
                // A seed that fails anyway proves nothing.
                if report.failure.is_some() && run(seed, Options::default()).failure.is_none() {
                    if !all {
                        next.store(seeds, Ordering::Relaxed);
                    }
                    found.lock().expect("no worker panics").push(report);
                }
            }
        };
        std::thread::scope(|scope| {
            (0..jobs.max(1)).for_each(|_| drop(scope.spawn(worker)));
        });
        found.into_inner().expect("no worker panics")
    }
}
