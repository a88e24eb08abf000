//! The slices of the benches, built for this run. Knows where their sources are.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use aether_slice_build::{BuildRequest, CargoOutput, Toolchain};
use anyhow::Context;

/// Component files by package name.
pub(crate) struct Guests(BTreeMap<String, PathBuf>);

impl Guests {
    /// Builds these packages, beside the bench's folder: all guests share one
    /// standard library.
    pub(crate) fn build(packages: &[&str], folder: &Path) -> anyhow::Result<Self> {
        let toolchain = Toolchain::find().context("run `cargo xtask setup` first")?;
        let built = toolchain.build(&BuildRequest {
            manifest_dir: ".".into(),
            packages: packages.iter().map(|&name| name.into()).collect(),
            profile: "guest".into(),
            target_dir: folder.with_file_name("guests"),
            output: CargoOutput::Show,
        })?;
        Ok(Self(built.into_iter().map(|it| (it.package, it.path)).collect()))
    }

    /// The component of a package that was built.
    pub(crate) fn path(&self, package: &str) -> &Path {
        self.0.get(package).expect("build answers for every package it was asked for")
    }
}
