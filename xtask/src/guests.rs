//! Builds the slices of tests and examples ahead of their tests, so that one sees it happen. Knows
//! where slices are, never what they do.

use aether_slice_build::{BuildRequest, CargoOutput};
use anyhow::Context;

use crate::shell;

/// Folders whose crates are slices that tests need.
pub(crate) const OF_TESTS: &[&str] = &["host/test-guests/guests/", "examples/"];

/// Builds all slices below these folders in one cargo call; quick when nothing changed.
pub(crate) fn build(folders: &[&str]) -> anyhow::Result<()> {
    let root = shell::root();
    let metadata = cargo_metadata::MetadataCommand::new()
        .manifest_path(root.join("Cargo.toml"))
        .no_deps()
        .exec()
        .context("read the workspace's metadata")?;
    let is_slice = |package: &&cargo_metadata::Package| {
        let folder = package.manifest_path.strip_prefix(&root);
        let folder = folder.map(|folder| folder.as_str()).unwrap_or_default();
        folders.iter().any(|it| folder.starts_with(it))
            && package.targets.iter().any(cargo_metadata::Target::is_cdylib)
    };
    let packages = metadata.workspace_packages().into_iter().filter(is_slice);
    let packages: Vec<String> = packages.map(|package| package.name.to_string()).collect();
    let count = packages.len();
    aether_slice_build::setup(&mut |line| eprintln!("setup: {line}"))?.build(&BuildRequest {
        manifest_dir: root.clone(),
        packages,
        profile: "guest".into(),
        target_dir: root.join("target/guests"),
        output: CargoOutput::Show,
    })?;
    eprintln!("{count} slices built");
    Ok(())
}
