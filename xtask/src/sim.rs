//! `cargo xtask sim`: builds the simulator, optimised and with its planted defects, and runs it.
//! Knows no rules of the simulation.

use crate::shell;

/// Seeds of every run of all checks.
const FIXED: &str = "0..150";

/// Seeds that each commit adds, so that the search goes on.
const OF_COMMIT: u64 = 50;

/// Runs the simulator with these arguments.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<()> {
    let build = ["run", "--quiet", "--profile", "sim", "--package", "aether-sim"];
    let mut command = shell::cargo();
    command.args(build).args(["--features", "planted", "--"]).args(arguments);
    shell::run(&mut command)
}

/// The fixed seeds, some that are new with every commit, and the proof that defects are found.
pub(crate) fn check() -> anyhow::Result<()> {
    let commit = shell::output(&shell::root(), "git", &["rev-parse", "HEAD"])?;
    let first = u64::from_str_radix(&commit[..8], 16)?;
    let of_commit = format!("{first}..{}", first + OF_COMMIT);
    let jobs = std::thread::available_parallelism().map_or(1, usize::from).to_string();
    for what in [&["--seeds", FIXED][..], &["--seeds", &of_commit], &["--planted"]] {
        let arguments: Vec<String> =
            what.iter().chain(&["--jobs", &jobs]).map(|word| (*word).to_owned()).collect();
        run(&arguments)?;
    }
    Ok(())
}
