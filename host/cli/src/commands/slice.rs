//! `aether slice`: writes, builds and looks into slices. Knows no cluster.

use crate::args::SliceCommand;
use crate::exit::{Exit, Failure, Result, chain};
use crate::files::{self, inspect};
use crate::ui::{Tone, Ui, bytes};
use aether_api::{Artifact, InterfaceView};
use aether_slice_build::{BuildRequest, CargoOutput};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The profile for slices, where the manifest defines it; small components.
const PROFILE: &str = "guest";

/// A component that was built.
#[derive(Debug, Serialize)]
struct Component {
    package: String,
    path: PathBuf,
    size: u64,
    digest: String,
}

pub(super) fn run(command: SliceCommand, ui: &mut Ui) -> Result {
    match command {
        SliceCommand::New { name, .. } => new(&name, ui),
        SliceCommand::Build { path, .. } => build(&path, ui),
        SliceCommand::Inspect { file, .. } => show(&file, ui),
    }
}

fn new(name: &str, ui: &mut Ui) -> Result {
    let folder = Path::new(name);
    aether_slice_build::scaffold(name, folder).map_err(failure)?;
    ui.step("Created", format!("{name}/"))?;
    ui.data(&serde_json::json!({ "name": name, "folder": folder }), |ui| {
        ui.note(format!("next: `aether slice build {name}`, `aether deploy {name}`"))
    })
}

fn build(folder: &Path, ui: &mut Ui) -> Result {
    let root = workspace(folder)?;
    let manifest = std::fs::read_to_string(root.join("Cargo.toml"));
    let manifest = manifest.map_err(|error| Failure::Bug(error.into()))?;
    let manifest: toml::Table = toml::from_str(&manifest).unwrap_or_default();
    let has_profile = manifest.get("profile").is_some_and(|p| p.get(PROFILE).is_some());
    let toolchain = aether_slice_build::setup(&mut |line| {
        // A terminal that is gone does not end an installation.
        let _ = ui.step("Setup", line);
    });
    let built = toolchain.and_then(|toolchain| {
        toolchain.build(&BuildRequest {
            manifest_dir: folder.to_owned(),
            packages: Vec::new(),
            profile: if has_profile { PROFILE } else { "release" }.to_owned(),
            target_dir: root.join("target/guests"),
            output: CargoOutput::Show,
        })
    });
    let mut components = Vec::new();
    for built in built.map_err(failure)? {
        let (bytes, digest) = files::load(&built.path).map_err(Failure::invalid)?;
        let size = bytes.len() as u64;
        let digest = digest.to_string();
        components.push(Component { package: built.package, path: built.path, size, digest });
    }
    for component in &components {
        let size = bytes(component.size);
        ui.step("Built", format!("{} ({size})", component.path.display()))?;
    }
    ui.data(&components, |_| Ok(()))
}

/// The folder of the manifest that decides about profiles.
fn workspace(folder: &Path) -> Result<PathBuf> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
    command.args(["locate-project", "--workspace", "--message-format", "plain"]);
    let out = command.current_dir(folder).output().map_err(|error| {
        Failure::invalid(format!("failed to run cargo in {}: {error}", folder.display()))
            .help("name the folder that holds the slice's Cargo.toml; cargo comes with Rust")
    })?;
    let path = PathBuf::from(String::from_utf8_lossy(&out.stdout).trim());
    match path.parent() {
        Some(root) if out.status.success() => Ok(root.to_owned()),
        _ => {
            let message = format!("there is no Cargo.toml in {}", folder.display());
            Err(Failure::invalid(message).help("`aether slice new NAME` writes a slice"))
        }
    }
}

fn show(file: &Path, ui: &mut Ui) -> Result {
    let exit = if file.exists() { Exit::Invalid } else { Exit::NotFound };
    let (bytes, _) = files::load(file).map_err(|why| Failure::expected(exit, why))?;
    let artifact = Artifact::from(&inspect(&bytes, &file.display().to_string())?);
    ui.data(&artifact, |ui| describe(&artifact, ui))
}

fn describe(artifact: &Artifact, ui: &mut Ui) -> Result {
    let coordinates = artifact.artifact.as_ref().map(ToString::to_string);
    ui.line(format!("artifact  {}", coordinates.as_deref().unwrap_or("(the blueprint says)")))?;
    ui.line(format!("digest    {}", artifact.digest))?;
    ui.line(format!("size      {}", bytes(artifact.size)))?;
    if !artifact.description.is_empty() {
        ui.line(format!("about     {}", artifact.description))?;
    }
    interfaces("exports", &artifact.exports, ui)?;
    if let Some(version) = &artifact.handler {
        ui.line(format!("  wasi:http {version} handler"))?;
    }
    interfaces("needs from other slices", &artifact.dependencies, ui)?;
    if !artifact.infra.is_empty() {
        ui.line(ui.paint("\nneeds from the host", Tone::Strong))?;
        artifact.infra.iter().try_for_each(|name| ui.line(format!("  {name}")))?;
    }
    if artifact.routes.is_empty() {
        return Ok(());
    }
    ui.line(ui.paint("\nroutes", Tone::Strong))?;
    artifact.routes.iter().try_for_each(|route| {
        let target = route.call.as_deref().unwrap_or("its own handler");
        ui.line(format!("  {} -> {target}", route.route))
    })
}

fn interfaces(title: &str, interfaces: &[InterfaceView], ui: &mut Ui) -> Result {
    if interfaces.is_empty() {
        return Ok(());
    }
    ui.line(ui.paint(&format!("\n{title}"), Tone::Strong))?;
    for interface in interfaces {
        ui.line(format!("  {}", interface.name))?;
        for function in &interface.functions {
            ui.line(format!("    {}", function.signature))?;
        }
    }
    Ok(())
}

fn failure(error: aether_slice_build::Error) -> Failure {
    use aether_slice_build::Error;
    let exit = match &error {
        Error::Name { .. } | Error::NoComponent { .. } | Error::Malformed(_) => Exit::Invalid,
        Error::Exists(_) => Exit::Conflict,
        Error::CannotInstall { .. } => Exit::Unavailable,
        Error::Run { .. } | Error::Failed { .. } | Error::File { .. } => Exit::Failed,
    };
    Failure::expected(exit, format!("failed to {}", chain(&error)))
}
