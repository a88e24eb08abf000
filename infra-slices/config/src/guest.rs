//! `wasi:config` as guests see it. Knows no source.

use crate::Config;
use aether_engine::{HostState, Infra, InfraView};
use wasmtime::component::Linker;

/// The two packages are the same but for their version.
macro_rules! dialect {
    ($name:ident, $path:literal) => {
        mod $name {
            mod bindings {
                wasmtime::component::bindgen!({ path: $path, world: "imports" });
            }
            pub(super) use bindings::wasi::config::store::{Error, Host, add_to_linker};
        }

        impl $name::Host for InfraView<'_, Config> {
            fn get(&mut self, key: String) -> Result<Option<String>, $name::Error> {
                Ok(self.state.values().get(&key).cloned())
            }

            fn get_all(&mut self) -> Result<Vec<(String, String)>, $name::Error> {
                let values = self.state.values();
                Ok(values.iter().map(|(key, value)| (key.clone(), value.clone())).collect())
            }
        }
    };
}

dialect!(rc1, "../../wit/wasi-config-rc1");
dialect!(draft, "../../wit/wasi-config-2024-09-27");

pub(crate) fn link(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    rc1::add_to_linker::<_, Infra<Config>>(linker, HostState::infra::<Config>)?;
    draft::add_to_linker::<_, Infra<Config>>(linker, HostState::infra::<Config>)
}
