//! Prometheus' own tool, which has the last word on what a node exposes. Knows no number.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Context;

use crate::shell;

/// Debian's package that has it.
const PACKAGE: &str = "prometheus";

/// Where the tests look for it. A machine on which somebody works may lack it, and they say so; for
/// `cargo xtask test` it has to be there.
pub(crate) const VARIABLE: &str = "AETHER_PROMTOOL";

/// Fetches it where it is missing: the package is unpacked instead of installed, which would start
/// a service.
pub(crate) fn setup() -> anyhow::Result<()> {
    if path().is_ok() {
        return Ok(());
    }
    eprintln!("setup: fetching the Debian package {PACKAGE}, which has promtool");
    let folder = unpacked();
    std::fs::create_dir_all(&folder)?;
    // Nothing is installed: it learns which versions there are.
    aether_slice_build::apt_install(&[])?;
    shell::run(Command::new("apt-get").args(["download", "-qq", PACKAGE]).current_dir(&folder))?;
    let files = std::fs::read_dir(&folder)?.collect::<Result<Vec<_>, _>>()?;
    let is_package = |path: &PathBuf| path.extension().is_some_and(|name| name == "deb");
    let package = files.iter().map(std::fs::DirEntry::path).find(is_package);
    let package = package.context("apt-get left no package")?;
    shell::run(Command::new("dpkg-deb").arg("-x").arg(&package).arg(&folder))?;
    std::fs::remove_file(package)?;
    path().map(drop)
}

pub(crate) fn path() -> anyhow::Result<PathBuf> {
    let own = unpacked().join("usr/bin/promtool");
    let found = own.exists().then_some(own).or_else(|| shell::find("promtool"));
    found.context("there is no promtool: `cargo xtask setup`")
}

fn unpacked() -> PathBuf {
    shell::target().join("tools").join(PACKAGE)
}
