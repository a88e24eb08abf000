//! The macros behind `aether_slice`: from a slice's `wit/` and `slice.toml` to bindings and the
//! embedded section. Knows WIT and the SDK's own packages; knows nothing of hosts.

mod bindings;
mod contract;
mod options;
mod packages;
mod slice_toml;

use proc_macro::TokenStream;

/// Generates the bindings of this crate's world at the place of the call, the macro `export!`, and
/// embeds `slice.toml` into the component.
///
/// Without options: the only world in `wit/` and the file `slice.toml` beside `Cargo.toml`.
/// Options, each optional, paths relative to `Cargo.toml`:
///
/// ```text
/// slice!(
///     path = "wit",                    // the folder with the world
///     world = "greeter",               // needed when that package has more than one
///     deps = ["../inventory/wit"],     // folders of packages that the world uses
///     slice_toml = "slice.toml",
/// );
/// ```
///
/// Packages are looked for in `deps`, in `wit/deps`, and in the SDK itself, which brings
/// `aether:slice`, `aether:infra`, `wasi:keyvalue`, `wasi:config` and `wasi:logging`; nobody copies
/// those. Imports of interfaces that the SDK has modules for are those modules, so that types
/// agree. Generated records, variants and enums are `PartialEq` unless they hold a resource.
#[proc_macro]
pub fn slice(input: TokenStream) -> TokenStream {
    let options = options::Options::parse(input.into());
    finish(options.and_then(|options| bindings::of_slice(&options)))
}

/// The SDK's own bindings: every interface that the SDK has a module for.
#[doc(hidden)]
#[proc_macro]
pub fn sdk_bindings(_input: TokenStream) -> TokenStream {
    finish(bindings::of_sdk())
}

/// An error becomes a `compile_error!` at the place of the call.
fn finish(result: Result<proc_macro2::TokenStream, String>) -> TokenStream {
    let tokens = result.unwrap_or_else(|message| {
        let source = format!("::core::compile_error!({message:?});");
        source.parse().expect("a debug-printed string is a Rust literal")
    });
    tokens.into()
}
