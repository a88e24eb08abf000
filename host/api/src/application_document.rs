//! The OpenAPI document of an application, from its routes and their WIT types. Knows no server.

use aether_types::slice_toml::SliceToml;
use aether_types::wit::{Field, Function, ResultType, Type};
use aether_types::{AppName, Coordinates, FunctionName, Method, RoutePattern, binding};
use binding::Source;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

use crate::error::PROBLEM_JSON;

/// A route of an application with what answers it.
#[derive(Debug, Clone, PartialEq)]
pub struct ApplicationRoute {
    pub pattern: RoutePattern,
    pub slice: Coordinates,
    /// What the slice's author says it does.
    pub description: String,
    pub target: RouteTarget,
}

/// What answers a route.
#[derive(Debug, Clone, PartialEq)]
pub enum RouteTarget {
    /// A typed route.
    Function {
        /// Its full name.
        name: FunctionName,
        function: Function,
        /// Status of a good answer, where the route sets it.
        status: Option<u16>,
        /// Of the slice; says the status of each error case.
        settings: Box<SliceToml>,
    },
    /// The component's own HTTP handler: only it knows what it takes.
    Handler,
}

/// Methods of a route that names none.
const ANY: [&str; 6] = ["get", "post", "put", "patch", "delete", "options"];

/// OpenAPI 3.1.
pub fn application_document(app: &AppName, version: &str, routes: &[ApplicationRoute]) -> Value {
    let mut paths: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    for route in routes {
        let operation = operation(route);
        let methods = match route.pattern.method {
            Method::Any => ANY.map(str::to_owned).to_vec(),
            method => vec![method.as_str().to_ascii_lowercase()],
        };
        let path = paths.entry(route.pattern.path()).or_default();
        for method in methods {
            path.entry(method).or_insert_with(|| operation.clone());
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": { "title": app, "version": version },
        "paths": paths,
        "components": { "schemas": { "problem": problem() } },
    })
}

fn operation(route: &ApplicationRoute) -> Value {
    let tags = json!([route.slice.slice]);
    let RouteTarget::Function { name, function, status, settings } = &route.target else {
        let description = "The component's own handler; its answers are its own affair.";
        let responses = json!({ "default": { "description": description } });
        let parameters = parameters(&route.pattern, None, &[]);
        return json!({ "tags": tags, "parameters": parameters, "responses": responses });
    };
    // A route that cannot be bound is refused when it is applied; it has no parameters to show.
    let sources = binding::bind(&route.pattern, function).unwrap_or_default().params;
    let mut operation = Map::from_iter([
        ("operationId".to_owned(), json!(operation_id(&route.pattern))),
        ("summary".to_owned(), json!(name)),
        ("tags".to_owned(), tags),
    ]);
    if !route.description.is_empty() {
        operation.insert("description".to_owned(), json!(route.description));
    }
    let parameters = parameters(&route.pattern, Some(function), &sources);
    if parameters.as_array().is_some_and(|p| !p.is_empty()) {
        operation.insert("parameters".to_owned(), parameters);
    }
    if let Some(body) = body(function, &sources) {
        operation.insert("requestBody".to_owned(), body);
    }
    operation.insert("responses".to_owned(), responses(function, *status, settings));
    Value::Object(operation)
}

/// Unique, because two routes of an application never have the same method and path.
fn operation_id(pattern: &RoutePattern) -> String {
    let text = pattern.to_string().to_ascii_lowercase();
    let words = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| !w.is_empty());
    words.collect::<Vec<_>>().join("-")
}

fn parameters(pattern: &RoutePattern, function: Option<&Function>, sources: &[Source]) -> Value {
    let Some(function) = function else {
        let string = json!({ "type": "string" });
        let of_path = pattern
            .params()
            .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": string }));
        return of_path.collect();
    };
    let params = function.params.iter().zip(sources).filter_map(|(param, source)| {
        let place = match source {
            Source::Path => "path",
            Source::Query => "query",
            Source::Body | Source::BodyKey => return None,
        };
        let (required, ty) = match &param.ty {
            Type::Option(inner) => (false, &**inner),
            ty @ Type::List(_) => (false, ty),
            ty => (true, ty),
        };
        let schema = schema(ty);
        Some(json!({ "name": param.name, "in": place, "required": required, "schema": schema }))
    });
    params.collect()
}

fn body(function: &Function, sources: &[Source]) -> Option<Value> {
    let of = |wanted| {
        let pairs = function.params.iter().zip(sources);
        pairs.filter(move |(_, source)| **source == wanted).map(|(param, _)| param)
    };
    let schema = match of(Source::Body).next() {
        Some(param) => schema(&param.ty),
        None if of(Source::BodyKey).next().is_some() => object(of(Source::BodyKey)),
        None => return None,
    };
    Some(json!({ "required": true, "content": { "application/json": { "schema": schema } } }))
}

fn responses(function: &Function, status: Option<u16>, settings: &SliceToml) -> Value {
    let (ok, err) = match &function.result {
        Some(Type::Result(ResultType { ok, err })) => (ok.as_deref(), err.as_deref()),
        other => (other.as_ref(), None),
    };
    let status = status.unwrap_or(if ok.is_some() { 200 } else { 204 });
    let mut good = json!({ "description": "The function's result." });
    if let Some(ok) = ok {
        good["content"] = json!({ "application/json": { "schema": schema(ok) } });
    }
    let mut responses = Map::from_iter([(status.to_string(), good)]);
    for (status, cases) in error_cases(function, err, settings) {
        let names: Vec<&str> = cases.iter().map(|(name, _)| name.as_str()).collect();
        let schemas: Vec<Value> = cases.iter().map(|(name, ty)| case_problem(name, ty)).collect();
        let schema = match schemas.as_slice() {
            [one] => one.clone(),
            _ => json!({ "oneOf": schemas }),
        };
        let description = format!("The function refused: {}.", names.join(", "));
        let content = json!({ PROBLEM_JSON: { "schema": schema } });
        let response = json!({ "description": description, "content": content });
        responses.entry(status.to_string()).or_insert(response);
    }
    let problem = json!({ "$ref": "#/components/schemas/problem" });
    let content = json!({ PROBLEM_JSON: { "schema": problem } });
    let rest = json!({ "description": "Everything else.", "content": content });
    responses.insert("default".to_owned(), rest);
    Value::Object(responses)
}

type Cases<'a> = Vec<(String, Option<&'a Type>)>;

/// The error cases by status. `call-failed` answers like a technical failure: under `default`.
fn error_cases<'a>(
    function: &Function,
    err: Option<&'a Type>,
    settings: &SliceToml,
) -> BTreeMap<u16, Cases<'a>> {
    let cases: Cases<'a> = match err {
        Some(Type::Variant(cases)) => {
            cases.iter().map(|c| (c.name.clone(), c.ty.as_ref())).collect()
        }
        Some(Type::Enum(names)) => names.iter().map(|name| (name.clone(), None)).collect(),
        Some(other) => vec![("error".to_owned(), Some(other))],
        None if matches!(function.result, Some(Type::Result(_))) => {
            vec![("error".to_owned(), None)]
        }
        None => Vec::new(),
    };
    let mut by_status: BTreeMap<u16, Cases<'a>> = BTreeMap::new();
    for (name, ty) in cases.into_iter().filter(|(name, _)| name != "call-failed") {
        by_status.entry(settings.error_status(&name)).or_default().push((name, ty));
    }
    by_status
}

/// A problem document with the case that the function returned, and its payload.
fn case_problem(name: &str, ty: &Option<&Type>) -> Value {
    let mut properties = Map::from_iter([("case".to_owned(), json!({ "const": name }))]);
    let mut required = vec!["case"];
    if let Some(ty) = ty {
        properties.insert("value".to_owned(), schema(ty));
        required.push("value");
    }
    let own = json!({ "type": "object", "properties": properties, "required": required });
    json!({ "allOf": [{ "$ref": "#/components/schemas/problem" }, own] })
}

fn problem() -> Value {
    json!({
        "type": "object",
        "description": "A problem document (RFC 9457).",
        "properties": {
            "type": { "type": "string" },
            "title": { "type": "string" },
            "status": { "type": "integer" },
            "detail": { "type": "string" },
            "request-id": { "type": "string" },
            "path": { "type": "string", "description": "Where in the request the mistake is." },
        },
        "required": ["type", "title", "status", "request-id"],
    })
}

fn object<'a>(fields: impl Iterator<Item = &'a Field>) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for field in fields {
        properties.insert(field.name.clone(), schema(&field.ty));
        if !matches!(field.ty, Type::Option(_)) {
            required.push(field.name.clone());
        }
    }
    let mut object = json!({
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    });
    if !required.is_empty() {
        object["required"] = json!(required);
    }
    object
}

/// JSON Schema (2020-12) of the JSON form of a type.
fn schema(ty: &Type) -> Value {
    match ty {
        Type::Bool => json!({ "type": "boolean" }),
        Type::S8 => integer(i8::MIN.into(), i8::MAX as u64),
        Type::U8 => integer(0, u8::MAX.into()),
        Type::S16 => integer(i16::MIN.into(), i16::MAX as u64),
        Type::U16 => integer(0, u16::MAX.into()),
        Type::S32 => integer(i32::MIN.into(), i32::MAX as u64),
        Type::U32 => integer(0, u32::MAX.into()),
        Type::S64 => integer(i64::MIN, i64::MAX as u64),
        Type::U64 => integer(0, u64::MAX),
        Type::F32 => float("float"),
        Type::F64 => float("double"),
        Type::Char => json!({ "type": "string", "minLength": 1, "maxLength": 1 }),
        Type::String => json!({ "type": "string" }),
        Type::List(inner) if **inner == Type::U8 => {
            json!({ "type": "string", "contentEncoding": "base64" })
        }
        Type::List(inner) => json!({ "type": "array", "items": schema(inner) }),
        Type::Option(inner) => option(inner),
        Type::Result(ResultType { ok, err }) => {
            json!({ "oneOf": [arm("ok", ok.as_deref()), arm("err", err.as_deref())] })
        }
        Type::Tuple(types) => {
            let items: Vec<Value> = types.iter().map(schema).collect();
            let count = items.len();
            json!({ "type": "array", "prefixItems": items, "minItems": count, "maxItems": count })
        }
        Type::Record(fields) => object(fields.iter()),
        Type::Variant(cases) => {
            let cases = cases.iter().map(|case| match &case.ty {
                Some(ty) => arm(&case.name, Some(ty)),
                None => json!({ "const": case.name }),
            });
            json!({ "oneOf": cases.collect::<Vec<_>>() })
        }
        Type::Enum(names) => json!({ "type": "string", "enum": names }),
        Type::Flags(names) => {
            let item = json!({ "type": "string", "enum": names });
            json!({ "type": "array", "items": item, "uniqueItems": true })
        }
        Type::Handle(what) => json!({ "not": {}, "description": format!("{what}: no JSON form") }),
    }
}

fn integer(min: i64, max: u64) -> Value {
    json!({ "type": "integer", "minimum": min, "maximum": max })
}

/// JSON has no word for what is no number.
fn float(format: &str) -> Value {
    json!({ "anyOf": [
        { "type": "number", "format": format },
        { "enum": ["NaN", "Infinity", "-Infinity"] },
    ] })
}

/// `null` is none; an option inside an option is wrapped, so that its none can be told apart.
fn option(inner: &Type) -> Value {
    let some = match inner {
        Type::Option(_) => arm("some", Some(inner)),
        _ => schema(inner),
    };
    json!({ "anyOf": [some, { "type": "null" }] })
}

/// `{name: value}`.
fn arm(name: &str, ty: Option<&Type>) -> Value {
    let value = ty.map_or_else(|| json!({ "type": "null" }), schema);
    json!({
        "type": "object",
        "properties": { name: value },
        "required": [name],
        "additionalProperties": false,
    })
}

#[cfg(test)]
mod tests;
