//! JSON to wire bytes and back, driven by WIT types. Knows no HTTP, no component, no `Val`.
//!
//! | WIT | JSON |
//! |---|---|
//! | `record` | object with the names of the fields; no unknown keys; an `option` may be left out |
//! | `list<u8>` | base64 string; an array of numbers is accepted too |
//! | `variant` | `"case"` without payload, `{"case": payload}` with one |
//! | `result` | `{"ok": …}` or `{"err": …}`, `null` where there is no payload |
//! | `enum`, `flags` | `"name"`, array of names |
//! | `option` | the value or `null`; an option within an option is `{"some": …}` |
//! | `tuple`, `list` | array |
//! | `char` | string of one character |
//! | `u64`, `s64` | number; a string of digits is accepted too |
//! | `f32`, `f64` | number; `"NaN"`, `"Infinity"`, `"-Infinity"` |

mod decode;
mod encode;
mod params;

use crate::codec::WireError;
use crate::failure;
use aether_types::CallError;
use aether_types::counts::Ending;
use aether_types::slice_toml::SliceToml;
use aether_types::wit::{Function, Type};
use std::fmt;

pub use params::{Request, decode_params};

/// JSON of one value, at most, in bytes: what 32 MiB of wire bytes usually become, with room.
pub const JSON_BYTES_MAX: usize = 64 << 20;

/// JSON, or a word of a path or query, that is not a value of the type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: wanted {wanted}, found {found}")]
pub struct JsonError {
    /// `$.items[2].quantity` in a body; `{id}` in a path, `?limit` in a query.
    pub path: String,
    pub wanted: String,
    pub found: String,
}

/// What a function returned, as its caller over HTTP sees it. Values are JSON texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// A value, if the function has one.
    Value(Option<Vec<u8>>),
    /// The error of a `result`: its case (`error` where it is no variant or enum), and its payload.
    Error { case: String, payload: Option<Vec<u8>> },
    /// The error's case `call-failed`: a technical failure that the slice passed on.
    Failed(CallError),
}

/// The wire bytes of a JSON text.
///
/// # Errors
/// When the text is not JSON, or not a value of `ty`.
pub fn decode(ty: &Type, json: &[u8]) -> Result<Vec<u8>, JsonError> {
    decode::value(ty, json)
}

/// The JSON text of a value on the wire.
///
/// # Errors
/// When `wire` is not a value of `ty`, or too large.
pub fn encode(ty: &Type, wire: &[u8]) -> Result<Vec<u8>, WireError> {
    encode::value(ty, wire)
}

/// The text of a scalar among the parameters of `function`, as a path or a query would have it.
///
/// # Errors
/// When `args` are not its parameters, up to that one.
///
/// # Panics
/// When there is no parameter of that index.
pub fn scalar_param(function: &Function, index: usize, args: &[u8]) -> Result<Vec<u8>, WireError> {
    encode::scalar_param(&function.params, index, args)
}

/// Splits the answer of `function` into value, business error and technical failure.
///
/// # Errors
/// When `wire` is no answer of `function`.
pub fn answer(function: &Function, wire: &[u8]) -> Result<Answer, WireError> {
    let Some(ty) = &function.result else {
        return match wire.len() {
            0 => Ok(Answer::Value(None)),
            left => Err(WireError::Trailing(left)),
        };
    };
    let Type::Result(result) = ty else { return Ok(Answer::Value(Some(encode(ty, wire)?))) };
    let (case, payload) = wire.split_first().ok_or(WireError::Short)?;
    let json = |ty: &Option<Box<Type>>| match ty {
        Some(ty) => encode(ty, payload).map(Some),
        None if payload.is_empty() => Ok(None),
        None => Err(WireError::Trailing(payload.len())),
    };
    match case {
        0 => json(&result.ok).map(Answer::Value),
        1 => match result.err.as_deref() {
            Some(error) => error_answer(error, payload),
            None => Ok(Answer::Error { case: UNNAMED.to_owned(), payload: json(&None)? }),
        },
        other => Err(WireError::Bool(*other)),
    }
}

/// How a call ended whose answer begins with a 1, as its caller over HTTP sees it. Reads no more
/// than the error's case.
pub(crate) fn ending(function: &Function, settings: &SliceToml, wire: &[u8]) -> Ending {
    let Some(Type::Result(result)) = &function.result else { return Ending::Answered };
    let case = match result.err.as_deref() {
        Some(error) => error_case(error, &wire[1..]),
        None => Ok(Case::Named(UNNAMED, None, &[])),
    };
    match case {
        Ok(Case::Named(case, ..)) => Ending::of_status(settings.error_status(case)),
        Ok(Case::Failed(error)) => Ending::of_error(&error),
        Err(_) => Ending::CalleeFailed,
    }
}

/// The case of an error that is no variant or enum.
const UNNAMED: &str = "error";

/// The case of an error: its name, the type of its payload and the payload's bytes.
enum Case<'a> {
    Named(&'a str, Option<&'a Type>, &'a [u8]),
    Failed(CallError),
}

fn error_case<'a>(error: &'a Type, wire: &'a [u8]) -> Result<Case<'a>, WireError> {
    let mut reader = crate::codec::wire::Reader::new(wire)?;
    Ok(match error {
        Type::Enum(names) => {
            let name = &names[reader.case(names.len())?];
            Case::Named(name, None, reader.rest())
        }
        Type::Variant(cases) => {
            let index = reader.case(cases.len())?;
            let (case, payload) = (&cases[index], reader.rest());
            match failure::read(payload) {
                Some(failed) if failure::case(error) == Some(index) => Case::Failed(failed),
                _ => Case::Named(&case.name, case.ty.as_ref(), payload),
            }
        }
        _ => Case::Named(UNNAMED, Some(error), wire),
    })
}

fn error_answer(error: &Type, wire: &[u8]) -> Result<Answer, WireError> {
    let (case, ty, payload) = match error_case(error, wire)? {
        Case::Failed(error) => return Ok(Answer::Failed(error)),
        Case::Named(case, ty, payload) => (case, ty, payload),
    };
    let payload = match ty {
        Some(ty) => Some(encode(ty, payload)?),
        None if payload.is_empty() => None,
        None => return Err(WireError::Trailing(payload.len())),
    };
    Ok(Answer::Error { case: case.to_owned(), payload })
}

/// A step from a value into a part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step<'t> {
    Key(&'t str),
    Index(usize),
}

impl fmt::Display for Step<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(name) => write!(f, ".{name}"),
            Self::Index(index) => write!(f, "[{index}]"),
        }
    }
}

#[cfg(test)]
mod tests;
