//! `wasi:logging` as guests see it. Knows levels, no fields.

mod bindings {
    wasmtime::component::bindgen!({ path: "../../wit/wasi-logging", world: "imports" });
}

use crate::Logging;
use aether_engine::{HostState, Infra, InfraView};
use bindings::wasi::logging::logging::{self, Host, add_to_linker};
use tracing::Level;
use wasmtime::component::Linker;

pub(crate) fn link(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    add_to_linker::<_, Infra<Logging>>(linker, HostState::infra::<Logging>)
}

impl Host for InfraView<'_, Logging> {
    fn log(&mut self, level: logging::Level, context: String, message: String) {
        let level = match level {
            logging::Level::Trace => Level::TRACE,
            logging::Level::Debug => Level::DEBUG,
            logging::Level::Info => Level::INFO,
            logging::Level::Warn => Level::WARN,
            // The node's log has nothing above an error.
            logging::Level::Error | logging::Level::Critical => Level::ERROR,
        };
        self.state.say(&self.call.origin, level, &context, &message);
    }
}
