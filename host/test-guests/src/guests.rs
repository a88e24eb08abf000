//! Builds the guests written in Rust and finds those written as text.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use aether_slice_build::{BuildRequest, CargoOutput};

/// The component file of a guest: `path("echo")` is built from `guests/echo`.
///
/// # Panics
/// If there is no such guest, or if the guests do not build; the message says why.
pub fn path(name: &str) -> PathBuf {
    static BUILT: OnceLock<BTreeMap<String, PathBuf>> = OnceLock::new();
    let built = BUILT.get_or_init(build);
    let Some(path) = built.get(name) else {
        let names: Vec<&str> = built.keys().map(String::as_str).collect();
        panic!("there is no test guest {name:?}; there are: {}", names.join(", "));
    };
    path.clone()
}

/// The bytes of a guest's component.
///
/// # Panics
/// Like [`path`].
pub fn bytes(name: &str) -> Vec<u8> {
    let path = path(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("failed to read {path:?}: {error}"))
}

/// The text of a guest that is written as text, for what no compiler makes: `wat("liar")`.
///
/// # Panics
/// If there is no such file in `wat/`.
pub fn wat(name: &str) -> String {
    let path = home().join("wat").join(name).with_extension("wat");
    std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("failed to read {path:?}: {error}"))
}

pub(crate) fn home() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Where guests are built. Slices that people build by hand, examples included, go there too.
pub(crate) fn target_dir() -> PathBuf {
    home().join("../../target/guests")
}

fn build() -> BTreeMap<String, PathBuf> {
    let packages = std::fs::read_dir(home().join("guests"))
        .expect("the folder of guests is part of this crate")
        .flatten()
        .filter(|entry| entry.path().join("Cargo.toml").exists())
        .map(|entry| format!("guest-{}", entry.file_name().to_string_lossy()))
        .collect();
    let request = BuildRequest {
        manifest_dir: home().join("../.."),
        packages,
        profile: "guest".to_owned(),
        target_dir: target_dir(),
        output: CargoOutput::Capture,
    };
    let mut said = Vec::new();
    let built = aether_slice_build::setup(&mut |line| said.push(line.to_owned()))
        .and_then(|toolchain| toolchain.build(&request));
    let built = built.unwrap_or_else(|error| {
        panic!("failed to build the test guests: failed to {error}\n{}", said.join("\n"))
    });
    let name = |package: &str| package.strip_prefix("guest-").unwrap_or(package).to_owned();
    built.into_iter().map(|built| (name(&built.package), built.path)).collect()
}
