//! Generates Rust from a contract with wit-bindgen, set up so that slices share the SDK's types.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use proc_macro2::TokenStream;
use wit_bindgen_core::wit_parser::{Resolve, Type, TypeDefKind, TypeId};
use wit_bindgen_core::{Files, WorldGenerator};
use wit_bindgen_rust::{Opts, WithOption};

use crate::contract::{self, Contract};
use crate::options::Options;
use crate::slice_toml;

/// Bindings of the slice that is being compiled, and its embedded `slice.toml`.
pub(crate) fn of_slice(options: &Options) -> Result<TokenStream, String> {
    let root = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let root = root.ok_or("CARGO_MANIFEST_DIR is not set: build slices with cargo")?;
    let contract = contract::of_slice(options, &root)?;
    let section = slice_toml::section(&root.join(&options.slice_toml), &contract)?;
    let shared = contract::imports(&contract::of_sdk()?);
    let with = contract::imports(&contract)
        .intersection(&shared)
        .map(|name| (name.clone(), WithOption::Path(sdk_module(name))))
        .collect();
    generate(contract, &section, Opts { with, ..Opts::default() })
}

/// Bindings that the SDK holds.
pub(crate) fn of_sdk() -> Result<TokenStream, String> {
    // Types that no function of the SDK uses are there for interfaces of slices.
    generate(contract::of_sdk()?, "", Opts { generate_unused_types: true, ..Opts::default() })
}

fn generate(contract: Contract, rest: &str, options: Opts) -> Result<TokenStream, String> {
    let Contract { mut resolve, world, files } = contract;
    let options = Opts {
        generate_all: true,
        runtime_path: Some("::aether_slice::__rt".to_owned()),
        additional_derive_attributes: vec!["PartialEq".to_owned()],
        additional_derive_ignore: types_with_handles(&resolve).into_iter().collect(),
        ..options
    };
    let mut generated = Files::default();
    options
        .build()
        .generate(&mut resolve, world, &mut generated)
        .map_err(|error| format!("{error:#}"))?;
    let (_, source) = generated.iter().next().ok_or("wit-bindgen generated nothing")?;
    let mut source = permit_unsafe_exports(&String::from_utf8_lossy(source));
    for file in &files {
        source.push_str(&watched(file));
    }
    source.push_str(rest);
    source.parse().map_err(|error| format!("wit-bindgen generated what is not Rust: {error}"))
}

/// The parts of `export!` are macros of the slice's crate, so that its own lints apply to what they
/// expand to, and exporting needs unsafe code. A slice that denies unsafe code means its own.
fn permit_unsafe_exports(source: &str) -> String {
    let bare = "with_types_in $($path_to_types:tt)*) => (const _: () = {";
    let permitted =
        "with_types_in $($path_to_types:tt)*) => (#[allow(unsafe_code)] const _: () = {";
    source.replace(bare, permitted)
}

/// Makes the compiler look at the crate again when that file changes.
fn watched(file: &Path) -> String {
    format!("const _: &[u8] = include_bytes!({:?});\n", file.display().to_string())
}

/// `ns:package/interface@version` is `aether_slice::wit::ns::package::interface`.
fn sdk_module(name: &str) -> String {
    let unversioned = name.split('@').next().unwrap_or(name);
    format!("::aether_slice::wit::{}", unversioned.replace([':', '/'], "::").replace('-', "_"))
}

/// Names of types that hold a resource, a stream or a future: these cannot be compared.
fn types_with_handles(resolve: &Resolve) -> BTreeSet<String> {
    let with_handle = |(id, ty): (TypeId, &wit_bindgen_core::wit_parser::TypeDef)| {
        holds_handle(resolve, Type::Id(id)).then(|| ty.name.clone()).flatten()
    };
    resolve.types.iter().filter_map(with_handle).collect()
}

fn holds_handle(resolve: &Resolve, ty: Type) -> bool {
    let Type::Id(id) = ty else { return matches!(ty, Type::ErrorContext) };
    let any = |mut types: &mut dyn Iterator<Item = Type>| {
        Iterator::any(&mut types, |it| holds_handle(resolve, it))
    };
    match &resolve.types[id].kind {
        TypeDefKind::Record(it) => any(&mut it.fields.iter().map(|field| field.ty)),
        TypeDefKind::Tuple(it) => any(&mut it.types.iter().copied()),
        TypeDefKind::Variant(it) => any(&mut it.cases.iter().filter_map(|case| case.ty)),
        TypeDefKind::Option(it) | TypeDefKind::List(it) | TypeDefKind::Type(it) => {
            holds_handle(resolve, *it)
        }
        TypeDefKind::FixedLengthList(it, _) => holds_handle(resolve, *it),
        TypeDefKind::Map(key, value) => any(&mut [*key, *value].into_iter()),
        TypeDefKind::Result(it) => any(&mut it.ok.into_iter().chain(it.err)),
        TypeDefKind::Flags(_) | TypeDefKind::Enum(_) => false,
        TypeDefKind::Resource
        | TypeDefKind::Handle(_)
        | TypeDefKind::Future(_)
        | TypeDefKind::Stream(_)
        | TypeDefKind::Unknown => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_of_the_sdk() {
        let check = |name, module: &str| assert_eq!(sdk_module(name), module);
        check("aether:infra/cache@0.1.0", "::aether_slice::wit::aether::infra::cache");
        check("a-b:c-d/e-f@0.1.0-draft", "::aether_slice::wit::a_b::c_d::e_f");
    }

    #[test]
    fn the_sdk_generates() {
        let text = of_sdk().unwrap().to_string();
        for part in ["mod cache", "struct Bucket", "mod logging", "enum CallError"] {
            assert!(text.contains(part), "{part}");
        }
    }
}
