//! `cargo xtask setup`: makes a fresh machine able to build and check everything. Does nothing the
//! second time. Knows no way to install slices' toolchain itself: that is `slice-sdk/build`.

use std::process::Command;

use anyhow::Context;

use crate::shell;

/// What Aether needs besides a Rust toolchain and git.
pub(crate) fn run() -> anyhow::Result<()> {
    for (component, subcommand) in [("rustfmt", "fmt"), ("clippy", "clippy")] {
        let present = shell::cargo().args([subcommand, "--version"]).output();
        if !present.is_ok_and(|output| output.status.success()) {
            eprintln!("setup: adding {component} with rustup");
            shell::run(Command::new("rustup").args(["component", "add", component]))
                .with_context(|| format!("`cargo {subcommand}` is missing: install {component}"))?;
        }
    }
    let toolchain = aether_slice_build::setup(&mut |line| eprintln!("setup: {line}"))?;
    eprintln!("setup: ready; slices are built by way of {:?}", toolchain.route());
    Ok(())
}
