//! `cargo xtask tidy`: what the compiler and clippy do not check. Knows rules, never the product.

mod documents;
mod layers;
mod manifests;
mod ratchet;
mod source;
mod text;

use std::path::Path;

use anyhow::{Context, bail};

use crate::shell;

/// What tidy has to say: one line per problem, with the place where to look.
#[derive(Default)]
struct Findings(Vec<String>);

impl Findings {
    fn add(&mut self, place: impl std::fmt::Display, message: impl std::fmt::Display) {
        self.0.push(format!("{place}: {message}"));
    }
}

/// Checks the tree; with `shrink`, lowers the entries of the ratchet list that have become too
/// generous before it looks.
pub(crate) fn run(shrink: bool) -> anyhow::Result<()> {
    let root = shell::root();
    let files = tracked(&root)?;
    let metadata = cargo_metadata::MetadataCommand::new()
        .manifest_path(root.join("Cargo.toml"))
        .exec()
        .context("read the workspace's metadata")?;
    let mut findings = Findings::default();

    let sizes = source::check(&root, &files, &mut findings)?;
    if shrink {
        ratchet::shrink(&root, &sizes)?;
    }
    ratchet::check(&root, &sizes, &mut findings)?;
    text::check(&root, &files, &mut findings)?;
    manifests::check(&root, &metadata, &mut findings)?;
    let map = documents::codemap(&root, &mut findings)?;
    documents::check(&root, &metadata, &map, &mut findings)?;
    documents::check_codes(&root, &mut findings)?;
    layers::check(&root, &metadata, &map, &mut findings)?;

    if findings.0.is_empty() {
        println!("tidy: {} files in order", files.len());
        return Ok(());
    }
    findings.0.sort();
    for line in &findings.0 {
        eprintln!("{line}");
    }
    bail!("tidy: {} problems", findings.0.len())
}

/// Files that git tracks or would track, relative to the root, without those deleted on disk.
fn tracked(root: &Path) -> anyhow::Result<Vec<String>> {
    let listing =
        shell::output(root, "git", &["ls-files", "-co", "--exclude-standard", "--deduplicate"])?;
    Ok(listing.lines().filter(|file| root.join(file).is_file()).map(str::to_owned).collect())
}
