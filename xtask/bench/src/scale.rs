//! `scale`: what the cores that decide take for 1,000 slices on 100 nodes, in time and memory, and
//! what the slope from smaller and larger clusters says of 10,000 nodes. Runs the cores' own
//! examples.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};

use crate::report::{self, Measure};

/// Slices and nodes: half of what is asked for, that, and twice as much. A plan holds no more.
const SIZES: [(u32, u32); 3] = [(500, 50), (1_000, 100), (2_000, 200)];
const PAPER: &str = "100,000 on 10,000, on paper";
const PAPER_TIMES: f64 = 100.0;

/// A measure, the example that has it, the words before its number, and what of ours a unit of it
/// is.
const FIGURES: [(&str, &str, &str, &str, f64); 6] = [
    ("first plan ms", "ms", "aether-placement", "everything is new", 1.0),
    ("plan without change ms", "ms", "aether-placement", "nothing changes", 1.0),
    ("plan after a loss ms", "ms", "aether-placement", "a node is lost", 1.0),
    ("planner memory MB", "MB", "aether-placement", "peak memory", 1.0 / 1024.0),
    ("reconcile all nodes ms", "ms", "aether-lifecycle", "all nodes", 1.0),
    ("reconcile slowest node ms", "ms", "aether-lifecycle", "the slowest", 1.0),
];

pub(crate) fn run(folder: &Path) -> anyhow::Result<()> {
    let mut outputs = Vec::new();
    for size in SIZES {
        let said = |package| example(package, size);
        outputs.push([said("aether-placement")?, said("aether-lifecycle")?]);
    }
    let measure = |(name, unit, package, words, factor): (&str, _, &str, &str, f64)| {
        let of = |outputs: &[String; 2]| {
            let output = &outputs[usize::from(package == "aether-lifecycle")];
            number(output, words).map(|it| it * factor).context(words.to_owned())
        };
        let [half, once, twice] = [of(&outputs[0])?, of(&outputs[1])?, of(&outputs[2])?];
        let paper = once * PAPER_TIMES.powf(exponent(half, twice));
        Ok(Measure::new(name, unit, once, (PAPER, paper)))
    };
    let measures = FIGURES.into_iter().map(measure).collect::<anyhow::Result<Vec<_>>>()?;
    report::publish(folder, "scale", &measures)
}

/// What it prints, in the profile of this program. It is a process of its own: so is its memory.
fn example(package: &str, (slices, nodes): (u32, u32)) -> anyhow::Result<String> {
    let profile = if cfg!(debug_assertions) { "dev" } else { "release" };
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["run", "--quiet", "--profile", profile, "--package", package, "--example", "scale"])
        .args(["--", &slices.to_string(), &nodes.to_string()])
        .stderr(Stdio::inherit())
        .output()?;
    ensure!(output.status.success(), "the example of {package}: {}", output.status);
    let said = String::from_utf8(output.stdout)?;
    eprintln!("{package}:\n{said}");
    Ok(said)
}

/// The first number after these words.
fn number(text: &str, after: &str) -> Option<f64> {
    let rest = text.split_once(after)?.1;
    rest.split_whitespace().find_map(|word| word.parse().ok())
}

/// Of growth, from half to twice the size.
fn exponent(half: f64, twice: f64) -> f64 {
    (twice / half).log(4.0)
}

#[cfg(test)]
mod tests {
    use super::{exponent, number};

    #[test]
    fn numbers_are_found_and_growth_is_told() {
        let text = "a node is lost   12.50 ms  3 changes\npeak memory 17040 kB";
        assert_eq!(number(text, "a node is lost"), Some(12.5));
        assert_eq!(number(text, "peak memory"), Some(17_040.0));
        assert_eq!(number(text, "a node drains"), None);
        assert_eq!(exponent(3.0, 12.0), 1.0);
        assert_eq!(exponent(1.0, 16.0), 2.0);
    }
}
