//! Outgoing HTTP of slices (`wasi:http`), only to origins that the blueprint grants. Knows no
//! routes.
#![forbid(unsafe_code)]

mod body;
mod client;
mod hooks;
mod origin;
mod resolve;

pub use body::RESPONSE_BYTES_MAX;
pub use client::{
    CONNECT_TIME_MAX, IDLE_PER_ORIGIN_MAX, IDLE_TIME_MAX, RESPONSE_HEAD_BYTES_MAX,
    RESPONSE_PAUSE_MAX,
};
pub use hooks::{DENIALS_LOGGED_MAX, Outbound, REQUESTS_PER_SLICE_MAX};
pub use origin::{NotAnOrigin, Origin};

use aether_engine::{AppContext, CallContext, HostState, InfraSlice};
use aether_types::{Problem, code::Code};
use client::Client;
use hooks::Granted;
use std::sync::Arc;
use wasmtime::component::Linker;
use wasmtime_wasi_http::WasiHttpHooks;

/// The infra slice. The engine links `wasi:http`; this decides where its requests go.
pub struct HttpClient {
    client: Client,
}

impl HttpClient {
    pub fn new() -> Self {
        Self { client: Client::new() }
    }
}

impl Default for HttpClient {
    fn default() -> Self {
        Self::new()
    }
}

impl InfraSlice for HttpClient {
    type AppState = Arc<Granted>;
    type State = Outbound;

    fn interfaces(&self) -> &'static [&'static str] {
        &["wasi:http/outgoing-handler@0.2.12", "wasi:http/client@0.3.0"]
    }

    /// Nothing to define: the engine links the interfaces, requests arrive at the hooks.
    fn link(&self, linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
        let _ = linker;
        Ok(())
    }

    /// A missing grant is no problem here: many toolchains import the interface into components
    /// that never send anything.
    fn configure(&self, app: &AppContext) -> Result<Arc<Granted>, Problem> {
        let read = |text: &String| {
            Origin::parse(text).map_err(|error| {
                let message = format!("grants.http has {text:?}, which is {error}");
                Problem::new(Code::TomlValue, &app.coordinates, message)
            })
        };
        let origins = app.grants.http.iter().map(read).collect::<Result<_, _>>()?;
        Ok(Arc::new(Granted::new(self.client.clone(), origins, app)))
    }

    fn instance(&self, app: &Arc<Granted>) -> Outbound {
        Outbound::new(app.clone())
    }

    fn http_hooks<'a>(
        state: &'a mut Outbound,
        call: &CallContext,
    ) -> Option<&'a mut dyn WasiHttpHooks> {
        state.begin(call);
        Some(state)
    }
}
