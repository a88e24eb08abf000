//! `cargo xtask test`: everything that must hold before a change is taken. Writes no tracked file.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

use crate::steps::Steps;
use crate::{dashboard, demo, examples, guests, promtool, scenarios, setup, shell, sim, tidy};

/// Formatting, rules, lints, simulation, guests, tests: cheapest first, so that news come early.
/// The applications come last, with the program that the tests were built with: to build that
/// alone would choose other features, and compile the engine once more.
pub(crate) fn run() -> anyhow::Result<()> {
    let mut steps = Steps::default();
    steps.run("setup", || {
        setup::run().and_then(|()| dashboard::setup()).and_then(|()| promtool::setup())
    });
    steps.run("format", || shell::run(shell::cargo().args(["fmt", "--all", "--check"])));
    steps.run("tidy", || tidy::run(false));
    steps.run("clippy", || {
        let lint = ["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"];
        shell::run(shell::cargo().args(lint))
    });
    steps.run("sim", sim::check);
    steps.run("guests", || guests::build(guests::OF_TESTS));
    steps.run("test", tests);
    steps.run("examples", examples::run);
    steps.run("demo", demo::check);
    steps.run("scenarios", || scenarios::run(&[]));
    steps.run("dashboard", dashboard::run);
    steps.finish()
}

/// Runs every test of the workspace and adds up what the single runs report.
fn tests() -> anyhow::Result<()> {
    let mut command = shell::cargo();
    command.args(["test", "--workspace", "--no-fail-fast"]);
    command.env(promtool::VARIABLE, promtool::path()?);
    let (success, totals) = tee(&mut command)?;
    let Totals { runs, passed, failed, ignored } = totals;
    println!("test result: {passed} passed; {failed} failed; {ignored} ignored, in {runs} runs");
    if !success || failed > 0 {
        bail!("{failed} tests failed");
    }
    if ignored > 0 || passed == 0 {
        bail!("{ignored} tests ignored, {passed} passed: every test runs");
    }
    Ok(())
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Totals {
    runs: usize,
    passed: usize,
    failed: usize,
    ignored: usize,
}

impl Totals {
    /// Takes note of "test result: ok. 5 passed; 0 failed; 0 ignored; …".
    fn read(&mut self, line: &str) {
        let Some(result) = line.strip_prefix("test result: ") else { return };
        self.runs += 1;
        let words: Vec<&str> = result.split_whitespace().collect();
        for pair in words.windows(2) {
            let Ok(count) = pair[0].parse::<usize>() else { continue };
            match pair[1].trim_end_matches(';') {
                "passed" => self.passed += count,
                "failed" => self.failed += count,
                "ignored" => self.ignored += count,
                _ => {}
            }
        }
    }
}

/// Runs the command, showing its output while reading it.
fn tee(command: &mut Command) -> anyhow::Result<(bool, Totals)> {
    eprintln!("$ {}", shell::describe(command));
    let mut child = command.stdout(Stdio::piped()).spawn().context("start cargo")?;
    let stdout = child.stdout.take().context("the pipe just made")?;
    let mut totals = Totals::default();
    for line in BufReader::new(stdout).lines() {
        let line = line?;
        println!("{line}");
        totals.read(&line);
    }
    Ok((child.wait()?.success(), totals))
}

#[cfg(test)]
mod tests {
    use super::Totals;

    #[test]
    fn results_add_up() {
        let mut totals = Totals::default();
        totals.read("running 3 tests");
        totals.read("test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out");
        totals.read("test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured");
        assert_eq!(totals, Totals { runs: 2, passed: 4, failed: 2, ignored: 1 });
    }
}
