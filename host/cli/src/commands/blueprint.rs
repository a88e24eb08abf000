//! `aether blueprint check`: reads a blueprint and its components. Knows no cluster.

use crate::exit::Result;
use crate::files;
use crate::ui::{Ui, count};
use serde::Serialize;
use std::path::Path;

/// What was found to be right.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Checked {
    application: String,
    version: String,
    slices: usize,
    components: usize,
}

pub(super) fn check(path: &Path, ui: &mut Ui) -> Result {
    let package = files::read(path)?;
    for component in &package.components {
        files::inspect(&component.bytes, &component.path.display().to_string())?;
    }
    let checked = Checked {
        application: package.blueprint.application.name.to_string(),
        version: package.blueprint.application.version.to_string(),
        slices: package.blueprint.slices.len(),
        components: package.components.len(),
    };
    ui.data(&checked, |ui| {
        let Checked { application, version, slices, components } = &checked;
        ui.line(format!(
            "{}: {application} {version}, {}, {} here; all of it is valid",
            package.file,
            count(*slices, "slice"),
            count(*components, "component"),
        ))
    })
}
