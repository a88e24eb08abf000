//! Blueprints and the components that they name, read from disk. Knows no cluster.

use crate::exit::{Exit, Failure, Result};
use aether_types::blueprint::Blueprint;
use aether_types::code::Code;
use aether_types::description::Description;
use aether_types::{ByteSize, Digest, Problem, Problems};
use bytes::Bytes;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::path::{Path, PathBuf};

/// A blueprint with everything that it needs from this disk.
#[derive(Debug)]
pub(crate) struct Package {
    /// As messages name it.
    pub(crate) file: String,
    pub(crate) text: String,
    pub(crate) blueprint: Blueprint,
    pub(crate) components: Vec<Component>,
}

/// The component of one `file` entry.
#[derive(Debug)]
pub(crate) struct Component {
    /// Place in `slices`.
    pub(crate) entry: usize,
    pub(crate) path: PathBuf,
    pub(crate) digest: Digest,
    pub(crate) bytes: Bytes,
}

const FILE: &str = "blueprint.toml";

/// Its name and size, for people.
impl fmt::Display for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.path.file_name().unwrap_or(self.path.as_os_str());
        write!(f, "{} ({})", name.display(), crate::ui::bytes(self.bytes.len() as u64))
    }
}

/// Reads a blueprint, or that of a folder, and its components; tells all that is wrong.
pub(crate) fn read(path: &Path) -> Result<Package> {
    let path = if path.is_dir() { path.join(FILE) } else { path.to_owned() };
    let file = path.strip_prefix(".").unwrap_or(&path).display().to_string();
    let text = std::fs::read_to_string(&path).map_err(|error| missing(&file, &error))?;
    let blueprint = Blueprint::parse(&file, &text)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let places = file_places(&file, &text);
    let mut components = Vec::new();
    let mut problems = Vec::new();
    for (entry, slice) in blueprint.slices.iter().enumerate() {
        let Some(name) = &slice.file else { continue };
        let path = folder.join(name);
        match component(entry, &path) {
            Ok(component) => components.push(component),
            Err(message) => {
                let place = places.get(entry).cloned().flatten().unwrap_or_else(|| file.clone());
                let problem = Problem::new(Code::ArtifactMissing, place, message);
                problems.push(problem.help("`aether slice build DIR` builds a slice"));
            }
        }
    }
    Problems(problems).or(())?;
    Ok(Package { file, text, blueprint, components })
}

fn missing(file: &str, error: &std::io::Error) -> Failure {
    let failure = Failure::expected(Exit::NotFound, format!("failed to read {file}: {error}"));
    match error.kind() {
        std::io::ErrorKind::NotFound => {
            failure.help("name a blueprint.toml, or the folder that holds one")
        }
        _ => failure,
    }
}

fn component(entry: usize, path: &Path) -> std::result::Result<Component, String> {
    let (bytes, digest) = load(path)?;
    Ok(Component { entry, path: path.to_owned(), digest, bytes })
}

/// The bytes of a component and their digest, if they are not too many.
pub(crate) fn load(path: &Path) -> std::result::Result<(Bytes, Digest), String> {
    let bytes = std::fs::read(path)
        .map_err(|error| format!("failed to read {}: {error}", path.display()))?;
    if bytes.len() > aether_api::ARTIFACT_BYTES_MAX {
        let max = ByteSize(aether_api::ARTIFACT_BYTES_MAX as u64);
        return Err(format!("{} is larger than {max}", path.display()));
    }
    let digest = Digest(Sha256::digest(&bytes).into());
    Ok((bytes.into(), digest))
}

/// What a component is, as a node would see it; `name` stands in problems.
pub(crate) fn inspect(bytes: &[u8], name: &str) -> Result<Description> {
    let bug = |error: anyhow::Error| Failure::Bug(error);
    let cache = tempfile::tempdir().map_err(|error| bug(error.into()))?;
    let settings = aether_engine::Settings::for_machine(cache.path().to_owned());
    let engine = aether_engine::Engine::new(settings, aether_node::infra_slices());
    let engine = engine.map_err(|error| bug(error.into()))?;
    let described = engine.describe(bytes).map_err(|mut problems| {
        for problem in &mut problems.0 {
            problem.place = format!("{name}: {}", problem.place);
        }
        problems
    });
    Ok(described?)
}

/// `file:line:column` of each slice's `file`.
fn file_places(file: &str, text: &str) -> Vec<Option<String>> {
    #[derive(Deserialize)]
    struct Spans {
        slices: Vec<Entry>,
    }
    #[derive(Deserialize)]
    struct Entry {
        file: Option<toml::Spanned<String>>,
    }
    let place = |entry: Entry| {
        let before = &text[..entry.file?.span().start];
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        Some(format!("{file}:{line}:{column}"))
    };
    let spans = toml::from_str::<Spans>(text);
    spans.map(|spans| spans.slices.into_iter().map(place).collect()).unwrap_or_default()
}
