//! One cargo call that builds slices, and what came out of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;

use crate::{Error, Result, TARGET, Toolchain, embed, process, slice_toml};

/// What to build. Many packages in one request are one cargo call.
#[derive(Clone, Debug)]
pub struct BuildRequest {
    /// The folder with the `Cargo.toml` of the package or workspace.
    pub manifest_dir: PathBuf,
    /// Packages of that workspace; empty means the package in `manifest_dir`.
    pub packages: Vec<String>,
    /// A profile that the manifest defines, or `release`.
    pub profile: String,
    /// A target directory that no other compiler uses: slices may be built by a second compiler,
    /// and each directory holds a standard library of its own.
    pub target_dir: PathBuf,
    /// Where cargo's progress goes.
    pub output: CargoOutput,
}

/// Where cargo's progress goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CargoOutput {
    /// To this process's standard error.
    Show,
    /// Nowhere; after a failure it is part of the error.
    Capture,
}

/// A component that was built, or was there and is up to date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built {
    /// The package.
    pub package: String,
    /// The component file.
    pub path: PathBuf,
}

impl Toolchain {
    /// Builds every package and returns its component, sorted by package. A package whose folder
    /// has a `slice.toml` that its component does not carry gets it embedded.
    ///
    /// # Errors
    /// When cargo fails, when a package is no component, when a file cannot be written.
    pub fn build(&self, request: &BuildRequest) -> Result<Vec<Built>> {
        let mut command = process::cargo();
        command
            .current_dir(&request.manifest_dir)
            .args(["build", "--lib", "--message-format=json-render-diagnostics"])
            .args(["--target", TARGET, "--profile", &request.profile, "--target-dir"])
            .arg(&request.target_dir);
        for package in &request.packages {
            command.args(["--package", package]);
        }
        if let Some(debian) = &self.debian {
            command
                .arg("-Zbuild-std=std,panic_abort")
                .env("RUSTC", &debian.rustc)
                .env("RUSTC_BOOTSTRAP", "1")
                .env(
                    "CARGO_TARGET_WASM32_WASIP2_RUSTFLAGS",
                    format!("-L native={}", debian.libc_dir.display()),
                );
        }
        let line = process::line(&command);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(match request.output {
            CargoOutput::Show => Stdio::inherit(),
            CargoOutput::Capture => Stdio::piped(),
        });
        let out = command
            .spawn()
            .and_then(std::process::Child::wait_with_output)
            .map_err(|source| Error::Run { command: line.clone(), source })?;
        process::check(line, &out)?;
        let artifacts = artifacts(&String::from_utf8_lossy(&out.stdout));
        let built = wanted(request, artifacts)?;
        built.iter().try_for_each(embed_own_toml)?;
        Ok(built.into_iter().map(|found| found.built).collect())
    }
}

/// A component and the folder of the package that it comes from.
struct Artifact {
    built: Built,
    package_dir: PathBuf,
}

/// The components that cargo's messages name, by package.
fn artifacts(messages: &str) -> BTreeMap<String, Artifact> {
    let mut found = BTreeMap::new();
    for message in messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        if message["reason"] != "compiler-artifact" {
            continue;
        }
        let Some(package) = message["package_id"].as_str().and_then(package_name) else { continue };
        let Some(manifest) = message["manifest_path"].as_str() else { continue };
        let files = message["filenames"].as_array().into_iter().flatten();
        let Some(file) = files.filter_map(Value::as_str).find(|file| file.ends_with(".wasm"))
        else {
            continue;
        };
        let built = Built { package: package.to_owned(), path: file.into() };
        let package_dir = Path::new(manifest).parent().unwrap_or(Path::new("")).to_owned();
        found.insert(package.to_owned(), Artifact { built, package_dir });
    }
    found
}

/// The name in a package id: `path+file:///a/b#0.1.0` is `b`, `…#name@0.1.0` is `name`.
fn package_name(id: &str) -> Option<&str> {
    let (source, fragment) = id.rsplit_once('#')?;
    match fragment.split_once('@') {
        Some((name, _)) => Some(name),
        None => source.rsplit('/').next(),
    }
}

fn wanted(
    request: &BuildRequest,
    mut artifacts: BTreeMap<String, Artifact>,
) -> Result<Vec<Artifact>> {
    if request.packages.is_empty() {
        if artifacts.is_empty() {
            let package = request.manifest_dir.display().to_string();
            return Err(Error::NoComponent { package });
        }
        return Ok(artifacts.into_values().collect());
    }
    let mut packages = request.packages.clone();
    packages.sort();
    packages.dedup();
    let take = |package: String| artifacts.remove(&package).ok_or(Error::NoComponent { package });
    packages.into_iter().map(take).collect()
}

/// Embeds the package's own `slice.toml` if the component does not say the same already.
fn embed_own_toml(found: &Artifact) -> Result<()> {
    let toml_path = found.package_dir.join("slice.toml");
    let Ok(toml) = std::fs::read_to_string(&toml_path) else { return Ok(()) };
    let path = &found.built.path;
    let component = std::fs::read(path).map_err(Error::file(path))?;
    if slice_toml(&component).as_deref() == Some(toml.as_str()) {
        return Ok(());
    }
    let component = embed(&component, &toml)?;
    // cargo may have linked this file to another one of its own: replace it, do not write into it.
    let next = path.with_extension(format!("{}.next", std::process::id()));
    std::fs::write(&next, component).map_err(Error::file(&next))?;
    std::fs::rename(&next, path).map_err(Error::file(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_packages() {
        let check = |id, name| assert_eq!(package_name(id), Some(name), "{id}");
        check("path+file:///src/shop/place-order#0.1.0", "place-order");
        check("path+file:///src/shop/place-order#other@0.1.0", "other");
        check("registry+https://example.org/index#serde@1.0.0", "serde");
        assert_eq!(package_name("nonsense"), None);
    }

    #[test]
    fn only_components_count() {
        let messages = r#"
{"reason":"compiler-artifact","package_id":"path+file:///s/dep#0.1.0","manifest_path":"/s/dep/Cargo.toml","filenames":["/t/libdep.rlib"]}
{"reason":"compiler-artifact","package_id":"path+file:///s/greeter#0.1.0","manifest_path":"/s/greeter/Cargo.toml","filenames":["/t/libgreeter.rlib","/t/greeter.wasm"]}
{"reason":"build-finished","success":true}
not json"#;
        let found: Vec<_> = artifacts(messages).into_values().collect();
        let [one] = found.as_slice() else { panic!("{} components", found.len()) };
        let expected = Built { package: "greeter".into(), path: "/t/greeter.wasm".into() };
        assert_eq!((&one.built, one.package_dir.as_path()), (&expected, Path::new("/s/greeter")));
    }

    #[test]
    fn a_component_made_without_the_sdk_gets_the_file_of_its_package() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("plain.wasm");
        let plain = b"\0asm\x0d\0\x01\0";
        std::fs::write(&path, plain).unwrap();
        let built = Built { package: "plain".into(), path: path.clone() };
        let found = Artifact { built, package_dir: home.path().to_owned() };
        embed_own_toml(&found).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), plain, "without a file nothing changes");
        for text in ["[slice]\n", "[slice]\n# changed\n"] {
            std::fs::write(home.path().join("slice.toml"), text).unwrap();
            embed_own_toml(&found).unwrap();
            assert_eq!(slice_toml(&std::fs::read(&path).unwrap()).as_deref(), Some(text));
        }
    }
}
