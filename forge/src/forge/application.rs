//! The application of a Forge on disk: its blueprint, and slices whose sources are newer than what
//! was built of them. Knows no cluster.

use aether_types::blueprint::Blueprint;
use anyhow::{Context, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

/// What Forge deploys where nothing is said, in the repository.
const DEFAULT: &str = "examples/url-shortener/blueprint.toml";
const FILE: &str = "blueprint.toml";
/// Deeper in the folder of a blueprint there are no sources of its slices.
const DEPTH_MAX: usize = 8;

#[derive(Debug)]
pub(crate) struct Application {
    pub(crate) name: String,
    /// Of the blueprint.
    pub(crate) path: PathBuf,
    /// Components that the blueprint names by file.
    pub(crate) files: Vec<PathBuf>,
}

/// The blueprint that is deployed where nothing is said: the example, if this folder or one above
/// it is the repository.
pub fn find(from: &Path) -> Option<PathBuf> {
    from.ancestors().map(|folder| folder.join(DEFAULT)).find(|path| path.is_file())
}

/// Reads a blueprint, or that of a folder.
pub(crate) fn read(path: &Path) -> anyhow::Result<Application> {
    let path = if path.is_dir() { path.join(FILE) } else { path.to_owned() };
    let shown = path.display().to_string();
    let text = std::fs::read_to_string(&path).with_context(|| format!("read {shown}"))?;
    let blueprint = Blueprint::parse(&shown, &text)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let files = blueprint.slices.iter().filter_map(|slice| slice.file.as_ref());
    let files = files.map(|file| folder.join(file)).collect();
    Ok(Application { name: blueprint.application.name.to_string(), path, files })
}

impl Application {
    /// That of the blueprint.
    pub(crate) fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("."))
    }

    /// Builds the slices below the blueprint's folder if a component is missing, or older than
    /// what it was made of.
    pub(crate) fn build(
        &self,
        program: &Path,
        say: &mut dyn FnMut(&str, &str),
    ) -> anyhow::Result<()> {
        let folder = self.folder();
        let mut sources = Sources::default();
        sources.read(folder, DEPTH_MAX)?;
        let built = self.files.iter().map(|file| file.metadata().and_then(|it| it.modified()));
        let oldest = built.map(Result::ok).min().flatten();
        if sources.slices.is_empty() || oldest.is_some_and(|oldest| Some(oldest) >= sources.newest)
        {
            return Ok(());
        }
        for slice in &sources.slices {
            say("Building", &slice.display().to_string());
            let status = Command::new(program).args(["slice", "build"]).arg(slice).status();
            let status = status.with_context(|| program.display().to_string())?;
            ensure!(status.success(), "{} was not built: {status}", slice.display());
        }
        Ok(())
    }
}

/// What a folder holds.
#[derive(Debug, Default)]
struct Sources {
    /// Folders with the manifest of a slice, sorted.
    slices: Vec<PathBuf>,
    newest: Option<SystemTime>,
}

impl Sources {
    fn read(&mut self, folder: &Path, depth: usize) -> anyhow::Result<()> {
        let shown = || folder.display().to_string();
        let entries = std::fs::read_dir(folder).with_context(shown)?;
        let mut entries = entries.collect::<Result<Vec<_>, _>>().with_context(shown)?;
        entries.sort_by_key(std::fs::DirEntry::file_name);
        let has = |name: &str| entries.iter().any(|entry| entry.file_name() == name);
        if has("Cargo.toml") && has("slice.toml") {
            self.slices.push(folder.to_owned());
        }
        for entry in entries {
            let name = entry.file_name();
            let path = entry.path();
            let hidden = name.to_string_lossy().starts_with('.');
            if entry.file_type()?.is_dir() {
                if depth > 0 && !hidden && name != "target" {
                    self.read(&path, depth - 1)?;
                }
            } else if !hidden && path.extension().is_none_or(|it| it != "wasm") {
                self.newest = self.newest.max(entry.metadata()?.modified().ok());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{find, read};
    use std::fs::{self, File};
    use std::path::{Path, PathBuf};
    use std::time::{Duration, SystemTime};

    /// A program that notes what it is asked for.
    fn program(folder: &Path) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let program = folder.join("aether");
        fs::write(&program, "#!/bin/sh\necho \"$@\" >> \"$0.asked\"\n").unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        program
    }

    #[test]
    fn slices_are_built_when_their_sources_are_newer() {
        let dir = tempfile::tempdir().unwrap();
        let app = dir.path().join("shop");
        let slice = app.join("cart");
        fs::create_dir_all(slice.join("src")).unwrap();
        for file in ["Cargo.toml", "slice.toml", "src/lib.rs"] {
            fs::write(slice.join(file), "").unwrap();
        }
        let head = "[application]\nname = \"shop\"\nversion = \"1.0.0\"\n";
        let text = format!("{head}[[slices]]\nfile = \"../cart.wasm\"\n");
        fs::write(app.join("blueprint.toml"), text).unwrap();
        let program = program(dir.path());
        let asked = || {
            let application = read(&app).unwrap();
            assert_eq!(application.name, "shop");
            let _ = fs::remove_file(dir.path().join("aether.asked"));
            application.build(&program, &mut |_, _| {}).unwrap();
            fs::read_to_string(dir.path().join("aether.asked")).unwrap_or_default()
        };
        let build = format!("slice build {}\n", slice.display());
        assert_eq!(asked(), build, "there is no component");
        let component = File::create(dir.path().join("cart.wasm")).unwrap();
        let now = SystemTime::now();
        component.set_modified(now + Duration::from_secs(60)).unwrap();
        assert_eq!(asked(), "", "it is newer");
        component.set_modified(now - Duration::from_secs(60)).unwrap();
        assert_eq!(asked(), build, "it is older");
    }

    #[test]
    fn the_example_is_found_from_below() {
        let found = find(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
        assert!(found.ends_with("examples/url-shortener/blueprint.toml"));
        assert_eq!(find(Path::new("/")), None);
        assert_eq!(read(&found).unwrap().name, "url-shortener");
    }
}
