//! The peers: programs from the registry, of the versions that we compare with, installed once.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::ensure;

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
