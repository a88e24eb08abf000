//! Where each parameter of a typed route comes from. Knows the types, no request and no encoding.

use crate::wit::{Function, Type};
use crate::{Method, Problem, RoutePattern, Segment, code::Code};
use serde::{Deserialize, Serialize};

/// The sources of a function's parameters, in their order.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    pub params: Vec<Source>,
}

/// Where one parameter comes from. The name there is the parameter's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// The `{name}` segment of the path: a scalar.
    Path,
    /// The query: a scalar, an `option` of one (may be absent) or a `list` of one (repeated key).
    Query,
    /// The whole JSON body is this record.
    Body,
    /// A key of the JSON object that is the body; an `option` may be absent.
    BodyKey,
}

impl Binding {
    /// Whether a body is read at all.
    pub fn has_body(&self) -> bool {
        self.params.iter().any(|s| matches!(s, Source::Body | Source::BodyKey))
    }
}

/// Binds a typed route: each `{name}` to the parameter of that name, the others to the query or the
/// body as the method says. Refused with `route-invalid`; the place is the route itself.
pub fn bind(route: &RoutePattern, function: &Function) -> Result<Binding, Problem> {
    let refuse = |message: String, help: &str| {
        Err(Problem::new(Code::RouteInvalid, format!("route `{route}`"), message).help(help))
    };
    if route.method == Method::Any {
        let message = format!("a typed route to `{}` must name its method", function.name);
        return refuse(message, "write GET, POST, PUT, PATCH or DELETE instead of *");
    }
    if route.segments().last() == Some(&Segment::Rest) {
        return refuse(
            "a typed route cannot end with **".to_owned(),
            "name each segment, or use `handler = \"wasi:http\"`",
        );
    }
    if let Some(what) = function.handle() {
        let message = format!("`{function}` passes {what}, which has no JSON form");
        return refuse(message, "call a function of plain values");
    }
    for name in route.params() {
        match function.params.iter().find(|p| p.name == name) {
            None => return refuse(no_parameter(name, function), &parameters(function)),
            Some(param) if !param.ty.is_scalar() => {
                let message = format!("`{{{name}}}` cannot be read as {}", param.ty);
                return refuse(message, "a path segment is a bool, number, char, string or enum");
            }
            Some(_) => {}
        }
    }
    sources(route, function).or_else(|(message, help)| refuse(message, help))
}

fn no_parameter(name: &str, function: &Function) -> String {
    format!("`{{{name}}}` is no parameter of `{}`", function.name)
}

fn parameters(function: &Function) -> String {
    let names: Vec<String> = function.params.iter().map(ToString::to_string).collect();
    match names.is_empty() {
        true => "the function has no parameters: name the segment without braces".to_owned(),
        false => format!("its parameters are {}", names.join(", ")),
    }
}

fn sources(route: &RoutePattern, function: &Function) -> Result<Binding, (String, &'static str)> {
    let in_path = |name: &str| route.params().any(|p| p == name);
    let rest: Vec<_> = function.params.iter().filter(|p| !in_path(&p.name)).collect();
    let source = match (takes_body(route.method), rest.as_slice()) {
        (true, [only]) if matches!(only.ty, Type::Record(_)) => Source::Body,
        (true, _) => Source::BodyKey,
        (false, rest) => match rest.iter().find(|p| !p.ty.fits_query()) {
            None => Source::Query,
            Some(param) => {
                let method = route.method.as_str();
                return Err((
                    format!("{method} has no body, and a query cannot carry `{param}`"),
                    "use POST, PUT or PATCH, or a scalar, an option or a list of a scalar",
                ));
            }
        },
    };
    let of = |name: &str| if in_path(name) { Source::Path } else { source };
    Ok(Binding { params: function.params.iter().map(|p| of(&p.name)).collect() })
}

/// Whether parameters beyond the path come from the body rather than from the query.
fn takes_body(method: Method) -> bool {
    matches!(method, Method::Post | Method::Put | Method::Patch)
}

impl Type {
    /// Whether a value is one word of text: what a path segment or a query value can carry.
    pub fn is_scalar(&self) -> bool {
        use Type as T;
        match self {
            T::Bool | T::Char | T::String | T::Enum(_) => true,
            T::S8 | T::U8 | T::S16 | T::U16 | T::S32 | T::U32 | T::S64 | T::U64 => true,
            T::F32 | T::F64 => true,
            T::List(_) | T::Option(_) | T::Result(_) | T::Tuple(_) | T::Handle(_) => false,
            T::Record(_) | T::Variant(_) | T::Flags(_) => false,
        }
    }

    /// Whether a query can carry it: a scalar, or an `option` or a `list` of one.
    fn fits_query(&self) -> bool {
        match self {
            Self::Option(inner) | Self::List(inner) => inner.is_scalar(),
            other => other.is_scalar(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wit::Field;
    use expect_test::{Expect, expect};

    fn ty(text: &str) -> Type {
        match text {
            "string" => Type::String,
            "u32" => Type::U32,
            "f64" => Type::F64,
            "flags" => Type::Flags(vec!["read".to_owned()]),
            "enum" => Type::Enum(vec!["asc".to_owned(), "desc".to_owned()]),
            "record" => Type::Record(vec![Field { name: "sku".to_owned(), ty: Type::String }]),
            "resource" => Type::Handle("resource".to_owned()),
            other => match other.split_once(' ').expect("constructor and argument") {
                ("option", inner) => Type::Option(Box::new(ty(inner))),
                ("list", inner) => Type::List(Box::new(ty(inner))),
                (word, _) => panic!("no type {word}"),
            },
        }
    }

    /// `params`: `name: type` separated by commas, types in prefix notation.
    fn check(route: &str, params: &str, expect: Expect) {
        let params = params.split(", ").filter(|p| !p.is_empty()).map(|param| {
            let (name, text) = param.split_once(": ").expect("name and type");
            Field { name: name.to_owned(), ty: ty(text) }
        });
        let function = Function {
            name: "get".to_owned(),
            params: params.collect(),
            result: None,
            is_async: false,
        };
        expect.assert_eq(&match bind(&route.parse().unwrap(), &function) {
            Ok(binding) => format!("{:?} body={}", binding.params, binding.has_body()),
            Err(problem) => problem.to_string(),
        });
    }

    #[test]
    fn the_path_binds_by_name_and_the_query_takes_the_rest() {
        check("GET /x", "", expect!["[] body=false"]);
        check("GET /orders/{id}", "id: u32", expect!["[Path] body=false"]);
        check(
            "GET /{b}/{a}",
            "a: string, b: enum, c: option u32, d: list string",
            expect!["[Path, Path, Query, Query] body=false"],
        );
        check(
            "DELETE /orders/{id}",
            "id: u32, force: option enum",
            expect!["[Path, Query] body=false"],
        );
    }

    #[test]
    fn a_body_is_one_record_or_has_a_key_for_each_parameter() {
        check("POST /orders", "order: record", expect!["[Body] body=true"]);
        check("PUT /orders/{id}", "id: u32, order: record", expect!["[Path, Body] body=true"]);
        check("POST /urls", "url: string", expect!["[BodyKey] body=true"]);
        check("POST /urls", "url: string, meta: record", expect!["[BodyKey, BodyKey] body=true"]);
        check(
            "PATCH /urls/{id}",
            "tags: list list u32, id: string",
            expect!["[BodyKey, Path] body=true"],
        );
        check("POST /urls/{id}/touch", "id: string", expect!["[Path] body=false"]);
    }

    #[test]
    fn what_cannot_be_bound_is_refused() {
        check(
            "GET /{id}",
            "code: string",
            expect![[r#"
            route `GET /{id}`: `{id}` is no parameter of `get` [route-invalid]
              help: its parameters are code: string"#]],
        );
        check(
            "GET /{id}",
            "",
            expect![[r#"
            route `GET /{id}`: `{id}` is no parameter of `get` [route-invalid]
              help: the function has no parameters: name the segment without braces"#]],
        );
        check(
            "GET /{id}",
            "id: record",
            expect![[r#"
            route `GET /{id}`: `{id}` cannot be read as record { sku: string } [route-invalid]
              help: a path segment is a bool, number, char, string or enum"#]],
        );
        check(
            "GET /{id}",
            "id: option string",
            expect![[r#"
            route `GET /{id}`: `{id}` cannot be read as option<string> [route-invalid]
              help: a path segment is a bool, number, char, string or enum"#]],
        );
        check(
            "GET /x",
            "filter: record",
            expect![[r#"
            route `GET /x`: GET has no body, and a query cannot carry `filter: record { sku: string }` [route-invalid]
              help: use POST, PUT or PATCH, or a scalar, an option or a list of a scalar"#]],
        );
        check(
            "HEAD /x",
            "filter: list list u32",
            expect![[r#"
            route `HEAD /x`: HEAD has no body, and a query cannot carry `filter: list<list<u32>>` [route-invalid]
              help: use POST, PUT or PATCH, or a scalar, an option or a list of a scalar"#]],
        );
        check(
            "OPTIONS /x",
            "filter: flags",
            expect![[r#"
            route `OPTIONS /x`: OPTIONS has no body, and a query cannot carry `filter: flags { read }` [route-invalid]
              help: use POST, PUT or PATCH, or a scalar, an option or a list of a scalar"#]],
        );
    }

    #[test]
    fn routes_that_no_function_can_answer_are_refused() {
        check(
            "* /x",
            "id: string",
            expect![[r#"
            route `* /x`: a typed route to `get` must name its method [route-invalid]
              help: write GET, POST, PUT, PATCH or DELETE instead of *"#]],
        );
        check(
            "GET /x/**",
            "",
            expect![[r#"
            route `GET /x/**`: a typed route cannot end with ** [route-invalid]
              help: name each segment, or use `handler = "wasi:http"`"#]],
        );
        check(
            "POST /x",
            "stream: resource",
            expect![[r#"
            route `POST /x`: `get: func(stream: resource)` passes resource, which has no JSON form [route-invalid]
              help: call a function of plain values"#]],
        );
    }
}
