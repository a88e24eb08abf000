//! Prometheus' own tool, which has the last word on what a node exposes. Knows no number.

use std::path::PathBuf;

use anyhow::Context;

use crate::shell;

/// Debian's package that has it.
const PACKAGE: &str = "prometheus";

/// Where the tests look for it. A machine on which somebody works may lack it, and they say so; for
/// `cargo xtask test` it has to be there.
pub(crate) const VARIABLE: &str = "AETHER_PROMTOOL";

/// Installs it where it is missing.
pub(crate) fn setup() -> anyhow::Result<()> {
    if shell::find("promtool").is_none() {
        eprintln!("setup: installing the Debian package {PACKAGE}, which has promtool");
        aether_slice_build::apt_install(&[PACKAGE])?;
    }
    path().map(drop)
}

pub(crate) fn path() -> anyhow::Result<PathBuf> {
    shell::find("promtool").context("there is no promtool: `cargo xtask setup`")
}
