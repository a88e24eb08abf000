//! What each slice must be by itself: named as its component says, within its author's limits.

use super::Part;
use aether_types::affinity::Affinity;
use aether_types::blueprint::Limits;
use aether_types::code::Code;
use aether_types::limits::EffectiveLimits;
use aether_types::slice_toml::Reuse;
use aether_types::wit::Function;
use aether_types::{Coordinates, FunctionName, Problem, Problems, nearest};
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

pub(super) fn check_each(parts: &[Part<'_>], problems: &mut Vec<Problem>) {
    let mut seen = BTreeSet::new();
    for part in parts {
        check_coordinates(part, problems);
        check_reuse(part, problems);
        if !seen.insert(&part.bound.coordinates) {
            let place = &part.bound.coordinates;
            let problem = Problem::new(Code::TomlValue, place, "the slice stands here twice");
            problems
                .push(problem.help("keep one entry; `instances` says on how many nodes it runs"));
        }
        for (name, settings) in &part.description.settings.functions {
            match (part.description.export(name), &settings.affinity) {
                (None, _) => problems.push(unknown_function(part, "[functions] names", name)),
                (Some((_, function)), Some(Affinity::Param(key))) => {
                    problems.extend(check_key(part, name, function, key));
                }
                _ => {}
            }
        }
    }
}

/// Whether the function has a parameter of that name that can be a key.
fn check_key(
    part: &Part<'_>,
    name: &FunctionName,
    function: &Function,
    key: &str,
) -> Option<Problem> {
    let param = function.params.iter().find(|param| param.name == key);
    let message = match param {
        None => format!("`{name}` has no parameter `{key}` to go by"),
        Some(param) if !param.ty.is_scalar() => {
            format!("calls of `{name}` cannot go by `{param}`: only a scalar is a key")
        }
        Some(_) => return None,
    };
    let problem = Problem::new(Code::TomlValue, &part.bound.coordinates, message);
    Some(problem.help(format!("it is `{function}`")))
}

fn check_reuse(part: &Part<'_>, problems: &mut Vec<Problem>) {
    let wanted = part.description.settings.instances.reuse == Reuse::Concurrent;
    if let Some(why) = part.description.why_not_concurrent().filter(|_| wanted) {
        let message = format!("[instances] reuse = \"concurrent\" is not possible: {why}");
        let problem = Problem::new(Code::ReuseImpossible, &part.bound.coordinates, message);
        problems.push(
            problem.help(
                "remove `reuse` from slice.toml, or make the exported functions `async func`",
            ),
        );
    }
}

fn check_coordinates(part: &Part<'_>, problems: &mut Vec<Problem>) {
    let bound = &part.bound.coordinates;
    let mut compare = |who: &str, said: &Option<Coordinates>| {
        if let Some(said) = said.as_ref().filter(|c| *c != bound) {
            let message = format!("{who} says that it is {said}");
            let problem = Problem::new(Code::CoordinatesMismatch, bound, message);
            problems.push(problem.help(
                "make `artifact` the same in blueprint.toml and slice.toml, and build the slice again",
            ));
        }
    };
    compare("the component", &part.description.settings.slice.artifact);
    compare("the blueprint", &part.entry.artifact);
}

/// The limits of each part. Where one is wider than the author's, the author's stands in.
pub(super) fn limits(parts: &[Part<'_>], problems: &mut Vec<Problem>) -> Vec<EffectiveLimits> {
    let each = parts.iter().map(|part| {
        narrow(part, &part.entry.limits).unwrap_or_else(|wider| {
            problems.extend(wider.0);
            narrow(part, &Limits::default()).expect("no limit is not a wider one")
        })
    });
    each.collect()
}

fn narrow(part: &Part<'_>, operator: &Limits) -> Result<EffectiveLimits, Problems> {
    let place = part.bound.coordinates.to_string();
    EffectiveLimits::narrow(&place, &part.description.settings.instances, operator)
}

/// `what` says who names the function.
pub(super) fn unknown_function(part: &Part<'_>, what: &str, name: &FunctionName) -> Problem {
    let place = &part.bound.coordinates;
    let message = format!("{what} `{name}`, which the component does not export");
    let problem = Problem::new(Code::UnknownFunction, place, message);
    let exports = part.description.exports.iter();
    let functions: Vec<String> = exports
        .flat_map(|i| i.functions.iter().map(move |f| format!("{}#{}", i.name, f.name)))
        .collect();
    match nearest(&name.to_string(), functions.iter().map(String::as_str)) {
        Some(near) => problem.help(format!("did you mean `{near}`?")),
        None if functions.is_empty() => problem.help("it exports no functions"),
        None => problem.help(format!("it exports {}", functions.join(", "))),
    }
}
