//! What is rolled out while somebody works: components under versions that nobody else gives, in a
//! copy of the blueprint. A version never changes; a source does all the time.

use super::super::application::Application;
use aether_types::Coordinates;
use anyhow::Context;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// Where the copies are.
#[derive(Debug)]
pub(super) struct Releases {
    home: PathBuf,
    /// How many there were.
    count: u32,
    /// What is deployed.
    last: Inputs,
    /// Files and coordinates that took the place of those in the blueprint, by its file.
    stamped: BTreeMap<PathBuf, Stamped>,
}

/// What a release is made of.
#[derive(Debug, Clone, PartialEq)]
struct Inputs {
    blueprint: Table,
    components: BTreeMap<PathBuf, Vec<u8>>,
}

#[derive(Debug, Clone)]
struct Stamped {
    file: PathBuf,
    /// None: the component does not say it, and the blueprint does.
    version: String,
}

/// One that can be deployed.
#[derive(Debug)]
pub(super) struct Release {
    /// With a blueprint.
    pub(super) folder: PathBuf,
    /// Coordinates of what is new in it.
    pub(super) versions: Vec<String>,
    inputs: Inputs,
    stamped: BTreeMap<PathBuf, Stamped>,
}

impl Inputs {
    fn read(application: &Application) -> anyhow::Result<Self> {
        let path = &application.path;
        let shown = || path.display().to_string();
        let text = std::fs::read_to_string(path).with_context(shown)?;
        let blueprint = toml::from_str(&text).with_context(shown)?;
        let read = |file: &PathBuf| {
            let bytes = std::fs::read(file).with_context(|| file.display().to_string())?;
            Ok((file.clone(), bytes))
        };
        let components = application.files.iter().map(read).collect::<anyhow::Result<_>>()?;
        Ok(Self { blueprint, components })
    }
}

impl Releases {
    /// `application` is deployed as it is.
    pub(super) fn new(application: &Application, home: &Path) -> anyhow::Result<Self> {
        let (home, last) = (home.join("watch"), Inputs::read(application)?);
        Ok(Self { home, count: 0, last, stamped: BTreeMap::new() })
    }

    /// None if there is nothing new.
    pub(super) fn next(&mut self, application: &Application) -> anyhow::Result<Option<Release>> {
        let inputs = Inputs::read(application)?;
        if inputs == self.last {
            return Ok(None);
        }
        self.count += 1;
        let folder = self.home.join(self.count.to_string());
        std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        let mut stamped = self.stamped.clone();
        for (at, (file, bytes)) in inputs.components.iter().enumerate() {
            if self.last.components.get(file) != Some(bytes) {
                let to = folder.join(format!("{at}.wasm"));
                let suffix = format!("watch.{}", self.count);
                std::fs::write(&to, stamp(bytes, &suffix)?)?;
                stamped.insert(file.clone(), Stamped { file: to, version: suffix });
            }
        }
        let (text, versions) = rewrite(application, inputs.blueprint.clone(), &stamped)?;
        std::fs::write(folder.join("blueprint.toml"), text)?;
        Ok(Some(Release { folder, versions, inputs, stamped }))
    }

    /// It is what is deployed now.
    pub(super) fn done(&mut self, release: Release) {
        let Release { inputs, stamped, .. } = release;
        (self.last, self.stamped) = (inputs, stamped);
    }
}

/// The component with its own coordinates, if it says any, in another version.
fn stamp(component: &[u8], suffix: &str) -> anyhow::Result<Vec<u8>> {
    let Some(text) = aether_slice_build::slice_toml(component) else {
        return Ok(component.to_vec());
    };
    let mut table: Table = toml::from_str(&text)?;
    let slice = table.get_mut("slice").and_then(Value::as_table_mut);
    match slice.and_then(|slice| slice.get_mut("artifact")) {
        Some(artifact) => *artifact = Value::String(version(artifact, suffix)?),
        None => return Ok(component.to_vec()),
    }
    Ok(aether_slice_build::embed(component, &toml::to_string(&table)?)?)
}

/// `group:artifact:1.2.3` as `group:artifact:1.2.3-watch.1`.
fn version(artifact: &Value, suffix: &str) -> anyhow::Result<String> {
    let text = artifact.as_str().context("an artifact is a text")?;
    let mut coordinates: Coordinates = text.parse()?;
    let suffix = suffix.parse();
    coordinates.version.pre = suffix.map_err(|error| anyhow::anyhow!("{error}"))?;
    Ok(coordinates.to_string())
}

/// The blueprint with its files where they are now, and the coordinates that are new in it.
fn rewrite(
    application: &Application,
    mut table: Table,
    stamped: &BTreeMap<PathBuf, Stamped>,
) -> anyhow::Result<(String, Vec<String>)> {
    let mut versions = Vec::new();
    let slices = table.get_mut("slices").and_then(Value::as_array_mut);
    for slice in slices.into_iter().flatten().filter_map(Value::as_table_mut) {
        let Some(file) = slice.get("file").and_then(Value::as_str) else { continue };
        let file = application.folder().join(file);
        let now = stamped.get(&file);
        if let Some(Stamped { file, version: suffix }) = now {
            if let Some(artifact) = slice.get_mut("artifact") {
                *artifact = Value::String(version(artifact, suffix)?);
            }
            versions.push(name(file, slice).unwrap_or_else(|| suffix.clone()));
        }
        let file = now.map_or(file, |stamped| stamped.file.clone());
        let file = std::path::absolute(file)?.display().to_string();
        slice.insert("file".to_owned(), Value::String(file));
    }
    Ok((toml::to_string(&table)?, versions))
}

/// The coordinates, wherever they stand.
fn name(file: &Path, slice: &Table) -> Option<String> {
    let given = slice.get("artifact").and_then(Value::as_str).map(str::to_owned);
    given.or_else(|| {
        let text = aether_slice_build::slice_toml(&std::fs::read(file).ok()?)?;
        let table: Table = toml::from_str(&text).ok()?;
        Some(table.get("slice")?.get("artifact")?.as_str()?.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::{Releases, version};
    use crate::forge::application;
    use std::fs;
    use toml::Value;

    /// As short as a component can be.
    const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";

    fn component(about: &str) -> Vec<u8> {
        let text = format!("[slice]\nartifact = \"t:cart:1.2.3\"\ndescription = \"{about}\"\n");
        aether_slice_build::embed(EMPTY, &text).unwrap()
    }

    #[test]
    fn what_is_new_gets_a_version_of_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let head = "[application]\nname = \"shop\"\nversion = \"1.0.0\"\n";
        let named = "[[slices]]\nartifact = \"t:stock:2.0.0\"\nfile = \"stock.wasm\"\n";
        let text = format!("{head}[[slices]]\nfile = \"cart.wasm\"\n{named}");
        fs::write(dir.path().join("blueprint.toml"), text).unwrap();
        let write = |file: &str, bytes: &[u8]| fs::write(dir.path().join(file), bytes).unwrap();
        write("cart.wasm", &component("old"));
        write("stock.wasm", EMPTY);
        let application = application::read(dir.path()).unwrap();
        let mut releases = Releases::new(&application, dir.path()).unwrap();
        assert!(releases.next(&application).unwrap().is_none(), "nothing is new");

        write("cart.wasm", &component("new"));
        let first = releases.next(&application).unwrap().unwrap();
        assert_eq!(first.versions, ["t:cart:1.2.3-watch.1"]);
        let text = fs::read_to_string(first.folder.join("blueprint.toml")).unwrap();
        assert!(text.contains("watch/1/0.wasm") && text.contains("\"t:stock:2.0.0\""), "{text}");
        let stamped = fs::read(first.folder.join("0.wasm")).unwrap();
        let inside = aether_slice_build::slice_toml(&stamped).unwrap();
        assert!(inside.contains("1.2.3-watch.1") && inside.contains("new"), "{inside}");
        // One that was not deployed is no ground for the next one.
        let again = releases.next(&application).unwrap().unwrap();
        assert_eq!(again.versions, ["t:cart:1.2.3-watch.2"]);
        releases.done(again);

        write("stock.wasm", &component("stock has one as well"));
        let third = releases.next(&application).unwrap().unwrap();
        assert_eq!(third.versions, ["t:cart:1.2.3-watch.2", "t:stock:2.0.0-watch.3"]);
        releases.done(third);
        assert!(releases.next(&application).unwrap().is_none());
    }

    #[test]
    fn versions_of_development_come_after_what_they_are_of() {
        let of = |text: &str| version(&Value::String(text.to_owned()), "watch.7").unwrap();
        assert_eq!(of("t:cart:1.2.3"), "t:cart:1.2.3-watch.7");
        assert_eq!(of("t:cart:1.2.3-beta"), "t:cart:1.2.3-watch.7");
    }
}
