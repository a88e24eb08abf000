//! One arm per endpoint: parses, asks the node, shapes the answer. Knows no connection and no keys.

mod control;
mod measured;
mod store;

use crate::auth::Principal;
use crate::body::{Query, json};
use crate::endpoint::{Endpoint, PathParams};
use crate::error::ApiError;
use crate::live;
use crate::management::{Apply, Call, LogQuery, Management, MintRequest, NodeChange, SliceRemoval};
use crate::model::*;
use aether_types::blueprint::Blueprint;
use aether_types::code::Code;
use aether_types::{Digest, Problem, Problems, RequestId, Revision, TimeSpan};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::str::FromStr;

/// Lines of a page of the log where the request names no number, and at most.
const LOG_LINES: usize = 200;
const LOG_LINES_MAX: usize = 1_000;
const KEY_NAME_MAX: usize = 64;
/// Lives of join tokens.
const TOKEN_TTL_MIN: TimeSpan = TimeSpan::from_secs(1);
const TOKEN_TTL_MAX: TimeSpan = TimeSpan::from_secs(30 * 86_400);

/// A request that found its endpoint and may do what it asks.
pub(crate) struct Authorized {
    pub(crate) endpoint: Endpoint,
    pub(crate) params: PathParams,
    pub(crate) query: Query,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) request_id: RequestId,
    /// Nobody in particular where no key is needed.
    pub(crate) by: Principal,
}

/// A good answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// Media type and bytes; absent for 204.
    pub(crate) body: Option<(&'static str, Bytes)>,
    /// Of the entry that was read or written.
    pub(crate) revision: Option<Revision>,
}

const JSON: &str = "application/json";
/// What Prometheus and its tools read.
pub(crate) const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

type Result<T> = std::result::Result<T, ApiError>;

pub(crate) async fn handle(node: &dyn Management, req: Authorized) -> Result<Answer> {
    match req.endpoint {
        Endpoint::PutEntry => store::put(node, req).await,
        Endpoint::GetEntry => store::get(node, &req).await,
        Endpoint::DeleteEntry => store::delete(node, &req).await,
        // Much larger, and much rarer.
        _ => Box::pin(handle_rare(node, req)).await,
    }
}

async fn handle_rare(node: &dyn Management, req: Authorized) -> Result<Answer> {
    match req.endpoint {
        Endpoint::Live => ok(&Health { ready: true, reasons: Vec::new() }),
        Endpoint::Ready => Ok(ready(node.not_ready())),
        Endpoint::Metrics => metrics(node).await,
        Endpoint::Document => ok(&crate::document()),
        Endpoint::Status => ok(&node.status().await?),
        Endpoint::Feed => ok(&live::look(node, &req.by).await?),
        Endpoint::Nodes => ok(&Nodes { nodes: node.nodes().await? }),
        Endpoint::Slices => {
            let applications = node.applications().await?.into_iter();
            ok(&Slices { slices: applications.flat_map(|a| a.slices).collect() })
        }
        Endpoint::Routes => {
            let applications = node.applications().await?.into_iter();
            ok(&Routes { routes: applications.flat_map(|a| a.routes).collect() })
        }
        Endpoint::Logs => ok(&node.logs(log_query(&req.query)?).await?),
        Endpoint::Explain => ok(&node.explain(&target(&req.query)?).await?),
        Endpoint::Graph => ok(&node.graph(req.query.get("app")?).await?),
        Endpoint::Measured => ok(&node.measured().await?),
        Endpoint::MetricsHistory => measured::history(node, &req.query).await,
        Endpoint::CallMetrics => measured::calls(node, &req.query).await,
        Endpoint::SlowCalls => measured::slow(node, &req.query).await,
        Endpoint::PutSlowSettings => measured::set_slow(node, req).await,
        Endpoint::ListAspects => ok(&node.aspects(req.query.get("app")?).await?),
        Endpoint::PutAspect => ok(&node.set_aspect(json(&req.body)?, &req.by).await?),
        Endpoint::PutArtifact => put_artifact(node, req).await,
        Endpoint::CheckArtifact => check_artifact(node, req).await,
        Endpoint::ListArtifacts => ok(&Artifacts { artifacts: node.artifacts().await? }),
        Endpoint::ListApplications => {
            ok(&Applications { applications: node.applications().await? })
        }
        Endpoint::GetApplication => ok(&node.application(&req.param("app")?).await?),
        Endpoint::ApplyApplication => ok(&node.apply(apply(&req, json(&req.body)?)?).await?),
        Endpoint::CheckApplication => check(node, req).await,
        Endpoint::RemoveApplication => remove(node, req).await,
        Endpoint::RemoveSlice => ok(&node.remove_slice(removal(req)?).await?),
        Endpoint::ListRollouts => ok(&Rollouts { rollouts: node.rollouts().await? }),
        Endpoint::GetRollout => ok(&node.rollout(&req.param("app")?).await?),
        Endpoint::CommandRollout => {
            let command = req.param("command")?;
            ok(&node.command_rollout(&req.param("app")?, command, &req.by).await?)
        }
        Endpoint::CallApplication => ok(&node.call(call(req)?).await?),
        Endpoint::ApplicationDocument => application_document(node, req).await,
        Endpoint::ListKeys => {
            ok(&Keys { keys: node.keys().await?.iter().map(KeyView::from).collect() })
        }
        Endpoint::CreateKey => create_key(node, req).await,
        Endpoint::DeleteKey => {
            node.delete_key(&req.param::<String>("id")?).await?;
            done()
        }
        Endpoint::CreateToken => create_token(node, req).await,
        Endpoint::DrainNode => change_node(node, req, NodeChange::Drain).await,
        Endpoint::ActivateNode => change_node(node, req, NodeChange::Activate).await,
        Endpoint::RemoveNode => change_node(node, req, NodeChange::Remove).await,
        Endpoint::PutFaults => put_faults(node, req).await,
        Endpoint::ListFaults => ok(&node.faults().await?),
        Endpoint::EndFault | Endpoint::EndFaults => end_faults(node, req).await,
        Endpoint::ListEntries => ok(&node.entries(store::query(&req.query)?).await?),
        _ => control::handle(node, req).await,
    }
}

async fn put_faults(node: &dyn Management, req: Authorized) -> Result<Answer> {
    let FaultRequest { faults } = json(&req.body)?;
    ok(&node.inject(faults, &req.by).await?)
}

async fn end_faults(node: &dyn Management, req: Authorized) -> Result<Answer> {
    node.end_faults(req.params.get("name").cloned(), &req.by).await?;
    done()
}

async fn remove(node: &dyn Management, req: Authorized) -> Result<Answer> {
    node.remove(&req.param("app")?, &req.by).await?;
    done()
}

fn removal(req: Authorized) -> Result<SliceRemoval> {
    Ok(SliceRemoval {
        app: req.param("app")?,
        slice: req.param("slice")?,
        force: req.query.get("force")?.unwrap_or(false),
        by: req.by,
    })
}

impl Authorized {
    /// A segment of the path, parsed.
    fn param<T: FromStr<Err: std::fmt::Display>>(&self, name: &'static str) -> Result<T> {
        let text = self.params.get(name).map(String::as_str).unwrap_or_default();
        text.parse().map_err(|error| ApiError::invalid(Code::RequestInvalid, error))
    }
}

fn ok<T: Serialize>(value: &T) -> Result<Answer> {
    answer(StatusCode::OK, value)
}

fn answer<T: Serialize>(status: StatusCode, value: &T) -> Result<Answer> {
    let body = serde_json::to_vec(value).map_err(ApiError::internal)?;
    Ok(Answer { status, body: Some((JSON, body.into())), revision: None })
}

fn done() -> Result<Answer> {
    Ok(Answer { status: StatusCode::NO_CONTENT, body: None, revision: None })
}

fn ready(reasons: Vec<String>) -> Answer {
    let status = if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let health = Health { ready: reasons.is_empty(), reasons };
    let body = serde_json::to_vec(&health).expect("strings and a bool serialise");
    Answer { status, body: Some((JSON, body.into())), revision: None }
}

async fn metrics(node: &dyn Management) -> Result<Answer> {
    let body = Some((METRICS, node.metrics().await?.into()));
    Ok(Answer { status: StatusCode::OK, body, revision: None })
}

async fn application_document(node: &dyn Management, req: Authorized) -> Result<Answer> {
    let app = req.param("app")?;
    let (version, routes) = node.application_routes(&app).await?;
    ok(&crate::application_document(&app, &version, &routes))
}

fn log_query(query: &Query) -> Result<LogQuery> {
    let limit = query.get("limit")?.unwrap_or(LOG_LINES);
    if !(1..=LOG_LINES_MAX).contains(&limit) {
        let message = format!("query: `limit` is {limit}; it must be 1 to {LOG_LINES_MAX}");
        return Err(ApiError::invalid(Code::RequestInvalid, message));
    }
    Ok(LogQuery {
        app: query.get("app")?,
        slice: query.get("slice")?,
        request_id: query.get("request-id")?,
        level: query.get("level")?.unwrap_or(LogLevel::Info),
        after: query.get("after")?,
        source: query.get("node")?.map_or(LogSource::Cluster, LogSource::Node),
        limit,
    })
}

fn target(query: &Query) -> Result<String> {
    query.get("target")?.ok_or_else(|| {
        ApiError::invalid(Code::RequestInvalid, "query: `target` is missing")
            .help("a route such as \"GET /api/orders/7\", a function, or a slice")
    })
}

async fn put_artifact(node: &dyn Management, req: Authorized) -> Result<Answer> {
    let digest = verified(&req)?;
    ok(&node.put_artifact(digest, req.body).await?)
}

async fn check_artifact(node: &dyn Management, req: Authorized) -> Result<Answer> {
    verified(&req)?;
    let description = node.describe(req.body).await?;
    ok(&CheckedArtifact { artifact: Artifact::from(&description), description })
}

/// The digest that the path names, which must be that of the body.
fn verified(req: &Authorized) -> Result<Digest> {
    let wanted: Digest = req.param("digest")?;
    let found = Digest(Sha256::digest(&req.body).into());
    if found != wanted {
        let message = format!("the body has the digest {found}, the path says {wanted}");
        return Err(ApiError::invalid(Code::DigestMismatch, message)
            .help("upload the bytes again; they changed on the way or on disk"));
    }
    Ok(wanted)
}

async fn check(node: &dyn Management, req: Authorized) -> Result<Answer> {
    let CheckRequest { apply: request, descriptions } = json(&req.body)?;
    let apply = apply(&req, request)?;
    let described = descriptions.into_iter().map(|d| (d.digest, d)).collect();
    ok(&node.check(apply, described).await?)
}

fn apply(req: &Authorized, request: ApplyRequest) -> Result<Apply> {
    let app = req.param("app")?;
    let blueprint = Blueprint::parse(&request.file, &request.blueprint)?;
    if blueprint.application.name != app {
        let name = &blueprint.application.name;
        let message = format!("the path names {app}, the blueprint names {name}");
        return Err(ApiError::invalid(Code::RequestInvalid, message));
    }
    let artifacts = bound(&blueprint, &request)?;
    let if_revision = request.if_revision.map(Revision);
    if let Some(strategy) = &request.strategy {
        strategy.validate("strategy")?;
    }
    let strategy = request.strategy.or_else(|| blueprint.rollout.strategy.clone());
    let by = req.by.clone();
    Ok(Apply { blueprint, file: request.file, artifacts, if_revision, strategy, by })
}

/// Every `file` entry has its bytes, and nothing else has.
fn bound(blueprint: &Blueprint, request: &ApplyRequest) -> Result<BTreeMap<usize, Digest>> {
    let entries = request.artifacts.iter().map(|a| (a.entry as usize, a.digest));
    let artifacts: BTreeMap<usize, Digest> = entries.collect();
    let is_file = |i: usize| blueprint.slices.get(i).is_some_and(|s| s.file.is_some());
    if let Some(i) = artifacts.keys().find(|i| !is_file(**i)) {
        let message = format!("artifacts: slices[{i}] has no `file`");
        return Err(ApiError::invalid(Code::RequestInvalid, message));
    }
    let missing = blueprint.slices.iter().enumerate().filter_map(|(i, slice)| {
        let file = slice.file.as_ref().filter(|_| !artifacts.contains_key(&i))?;
        let message = format!("nothing was uploaded for {file}");
        let place = format!("{}: slices[{i}]", request.file);
        let help = "put the bytes to /api/artifacts/{digest} and name the digest in `artifacts`";
        Some(Problem::new(Code::ArtifactMissing, place, message).help(help))
    });
    Ok(Problems(missing.collect()).or(artifacts)?)
}

fn call(req: Authorized) -> Result<Call> {
    let request: CallRequest = json(&req.body)?;
    let app = req.param("app")?;
    let params = match request.params {
        serde_json::Value::Null => serde_json::Value::Array(Vec::new()),
        params @ (serde_json::Value::Array(_) | serde_json::Value::Object(_)) => params,
        _ => {
            let message = "`params` is neither an array nor an object";
            return Err(ApiError::invalid(Code::RequestInvalid, message));
        }
    };
    Ok(Call { app, function: request.function, params, request_id: req.request_id, by: req.by })
}

async fn create_token(node: &dyn Management, req: Authorized) -> Result<Answer> {
    let TokenRequest { ttl } = json(&req.body)?;
    if !(TOKEN_TTL_MIN..=TOKEN_TTL_MAX).contains(&ttl) {
        let message = format!("a token lives {TOKEN_TTL_MIN} to {TOKEN_TTL_MAX}, not {ttl}");
        return Err(ApiError::invalid(Code::RequestInvalid, message));
    }
    answer(StatusCode::CREATED, &node.create_token(ttl, &req.by).await?)
}

async fn change_node(node: &dyn Management, req: Authorized, change: NodeChange) -> Result<Answer> {
    node.change_node(req.param("node")?, change, &req.by).await?;
    done()
}

async fn create_key(node: &dyn Management, req: Authorized) -> Result<Answer> {
    let KeyRequest { name, role } = json(&req.body)?;
    let fits = (1..=KEY_NAME_MAX).contains(&name.chars().count());
    if !fits || name.chars().any(char::is_control) {
        let message = format!("the name of a key has 1 to {KEY_NAME_MAX} printable characters");
        return Err(ApiError::invalid(Code::RequestInvalid, message));
    }
    let minted = node.create_key(MintRequest { name, role, by: req.by }).await?;
    let created = KeyCreated { key: KeyView::from(&minted.stored), secret: minted.secret };
    answer(StatusCode::CREATED, &created)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_is_not_ready_says_why() {
        let answer = ready(vec!["3 of 5 instances are active".to_owned()]);
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        let body = r#"{"ready":false,"reasons":["3 of 5 instances are active"]}"#;
        assert_eq!(answer.body, Some((JSON, body.into())));
    }
}
