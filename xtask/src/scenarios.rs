//! The scenarios in `forge/scenarios/` as tests: each on a Forge of its own, with the program that
//! is built. Knows where they are and how a program ends, never what is in them.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, bail, ensure};

use crate::{guests, node, shell};

const FOLDER: &str = "forge/scenarios";

/// Plays those of these names, or all of them. Reports are in the target folder.
pub(crate) fn run(names: &[String]) -> anyhow::Result<()> {
    guests::build(guests::OF_TESTS)?;
    let reports = shell::target().join("scenarios");
    std::fs::create_dir_all(&reports)?;
    let mut failed = Vec::new();
    let files = files(names)?;
    for file in &files {
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let report = |kind: &str| reports.join(&name).with_extension(kind);
        let log = std::fs::File::create(report("log"))?;
        let mut command = Command::new(node::program());
        command.current_dir(shell::root()).env("XDG_STATE_HOME", reports.join("state"));
        command.args(["forge", "--listen", "127.0.0.1:0", "--script"]).arg(file);
        command.arg("--junit").arg(report("xml")).arg("--html").arg(report("html"));
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let begun = Instant::now();
        let status = command.status().with_context(|| shell::describe(&command))?;
        let took = begun.elapsed().as_secs_f64();
        let verdict = if status.success() { "ok" } else { "FAILED" };
        println!("scenario {name} ... {verdict} ({took:.1} s)");
        if !status.success() {
            eprintln!("{}", std::fs::read_to_string(report("log"))?);
            failed.push(name);
        }
    }
    println!("scenario result: {} passed; {} failed", files.len() - failed.len(), failed.len());
    match failed.as_slice() {
        [] => Ok(()),
        failed => bail!("{} failed: their reports are in {}", failed.join(", "), reports.display()),
    }
}

fn files(names: &[String]) -> anyhow::Result<Vec<PathBuf>> {
    let folder = shell::root().join(FOLDER);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let stem = path.file_stem().unwrap_or_default();
        let wanted = names.is_empty() || names.iter().any(|name| stem == name.as_str());
        if wanted && path.extension().is_some_and(|kind| kind == "forge") {
            // As one would type it: places in reports are relative to the repository.
            files.push(PathBuf::from(FOLDER).join(path.file_name().unwrap_or_default()));
        }
    }
    files.sort();
    ensure!(!files.is_empty(), "there is no such scenario in {FOLDER}");
    Ok(files)
}
