//! `wasi:logging` of slices into the node's structured log. Knows no subscriber: lines leave as
//! tracing events.
#![forbid(unsafe_code)]

mod guest;
mod speaker;

pub use speaker::{CONTEXT_BYTES_MAX, LOG_BYTES_PER_REQUEST_MAX, MESSAGE_BYTES_MAX, Speaker};

use aether_engine::{AppContext, HostState, InfraSlice};
use aether_types::Problem;
use std::sync::Arc;
use wasmtime::component::Linker;

/// The infra slice.
#[derive(Debug, Clone, Copy)]
pub struct Logging;

/// Who is speaking, as the log writes it.
#[derive(Debug)]
pub struct Names {
    app: String,
    slice: String,
}

impl InfraSlice for Logging {
    type AppState = Arc<Names>;
    type State = Speaker;

    fn interfaces(&self) -> &'static [&'static str] {
        &["wasi:logging/logging@0.1.0-draft"]
    }

    fn link(&self, linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
        guest::link(linker)
    }

    fn configure(&self, app: &AppContext) -> Result<Arc<Names>, Problem> {
        Ok(Arc::new(Names { app: app.app.to_string(), slice: app.coordinates.to_string() }))
    }

    fn instance(&self, app: &Arc<Names>) -> Speaker {
        Speaker::new(app.clone())
    }
}
