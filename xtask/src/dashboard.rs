//! The dashboard: what is built of it, its own tests, and those in a browser against real nodes.
//! Knows programs and files, never a page.

mod component;
mod hands;

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, bail};

use crate::{guests, shell};

const FOLDER: &str = "host/dashboard";
/// The oldest Node.js that the tools run on.
const NODE_MAJOR_MIN: u32 = 18;
/// Names under which systems have the browser.
const BROWSERS: &[&str] = &["chromium", "chromium-browser", "google-chrome"];

/// Installs what checks of the dashboard need and the machine lacks. The program itself needs none
/// of it: what browsers load is in the repository.
pub(crate) fn setup() -> anyhow::Result<()> {
    let mut missing = Vec::new();
    if node_major().is_none_or(|major| major < NODE_MAJOR_MIN) {
        missing.push("nodejs");
    }
    if shell::find("npm").is_none() {
        missing.push("npm");
    }
    if browser().is_none() {
        missing.push("chromium");
    }
    if missing.is_empty() {
        return Ok(());
    }
    eprintln!("setup: installing Debian packages: {} (minutes)", missing.join(", "));
    aether_slice_build::apt_install(&missing)?;
    let major = node_major().unwrap_or_default();
    if major < NODE_MAJOR_MIN {
        bail!("Node.js is {major} here; the dashboard's checks need {NODE_MAJOR_MIN} or newer");
    }
    Ok(())
}

/// Writes what browsers load from its sources.
pub(crate) fn build() -> anyhow::Result<()> {
    prepare()?;
    shell::run(npm().args(["run", "--silent", "build"]))
}

/// Types, drift, tests; those in the browser against nodes of the program that is built.
pub(crate) fn run() -> anyhow::Result<()> {
    prepare()?;
    for script in ["check", "types", "build-tests"] {
        shell::run(npm().args(["run", "--silent", script]))?;
    }
    let browser = browser().context("there is no Chromium: `cargo xtask setup`")?;
    guests::build(&["examples/"])?;
    let hands = hands::start()?;
    let mut tests = Command::new("node");
    tests.current_dir(shell::root().join(FOLDER));
    // One after the other: they share the machine with three nodes and a browser.
    tests.args(["--test", "--test-concurrency=1", "--test-reporter=spec"]).args(built_tests()?);
    tests.env("AETHER_BROWSER", browser).env("AETHER_HANDS", hands.address.to_string());
    tests.env("AETHER_SCREENSHOTS", shell::target().join("dashboard"));
    shell::run(&mut tests)
}

fn built_tests() -> anyhow::Result<Vec<PathBuf>> {
    let folder = shell::root().join(FOLDER).join("node_modules/.tests");
    let entries = std::fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
    let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|file| file.extension().is_some_and(|kind| kind == "mjs"));
    files.sort();
    Ok(files)
}

/// The tools in the versions of the lock file; nothing where they are there.
fn prepare() -> anyhow::Result<()> {
    let folder = shell::root().join(FOLDER);
    let wanted = std::fs::read(folder.join("package-lock.json"))?;
    let stamp = folder.join("node_modules/.installed");
    if std::fs::read(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    shell::run(npm().args(["ci", "--no-audit"]))?;
    std::fs::write(&stamp, wanted).with_context(|| stamp.display().to_string())
}

fn npm() -> Command {
    let mut command = Command::new("npm");
    command.current_dir(shell::root().join(FOLDER));
    command
}

fn node_major() -> Option<u32> {
    let output = Command::new("node").arg("--version").output().ok()?;
    let version = String::from_utf8(output.stdout).ok()?;
    version.trim().strip_prefix('v')?.split('.').next()?.parse().ok()
}

fn browser() -> Option<PathBuf> {
    BROWSERS.iter().find_map(|name| shell::find(name))
}
