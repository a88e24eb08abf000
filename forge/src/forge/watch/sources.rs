//! Files below a blueprint's folder that components are made of, and which slice each is of.
//! Builds nothing.

use anyhow::Context;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Deeper in the folder of a blueprint there are no sources of its slices.
const DEPTH_MAX: usize = 8;

/// When each file was written, and how long it is.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Snapshot(BTreeMap<PathBuf, (Option<SystemTime>, u64)>);

impl Snapshot {
    pub(super) fn take(folder: &Path) -> anyhow::Result<Self> {
        let mut files = BTreeMap::new();
        walk(folder, DEPTH_MAX, &mut |path, data| {
            files.insert(path, (data.modified().ok(), data.len()));
        })?;
        Ok(Self(files))
    }

    /// Files that are others than before, new, or gone.
    pub(super) fn changes(&self, before: &Self) -> BTreeSet<PathBuf> {
        let all = self.0.keys().chain(before.0.keys());
        all.filter(|path| self.0.get(*path) != before.0.get(*path)).cloned().collect()
    }
}

/// Folders with the manifest of a slice, sorted.
pub(super) fn slices(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut slices = BTreeSet::new();
    walk(folder, DEPTH_MAX, &mut |path, _| {
        let folder = path.parent().unwrap_or(Path::new("."));
        if path.ends_with("slice.toml") && folder.join("Cargo.toml").exists() {
            slices.insert(folder.to_owned());
        }
    })?;
    Ok(slices.into_iter().collect())
}

/// Those to build: a file in a slice's folder is of that slice alone, any other of all.
pub(super) fn touched<'a>(slices: &'a [PathBuf], changed: &BTreeSet<PathBuf>) -> Vec<&'a PathBuf> {
    let owner = |file: &PathBuf| slices.iter().find(|slice| file.starts_with(slice));
    let owners: Vec<_> = changed.iter().map(owner).collect();
    let shared = owners.iter().any(Option::is_none);
    slices.iter().filter(|slice| shared || owners.contains(&Some(slice))).collect()
}

fn walk(
    folder: &Path,
    depth: usize,
    found: &mut dyn FnMut(PathBuf, std::fs::Metadata),
) -> anyhow::Result<()> {
    let entries = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    for entry in entries {
        let entry = entry?;
        let (name, path) = (entry.file_name(), entry.path());
        if name.to_string_lossy().starts_with('.') {
            continue;
        }
        if entry.file_type()?.is_dir() {
            if depth > 0 && name != "target" {
                walk(&path, depth - 1, found)?;
            }
        } else if path.extension().is_none_or(|it| it != "wasm") {
            found(path, entry.metadata()?);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Snapshot, slices, touched};
    use std::collections::BTreeSet;
    use std::fs;

    #[test]
    fn what_has_changed_belongs_to_a_slice_or_to_all() {
        let dir = tempfile::tempdir().unwrap();
        let app = dir.path();
        for slice in ["cart", "stock"] {
            fs::create_dir_all(app.join(slice).join("src")).unwrap();
            for file in ["Cargo.toml", "slice.toml", "src/lib.rs"] {
                fs::write(app.join(slice).join(file), "").unwrap();
            }
        }
        fs::create_dir(app.join("wit")).unwrap();
        let found = slices(app).unwrap();
        assert_eq!(found, [app.join("cart"), app.join("stock")]);
        let check = |act: &dyn Fn(), expected: &[&str]| {
            let before = Snapshot::take(app).unwrap();
            act();
            let changes = Snapshot::take(app).unwrap().changes(&before);
            let names: BTreeSet<_> = touched(&found, &changes).into_iter().cloned().collect();
            assert_eq!(names, expected.iter().map(|name| app.join(name)).collect());
        };
        check(&|| {}, &[]);
        check(&|| fs::write(app.join("cart/src/lib.rs"), "fn f() {}").unwrap(), &["cart"]);
        check(&|| fs::write(app.join("stock/src/more.rs"), "").unwrap(), &["stock"]);
        check(&|| fs::remove_file(app.join("stock/src/more.rs")).unwrap(), &["stock"]);
        check(&|| fs::write(app.join("wit/a.wit"), "").unwrap(), &["cart", "stock"]);
        check(&|| fs::write(app.join("cart.wasm"), "no source").unwrap(), &[]);
        check(&|| fs::write(app.join("cart/.lib.rs.swp"), "an editor's").unwrap(), &[]);
    }
}
