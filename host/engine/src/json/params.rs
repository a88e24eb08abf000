//! The parts of a request to the parameters of a function. Knows no HTTP beyond names and texts.

use super::{JsonError, decode};
use crate::codec::wire::{put_count, put_str};
use aether_types::binding::{Binding, Source};
use aether_types::wit::{Field, Function, Type};

/// What a typed route takes from a request.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Parameters of the path, percent-decoded.
    pub path: &'a [(String, String)],
    /// Pairs of the query, decoded. Those that no parameter is named after are ignored.
    pub query: &'a [(String, String)],
    /// The JSON text; empty where there is none.
    pub body: &'a [u8],
}

/// The wire bytes of the parameters of `function`, from where `binding` says.
///
/// # Errors
/// The first part of the request that does not fit its type.
pub fn decode_params(
    function: &Function,
    binding: &Binding,
    request: Request<'_>,
) -> Result<Vec<u8>, JsonError> {
    let bound = || function.params.iter().zip(&binding.params);
    let keys: Vec<&Field> =
        bound().filter(|(_, source)| **source == Source::BodyKey).map(|(p, _)| p).collect();
    let mut members = match keys.is_empty() {
        true => Vec::new(),
        false => decode::members(&keys, object(request.body))?,
    }
    .into_iter();
    let mut out = Vec::new();
    for (param, source) in bound() {
        match source {
            Source::Path => path(param, request.path, &mut out)?,
            Source::Query => query(param, request.query, &mut out)?,
            Source::Body if out.is_empty() => out = decode::value(&param.ty, request.body)?,
            Source::Body => out.append(&mut decode::value(&param.ty, request.body)?),
            Source::BodyKey => out.append(&mut members.next().expect("one for each body key")),
        }
    }
    Ok(out)
}

/// No body is an object without keys, for functions that need none.
fn object(body: &[u8]) -> &[u8] {
    if body.is_empty() { b"{}" } else { body }
}

fn path(param: &Field, pairs: &[(String, String)], out: &mut Vec<u8>) -> Result<(), JsonError> {
    let path = || format!("{{{}}}", param.name);
    match pairs.iter().find(|(name, _)| *name == param.name) {
        Some((_, text)) => scalar(&param.ty, text, out).ok_or_else(|| unfit(path(), param, text)),
        None => Err(JsonError {
            path: path(),
            wanted: decode::wanted(&param.ty),
            found: "nothing".to_owned(),
        }),
    }
}

fn query(param: &Field, pairs: &[(String, String)], out: &mut Vec<u8>) -> Result<(), JsonError> {
    let path = || format!("?{}", param.name);
    let mut texts = pairs.iter().filter(|(name, _)| *name == param.name).map(|(_, text)| text);
    let error = |found: &str| JsonError {
        path: path(),
        wanted: decode::wanted(&param.ty),
        found: found.to_owned(),
    };
    let put = |ty: &Type, text: &str, out: &mut Vec<u8>| {
        scalar(ty, text, out).ok_or_else(|| error(&decode::quoted(text)))
    };
    match &param.ty {
        Type::List(element) => {
            put_count(out, texts.clone().count()).map_err(|e| error(&e.to_string()))?;
            return texts.try_for_each(|text| put(element, text, out));
        }
        Type::Option(inner) => match texts.next() {
            Some(text) => {
                out.push(1);
                put(inner, text, out)?;
            }
            None => out.push(0),
        },
        ty => match texts.next() {
            Some(text) => put(ty, text, out)?,
            None => return Err(error("nothing")),
        },
    }
    match texts.next() {
        None => Ok(()),
        Some(_) => Err(error("it more than once")),
    }
}

fn unfit(path: String, param: &Field, text: &str) -> JsonError {
    JsonError { path, wanted: decode::wanted(&param.ty), found: decode::quoted(text) }
}

/// A value that stands as a word of its own. None where it is not of the type.
fn scalar(ty: &Type, text: &str, out: &mut Vec<u8>) -> Option<()> {
    macro_rules! parse {
        ($number:ty) => {
            out.extend_from_slice(&text.parse::<$number>().ok()?.to_le_bytes())
        };
    }
    match ty {
        Type::Bool => out.push(text.parse::<bool>().ok()?.into()),
        Type::S8 => parse!(i8),
        Type::U8 => parse!(u8),
        Type::S16 => parse!(i16),
        Type::U16 => parse!(u16),
        Type::S32 => parse!(i32),
        Type::U32 => parse!(u32),
        Type::S64 => parse!(i64),
        Type::U64 => parse!(u64),
        Type::F32 => parse!(f32),
        Type::F64 => parse!(f64),
        Type::Char => {
            out.extend_from_slice(&u32::from(text.parse::<char>().ok()?).to_le_bytes());
        }
        Type::String => put_str(out, text).ok()?,
        Type::Enum(names) => put_count(out, names.iter().position(|name| name == text)?).ok()?,
        _ => return None,
    }
    Some(())
}
