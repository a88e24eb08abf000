//! A list of named steps with the time each took. Knows nothing of what a step does.

use std::time::{Duration, Instant};

use anyhow::bail;

/// Steps that have run so far.
#[derive(Default)]
pub(crate) struct Steps(Vec<Step>);

struct Step {
    name: &'static str,
    took: Duration,
    failed: bool,
}

impl Steps {
    /// Runs one step. A failure is shown at once and remembered: the next steps may have news too.
    pub(crate) fn run(&mut self, name: &'static str, step: impl FnOnce() -> anyhow::Result<()>) {
        eprintln!("\n── {name} ──");
        let start = Instant::now();
        let result = step();
        if let Err(error) = &result {
            eprintln!("{name} failed: {error:#}");
        }
        self.0.push(Step { name, took: start.elapsed(), failed: result.is_err() });
    }

    /// Prints the table and fails if a step failed.
    pub(crate) fn finish(self) -> anyhow::Result<()> {
        println!();
        for Step { name, took, failed } in &self.0 {
            let verdict = if *failed { "FAILED" } else { "ok" };
            println!("{name:<10} {:>8.1} s  {verdict}", took.as_secs_f64());
        }
        let total: Duration = self.0.iter().map(|step| step.took).sum();
        println!("{:<10} {:>8.1} s", "total", total.as_secs_f64());
        let failed: Vec<_> = self.0.iter().filter(|it| it.failed).map(|it| it.name).collect();
        if !failed.is_empty() {
            bail!("failed: {}", failed.join(", "));
        }
        Ok(())
    }
}
