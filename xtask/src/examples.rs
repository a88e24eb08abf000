//! The applications in `examples/` as tests: deployed on a real node, their cases asked over HTTP.
//! Knows the form of a case (`examples/README.md`), never what an application does.

mod case;
mod pattern;

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::node::{Addresses, Node};
use crate::{guests, shell};

/// Deploys every application on a node of its own making, with the program that is built, and runs
/// all its cases.
pub(crate) fn run() -> anyhow::Result<()> {
    guests::build(&["examples/"])?;
    let home = shell::target().join("examples");
    if home.exists() {
        std::fs::remove_dir_all(&home)?;
    }
    std::fs::create_dir_all(&home)?;
    let addresses = Addresses::free()?;
    let log = home.join("node.log");
    let mut node = Node::start(addresses, &home.join("data"), Some(&log))?;
    node.wait_until_ready().with_context(|| format!("see {}", log.display()))?;

    let (mut passed, mut failed) = (0, 0);
    for application in sorted(&shell::root().join("examples"))? {
        if !application.join("blueprint.toml").exists() {
            continue;
        }
        shell::run(addresses.aether().arg("deploy").arg(&application))?;
        for file in sorted(&application.join("cases"))? {
            let result = case::run(&file, addresses.http);
            println!("case {} ... {}", name(&file), if result.is_ok() { "ok" } else { "FAILED" });
            match result {
                Ok(()) => passed += 1,
                Err(error) => {
                    failed += 1;
                    eprintln!("{}: {error:#}", name(&file));
                }
            }
        }
    }
    println!("case result: {passed} passed; {failed} failed");
    if failed > 0 || passed == 0 {
        bail!("{failed} cases failed, {passed} passed; the node's log is in {}", log.display());
    }
    Ok(())
}

fn sorted(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<anyhow::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

/// `order/cases/place`: as short as it can be and still be found.
fn name(file: &Path) -> String {
    let examples = shell::root().join("examples");
    file.strip_prefix(examples).unwrap_or(file).with_extension("").display().to_string()
}
