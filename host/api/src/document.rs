//! The OpenAPI document of the management API, made from the endpoints and types. Knows no server.

use crate::endpoint::Endpoint;
use crate::error::{PROBLEM_JSON, Problem};
use crate::model::*;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

type Schemas = BTreeMap<String, Value>;

/// OpenAPI 3.1.
pub fn document() -> Value {
    let mut schemas = Schemas::new();
    let problem = schema::<Problem>(&mut schemas);
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for endpoint in Endpoint::ALL {
        let (method, path) = endpoint.method_and_path();
        let operation = operation(*endpoint, path, &problem, &mut schemas);
        let method = method.as_str().to_ascii_lowercase();
        paths.entry(path).or_default().insert(method, operation);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Aether management API",
            "description": "What the `aether` command and the dashboard use. Errors are problem documents (RFC 9457).",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": { "key": { "type": "http", "scheme": "bearer" } },
        },
    })
}

fn operation(endpoint: Endpoint, path: &str, problem: &Value, schemas: &mut Schemas) -> Value {
    let Documented { id, summary, body, status, answer } = documented(endpoint, schemas);
    let mut operation = Map::from_iter([
        ("operationId".to_owned(), json!(id)),
        ("summary".to_owned(), json!(summary)),
    ]);
    if let Some(role) = endpoint.role() {
        operation.insert("security".to_owned(), json!([{ "key": [role] }]));
    }
    let parameters = parameters(endpoint, path);
    if !parameters.is_empty() {
        operation.insert("parameters".to_owned(), json!(parameters));
    }
    if let Some((media, schema)) = body {
        let content = json!({ media: { "schema": schema } });
        operation.insert("requestBody".to_owned(), json!({ "required": true, "content": content }));
    }
    let mut good = json!({ "description": summary });
    if let Some(schema) = answer {
        good["content"] = json!({ "application/json": { "schema": schema } });
    }
    let bad = json!({
        "description": "Anything else.",
        "content": { PROBLEM_JSON: { "schema": problem } },
    });
    operation.insert("responses".to_owned(), json!({ status: good, "default": bad }));
    Value::Object(operation)
}

fn parameters(endpoint: Endpoint, path: &str) -> Vec<Value> {
    let of_path = path.split('/').filter_map(|s| s.strip_prefix('{')?.strip_suffix('}'));
    let of_path = of_path.map(|name| {
        let string = json!({ "type": "string" });
        json!({ "name": name, "in": "path", "required": true, "schema": string })
    });
    let of_query = endpoint.query().iter().map(|(name, meaning)| {
        let ty = if matches!(*name, "after" | "limit") { "integer" } else { "string" };
        let required = *name == "target";
        let schema = json!({ "type": ty });
        json!({ "name": name, "in": "query", "required": required, "description": meaning, "schema": schema })
    });
    of_path.chain(of_query).collect()
}

/// What the document says of an endpoint beyond the table.
struct Documented {
    id: &'static str,
    summary: &'static str,
    body: Option<(&'static str, Value)>,
    status: &'static str,
    answer: Option<Value>,
}

fn documented(endpoint: Endpoint, schemas: &mut Schemas) -> Documented {
    let get = |id, summary, answer| Documented {
        id,
        summary,
        body: None,
        status: "200",
        answer: Some(answer),
    };
    let none = |id, summary| Documented { id, summary, body: None, status: "204", answer: None };
    let any = json!({ "type": "object" });
    match endpoint {
        Endpoint::Live => get("live", "The process answers.", schema::<Health>(schemas)),
        Endpoint::Ready => {
            get("ready", "The node takes traffic; else 503.", schema::<Health>(schemas))
        }
        Endpoint::Document => get("document", "This document.", any),
        Endpoint::Status => {
            get("status", "The cluster as this node sees it.", schema::<Status>(schemas))
        }
        Endpoint::Nodes => get("nodes", "Every node.", schema::<Nodes>(schemas)),
        Endpoint::Slices => {
            get("slices", "Every slice of every application.", schema::<Slices>(schemas))
        }
        Endpoint::Routes => {
            get("routes", "Every route of the front door.", schema::<Routes>(schemas))
        }
        Endpoint::Logs => get("logs", "A page of the node's log.", schema::<LogPage>(schemas)),
        Endpoint::Explain => {
            get("explain", "Where a call would go, and why.", schema::<Explanation>(schemas))
        }
        Endpoint::PutArtifact => {
            let bytes = json!({ "type": "string", "contentMediaType": "application/wasm" });
            let body = Some(("application/wasm", bytes));
            let answer = schema::<Artifact>(schemas);
            Documented {
                body,
                ..get("putArtifact", "Stores a component under its digest.", answer)
            }
        }
        Endpoint::ListArtifacts => {
            get("artifacts", "Every stored component.", schema::<Artifacts>(schemas))
        }
        Endpoint::ListApplications => {
            get("applications", "Every application.", schema::<Applications>(schemas))
        }
        Endpoint::GetApplication => {
            get("application", "One application.", schema::<Application>(schemas))
        }
        Endpoint::ApplyApplication => {
            let body = Some(("application/json", schema::<ApplyRequest>(schemas)));
            let answer = schema::<Applied>(schemas);
            Documented {
                body,
                ..get("apply", "Makes the application what the blueprint says.", answer)
            }
        }
        Endpoint::RemoveApplication => none("remove", "Takes the application away."),
        Endpoint::CallApplication => {
            let body = Some(("application/json", schema::<CallRequest>(schemas)));
            Documented { body, ..get("call", "Calls a function.", schema::<CallAnswer>(schemas)) }
        }
        Endpoint::ApplicationDocument => {
            get("applicationDocument", "OpenAPI document of the application's routes.", any)
        }
        Endpoint::ListKeys => {
            get("keys", "Every key, without its secret.", schema::<Keys>(schemas))
        }
        Endpoint::CreateKey => {
            let body = Some(("application/json", schema::<KeyRequest>(schemas)));
            let answer = schema::<KeyCreated>(schemas);
            let summary = "Creates a key and shows its secret, once.";
            Documented { body, status: "201", ..get("createKey", summary, answer) }
        }
        Endpoint::DeleteKey => none("deleteKey", "Makes a key worthless."),
    }
}

/// A reference to the type's schema, which it adds with all that it needs.
fn schema<T: ToSchema + PartialSchema>(schemas: &mut Schemas) -> Value {
    let mut all: Vec<(String, RefOr<Schema>)> = Vec::new();
    T::schemas(&mut all);
    let name = T::name().into_owned();
    all.push((name.clone(), T::schema()));
    for (name, schema) in all {
        let schema = serde_json::to_value(schema).expect("a schema is plain data");
        schemas.insert(name, schema);
    }
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// The text of a document, its keys in order whatever map `serde_json` was built with.
#[cfg(test)]
pub(crate) fn canonical(document: &Value) -> String {
    fn sort(value: &Value) -> Value {
        match value {
            Value::Object(map) => {
                let sorted: BTreeMap<&String, Value> =
                    map.iter().map(|(key, value)| (key, sort(value))).collect();
                sorted.into_iter().map(|(key, value)| (key.clone(), value)).collect()
            }
            Value::Array(items) => items.iter().map(sort).collect(),
            other => other.clone(),
        }
    }
    serde_json::to_string_pretty(&sort(document)).expect("a document is plain data") + "\n"
}

#[cfg(test)]
mod tests {
    /// `UPDATE_EXPECT=1 cargo test -p aether-api` writes the file.
    #[test]
    fn the_committed_document_is_current() {
        let document = super::canonical(&super::document());
        expect_test::expect_file!["../../../docs/reference/openapi.json"].assert_eq(&document);
    }

    #[test]
    fn every_reference_resolves() {
        let document = super::document();
        let text = document.to_string();
        let references = text.split("\"$ref\":\"").skip(1);
        let mut count = 0;
        for reference in references.map(|r| r.split('"').next().unwrap_or_default()) {
            let pointer = reference.trim_start_matches('#');
            assert!(document.pointer(pointer).is_some(), "{reference}");
            count += 1;
        }
        assert!(count > 20, "{count}");
    }
}
