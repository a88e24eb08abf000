//! What a bench says: a table for people and `target/bench/NAME.json`. Measures nothing.

use std::path::Path;

use anyhow::Context;
use serde::Serialize;

/// One figure of ours beside one of theirs.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Measure {
    pub(crate) name: String,
    pub(crate) unit: &'static str,
    pub(crate) ours: f64,
    pub(crate) peer: String,
    pub(crate) theirs: f64,
    pub(crate) ratio: f64,
}

impl Measure {
    pub(crate) fn new(
        name: impl Into<String>,
        unit: &'static str,
        ours: f64,
        (peer, theirs): (&str, f64),
    ) -> Self {
        Self { name: name.into(), unit, ours, peer: peer.into(), theirs, ratio: ours / theirs }
    }
}

#[derive(Serialize)]
struct Report<'a> {
    measures: &'a [Measure],
}

/// Prints the table and writes the file.
pub(crate) fn publish(folder: &Path, bench: &str, measures: &[Measure]) -> anyhow::Result<()> {
    print!("{}", table(measures));
    let file = folder.join(format!("{bench}.json"));
    let json = serde_json::to_string_pretty(&Report { measures })?;
    std::fs::write(&file, json + "\n").with_context(|| file.display().to_string())?;
    println!("\nwritten to {}", file.display());
    Ok(())
}

fn table(measures: &[Measure]) -> String {
    let row = |cells: [&str; 5]| {
        let [name, ours, theirs, ratio, peer] = cells;
        format!("{name:<34} {ours:>12} {theirs:>12} {ratio:>7}  {peer}\n")
    };
    let mut text = row(["measure", "ours", "theirs", "ratio", "peer"]);
    for it in measures {
        let (ours, theirs) = (figure(it.ours), figure(it.theirs));
        text += &row([&it.name, &ours, &theirs, &format!("{:.2}", it.ratio), &it.peer]);
    }
    text
}

/// Three digits are enough to compare.
fn figure(value: f64) -> String {
    match value {
        _ if value >= 100.0 => format!("{value:.0}"),
        _ if value >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// The middle of several rounds.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::{Measure, median, table};
    use expect_test::expect;

    #[test]
    fn a_table_for_people() {
        let measures = [
            Measure::new("hyper req/s", "req/s", 20_000.0, ("hyper", 50_000.0)),
            Measure::new("wasmtime serve p99 ms", "ms", 1.5, ("wasmtime serve", 3.0)),
        ];
        expect![[r#"
            measure                                    ours       theirs   ratio  peer
            hyper req/s                               20000        50000    0.40  hyper
            wasmtime serve p99 ms                      1.50         3.00    0.50  wasmtime serve
        "#]]
        .assert_eq(&table(&measures));
    }

    #[test]
    fn the_middle() {
        assert_eq!(median([3.0, 1.0, 2.0]), 2.0);
    }
}
