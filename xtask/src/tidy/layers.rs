//! Who may see whom, from Cargo's metadata. The layer of a crate stands in ARCHITECTURE.md.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Context;
use cargo_metadata::{DependencyKind, Metadata, Package, PackageId};

use super::Findings;
use super::documents::{folder, is_slice};

/// A crate's place. Numbers depend on smaller numbers only; `Guest` is compiled into slices and
/// seen by nobody here; `Tool` sees everything and is seen by nobody but tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layer {
    Host(u8),
    Guest,
    Tool,
}

impl Layer {
    pub(super) fn parse(word: &str) -> Option<Self> {
        match word {
            "LG" => Some(Self::Guest),
            "LT" => Some(Self::Tool),
            _ => word.strip_prefix('L')?.parse().ok().filter(|n| *n <= 4).map(Self::Host),
        }
    }
}

/// Sideways dependencies that are meant: (from, to).
const EXCEPTIONS: &[(&str, &str)] = &[
    ("infra-slices/", "host/engine"), // a service links itself into the engine
    ("host/client", "host/api"),      // the client speaks the API's types
    ("host/cli", "host/node"),        // the binary starts the composition root
    ("host/control", "host/consensus"), // a member of the group
    ("host/control", "host/kv"),      // whose state machine is the map
];

/// Outside crates that only some folders may name, in anything but tests.
const RESERVED: &[(&str, &[&str])] = &[
    ("wasmtime", &["host/engine", "infra-slices/", "host/node"]),
    (
        "serde_json",
        &[
            "host/api",
            "host/client",
            "host/cli",
            "host/ingress",
            "host/engine",
            "slice-sdk/build", // reads cargo's messages
            "examples/",
            "forge",
            "xtask",
        ],
    ),
    ("anyhow", &["forge", "host/cli", "host/test-guests", "slice-sdk/build", "xtask"]),
];

/// What the lower layers must not reach, not even through others.
const UNREACHABLE: &[&str] = &["tokio", "wasmtime", "hyper"];

pub(super) fn check(
    root: &Path,
    metadata: &Metadata,
    map: &BTreeMap<String, Layer>,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    for package in metadata.workspace_packages() {
        let from = folder(root, package)?;
        let slice = is_slice(&from).then_some(Layer::Guest);
        let Some(layer) = map.get(&from).copied().or(slice) else { continue };
        for dependency in &package.dependencies {
            let test = dependency.kind == DependencyKind::Development;
            match &dependency.path {
                Some(path) => {
                    let to = path.strip_prefix(root).context("a crate is in the workspace")?;
                    if let Some(target) = map.get(to.as_str())
                        && to != from
                        && !may_see((&from, layer), (to.as_str(), *target), test)
                    {
                        let message = format!("{layer:?} must not depend on {to} ({target:?})");
                        findings.add(&from, message);
                    }
                }
                None if !test => check_reserved(&from, &dependency.name, findings),
                None => {}
            }
        }
        if let Layer::Host(number @ 0..=1) = layer {
            check_core(root, metadata, (&from, number, package), findings)?;
        }
    }
    Ok(())
}

fn may_see((from, own): (&str, Layer), (to, target): (&str, Layer), test: bool) -> bool {
    let excepted = EXCEPTIONS.iter().any(|(a, b)| from.starts_with(a) && to == *b);
    excepted
        || match (own, target) {
            (Layer::Host(own), Layer::Host(target)) => own > target,
            (Layer::Guest, Layer::Guest) | (Layer::Tool, _) => true,
            (Layer::Host(_), Layer::Tool) => test,
            _ => false,
        }
}

fn check_reserved(from: &str, name: &str, findings: &mut Findings) {
    for (word, folders) in RESERVED {
        let named = name == *word || name.strip_prefix(word).is_some_and(|it| it.starts_with('-'));
        if named && !folders.iter().any(|folder| from.starts_with(folder)) {
            findings.add(from, format_args!("{name} is for {} only", folders.join(", ")));
        }
    }
}

/// The layers that are pure: no runtime, no engine, no unsafe code.
fn check_core(
    root: &Path,
    metadata: &Metadata,
    (from, number, package): (&str, u8, &Package),
    findings: &mut Findings,
) -> anyhow::Result<()> {
    for name in reachable(metadata, &package.id) {
        if UNREACHABLE.contains(&name.as_str()) {
            findings.add(from, format_args!("L{number} must not reach {name}"));
        }
    }
    let file = format!("{from}/src/lib.rs");
    let text = std::fs::read_to_string(root.join(&file)).with_context(|| file.clone())?;
    if !text.contains("#![forbid(unsafe_code)]") {
        findings.add(&file, format_args!("L{number} says #![forbid(unsafe_code)]"));
    }
    let pure = ["host/kv", "host/placement", "host/lifecycle"].contains(&from);
    if pure && !text.contains("no_std") {
        findings.add(&file, "a pure core says #![no_std]");
    }
    Ok(())
}

/// Names of all packages that are compiled into this one.
fn reachable(metadata: &Metadata, from: &PackageId) -> BTreeSet<String> {
    let nodes: BTreeMap<_, _> = metadata
        .resolve
        .iter()
        .flat_map(|resolve| &resolve.nodes)
        .map(|node| (&node.id, node))
        .collect();
    let mut seen = BTreeSet::from([from]);
    let mut open = vec![from];
    while let Some(id) = open.pop() {
        for dependency in nodes.get(id).into_iter().flat_map(|node| &node.deps) {
            let linked = dependency.dep_kinds.iter().any(|it| it.kind == DependencyKind::Normal);
            if linked && seen.insert(&dependency.pkg) {
                open.push(&dependency.pkg);
            }
        }
    }
    seen.into_iter().map(|id| metadata[id].name.to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::{Layer, may_see};

    fn sees(from: (&str, &str), to: (&str, &str)) -> bool {
        let layer = |word| Layer::parse(word).expect("a layer");
        may_see((from.0, layer(from.1)), (to.0, layer(to.1)), false)
    }

    #[test]
    fn dependencies_point_down() {
        assert!(sees(("host/kv", "L1"), ("host/types", "L0")));
        assert!(!sees(("host/types", "L0"), ("host/kv", "L1")));
        assert!(!sees(("host/kv", "L1"), ("host/consensus", "L1")), "siblings");
        assert!(sees(("infra-slices/cache", "L2"), ("host/engine", "L2")), "excepted");
        assert!(!sees(("host/engine", "L2"), ("infra-slices/cache", "L2")));
        assert!(!sees(("host/engine", "L2"), ("slice-sdk", "LG")), "guests are not linked");
        assert!(!sees(("host/node", "L4"), ("host/test-guests", "LT")), "only in tests");
        assert!(sees(("xtask", "LT"), ("host/engine", "L2")));
    }

    #[test]
    fn layers_are_named() {
        assert_eq!(Layer::parse("L3"), Some(Layer::Host(3)));
        assert_eq!(Layer::parse("L9"), None);
        assert_eq!(Layer::parse("the"), None);
    }
}
