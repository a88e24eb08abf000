//! What authors say of the functions that are called: may they run twice, which of their calls
//! belong together. Knows no endpoint.

use aether_engine::json;
use aether_routing::Key;
use aether_types::FunctionName;
use aether_types::affinity::Affinity;
use aether_types::description::Description;
use aether_types::slice_toml::Retry;
use aether_types::wit::Function;

#[derive(Debug, Default)]
pub(crate) struct Rules {
    never_repeated: Vec<FunctionName>,
    keyed: Vec<Keyed>,
}

/// A function whose calls go by one of its parameters.
#[derive(Debug)]
struct Keyed {
    name: FunctionName,
    function: Function,
    /// Which of its parameters.
    param: usize,
}

impl Rules {
    /// Those of a slice as well.
    pub(crate) fn add(&mut self, description: &Description) {
        for (name, settings) in &description.settings.functions {
            if settings.retry == Retry::Never {
                self.never_repeated.push(name.clone());
            }
            let (Some(Affinity::Param(key)), Some((interface, function))) =
                (&settings.affinity, description.export(name))
            else {
                continue;
            };
            let param = function.params.iter().position(|param| param.name == *key);
            self.keyed.extend(param.map(|param| Keyed {
                name: FunctionName { interface: interface.name.clone(), ..name.clone() },
                function: function.clone(),
                param,
            }));
        }
    }

    /// Whether a call that may have begun can be made again.
    pub(crate) fn repeats(&self, function: &FunctionName) -> bool {
        !self.never_repeated.iter().any(|name| is_same(name, function))
    }

    pub(crate) fn has_keys(&self) -> bool {
        !self.keyed.is_empty()
    }

    /// The parameter by which calls of the function go.
    pub(crate) fn keyed_by(&self, function: &FunctionName) -> Option<&str> {
        let Keyed { function, param, .. } = self.keyed(function)?;
        Some(&function.params[*param].name)
    }

    /// The key of a call with these parameters, in their wire format.
    pub(crate) fn key(&self, function: &FunctionName, args: &[u8]) -> Option<Key> {
        let Keyed { function, param, .. } = self.keyed(function)?;
        // What does not fit is refused where it is called.
        json::scalar_param(function, *param, args).ok().map(|text| Key::of(&text))
    }

    fn keyed(&self, function: &FunctionName) -> Option<&Keyed> {
        self.keyed.iter().find(|keyed| is_same(&keyed.name, function))
    }
}

/// In whatever version: a callee may serve those who want an older one.
fn is_same(name: &FunctionName, function: &FunctionName) -> bool {
    name.function == function.function && name.interface.path() == function.interface.path()
}
