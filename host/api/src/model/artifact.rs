//! Artifacts: what a component is. Knows no bytes.

use aether_types::description::{Description, HttpVersion};
use aether_types::wit::Interface;
use aether_types::{Coordinates, Digest};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A component that the cluster stores, or that somebody inspects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Artifact {
    #[schema(value_type = String)]
    pub digest: Digest,
    /// `group:artifact:version`, where the component says it itself.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub artifact: Option<Coordinates>,
    pub description: String,
    /// Bytes.
    pub size: u64,
    pub exports: Vec<InterfaceView>,
    /// What other slices must provide.
    pub dependencies: Vec<InterfaceView>,
    /// What the host provides.
    pub infra: Vec<String>,
    pub routes: Vec<ArtifactRoute>,
    /// Version of the component's own HTTP handler, `0.2` or `0.3`.
    #[serde(default)]
    pub handler: Option<String>,
    /// Exports `aether:slice/lifecycle`.
    pub lifecycle: bool,
    /// Uses the component model's async ABI.
    #[serde(rename = "async")]
    pub is_async: bool,
}

/// A component that was read and not stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct CheckedArtifact {
    pub artifact: Artifact,
    /// The same for nodes: to be handed on to the check of an application.
    #[schema(value_type = Object)]
    pub description: Description,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct InterfaceView {
    pub name: String,
    pub functions: Vec<FunctionView>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct FunctionView {
    pub name: String,
    /// As WIT writes it.
    pub signature: String,
}

/// A route that the slice brings itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ArtifactRoute {
    pub route: String,
    /// The function that takes the request; absent: the component's own HTTP handler does.
    #[serde(default)]
    pub call: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Artifacts {
    pub artifacts: Vec<Artifact>,
}

impl From<&Description> for Artifact {
    fn from(description: &Description) -> Self {
        let settings = &description.settings;
        let route = |route: &aether_types::slice_toml::Route| ArtifactRoute {
            route: route.route.to_string(),
            call: route.call.as_ref().map(ToString::to_string),
        };
        Self {
            digest: description.digest,
            artifact: settings.slice.artifact.clone(),
            description: settings.slice.description.clone(),
            size: description.size,
            exports: description.exports.iter().map(InterfaceView::from).collect(),
            dependencies: description.dependencies.iter().map(InterfaceView::from).collect(),
            infra: description.infra.iter().map(ToString::to_string).collect(),
            routes: settings.routes.iter().map(route).collect(),
            handler: description.handler.map(|version| match version {
                HttpVersion::V02 => "0.2".to_owned(),
                HttpVersion::V03 => "0.3".to_owned(),
            }),
            lifecycle: description.has_lifecycle,
            is_async: description.is_async,
        }
    }
}

impl From<&Interface> for InterfaceView {
    fn from(interface: &Interface) -> Self {
        let functions = interface.functions.iter();
        let functions = functions
            .map(|f| FunctionView { name: f.name.clone(), signature: f.to_string() })
            .collect();
        Self { name: interface.name.to_string(), functions }
    }
}
