//! The applications that a simulated operator deploys. Knows no nodes.

use aether_types::blueprint::{Application, Blueprint, Bound};
use aether_types::description::{Description, HttpVersion};
use aether_types::slice_toml::SliceToml;
use aether_types::wit::Interface;
use aether_types::{AppName, Coordinates, Digest};

use crate::rng::Rng;

/// Versions that exist of every slice.
const VERSIONS: u64 = 3;

/// Applications with their slices, each of which calls the one before it.
const APPLICATIONS: [(&str, &[&str]); 2] =
    [("shop", &["stock", "price", "web"]), ("blog", &["page"])];

pub(crate) fn names() -> impl Iterator<Item = AppName> {
    APPLICATIONS.iter().map(|(app, _)| app.parse().expect("a name"))
}

/// Where the last slice of an application is asked over HTTP.
pub(crate) fn path(app: &AppName) -> String {
    format!("/{app}")
}

/// Every artifact there is.
pub(crate) fn artifacts() -> Vec<Description> {
    let slices =
        APPLICATIONS.iter().flat_map(|(_, slices)| (0..slices.len()).map(move |i| (slices, i)));
    let each =
        slices.flat_map(|(slices, i)| (1..=VERSIONS).map(move |version| (slices, i, version)));
    each.map(|(slices, i, version)| description(slices, i, version)).collect()
}

fn description(slices: &[&str], i: usize, version: u64) -> Description {
    let interface = |slice: &str| Interface {
        name: format!("sim:{slice}/api@{version}.0.0").parse().expect("a name"),
        functions: Vec::new(),
    };
    Description {
        digest: digest(slices[i], version),
        size: 1,
        settings: SliceToml::parse("slice.toml", "").expect("nothing is fine"),
        exports: vec![interface(slices[i])],
        dependencies: slices[..i].last().map(|slice| interface(slice)).into_iter().collect(),
        infra: Vec::new(),
        handler: Some(HttpVersion::V02),
        has_lifecycle: false,
        is_async: false,
    }
}

fn coordinates(slice: &str, version: u64) -> Coordinates {
    format!("sim:{slice}:{version}.0.0").parse().expect("coordinates")
}

fn digest(slice: &str, version: u64) -> Digest {
    let mut bytes = [version as u8; 32];
    bytes[..slice.len()].copy_from_slice(slice.as_bytes());
    Digest(bytes)
}

/// Some version of an application with some numbers of instances.
pub(crate) fn draw(app: &AppName, rng: &mut Rng) -> Application {
    let slices = APPLICATIONS.iter().find(|(name, _)| *name == app.to_string());
    let (name, slices) = slices.expect("one of ours");
    let version = rng.between(1, VERSIONS);
    let mut toml = format!("[application]\nname = \"{name}\"\nversion = \"{version}.0.0\"\n");
    for slice in *slices {
        let instances = rng.between(1, 4);
        let artifact = coordinates(slice, version);
        toml += &format!("[[slices]]\nartifact = \"{artifact}\"\ninstances = {instances}\n");
    }
    let last = slices.last().expect("an application has slices");
    toml += &format!(
        "[[routes]]\nroute = \"GET {}\"\nslice = \"sim:{last}\"\nhandler = \"wasi:http\"\n",
        path(app)
    );
    let bound = |slice: &&str| Bound {
        coordinates: coordinates(slice, version),
        digest: digest(slice, version),
    };
    Application {
        blueprint: Blueprint::parse("blueprint.toml", &toml).expect("it is written above"),
        artifacts: slices.iter().map(bound).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_application_passes_its_check() {
        let known = artifacts().into_iter().map(|d| (d.digest, d)).collect();
        let mut rng = Rng::new(1);
        for app in names() {
            let checked = aether_placement::check(&draw(&app, &mut rng), &known, []);
            assert_eq!(checked.expect("it can run").routes.len(), 1);
        }
    }
}
