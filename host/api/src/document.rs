//! The OpenAPI document of the management API, made from the endpoints and types. Knows no server.

use crate::endpoint::Endpoint;
use crate::error::{PROBLEM_JSON, Problem};
use crate::handlers::METRICS;
use crate::model::*;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

const JSON: &str = "application/json";
const WASM: &str = "application/wasm";
const BYTES: &str = "application/octet-stream";

type Schemas = BTreeMap<String, Value>;

/// OpenAPI 3.1.
pub fn document() -> Value {
    let mut schemas = Schemas::new();
    let problem = schema::<Problem>(&mut schemas);
    let mut paths: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    for endpoint in Endpoint::ALL {
        let (method, path) = endpoint.method_and_path();
        let path = path.replace("...}", "}");
        let operation = operation(*endpoint, &path, &problem, &mut schemas);
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
    let (id, summary) = id_and_summary(endpoint);
    let (status, answer) = good(endpoint, schemas);
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
    if let Some((media, schema)) = body(endpoint, schemas) {
        let content = json!({ media: { "schema": schema } });
        operation.insert("requestBody".to_owned(), json!({ "required": true, "content": content }));
    }
    let mut good = json!({ "description": summary });
    if let Some(schema) = answer {
        let media = match endpoint {
            Endpoint::GetEntry => BYTES,
            Endpoint::Metrics => METRICS,
            _ => JSON,
        };
        good["content"] = json!({ media: { "schema": schema } });
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
        let ty = match (endpoint, *name) {
            (_, "limit" | "minutes") => "integer",
            (_, "stale" | "force" | "dry-run") => "boolean",
            _ => "string",
        };
        let required = *name == "target";
        let schema = json!({ "type": ty });
        json!({ "name": name, "in": "query", "required": required, "description": meaning, "schema": schema })
    });
    let of_head = endpoint.headers().iter().map(|(name, meaning)| {
        let schema = json!({ "type": "string" });
        json!({ "name": name, "in": "header", "required": false, "description": meaning, "schema": schema })
    });
    of_path.chain(of_query).chain(of_head).collect()
}

fn id_and_summary(endpoint: Endpoint) -> (&'static str, &'static str) {
    match endpoint {
        Endpoint::Live => ("live", "Whether the process answers."),
        Endpoint::Ready => ("ready", "Whether the node takes traffic; 503 where it does not."),
        Endpoint::Metrics => ("metrics", "The node's numbers, for Prometheus."),
        Endpoint::Document => ("document", "This document."),
        Endpoint::Status => ("status", "The cluster as this node sees it."),
        Endpoint::Feed => (
            "feed",
            "What the dashboard shows. With `Upgrade: websocket` a socket: the first message shows the key, then come a picture and its changes.",
        ),
        Endpoint::Nodes => ("nodes", "Every node."),
        Endpoint::Slices => ("slices", "Every slice of every application."),
        Endpoint::Routes => ("routes", "Every route of the front door."),
        Endpoint::Logs => ("logs", "A page of the logs of all nodes."),
        Endpoint::Explain => ("explain", "Where a request or call would go, and why."),
        Endpoint::Graph => ("graph", "Who calls which function, how often and how long it takes."),
        Endpoint::PutArtifact => ("putArtifact", "Stores a component under its digest."),
        Endpoint::CheckArtifact => ("checkArtifact", "Says what a component is; stores nothing."),
        Endpoint::ListArtifacts => ("artifacts", "Every stored component."),
        Endpoint::ListApplications => ("applications", "Every application."),
        Endpoint::GetApplication => ("application", "One application."),
        Endpoint::ApplyApplication => ("apply", "Makes the application what the blueprint says."),
        Endpoint::CheckApplication => {
            ("check", "Says what applying a blueprint would do, or why it would be refused.")
        }
        Endpoint::RemoveApplication => ("remove", "Takes the application away."),
        Endpoint::RemoveSlice => ("removeSlice", "Takes a slice out of the application."),
        Endpoint::ListRollouts => ("rollouts", "The newest rollout of each application."),
        Endpoint::GetRollout => ("rollout", "The newest rollout of one application."),
        Endpoint::CommandRollout => (
            "commandRollout",
            "Commands a rollout: promote, pause, resume, rollback, complete, conclude-old, conclude-new.",
        ),
        Endpoint::CallApplication => ("call", "Calls a function."),
        Endpoint::ApplicationDocument => {
            ("applicationDocument", "The OpenAPI document of the application's routes.")
        }
        Endpoint::ListKeys => ("keys", "Every key, without its secret."),
        Endpoint::CreateKey => ("createKey", "Creates a key and shows its secret, once."),
        Endpoint::DeleteKey => ("deleteKey", "Makes a key worthless."),
        Endpoint::CreateToken => ("createToken", "Creates a token with which nodes can join."),
        Endpoint::DrainNode => ("drainNode", "Takes its instances and its vote from a node."),
        Endpoint::ActivateNode => ("activateNode", "Lets a drained node take part again."),
        Endpoint::RemoveNode => ("removeNode", "Takes a node out of the cluster for ever."),
        Endpoint::PutEntry => {
            ("putEntry", "Writes an entry of the store; the key may have several segments.")
        }
        Endpoint::GetEntry => ("entry", "The value of an entry; its revision is the ETag."),
        Endpoint::DeleteEntry => ("deleteEntry", "Deletes an entry of the store."),
        Endpoint::ListEntries => ("entries", "Entries of the store, without their values."),
        Endpoint::PutFaults => {
            ("putFaults", "Puts faults into this node; 403 where it is not of a sandbox.")
        }
        Endpoint::ListFaults => ("faults", "Faults in force on this node."),
        Endpoint::EndFault => ("endFault", "Ends the faults of this node that have the name."),
        Endpoint::EndFaults => ("endFaults", "Ends all faults of this node."),
        _ => id_and_summary_of_watch(endpoint),
    }
}

/// Of measurements, the controller and alerts.
fn id_and_summary_of_watch(endpoint: Endpoint) -> (&'static str, &'static str) {
    match endpoint {
        Endpoint::Measured => ("measured", "How busy all nodes are now."),
        Endpoint::MetricsHistory => {
            ("metricsHistory", "How busy all nodes were, and requests from outside, in 2 hours.")
        }
        Endpoint::CallMetrics => {
            ("callMetrics", "How often functions were called, how that ended, how long it took.")
        }
        Endpoint::SlowCalls => ("slowCalls", "The newest calls that took too long, of all nodes."),
        Endpoint::PutSlowSettings => {
            ("putSlowSettings", "Says from when on a call is slow, on all nodes from now on.")
        }
        Endpoint::ListAspects => {
            ("aspects", "What is done with the calls of each function beside making them.")
        }
        Endpoint::PutAspect => {
            ("putAspect", "Says what is done with calls of a slice, on all nodes from now on.")
        }
        Endpoint::ControllerConfig => ("controllerConfig", "The controller's settings."),
        Endpoint::ChangeController => {
            ("changeController", "Changes settings of the controller; what is absent stays.")
        }
        Endpoint::ControllerStatus => {
            ("controllerStatus", "What the controller decided when it looked last, and why.")
        }
        Endpoint::EvaluateController => {
            ("evaluateController", "Lets the controller look and decide now.")
        }
        Endpoint::ListThresholds => {
            ("thresholds", "Every threshold, and everything that can have one.")
        }
        Endpoint::GetThreshold => ("threshold", "The threshold of a metric."),
        Endpoint::PutThreshold => ("putThreshold", "Sets the threshold of a metric."),
        Endpoint::DeleteThreshold => {
            ("deleteThreshold", "Takes the threshold of a metric away; its alerts are over.")
        }
        Endpoint::ListAlerts => ("alerts", "Every active alert."),
        Endpoint::AlertHistory => ("alertHistory", "What happened to alerts lately."),
        Endpoint::ClearAlertHistory => {
            ("clearAlertHistory", "Forgets what happened to alerts; what is active stays.")
        }
        Endpoint::AcknowledgeAlert => ("acknowledgeAlert", "Says that somebody looks after it."),
        Endpoint::GetWebhook => ("webhook", "Where alerts are told, without its secrets."),
        Endpoint::PutWebhook => ("putWebhook", "Says where alerts are told from now on."),
        Endpoint::DeleteWebhook => {
            ("deleteWebhook", "Alerts are told nowhere any more, those that wait included.")
        }
        other => unreachable!("{other:?} has a summary above"),
    }
}

/// Media type and schema of the body that the endpoint takes.
fn body(endpoint: Endpoint, all: &mut Schemas) -> Option<(&'static str, Value)> {
    let bytes = || json!({ "type": "string", "contentMediaType": WASM });
    match endpoint {
        Endpoint::PutArtifact | Endpoint::CheckArtifact => Some((WASM, bytes())),
        Endpoint::PutEntry => Some((BYTES, json!({ "type": "string", "format": "binary" }))),
        Endpoint::ApplyApplication => Some((JSON, schema::<ApplyRequest>(all))),
        Endpoint::CheckApplication => Some((JSON, schema::<CheckRequest>(all))),
        Endpoint::CallApplication => Some((JSON, schema::<CallRequest>(all))),
        Endpoint::ChangeController => Some((JSON, schema::<ControllerChange>(all))),
        Endpoint::PutThreshold => Some((JSON, schema::<ThresholdRequest>(all))),
        Endpoint::PutWebhook => Some((JSON, schema::<WebhookRequest>(all))),
        Endpoint::CreateKey => Some((JSON, schema::<KeyRequest>(all))),
        Endpoint::CreateToken => Some((JSON, schema::<TokenRequest>(all))),
        Endpoint::PutFaults => Some((JSON, schema::<FaultRequest>(all))),
        Endpoint::PutSlowSettings => Some((JSON, schema::<SlowSettings>(all))),
        Endpoint::PutAspect => Some((JSON, schema::<AspectChange>(all))),
        _ => None,
    }
}

/// Status and schema of a good answer.
fn good(endpoint: Endpoint, all: &mut Schemas) -> (&'static str, Option<Value>) {
    let schema = match endpoint {
        Endpoint::Live | Endpoint::Ready => schema::<Health>(all),
        Endpoint::Document | Endpoint::ApplicationDocument => json!({ "type": "object" }),
        Endpoint::Metrics => json!({ "type": "string" }),
        Endpoint::Status => schema::<Status>(all),
        Endpoint::Feed => schema::<Live>(all),
        Endpoint::Nodes => schema::<Nodes>(all),
        Endpoint::Slices => schema::<Slices>(all),
        Endpoint::Routes => schema::<Routes>(all),
        Endpoint::Logs => schema::<LogPage>(all),
        Endpoint::Explain => schema::<Explanation>(all),
        Endpoint::Graph => schema::<Graph>(all),
        Endpoint::Measured => schema::<Metrics>(all),
        Endpoint::MetricsHistory => schema::<MetricsHistory>(all),
        Endpoint::CallMetrics => schema::<CallMetrics>(all),
        Endpoint::SlowCalls => schema::<SlowCalls>(all),
        Endpoint::PutSlowSettings => schema::<SlowSettings>(all),
        Endpoint::ListAspects | Endpoint::PutAspect => schema::<AspectPoints>(all),
        Endpoint::PutArtifact => schema::<Artifact>(all),
        Endpoint::CheckArtifact => schema::<CheckedArtifact>(all),
        Endpoint::ListArtifacts => schema::<Artifacts>(all),
        Endpoint::ListApplications => schema::<Applications>(all),
        Endpoint::GetApplication => schema::<Application>(all),
        Endpoint::ApplyApplication | Endpoint::RemoveSlice => schema::<Applied>(all),
        Endpoint::CheckApplication => schema::<CheckReport>(all),
        Endpoint::ListRollouts => schema::<Rollouts>(all),
        Endpoint::GetRollout | Endpoint::CommandRollout => schema::<RolloutStatus>(all),
        Endpoint::ControllerConfig | Endpoint::ChangeController => schema::<ControllerConfig>(all),
        Endpoint::ControllerStatus | Endpoint::EvaluateController => {
            schema::<ControllerStatus>(all)
        }
        Endpoint::ListThresholds => schema::<Thresholds>(all),
        Endpoint::GetThreshold | Endpoint::PutThreshold => schema::<Threshold>(all),
        Endpoint::ListAlerts => schema::<Alerts>(all),
        Endpoint::AlertHistory => schema::<AlertHistory>(all),
        Endpoint::AcknowledgeAlert => schema::<Alert>(all),
        Endpoint::GetWebhook | Endpoint::PutWebhook => schema::<Webhook>(all),
        Endpoint::CallApplication => schema::<CallAnswer>(all),
        Endpoint::ListKeys => schema::<Keys>(all),
        Endpoint::CreateKey => return ("201", Some(schema::<KeyCreated>(all))),
        Endpoint::CreateToken => return ("201", Some(schema::<TokenCreated>(all))),
        Endpoint::PutEntry => schema::<EntryWritten>(all),
        Endpoint::GetEntry => json!({ "type": "string", "format": "binary" }),
        Endpoint::ListEntries => schema::<Entries>(all),
        Endpoint::PutFaults | Endpoint::ListFaults => schema::<Faults>(all),
        Endpoint::RemoveApplication
        | Endpoint::DeleteThreshold
        | Endpoint::ClearAlertHistory
        | Endpoint::DeleteWebhook
        | Endpoint::DeleteKey
        | Endpoint::DrainNode
        | Endpoint::ActivateNode
        | Endpoint::RemoveNode
        | Endpoint::DeleteEntry
        | Endpoint::EndFault
        | Endpoint::EndFaults => return ("204", None),
    };
    ("200", Some(schema))
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

/// The document with its keys in order, whatever map `serde_json` was built with.
#[cfg(test)]
pub(crate) fn sorted(document: &Value) -> Value {
    match document {
        Value::Object(map) => {
            let sorted: BTreeMap<&String, &Value> = map.iter().collect();
            sorted.into_iter().map(|(key, value)| (key.clone(), self::sorted(value))).collect()
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    /// `UPDATE_EXPECT=1 cargo test -p aether-api` writes the file.
    #[test]
    fn the_committed_document_is_current() {
        let document = super::sorted(&super::document());
        let document = serde_json::to_string_pretty(&document).expect("it is plain data") + "\n";
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
