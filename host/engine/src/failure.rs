//! A technical failure as an answer: the case `call-failed(call-error)` of a function's own error
//! type. Knows no call and no router.

use crate::codec::wire::{put_count, put_str};
use aether_types::CallError;
use aether_types::wit::{Case, Function, Type};
use bytes::Bytes;

/// The case of an error variant that takes technical failures.
pub(crate) const CASE: &str = "call-failed";

/// The wire bytes of `error` as an answer of `function`; None where its type has no place for it:
/// then the call that made this one fails in the same way.
pub(crate) fn answer(function: &Function, error: &CallError) -> Option<Bytes> {
    let Some(Type::Result(result)) = &function.result else { return None };
    let case = case(result.err.as_deref()?)?;
    let mut out = vec![1];
    put_count(&mut out, case).ok()?;
    put_error(&mut out, error)?;
    Some(out.into())
}

/// The index of the case in an error type, if it has one with the payload that it should have.
pub(crate) fn case(error: &Type) -> Option<usize> {
    let Type::Variant(cases) = error else { return None };
    let takes_failures = |c: &Case| c.name == CASE && c.ty.as_ref() == Some(&call_error());
    cases.iter().position(takes_failures)
}

/// `aether:slice/types.call-error`.
pub(crate) fn call_error() -> Type {
    let case = |name: &str, ty: Option<Type>| Case { name: name.to_owned(), ty };
    Type::Variant(vec![
        case("unavailable", Some(Type::String)),
        case("deadline-exceeded", None),
        case("overloaded", Some(Type::Option(Box::new(Type::U64)))),
        case("callee-failed", Some(Type::String)),
        case("denied", Some(Type::String)),
        case("other", Some(Type::String)),
    ])
}

fn put_error(out: &mut Vec<u8>, error: &CallError) -> Option<()> {
    let (case, text) = match error {
        CallError::Unavailable(text) => (0, Some(text)),
        CallError::DeadlineExceeded => (1, None),
        CallError::Overloaded(_) => (2, None),
        CallError::CalleeFailed(text) => (3, Some(text)),
        CallError::Denied(text) => (4, Some(text)),
        CallError::Other(text) => (5, Some(text)),
    };
    put_count(out, case).ok()?;
    if let CallError::Overloaded(retry_after_ms) = error {
        out.push(retry_after_ms.is_some().into());
        retry_after_ms.iter().for_each(|ms| out.extend(ms.to_le_bytes()));
    }
    text.map_or(Some(()), |text| put_str(out, text).ok())
}

/// The failure in an answer that [`answer`] made, or that a slice passed on; `payload` is that of
/// the case.
pub(crate) fn read(payload: &[u8]) -> Option<CallError> {
    let mut wire = crate::codec::wire::Reader::new(payload).ok()?;
    let error = match wire.u32().ok()? {
        0 => CallError::Unavailable(wire.str().ok()?.to_owned()),
        1 => CallError::DeadlineExceeded,
        2 => CallError::Overloaded(match wire.bool().ok()? {
            true => Some(u64::from_le_bytes(wire.array().ok()?)),
            false => None,
        }),
        3 => CallError::CalleeFailed(wire.str().ok()?.to_owned()),
        4 => CallError::Denied(wire.str().ok()?.to_owned()),
        5 => CallError::Other(wire.str().ok()?.to_owned()),
        _ => return None,
    };
    wire.finish().ok().map(|()| error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use aether_types::wit::ResultType;

    fn function(err: Option<Type>) -> Function {
        let result = ResultType { ok: Some(Box::new(Type::U8)), err: err.map(Box::new) };
        Function {
            name: "place".to_owned(),
            params: Vec::new(),
            result: Some(Type::Result(result)),
            is_async: false,
        }
    }

    #[test]
    fn every_failure_fits_into_the_case_that_takes_it() {
        let sold_out = Case { name: "sold-out".to_owned(), ty: None };
        let failed = Case { name: CASE.to_owned(), ty: Some(call_error()) };
        let function = function(Some(Type::Variant(vec![sold_out, failed])));
        for error in [
            CallError::Unavailable("none".to_owned()),
            CallError::DeadlineExceeded,
            CallError::Overloaded(None),
            CallError::Overloaded(Some(250)),
            CallError::CalleeFailed("trap".to_owned()),
            CallError::Denied("no grant".to_owned()),
            CallError::Other(String::new()),
        ] {
            let answer = answer(&function, &error).unwrap();
            assert_eq!(answer[..5], [1, 1, 0, 0, 0], "err, second case");
            assert_eq!(read(&answer[5..]), Some(error));
        }
    }

    #[test]
    fn a_type_without_the_case_takes_none() {
        let error = CallError::DeadlineExceeded;
        let with = |ty: Option<Type>| {
            let case = Case { name: CASE.to_owned(), ty };
            answer(&function(Some(Type::Variant(vec![case]))), &error)
        };
        assert!(with(Some(call_error())).is_some());
        assert_eq!(with(None), None);
        assert_eq!(with(Some(Type::String)), None);
        assert_eq!(answer(&function(Some(Type::String)), &error), None);
        assert_eq!(answer(&function(None), &error), None);
        let nothing = Function { result: None, ..function(None) };
        assert_eq!(answer(&nothing, &error), None);
    }
}
