//! `aether forge load`: starts, steers and shows. Sends nothing itself.

use super::read_load;
use crate::args::ForgeLoadCommand;
use crate::exit::Result;
use crate::ui::{Cell, Table, Tone, Ui, cell, toned};
use aether_forge::Remote;
use aether_forge::load::{Figures, Progress, Report};

pub(super) fn run(remote: &Remote, command: ForgeLoadCommand, ui: &mut Ui) -> Result {
    let (verb, report) = match command {
        ForgeLoadCommand::Start { file, .. } => ("Started", remote.start_load(&read_load(&file)?)?),
        ForgeLoadCommand::Show(_) => {
            let report = remote.load()?;
            return ui.data(&report, |ui| table(&report, ui));
        }
        ForgeLoadCommand::Pause(_) => ("Paused", remote.pause_load()?),
        ForgeLoadCommand::Resume(_) => ("Resumed", remote.resume_load()?),
        ForgeLoadCommand::Rate { factor, .. } => ("Changed", remote.set_load_factor(factor)?),
        ForgeLoadCommand::Stop(_) => {
            let report = remote.stop_load()?;
            ui.step("Stopped", "the load")?;
            return ui.data(&report, |ui| table(&report, ui));
        }
    };
    ui.step(verb, format!("the load: {} × its rates", report.factor))?;
    ui.data(&report, |_| Ok(()))
}

/// One row per target, and one for all.
pub(super) fn table(report: &Report, ui: &mut Ui) -> Result {
    let progress = match report.progress {
        Progress::Running => "running",
        Progress::Paused => "paused",
        Progress::Over => "over",
    };
    let seconds = report.elapsed_s;
    ui.line(format!("load {progress} after {seconds:.0} s, {} × its rates", report.factor))?;
    let headings =
        ["TARGET", "GOOD/S", "GOOD", "FAILED", "SUCCESS", "P50", "P99", "MAX", "GAP", "WHY FAILED"];
    let mut table = Table::new(&headings);
    for target in &report.targets {
        table.row(row(&target.name, &target.figures));
    }
    if report.targets.len() > 1 {
        table.row(row("all", &report.total));
    }
    ui.table(table)
}

fn row(name: &str, figures: &Figures) -> Vec<Cell> {
    let ms = |ms: f64| cell(format!("{ms:.1} ms"));
    let success = figures.success.map_or("-".to_owned(), percent);
    let tone = if figures.failed == 0 { Tone::Good } else { Tone::Bad };
    let why = figures.failures.iter().map(|(why, count)| format!("{count} {why}"));
    vec![
        cell(name),
        cell(format!("{:.1}", figures.per_second)),
        cell(figures.good),
        cell(figures.failed),
        toned(success, tone),
        ms(figures.p50_ms),
        ms(figures.p99_ms),
        ms(figures.max_ms),
        ms(figures.longest_gap_ms),
        cell(why.collect::<Vec<_>>().join(", ")),
    ]
}

/// Never 100 % where something failed.
fn percent(share: f64) -> String {
    let cut = (share * 1e5).floor() / 1e3;
    format!("{cut}%")
}

#[cfg(test)]
mod tests {
    use super::percent;

    #[test]
    fn one_failure_in_a_million_is_not_a_hundred_percent() {
        assert_eq!(percent(1.0), "100%");
        assert_eq!(percent(0.999_999), "99.999%");
        assert_eq!(percent(0.5), "50%");
    }
}
