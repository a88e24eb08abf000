//! `cargo xtask audit`: licences, bans, sources, advisories of the lock file. Rules: `deny.toml`.

use std::path::PathBuf;
use std::process::Command;

use crate::shell;
use crate::steps::Steps;

const CARGO_DENY: &str = "0.20.2";
/// A database that cannot be reached makes git hang rather than fail.
const FETCH_SECONDS_MAX: &str = "90";

pub(crate) fn run() -> anyhow::Result<()> {
    let deny = installed()?;
    let check = |what: &[&str]| shell::run(deny_command(&deny).arg("check").args(what));
    let mut steps = Steps::default();
    steps.run("rules", || check(&["licenses", "bans", "sources"]));
    let mut fetch = Command::new("timeout");
    fetch.args([FETCH_SECONDS_MAX.as_ref(), deny.as_os_str()]).args(["fetch", "db"]);
    if shell::run(fetch.current_dir(shell::root())).is_ok() {
        steps.run("advisories", || check(&["--disable-fetch", "advisories"]));
    } else {
        eprintln!("\nadvisories SKIPPED: their database cannot be reached from this machine");
    }
    steps.finish()
}

/// cargo-deny of the version we mean, built once into the target folder.
fn installed() -> anyhow::Result<PathBuf> {
    let folder = shell::target().join("tools");
    let program = folder.join("bin/cargo-deny");
    if !program.exists() {
        eprintln!("installing cargo-deny {CARGO_DENY}: some minutes, once");
        let mut install = shell::cargo();
        install.args(["install", "cargo-deny", "--version", CARGO_DENY, "--locked", "--root"]);
        shell::run(install.arg(&folder))?;
    }
    Ok(program)
}

fn deny_command(program: &PathBuf) -> Command {
    let mut command = Command::new(program);
    command.current_dir(shell::root());
    command
}
