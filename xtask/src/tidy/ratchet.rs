//! Sizes that are larger than they should be, listed in `xtask/tidy.toml`. The list only shrinks.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;

use super::Findings;
use super::source::Sizes;

/// No file may be longer, listed or not.
const FILE_LINES_MAX: usize = 800;

/// A table of the list and the size from which a thing has to be in it.
struct Table {
    name: &'static str,
    one: &'static str,
    lines_free: usize,
}

const FILES: Table = Table { name: "files", one: "file", lines_free: 500 };
const FUNCTIONS: Table = Table { name: "functions", one: "function", lines_free: 70 };

type List = BTreeMap<String, BTreeMap<String, usize>>;

pub(super) fn check(root: &Path, sizes: &Sizes, findings: &mut Findings) -> anyhow::Result<()> {
    let list = read(root)?;
    for (name, lines) in &sizes.files {
        if *lines > FILE_LINES_MAX {
            findings.add(name, format_args!("{lines} lines, never more than {FILE_LINES_MAX}"));
        }
    }
    for (table, measured) in [(FILES, &sizes.files), (FUNCTIONS, &sizes.functions)] {
        compare(&table, list.get(table.name), measured, findings);
    }
    for table in list.keys().filter(|name| ![FILES.name, FUNCTIONS.name].contains(&name.as_str())) {
        findings.add("xtask/tidy.toml", format_args!("no such list: [{table}]"));
    }
    Ok(())
}

fn compare(
    table: &Table,
    listed: Option<&BTreeMap<String, usize>>,
    measured: &BTreeMap<String, usize>,
    findings: &mut Findings,
) {
    let Table { one, lines_free, .. } = table;
    let listed_lines = |name: &String| listed.and_then(|listed| listed.get(name)).copied();
    for (name, lines) in measured.iter().filter(|(_, lines)| **lines > *lines_free) {
        match listed_lines(name) {
            None => {
                findings.add(name, format_args!("{one} of {lines} lines, at most {lines_free}"))
            }
            Some(allowed) if *lines > allowed => {
                findings.add(name, format_args!("{one} grew from {allowed} to {lines} lines"));
            }
            Some(_) => {}
        }
    }
    for (name, allowed) in listed.into_iter().flatten() {
        let lines = measured.get(name).copied().unwrap_or(0);
        if lines <= *lines_free || lines < *allowed {
            let message = format_args!("{allowed} allowed, {lines} needed: `tidy --shrink`");
            findings.add("xtask/tidy.toml", format_args!("{name}: {message}"));
        }
    }
}

/// Lowers entries to what is needed and drops those that are needed no more; never raises or adds.
pub(super) fn shrink(root: &Path, sizes: &Sizes) -> anyhow::Result<()> {
    let mut list = read(root)?;
    for (table, measured) in [(FILES, &sizes.files), (FUNCTIONS, &sizes.functions)] {
        let Some(listed) = list.get_mut(table.name) else { continue };
        for (name, allowed) in listed.iter_mut() {
            *allowed = (*allowed).min(measured.get(name).copied().unwrap_or(0));
        }
        listed.retain(|_, lines| *lines > table.lines_free);
    }
    let head = "# Larger than they should be (lines). This list only shrinks: `cargo xtask tidy \
                --shrink`.\n\n";
    let text = toml::to_string(&list).context("write the list")?;
    std::fs::write(root.join("xtask/tidy.toml"), format!("{head}{text}"))?;
    Ok(())
}

fn read(root: &Path) -> anyhow::Result<List> {
    let text = std::fs::read_to_string(root.join("xtask/tidy.toml")).context("xtask/tidy.toml")?;
    toml::from_str(&text).context("xtask/tidy.toml")
}
