//! ARCHITECTURE.md against the tree: what it names exists, and every crate is in it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Context;
use cargo_metadata::Metadata;

use super::Findings;
use super::layers::Layer;

const ARCHITECTURE: &str = "ARCHITECTURE.md";
const LINES_MAX: usize = 250;

/// Reads the lines "- `folder` L1 — what it does": the one place where a crate's layer stands.
pub(super) fn codemap(
    root: &Path,
    findings: &mut Findings,
) -> anyhow::Result<BTreeMap<String, Layer>> {
    let text = std::fs::read_to_string(root.join(ARCHITECTURE)).context(ARCHITECTURE)?;
    let mut map = BTreeMap::new();
    for (at, line) in text.lines().enumerate() {
        let entry = line.strip_prefix("- `").and_then(|line| line.split_once("` "));
        let Some((folder, rest)) = entry else { continue };
        let word = rest.split_whitespace().next().unwrap_or_default();
        match Layer::parse(word) {
            Some(layer) => {
                map.insert(folder.to_owned(), layer);
            }
            None => findings.add(
                format_args!("{ARCHITECTURE}:{}", at + 1),
                format_args!("`{word}` is no layer: L0 to L4, LG (guest), LT (tools and tests)"),
            ),
        }
    }
    Ok(map)
}

pub(super) fn check(
    root: &Path,
    metadata: &Metadata,
    map: &BTreeMap<String, Layer>,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(root.join(ARCHITECTURE))?;
    let lines = text.lines().count();
    if lines > LINES_MAX {
        findings.add(ARCHITECTURE, format_args!("{lines} lines, at most {LINES_MAX}"));
    }
    for (at, line) in text.lines().enumerate() {
        for word in line.split('`').skip(1).step_by(2).filter(|word| is_path(word)) {
            if !root.join(word.trim_end_matches('/')).exists() {
                let place = format!("{ARCHITECTURE}:{}", at + 1);
                findings.add(place, format_args!("`{word}` does not exist"));
            }
        }
    }
    for package in metadata.workspace_packages() {
        let folder = folder(root, package)?;
        if !map.contains_key(&folder) && !is_slice(&folder) {
            findings.add(
                ARCHITECTURE,
                format_args!("no line for the crate in `{folder}` (\"- `{folder}` L2 — …\")"),
            );
        }
    }
    Ok(())
}

/// Every code that an operator can see has a page, and no page is left over.
pub(super) fn check_codes(root: &Path, findings: &mut Findings) -> anyhow::Result<()> {
    const CODES: &str = "host/types/src/code.rs";
    const PAGES: &str = "docs/operators/errors";
    let text = std::fs::read_to_string(root.join(CODES)).context(CODES)?;
    let codes: BTreeSet<String> = text
        .lines()
        .filter_map(|line| line.trim().strip_suffix("\",")?.split_once(" = \""))
        .map(|(_, code)| code.to_owned())
        .collect();
    let pages: BTreeSet<String> = std::fs::read_dir(root.join(PAGES))
        .context(PAGES)?
        .map(|page| Ok(page?.file_name().to_string_lossy().trim_end_matches(".md").to_owned()))
        .collect::<anyhow::Result<_>>()?;
    for code in codes.difference(&pages) {
        findings.add(CODES, format_args!("`{code}` has no page {PAGES}/{code}.md"));
    }
    for page in pages.difference(&codes) {
        findings.add(format_args!("{PAGES}/{page}.md"), "there is no such code");
    }
    Ok(())
}

/// A word in back quotes that can only be a path: made of path characters, with a slash inside,
/// beginning with a folder of ours.
fn is_path(word: &str) -> bool {
    const ROOTS: &[&str] =
        &["host", "infra-slices", "slice-sdk", "examples", "wit", "docs", "xtask", ".ci", ".cargo"];
    let of_path = |c: char| c.is_ascii_alphanumeric() || "/-_.".contains(c);
    word.chars().all(of_path)
        && word.split_once('/').is_some_and(|(first, _)| ROOTS.contains(&first))
}

/// Slices of tests, benches and examples are many and alike: they are guests without a line each.
pub(super) fn is_slice(folder: &str) -> bool {
    folder.contains("/guests/") || folder.starts_with("examples/")
}

/// The folder of a crate, relative to the root.
pub(super) fn folder(root: &Path, package: &cargo_metadata::Package) -> anyhow::Result<String> {
    let folder = package.manifest_path.parent().context("a manifest is in a folder")?;
    Ok(folder.strip_prefix(root).context("a crate is in the workspace")?.to_string())
}

#[cfg(test)]
mod tests {
    use super::is_path;

    #[test]
    fn paths_are_told_from_other_words() {
        assert!(is_path("host/types/src/lib.rs"));
        assert!(is_path("docs/"));
        assert!(!is_path("blueprint/{app}"), "a key of the map");
        assert!(!is_path("wasi:http/handler"));
        assert!(!is_path("host"));
    }
}
