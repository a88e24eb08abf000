//! The seam between what slices are told and where that is kept. Knows no guest.

use aether_types::{AppName, SliceName};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Values by key.
pub type Values = BTreeMap<String, String>;

/// Whose values are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    pub app: AppName,
    pub slice: SliceName,
    /// `[config]` of the blueprint with the slice's own on top.
    pub blueprint: Arc<Values>,
}

/// Where values come from. A source over replicated state lays its scopes over the blueprint's.
pub trait Source: Send + Sync + 'static {
    /// The values now. Called for each read of a guest: it must not wait.
    fn values(&self, scope: &Scope) -> Arc<Values>;
}

/// What the blueprint says, and nothing else.
#[derive(Debug, Clone, Copy)]
pub struct Blueprint;

impl Source for Blueprint {
    fn values(&self, scope: &Scope) -> Arc<Values> {
        scope.blueprint.clone()
    }
}
