//! Calls from outside, and where a call would go. Knows no codec.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// A function of an application to call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CallRequest {
    /// `namespace:package/interface#function`; the version may be left out.
    pub function: String,
    /// The parameters: an array in their order, or an object by their names.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub params: Value,
}

/// What a function answered. A technical failure is an error response instead.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct CallAnswer {
    pub outcome: Outcome,
    /// The result, or the payload of its `ok`; `null` where there is none. Of an error its case, as
    /// variants are written: `"case"` or `{"case": payload}`; an error that is no variant and no
    /// enum has the case `error`.
    #[schema(value_type = Object)]
    pub value: Value,
    pub request_id: String,
    /// Time on the node, in microseconds.
    pub duration_us: u64,
}

/// Whether the function itself was content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    Ok,
    /// The function returned the error case of its `result`: a business error.
    Err,
}

/// Where a request or call would go, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Explanation {
    pub target: String,
    /// The decision, step by step, for people.
    pub lines: Vec<String>,
    pub candidates: Vec<Candidate>,
}

/// An instance that could take the call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Candidate {
    pub app: String,
    /// `group:artifact:version`.
    pub artifact: String,
    pub ordinal: u32,
    pub node: String,
    pub state: super::InstanceState,
    /// Whether the next call would go there.
    pub chosen: bool,
    /// Why it would, or would not.
    pub why: String,
}
