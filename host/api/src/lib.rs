//! The management API: its types, its port and its server. Knows no engine, no Raft, no disk.
#![forbid(unsafe_code)]

mod application_document;
mod auth;
mod body;
mod document;
mod endpoint;
mod error;
#[cfg(feature = "fake")]
pub mod fake;
mod handlers;
mod live;
pub mod local;
mod management;
mod model;
mod server;
mod threads;

pub use application_document::{ApplicationRoute, RouteTarget, application_document};
pub use auth::{MintedKey, Principal, Role, StoredKey};
pub use document::document;
pub use endpoint::Endpoint;
pub use error::{ApiError, FailedCall, PROBLEM_JSON, Problem, ProblemItem};
pub use management::{
    Apply, Call, CallQuery, HistoryQuery, LogQuery, Management, MintRequest, NodeChange,
    Regulation, SliceRemoval, SlowQuery,
};
pub use model::*;
pub use server::serve;

/// Largest component that can be uploaded: 64 MiB.
pub const ARTIFACT_BYTES_MAX: usize = 64 << 20;
/// Largest blueprint to check with the descriptions of its components, some kilobytes each: 16 MiB.
pub const CHECK_BYTES_MAX: usize = 16 << 20;
/// Largest body of every other request: 1 MiB.
pub const BODY_BYTES_MAX: usize = 1 << 20;
