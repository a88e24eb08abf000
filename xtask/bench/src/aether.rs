//! Nodes of ours under measurement, through the `aether` program alone. Links nothing of it.

use std::path::{Path, PathBuf};

use aether_forge::http::Request;
use aether_forge::{Node, Sandbox, Settings, until};
use anyhow::{Context, ensure};

/// A place for nodes below the bench's folder; each logs what a quiet production node would.
pub(crate) fn sandbox(folder: &Path, name: &str) -> anyhow::Result<Sandbox> {
    let program = program()?;
    let arguments = ["--log", "warn"].map(str::to_owned).to_vec();
    Sandbox::new(Settings { program, folder: Some(folder.join(name)), arguments })
}

/// The binary as it is shipped: beside this program's folder, which is that of another profile.
pub(crate) fn program() -> anyhow::Result<PathBuf> {
    let here = std::env::current_exe()?;
    let profile = here.parent().context("a program is in a folder")?;
    let program = profile.with_file_name("dist").join("aether");
    ensure!(program.exists(), "{} is not built: run `cargo xtask bench`", program.display());
    Ok(program)
}

/// A node alone, which knows nothing yet.
pub(crate) fn start(folder: &Path, name: &str) -> anyhow::Result<Node> {
    let node = sandbox(folder, name)?.found()?;
    until("the node is ready", || {
        let ready = Request { method: "GET", path: "/health/ready", ..Request::default() };
        node.manage(&ready).is_ok_and(|answer| answer.status == 200)
    })?;
    Ok(node)
}

/// Applies a blueprint and waits until its slices are active.
pub(crate) fn deploy(node: &Node, blueprint: &str) -> anyhow::Result<()> {
    let folder = node.home.join("application");
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("blueprint.toml"), blueprint)?;
    node.order(&["deploy", &folder.display().to_string()])?;
    Ok(())
}

/// A blueprint of one slice that has no `slice.toml`, or one that says the same.
pub(crate) fn plain(name: &str, component: &Path, routes: &[(&str, &str)]) -> String {
    let mut text = format!("[application]\nname = \"{name}\"\nversion = \"1.0.0\"\n");
    text += &slice(name, component);
    for (route, what) in routes {
        text += &format!("\n[[routes]]\nroute = \"{route}\"\nslice = \"bench:{name}\"\n{what}\n");
    }
    text
}

/// The blueprint's entry for a slice; tables that are none of `[[slices]]` may follow it.
pub(crate) fn slice(name: &str, component: &Path) -> String {
    let file = component.display();
    format!("\n[[slices]]\nartifact = \"bench:{name}:1.0.0\"\nfile = \"{file}\"\n")
}
