//! `cargo xtask bench NAME`: builds what is measured as it is shipped, and starts the bench.

use crate::{setup, shell};

pub(crate) fn run(name: &str) -> anyhow::Result<()> {
    setup::run()?;
    shell::run(shell::cargo().args(["build", "--profile", "dist", "--package", "aether-cli"]))?;
    shell::run(shell::cargo().args(["build", "--release", "--package", "aether-bench"]))?;
    let folder = shell::target().join("bench");
    std::fs::create_dir_all(&folder)?;
    let mut bench = std::process::Command::new(shell::target().join("release/aether-bench"));
    shell::run(bench.current_dir(shell::root()).arg(name).arg("--folder").arg(folder))
}
