//! Applications written in a few lines: slices with their surface, and a blueprint.

use aether_types::blueprint::{Application, Blueprint, Bound};
use aether_types::description::{Description, HttpVersion};
use aether_types::slice_toml::SliceToml;
use aether_types::wit::{Case, Field, Function, Interface, ResultType, Type};
use aether_types::{Coordinates, Digest};
use std::boxed::Box;
use std::collections::BTreeMap;
use std::format;
use std::vec::Vec;

/// Slices are separated by `---`. The first line is `group:artifact:version`; then
/// `export|import INTERFACE { f(a: string) -> u32; g() }`, `infra INTERFACE`, `http`, and lines of
/// `slice.toml` after a line `toml`.
pub(super) fn slices(text: &str) -> Vec<(Coordinates, Description)> {
    text.split("---").enumerate().map(|(i, block)| slice(i, block.trim())).collect()
}

fn slice(index: usize, block: &str) -> (Coordinates, Description) {
    let (surface, toml) = block.split_once("toml\n").unwrap_or((block, ""));
    let mut lines = surface.lines().map(str::trim);
    let coordinates = lines.next().unwrap().parse().unwrap();
    let mut description = Description {
        digest: Digest([index as u8; 32]),
        size: 1,
        settings: SliceToml::parse("slice.toml", toml).unwrap(),
        exports: Vec::new(),
        dependencies: Vec::new(),
        infra: Vec::new(),
        handler: None,
        has_lifecycle: false,
        is_async: false,
    };
    for line in lines.filter(|l| !l.is_empty()) {
        match line.split_once(' ') {
            Some(("export", rest)) => description.exports.push(interface(rest)),
            Some(("import", rest)) => description.dependencies.push(interface(rest)),
            Some(("infra", rest)) => description.infra.push(rest.parse().unwrap()),
            _ if line == "http" => description.handler = Some(HttpVersion::V02),
            _ => panic!("no such line: {line}"),
        }
    }
    (coordinates, description)
}

fn interface(text: &str) -> Interface {
    let (name, functions) = text.trim_end_matches('}').split_once('{').unwrap();
    let functions = functions.split(';').map(str::trim).filter(|f| !f.is_empty());
    Interface { name: name.trim().parse().unwrap(), functions: functions.map(function).collect() }
}

fn function(text: &str) -> Function {
    let (name, rest) = text.split_once('(').unwrap();
    let (name, is_async) = name.strip_prefix("async ").map_or((name, false), |name| (name, true));
    let (params, result) = rest.split_once(')').unwrap();
    let params = params.split(", ").filter(|p| !p.is_empty()).map(|p| {
        let (name, text) = p.split_once(": ").unwrap();
        Field { name: name.into(), ty: ty(text) }
    });
    Function {
        name: name.into(),
        params: params.collect(),
        result: result.trim().strip_prefix("-> ").map(ty),
        is_async,
    }
}

fn ty(text: &str) -> Type {
    if let Some(err) = text.strip_prefix("result<_, ").and_then(|rest| rest.strip_suffix('>')) {
        return Type::Result(ResultType { ok: None, err: Some(Box::new(ty(err))) });
    }
    if text.contains('|') {
        let case = |name: &str| Case { name: name.into(), ty: None };
        return Type::Variant(text.split('|').map(case).collect());
    }
    match text {
        "string" => Type::String,
        "u32" => Type::U32,
        "u64" => Type::U64,
        other => panic!("no such type: {other}"),
    }
}

/// An application of these slices; `extra` is TOML after `[application]`. A line
/// `[[slices]]` in it starts the entries, otherwise each slice has a plain one.
pub(super) fn application(
    name: &str,
    slices: &[(Coordinates, Description)],
    extra: &str,
) -> Application {
    let mut toml = format!("[application]\nname = \"{name}\"\nversion = \"1.0.0\"\n");
    if !extra.contains("[[slices]]") {
        for (coordinates, _) in slices {
            toml += &format!("[[slices]]\nartifact = \"{coordinates}\"\n");
        }
    }
    let bound = |(coordinates, d): &(Coordinates, Description)| Bound {
        coordinates: coordinates.clone(),
        digest: d.digest,
    };
    Application {
        blueprint: Blueprint::parse("blueprint.toml", &(toml + extra)).unwrap(),
        artifacts: slices.iter().map(bound).collect(),
    }
}

pub(super) fn descriptions(slices: &[(Coordinates, Description)]) -> BTreeMap<Digest, Description> {
    slices.iter().map(|(_, d)| (d.digest, d.clone())).collect()
}
