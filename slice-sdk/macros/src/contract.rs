//! Reads WIT: the SDK's packages, the slice's own and those that it points to, as one resolved set.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::path::{Path, PathBuf};

use wit_bindgen_core::wit_parser::{
    PackageId, PackageName, Resolve, ResolveErrorKind, SourceMap, UnresolvedPackageGroup, WorldId,
    WorldItem,
};

use crate::options::Options;
use crate::packages::{PACKAGES, Package, SDK_WORLD};

/// A world with everything that it refers to.
pub(crate) struct Contract {
    pub(crate) resolve: Resolve,
    pub(crate) world: WorldId,
    /// Files that were read, for the compiler to watch.
    pub(crate) files: Vec<PathBuf>,
}

/// The world of a slice; `root` is the folder of its `Cargo.toml`.
pub(crate) fn of_slice(options: &Options, root: &Path) -> Result<Contract, String> {
    let dir = root.join(&options.path);
    if !dir.is_dir() {
        let rule = "a slice has its world there, or names another folder: slice!(path = \"…\")";
        return Err(format!("there is no folder {}: {rule}", dir.display()));
    }
    let mut files = Vec::new();
    let main = read_dir(&dir, &mut files)?;
    let mut deps = Vec::new();
    for dep in options.deps.iter().map(|dep| root.join(dep)).chain(subfolders(&dir.join("deps"))) {
        deps.push(read_dir(&dep, &mut files)?);
    }
    resolve(main, deps, options.world.as_deref(), files)
}

/// The world of the SDK itself.
pub(crate) fn of_sdk() -> Result<Contract, String> {
    let mut sources = SourceMap::default();
    sources.push_str("sdk.wit", SDK_WORLD);
    resolve(parse(sources)?, Vec::new(), None, Vec::new())
}

/// Names of the interfaces that a world imports, with those that they use, as
/// `ns:package/interface@version`.
pub(crate) fn imports(contract: &Contract) -> BTreeSet<String> {
    names(contract, contract.resolve.worlds[contract.world].imports.values())
}

/// Names of the interfaces that a world exports.
pub(crate) fn exports(contract: &Contract) -> BTreeSet<String> {
    names(contract, contract.resolve.worlds[contract.world].exports.values())
}

/// Functions that other slices and routes can call: `ns:package/interface@version#function`.
pub(crate) fn exported_functions(contract: &Contract) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for item in contract.resolve.worlds[contract.world].exports.values() {
        let WorldItem::Interface { id, .. } = item else { continue };
        let Some(name) = contract.resolve.id_of(*id) else { continue };
        let functions = contract.resolve.interfaces[*id].functions.keys();
        found.extend(functions.map(|function| format!("{name}#{function}")));
    }
    found
}

fn names<'a>(contract: &Contract, items: impl Iterator<Item = &'a WorldItem>) -> BTreeSet<String> {
    let id = |item: &WorldItem| match item {
        WorldItem::Interface { id, .. } => contract.resolve.id_of(*id),
        WorldItem::Function(_) | WorldItem::Type { .. } => None,
    };
    items.filter_map(id).collect()
}

/// Puts the packages together with those of the SDK that they use, and no others: a second version
/// of a package would change the names of the modules that are generated. A copy of an SDK package
/// among `deps` gives way to the SDK's own.
fn resolve(
    main: UnresolvedPackageGroup,
    deps: Vec<UnresolvedPackageGroup>,
    world: Option<&str>,
    files: Vec<PathBuf>,
) -> Result<Contract, String> {
    let mut resolve = Resolve::default();
    let mut brought = sdk_packages()?;
    let mut deps = deps;
    deps.retain(|dep| brought.iter().all(|own| own.main.name != dep.main.name));
    let mut wanted: BTreeSet<PackageName> = used(&main).chain(deps.iter().flat_map(used)).collect();
    // Each comes after those that it uses, so one pass from the end finds all.
    brought.reverse();
    brought.retain(|own| {
        let keep = wanted.contains(&own.main.name);
        if keep {
            wanted.extend(used(own));
        }
        keep
    });
    deps.extend(brought);
    let pushed = resolve.push_groups(main, deps);
    let package = pushed.map_err(|error| {
        let rendered = error.render(&resolve.source_map);
        match error.kind() {
            ResolveErrorKind::PackageNotFound { .. } => {
                format!("{rendered}\n{}", places_of_packages())
            }
            _ => rendered,
        }
    })?;
    let world = select(&resolve, package, world)?;
    Ok(Contract { resolve, world, files })
}

fn places_of_packages() -> String {
    let names = sdk_packages().unwrap_or_default();
    let names: Vec<String> = names.iter().map(|own| own.main.name.to_string()).collect();
    format!(
        "packages are looked for in wit/deps, in the folders of slice!(deps = [\"…\"]), and in the \
         SDK, which brings {}",
        names.join(", ")
    )
}

fn sdk_packages() -> Result<Vec<UnresolvedPackageGroup>, String> {
    let read = |package: &Package| {
        let mut sources = SourceMap::default();
        for (name, text) in package.files {
            sources.push_str(name, *text);
        }
        parse(sources)
    };
    PACKAGES.iter().map(read).collect()
}

/// Packages that these packages refer to.
fn used(group: &UnresolvedPackageGroup) -> impl Iterator<Item = PackageName> {
    let packages = group.nested.iter().chain([&group.main]);
    packages.flat_map(|package| package.foreign_deps.keys().cloned())
}

fn read_dir(dir: &Path, files: &mut Vec<PathBuf>) -> Result<UnresolvedPackageGroup, String> {
    let mut sources = SourceMap::default();
    if dir.is_file() {
        sources.push_file(dir).map_err(render)?;
        files.push(dir.to_owned());
        return parse(sources);
    }
    let mut found = entries(dir);
    found.retain(|file| file.extension().is_some_and(|it| it == "wit") && file.is_file());
    if found.is_empty() {
        return Err(format!("there is no .wit file in {}", dir.display()));
    }
    for file in &found {
        sources.push_file(file).map_err(render)?;
    }
    files.extend(found);
    parse(sources)
}

fn parse(sources: SourceMap) -> Result<UnresolvedPackageGroup, String> {
    sources.parse().map_err(|(sources, error)| error.render(&sources))
}

fn subfolders(dir: &Path) -> Vec<PathBuf> {
    let is_package = |path: &PathBuf| {
        path.is_dir() || path.extension().is_some_and(|extension| extension == "wit")
    };
    entries(dir).into_iter().filter(is_package).collect()
}

fn entries(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

fn select(resolve: &Resolve, package: PackageId, world: Option<&str>) -> Result<WorldId, String> {
    resolve.select_world(&[package], world).map_err(|error| {
        let worlds: Vec<&str> =
            resolve.packages[package].worlds.keys().map(String::as_str).collect();
        let name = &resolve.packages[package].name;
        let hint = "choose one with slice!(world = \"…\")";
        format!("{error:#}\nthe package {name} has the worlds: {}; {hint}", worlds.join(", "))
    })
}

fn render(error: impl Display) -> String {
    format!("{error:#}")
}
