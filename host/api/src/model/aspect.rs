//! What is done with calls beside making them, on the wire. Knows no call.

use aether_types::aspect::Aspect;
use aether_types::{AppName, FunctionName, SliceName};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// All functions that can be called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct AspectPoints {
    pub points: Vec<AspectPoint>,
}

/// A function of a slice, and what is done with its calls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct AspectPoint {
    #[schema(value_type = String)]
    pub app: AppName,
    /// `group:artifact:version`.
    pub slice: String,
    #[schema(value_type = String)]
    pub function: FunctionName,
    /// `none`, `log`, `metrics` or `log-metrics`.
    #[schema(value_type = String)]
    pub aspect: Aspect,
}

/// What to do with calls from now on, on all nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AspectChange {
    #[schema(value_type = String)]
    pub app: AppName,
    /// `group:artifact`, of all versions.
    #[schema(value_type = String)]
    pub slice: SliceName,
    /// `namespace:package/interface#function`; the version may be left out. Absent: all functions
    /// of the slice, whatever was said of single ones.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub function: Option<FunctionName>,
    /// `none`, `log`, `metrics` or `log-metrics`.
    #[schema(value_type = String)]
    pub aspect: Aspect,
}
