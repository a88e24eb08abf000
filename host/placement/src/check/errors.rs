//! The statuses of error cases: each must be of a case that a function of the slice can answer
//! with. Knows no route, because a blueprint may add routes to any exported function.

use super::Part;
use aether_types::code::Code;
use aether_types::wit::{Function, Type};
use aether_types::{Problem, nearest};
use alloc::format;
use alloc::vec::Vec;

/// The case that takes technical failures. Its status follows from the failure.
const CALL_FAILED: &str = "call-failed";
/// The case of errors that are neither a variant nor an enum.
const PLAIN: &str = "error";

pub(super) fn check_each(parts: &[Part<'_>], problems: &mut Vec<Problem>) {
    for part in parts {
        let exports = part.description.exports.iter();
        let functions = exports.flat_map(|interface| &interface.functions);
        let cases: Vec<&str> = functions.flat_map(cases).collect();
        for key in part.description.settings.errors.keys() {
            let is_meant = |case: &&str| match key.strip_suffix('*') {
                Some(beginning) => case.starts_with(beginning),
                None => key == case,
            };
            if !cases.iter().any(is_meant) {
                problems.push(unknown_case(part, key, &cases));
            }
        }
    }
}

/// The error cases of a function to which a status can be given.
fn cases(function: &Function) -> Vec<&str> {
    let Some(Type::Result(result)) = &function.result else { return Vec::new() };
    let mut cases: Vec<&str> = match result.err.as_deref() {
        Some(Type::Variant(cases)) => cases.iter().map(|case| case.name.as_str()).collect(),
        Some(Type::Enum(names)) => names.iter().map(|name| name.as_str()).collect(),
        _ => [PLAIN].to_vec(),
    };
    cases.retain(|case| *case != CALL_FAILED);
    cases
}

fn unknown_case(part: &Part<'_>, key: &str, cases: &[&str]) -> Problem {
    let place = &part.bound.coordinates;
    if key == CALL_FAILED {
        let message = format!("[errors] names `{key}`, whose status follows from the failure");
        return Problem::new(Code::TomlValue, place, message)
            .help("remove it from slice.toml, and build the slice again");
    }
    let message = format!("[errors] names `{key}`, and no exported function has such an error");
    let problem = Problem::new(Code::TomlValue, place, message);
    match nearest(key, cases.iter().copied()) {
        Some(near) => problem.help(format!("did you mean `{near}`?")),
        None if cases.is_empty() => {
            problem.help("no function that it exports returns a result with an error")
        }
        None => problem.help(format!("its errors are {}", cases.join(", "))),
    }
}
