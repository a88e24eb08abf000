//! `cargo xtask soak NAME`: what the tests of the program do once, many times. Knows no test but
//! their names.

use crate::{guests, setup, shell};

/// Tests of the program that take many rounds when they are told to.
const SOAKS: &[(&str, &str)] = &[
    ("rollouts", "soak::rollouts_fail_no_request"),
    ("leaders", "soak::rollouts_survive_their_leaders"),
];

/// Runs it; what it found is in `target/soak/NAME.json`.
pub(crate) fn run(name: &str, rounds: u32) -> anyhow::Result<()> {
    let known = SOAKS.iter().find(|(known, _)| *known == name);
    let names = || SOAKS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    let (_, test) =
        known.ok_or_else(|| anyhow::anyhow!("no soak {name}: there are {}", names()))?;
    setup::run()?;
    guests::build(guests::OF_TESTS)?;
    let folder = shell::target().join("soak");
    std::fs::create_dir_all(&folder)?;
    let result = folder.join(format!("{name}.json"));
    let mut command = shell::cargo();
    command.args(["test", "--package", "aether-cli", "--test", "it", "--", "--exact", test]);
    command.arg("--nocapture").env("AETHER_SOAK_ROUNDS", rounds.to_string());
    shell::run(command.env("AETHER_SOAK_RESULT", &result))?;
    println!("{}", std::fs::read_to_string(&result)?);
    Ok(())
}
