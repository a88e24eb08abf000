//! Which interfaces the host provides, and how they are linked. Knows no slice.

use crate::codec::Concurrency;
use crate::{ErasedInfra, Error, HostState};
use aether_types::InterfaceName;
use std::sync::Arc;
use wasmtime::component::{HasSelf, Linker};

mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit/aether-slice",
        world: "imports",
        imports: { default: trappable },
    });
}

/// WASI 0.2 as wasmtime implements it; a component may want any compatible version.
const WASI_02: &str = "0.2.12";
const WASI_02_INTERFACES: &[&str] = &[
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stderr",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:filesystem/preopens",
    "wasi:filesystem/types",
    "wasi:http/outgoing-handler",
    "wasi:http/types",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:random/random",
    "wasi:sockets/instance-network",
    "wasi:sockets/ip-name-lookup",
    "wasi:sockets/network",
    "wasi:sockets/tcp",
    "wasi:sockets/tcp-create-socket",
    "wasi:sockets/udp",
    "wasi:sockets/udp-create-socket",
];
/// WASI 0.3, where the engine has component-model async.
const WASI_03: &str = "0.3.0";
const WASI_03_INTERFACES: &[&str] = &[
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stderr",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:cli/types",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/system-clock",
    "wasi:clocks/types",
    "wasi:filesystem/preopens",
    "wasi:filesystem/types",
    "wasi:http/client",
    "wasi:http/types",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:random/random",
    "wasi:sockets/ip-name-lookup",
    "wasi:sockets/types",
];
/// Names less alike than this have nothing to do with each other.
const LIKENESS_MIN: f64 = 0.93;
const AETHER: &[&str] = &["aether:slice/context@0.1.0", "aether:slice/types@0.1.0"];

/// Names of everything that the host provides.
#[derive(Debug, Clone, Default)]
pub(crate) struct Provided {
    names: Vec<InterfaceName>,
    /// For each infra slice, in order, its names.
    infra: Vec<Vec<InterfaceName>>,
}

impl Provided {
    /// # Errors
    /// When two infra slices provide the same interface.
    pub(crate) fn new(
        infra: &[Arc<dyn ErasedInfra>],
        concurrency: Concurrency,
    ) -> Result<Self, Error> {
        let wasi_03 = if concurrency == Concurrency::On { WASI_03_INTERFACES } else { &[] };
        let wasi_03 = wasi_03.iter().map(|path| format!("{path}@{WASI_03}"));
        let wasi_02 = WASI_02_INTERFACES.iter().map(|path| format!("{path}@{WASI_02}"));
        let own = AETHER.iter().map(|&name| name.to_owned());
        let mut names: Vec<_> = wasi_02.chain(wasi_03).chain(own).map(|n| parse(&n)).collect();
        let mut by_infra: Vec<Vec<InterfaceName>> = Vec::new();
        for slice in infra {
            let own: Vec<_> = slice.interfaces().iter().map(|name| parse(name)).collect();
            // What the engine links itself may be named again: by the one whose hooks it asks.
            let mut others = by_infra.iter().flatten();
            if let Some(taken) = others.find(|name| own.contains(name)) {
                return Err(Error::ProvidedTwice { interface: taken.to_string() });
            }
            names.extend(own.iter().cloned());
            by_infra.push(own);
        }
        Ok(Self { names, infra: by_infra })
    }

    /// Whether the host provides what a component imports under this name.
    pub(crate) fn provides(&self, wanted: &InterfaceName) -> bool {
        self.names.iter().any(|name| is_compatible(name, wanted))
    }

    /// What may have been meant by an interface that the host does not provide.
    pub(crate) fn nearest(&self, wanted: &InterfaceName) -> Option<&InterfaceName> {
        let likeness = |name: &InterfaceName| strsim::jaro_winkler(name.path(), wanted.path());
        let near = self.names.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
        (likeness(near) > LIKENESS_MIN).then_some(near)
    }

    /// Indices of the infra slices that provide one of these.
    pub(crate) fn infra(&self, wanted: &[InterfaceName]) -> Vec<usize> {
        let provides = |own: &[InterfaceName]| {
            own.iter().any(|name| wanted.iter().any(|wanted| is_compatible(name, wanted)))
        };
        (0..self.infra.len()).filter(|&i| provides(&self.infra[i])).collect()
    }
}

/// Interface names in this crate and in infra slices are written by their authors, not by users.
fn parse(name: &str) -> InterfaceName {
    name.parse().expect("an interface name in the program is well-formed")
}

/// The rule of the linker: same name, and versions that semver calls compatible.
fn is_compatible(provided: &InterfaceName, wanted: &InterfaceName) -> bool {
    let compatible = |a: &semver::Version, b: &semver::Version| {
        let track = |v: &semver::Version| match (v.major, v.minor) {
            _ if !v.pre.is_empty() => None,
            (0, 0) => None,
            (0, minor) => Some((0, minor)),
            (major, _) => Some((major, 0)),
        };
        a == b || (track(a).is_some() && track(a) == track(b))
    };
    provided.path() == wanted.path()
        && match (provided.version(), wanted.version()) {
            (Some(a), Some(b)) => compatible(a, b),
            (a, b) => a == b,
        }
}

/// Defines everything that the host provides: WASI, the context, infra slices.
pub(crate) fn link(
    linker: &mut Linker<HostState>,
    infra: &[Arc<dyn ErasedInfra>],
    concurrency: Concurrency,
) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(linker)?;
    if concurrency == Concurrency::On {
        wasmtime_wasi::p3::add_to_linker(linker)?;
        wasmtime_wasi_http::p3::add_to_linker(linker)?;
    }
    bindings::Imports::add_to_linker::<_, HasSelf<HostState>>(linker, |state| state)?;
    infra.iter().try_for_each(|slice| slice.link(linker))
}

impl bindings::aether::slice::types::Host for HostState {}

impl bindings::aether::slice::context::Host for HostState {
    fn request_id(&mut self) -> wasmtime::Result<String> {
        Ok(self.call().origin.request_id.to_string())
    }

    fn remaining_ms(&mut self) -> wasmtime::Result<Option<u64>> {
        Ok(Some(u64::try_from(self.call().remaining().as_millis()).unwrap_or(u64::MAX)))
    }

    fn attempt(&mut self) -> wasmtime::Result<u32> {
        Ok(self.call().attempt)
    }

    fn caller(&mut self) -> wasmtime::Result<bindings::aether::slice::context::CallerInfo> {
        let call = self.call();
        Ok(bindings::aether::slice::context::CallerInfo {
            slice: call.caller().map(|slice| slice.to_string()),
            principal: call.origin.principal.clone(),
            roles: call.origin.roles.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmtime::component::Component;

    #[test]
    fn versions_are_compatible_as_the_linker_says() {
        let provided = Provided::new(&[], Concurrency::Off).unwrap();
        let provides = |name: &str| provided.provides(&name.parse().unwrap());
        assert!(provides("wasi:http/types@0.2.0") && provides("wasi:http/types@0.2.12"));
        assert!(provides("wasi:io/streams@0.2.99") && provides("aether:slice/types@0.1.7"));
        assert!(!provides("wasi:http/types@0.3.0") && !provides("wasi:http/types"));
        assert!(!provides("wasi:http/types@0.2.0-rc.1") && !provides("wasi:nn/tensor@0.2.0"));
    }

    #[test]
    fn a_newer_patch_version_is_linked() {
        let engine = wasmtime::Engine::default();
        let mut linker = Linker::<HostState>::new(&engine);
        link(&mut linker, &[], Concurrency::Off).unwrap();
        let pre = |name: &str| {
            let resource = "(instance (export \"pollable\" (type (sub resource))))";
            let wanted = format!("(component (import \"{name}\" {resource}))");
            let component = Component::new(&engine, wat::parse_str(wanted).unwrap()).unwrap();
            linker.instantiate_pre(&component).is_ok()
        };
        assert!(pre("wasi:io/poll@0.2.99") && pre("wasi:io/poll@0.2.0"));
        assert!(!pre("wasi:io/poll@0.3.0"));
    }
}
