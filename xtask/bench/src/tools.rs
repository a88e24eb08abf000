//! The peers: programs from the registry, of the versions that we compare with, and from Debian's
//! packages; installed once.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};

/// A program and the package that it comes from.
pub(crate) struct Tool {
    program: &'static str,
    package: &'static str,
    version: &'static str,
    arguments: &'static [&'static str],
}

pub(crate) const WASMTIME: Tool =
    Tool { program: "wasmtime", package: "wasmtime-cli", version: "48.0.8", arguments: &[] };

pub(crate) const WAC: Tool = Tool {
    program: "wac",
    package: "wac-cli",
    version: "0.12.0",
    arguments: &["--no-default-features"],
};

impl Tool {
    /// The program's path, below `folder`, installed if it is not there yet.
    pub(crate) fn path(&self, folder: &Path) -> anyhow::Result<PathBuf> {
        let root = folder.join("tools");
        let path = root.join("bin").join(self.program);
        if !path.exists() {
            let Self { package, version, arguments, .. } = self;
            eprintln!("installing {package} {version}: takes minutes, once");
            let status = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
                .args(["install", package, "--version", version, "--locked", "--root"])
                .arg(&root)
                .args(*arguments)
                .status()?;
            ensure!(status.success(), "{package} {version} could not be installed: {status}");
        }
        Ok(path)
    }
}

/// A program of a Debian package: unpacked below `folder` instead of installed, so that no service
/// is started and nobody has to be root.
pub(crate) fn debian(package: &str, program: &str, folder: &Path) -> anyhow::Result<PathBuf> {
    let root = folder.join("tools").join(package);
    let path = root.join(program);
    if !path.exists() {
        eprintln!("fetching Debian's package {package}");
        fetch(package, &root).with_context(|| {
            let (root, path) = (root.display(), path.display());
            format!(
                "this bench needs Debian's package {package}, unpacked into {root}; where there is \
                 no Debian, put its program at {path}"
            )
        })?;
    }
    Ok(path)
}

fn fetch(package: &str, root: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(root)?;
    let mut download = Command::new("apt-get");
    done(download.args(["download", "-qq", package]).current_dir(root))?;
    let files = std::fs::read_dir(root)?.collect::<Result<Vec<_>, _>>()?;
    let file = files
        .iter()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"));
    let file = file.context("apt-get left no package")?;
    done(Command::new("dpkg-deb").arg("-x").arg(file).arg(root))
}

fn done(command: &mut Command) -> anyhow::Result<()> {
    let status = command.stdin(Stdio::null()).status();
    let status = status.with_context(|| format!("start {}", command.get_program().display()))?;
    ensure!(status.success(), "{}: {status}", command.get_program().display());
    Ok(())
}
