//! Configuration values for slices: `wasi:config`, in its two names. Knows no files and no store:
//! values come from [`Source`].
#![forbid(unsafe_code)]

mod guest;
mod source;

pub use source::{Blueprint, Scope, Source, Values};

use aether_engine::{AppContext, HostState, InfraSlice};
use aether_types::Problem;
use std::sync::Arc;
use wasmtime::component::Linker;

/// The infra slice.
pub struct Config {
    source: Arc<dyn Source>,
}

/// What one slice of one application is told.
pub struct Told {
    source: Arc<dyn Source>,
    scope: Scope,
}

impl Config {
    /// Values from the blueprint alone are [`Blueprint`].
    pub fn new(source: Arc<dyn Source>) -> Self {
        Self { source }
    }
}

impl InfraSlice for Config {
    type AppState = Arc<Told>;
    type State = Arc<Told>;

    fn interfaces(&self) -> &'static [&'static str] {
        &["wasi:config/store@0.2.0-rc.1", "wasi:config/store@0.2.0-draft-2024-09-27"]
    }

    fn link(&self, linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
        guest::link(linker)
    }

    fn configure(&self, app: &AppContext) -> Result<Arc<Told>, Problem> {
        let scope = Scope {
            app: app.app.clone(),
            slice: app.coordinates.slice.clone(),
            blueprint: app.config.clone().into(),
        };
        Ok(Arc::new(Told { source: self.source.clone(), scope }))
    }

    fn instance(&self, app: &Arc<Told>) -> Arc<Told> {
        app.clone()
    }
}

impl Told {
    pub(crate) fn values(&self) -> Arc<Values> {
        self.source.values(&self.scope)
    }
}
