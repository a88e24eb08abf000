//! What an artifact is, read from its bytes once and then known to every node. Knows no engine.

use crate::slice_toml::SliceToml;
use crate::versioned::Versioned;
use crate::wit::{Function, Interface};
use crate::{Digest, FunctionName, InterfaceName};
use serde::{Deserialize, Serialize};

/// The surface of a component, with the settings that its author embedded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    pub digest: Digest,
    /// Bytes of the component.
    pub size: u64,
    /// The embedded `slice.toml`; defaults where there is none.
    pub settings: SliceToml,
    /// Interfaces that other slices and typed routes can call.
    pub exports: Vec<Interface>,
    /// Imports that the host does not provide: other slices must.
    pub dependencies: Vec<Interface>,
    /// Imports that the host provides.
    pub infra: Vec<InterfaceName>,
    /// The component's own HTTP handler.
    pub handler: Option<HttpVersion>,
    /// Exports `aether:slice/lifecycle`.
    pub has_lifecycle: bool,
    /// Uses the component model's async ABI: runs on the engine that has it.
    pub is_async: bool,
}

/// Version of `wasi:http` that a component's handler speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum HttpVersion {
    #[serde(rename = "0.2")]
    V02,
    #[serde(rename = "0.3")]
    V03,
}

impl HttpVersion {
    /// The handler's function, as calls of it are counted.
    pub fn function(self) -> FunctionName {
        let name = match self {
            Self::V02 => "wasi:http/incoming-handler#handle",
            Self::V03 => "wasi:http/handler#handle",
        };
        name.parse().expect("it is a function's name")
    }
}

impl Description {
    /// Everything of it that can be called from elsewhere.
    pub fn functions(&self) -> impl Iterator<Item = FunctionName> {
        let exported = self.exports.iter().flat_map(|interface| {
            let name = |function: &Function| FunctionName {
                interface: interface.name.clone(),
                function: function.name.clone(),
            };
            interface.functions.iter().map(name)
        });
        exported.chain(self.handler.map(HttpVersion::function))
    }
}

impl Versioned for Description {
    const FORMAT: u8 = 2;
}

impl Description {
    /// The exported function that `name` means; its version may be left out.
    pub fn export(&self, name: &FunctionName) -> Option<(&Interface, &Function)> {
        let interfaces = self.exports.iter().filter(|i| name.interface.means(&i.name));
        interfaces.filter_map(|i| Some((i, i.function(&name.function)?))).next()
    }

    /// Why no `WasmInstance` of this can take several calls at a time; None where one can.
    pub fn why_not_concurrent(&self) -> Option<&'static str> {
        let mut functions = self.exports.iter().flat_map(|interface| &interface.functions);
        match self.handler {
            Some(HttpVersion::V02) => Some("a wasi:http 0.2 handler takes one request at a time"),
            Some(HttpVersion::V03) => None,
            None if functions.any(|function| function.is_async) => None,
            None => Some("the component exports no `async func` and no wasi:http 0.3 handler"),
        }
    }
}
