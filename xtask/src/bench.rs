//! `cargo xtask bench NAME`: builds what is measured in release and starts the measuring program.

use crate::{setup, shell};

pub(crate) fn run(name: &str) -> anyhow::Result<()> {
    setup::run()?;
    let programs = ["build", "--release", "--package", "aether-cli", "--package", "aether-bench"];
    shell::run(shell::cargo().args(programs))?;
    let folder = shell::target().join("bench");
    std::fs::create_dir_all(&folder)?;
    let mut bench = std::process::Command::new(shell::target().join("release/aether-bench"));
    shell::run(bench.current_dir(shell::root()).arg(name).arg("--folder").arg(folder))
}
