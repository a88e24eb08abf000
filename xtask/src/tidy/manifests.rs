//! Rules for the manifests: written once in the root, inherited everywhere, each with a reason.

use std::path::Path;

use anyhow::Context;
use cargo_metadata::Metadata;
use toml::Table;

use super::Findings;

const DEPENDENCIES: &str = "docs/decisions/dependencies.md";
const PACKAGES: &str = "host/dashboard/package.json";

pub(super) fn check(
    root: &Path,
    metadata: &Metadata,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    for package in metadata.workspace_packages() {
        let place = package.manifest_path.strip_prefix(root).unwrap_or(&package.manifest_path);
        let manifest = read(package.manifest_path.as_std_path())?;
        let inherits =
            |item: &toml::Value| item.get("workspace").and_then(toml::Value::as_bool) == Some(true);
        if !manifest.get("lints").is_some_and(inherits) {
            findings.add(place, "lints are inherited: `[lints] workspace = true`");
        }
        for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let listed = manifest.get(kind).and_then(toml::Value::as_table);
            for (name, value) in listed.into_iter().flatten() {
                // A crate that names itself turns on a feature for its own tests; slices of one
                // example share a crate that nobody else should see.
                let near = value.get("path").and_then(toml::Value::as_str);
                let near = near.is_some_and(|path| path == "." || place.starts_with("examples"));
                if !inherits(value) && !near {
                    findings
                        .add(place, format_args!("versions are in the root: `{name}.workspace`"));
                }
            }
        }
    }
    check_reasons(root, findings)
}

/// Every outside dependency has a line that says what it is for, and no line is left over.
fn check_reasons(root: &Path, findings: &mut Findings) -> anyhow::Result<()> {
    let manifest = read(&root.join("Cargo.toml"))?;
    let listed = manifest.get("workspace").and_then(|workspace| workspace.get("dependencies"));
    let listed = listed.and_then(toml::Value::as_table).context("workspace.dependencies")?;
    let outside: Vec<&str> = listed
        .iter()
        .filter(|(_, value)| value.get("path").is_none())
        .map(|(name, _)| name.as_str())
        .collect();

    let from_npm = npm_packages(root)?;
    let outside: Vec<&str> =
        outside.into_iter().chain(from_npm.iter().map(String::as_str)).collect();

    let page = std::fs::read_to_string(root.join(DEPENDENCIES)).context(DEPENDENCIES)?;
    let explained: Vec<&str> = page.lines().flat_map(names).collect();
    for name in outside.iter().filter(|name| !explained.contains(name)) {
        findings.add(DEPENDENCIES, format_args!("no line says what {name} is for"));
    }
    for name in explained.iter().filter(|name| !outside.contains(name)) {
        findings.add(DEPENDENCIES, format_args!("{name} is no dependency any more"));
    }
    Ok(())
}

/// What the dashboard is made of and with.
fn npm_packages(root: &Path) -> anyhow::Result<Vec<String>> {
    let text = std::fs::read_to_string(root.join(PACKAGES)).context(PACKAGES)?;
    let packages: serde_json::Value = serde_json::from_str(&text).context(PACKAGES)?;
    let kinds = ["dependencies", "devDependencies"];
    let named = kinds.iter().filter_map(|kind| packages[kind].as_object());
    Ok(named.flat_map(|named| named.keys().cloned()).collect())
}

/// The names before the dash of a line "- `name`, `name` — what for".
fn names(line: &str) -> impl Iterator<Item = &str> {
    let head =
        line.strip_prefix("- ").and_then(|line| line.split_once(" — ")).map_or("", |it| it.0);
    head.split('`').skip(1).step_by(2)
}

fn read(path: &Path) -> anyhow::Result<Table> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    text.parse().with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    #[test]
    fn one_line_may_explain_several() {
        let names = |line| super::names(line).collect::<Vec<_>>();
        assert_eq!(names("- `http`, `http-body` — the words of `hyper`"), ["http", "http-body"]);
        assert!(names("Text about `http` — in passing").is_empty());
    }
}
