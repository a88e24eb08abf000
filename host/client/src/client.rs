//! One method per endpoint. Knows no retries: who calls knows whether to try again.

use crate::error::{Error, Failure};
use aether_api::{
    Application, Applications, Applied, ApplyRequest, Artifact, Artifacts, CallAnswer, CallRequest,
    CheckReport, CheckRequest, CheckedArtifact, Endpoint, Explanation, Graph, Health, KeyCreated,
    KeyRequest, Keys, LogCursor, LogLevel, LogPage, Nodes, Problem, RolloutCommand, RolloutStatus,
    Rollouts, Routes, Slices, Status, TokenCreated, TokenRequest,
};
use aether_types::{AppName, Digest, NodeId, SliceName};
use bytes::Bytes;
use reqwest::{RequestBuilder, Response, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::time::Duration;

/// Time to reach a node.
const CONNECT_TIME: Duration = Duration::from_secs(5);
/// The node ends a request itself; this is for nodes that do not.
const SPARE_TIME: Duration = Duration::from_secs(5);

/// The management API of a cluster, through any of its nodes. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Client {
    server: Url,
    key: Option<String>,
    http: reqwest::Client,
}

/// Which lines of the log. Everything that is set must match.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct LogFilter {
    pub app: Option<String>,
    pub slice: Option<String>,
    pub request_id: Option<String>,
    pub level: Option<LogLevel>,
    /// Lines after this place, a page's `next`; absent: the newest.
    pub after: Option<LogCursor>,
    /// Id of one node; absent: all members.
    pub node: Option<String>,
    pub limit: Option<u32>,
}

pub(crate) type Result<T> = std::result::Result<T, Error>;

impl Client {
    /// `server` is `http://HOST:PORT`; `key` goes into every request.
    pub fn new(server: Url, key: Option<String>) -> Self {
        // Nodes are reached directly, whatever proxy the environment names.
        let http =
            reqwest::Client::builder().connect_timeout(CONNECT_TIME).no_proxy().build().expect(
                "a client without TLS, proxy and resolver of its own needs nothing that can fail",
            );
        Self { server, key, http }
    }

    pub fn server(&self) -> &Url {
        &self.server
    }

    /// A node that is not ready says why.
    pub async fn ready(&self) -> Result<Health> {
        let action = "see whether the node is ready";
        let request = self.request(Endpoint::Ready, &[]);
        let request = request.timeout(Endpoint::Ready.time_max() + SPARE_TIME);
        let response = request.send().await.map_err(|e| self.transport(action, &e))?;
        self.read(action, response).await
    }

    pub async fn status(&self) -> Result<Status> {
        self.ask("read the status", Endpoint::Status, &[]).await
    }

    pub async fn nodes(&self) -> Result<Nodes> {
        self.ask("list the nodes", Endpoint::Nodes, &[]).await
    }

    pub async fn slices(&self) -> Result<Slices> {
        self.ask("list the slices", Endpoint::Slices, &[]).await
    }

    pub async fn routes(&self) -> Result<Routes> {
        self.ask("list the routes", Endpoint::Routes, &[]).await
    }

    pub async fn logs(&self, filter: &LogFilter) -> Result<LogPage> {
        let action = "read the log";
        let mut url = self.url(Endpoint::Logs, &[]);
        let LogFilter { app, slice, request_id, level, after, node, limit } = filter;
        let pairs = [
            ("app", app.clone()),
            ("slice", slice.clone()),
            ("request-id", request_id.clone()),
            ("level", level.map(|l| l.to_string())),
            ("after", after.as_ref().map(ToString::to_string)),
            ("node", node.clone()),
            ("limit", limit.map(|n| n.to_string())),
        ];
        for (key, value) in pairs {
            if let Some(value) = value {
                url.query_pairs_mut().append_pair(key, &value);
            }
        }
        let response = self.send(action, Endpoint::Logs, self.http.get(url)).await?;
        self.read(action, response).await
    }

    pub async fn explain(&self, target: &str) -> Result<Explanation> {
        let action = "explain it";
        let mut url = self.url(Endpoint::Explain, &[]);
        url.query_pairs_mut().append_pair("target", target);
        let response = self.send(action, Endpoint::Explain, self.http.get(url)).await?;
        self.read(action, response).await
    }

    /// Who calls what in all applications, or in one.
    pub async fn graph(&self, app: Option<&AppName>) -> Result<Graph> {
        let action = "read the graph of calls";
        let mut url = self.url(Endpoint::Graph, &[]);
        if let Some(app) = app {
            url.query_pairs_mut().append_pair("app", app.as_str());
        }
        let response = self.send(action, Endpoint::Graph, self.http.get(url)).await?;
        self.read(action, response).await
    }

    pub async fn artifacts(&self) -> Result<Artifacts> {
        self.ask("list the artifacts", Endpoint::ListArtifacts, &[]).await
    }

    /// Uploads a component; `digest` is the SHA-256 of `bytes`.
    pub async fn put_artifact(&self, digest: Digest, bytes: Bytes) -> Result<Artifact> {
        let action = format!("upload {}", digest.short());
        self.component(&action, Endpoint::PutArtifact, digest, bytes).await
    }

    /// What a component is; the cluster does not keep it.
    pub async fn check_artifact(&self, digest: Digest, bytes: Bytes) -> Result<CheckedArtifact> {
        let action = format!("check {}", digest.short());
        self.component(&action, Endpoint::CheckArtifact, digest, bytes).await
    }

    pub async fn applications(&self) -> Result<Applications> {
        self.ask("list the applications", Endpoint::ListApplications, &[]).await
    }

    pub async fn application(&self, app: &AppName) -> Result<Application> {
        self.ask(&format!("read {app}"), Endpoint::GetApplication, &[app.as_str()]).await
    }

    pub async fn apply(&self, app: &AppName, request: &ApplyRequest) -> Result<Applied> {
        self.tell(&format!("deploy {app}"), Endpoint::ApplyApplication, &[app.as_str()], request)
            .await
    }

    /// What applying would do; changes nothing.
    pub async fn check(&self, app: &AppName, request: &CheckRequest) -> Result<CheckReport> {
        let action = format!("check {app}");
        self.tell(&action, Endpoint::CheckApplication, &[app.as_str()], request).await
    }

    pub async fn remove(&self, app: &AppName) -> Result<()> {
        let action = format!("undeploy {app}");
        let endpoint = Endpoint::RemoveApplication;
        self.send(&action, endpoint, self.request(endpoint, &[app.as_str()])).await.map(drop)
    }

    /// Takes one slice out of an application; with `force`, also those that need it.
    pub async fn remove_slice(
        &self,
        app: &AppName,
        slice: &SliceName,
        force: bool,
    ) -> Result<Applied> {
        let action = format!("take {slice} out of {app}");
        let endpoint = Endpoint::RemoveSlice;
        let request = self.request(endpoint, &[app.as_str(), &slice.to_string()]);
        let request = request.query(&[("force", force)]);
        let response = self.send(&action, endpoint, request).await?;
        self.read(&action, response).await
    }

    /// The newest rollout of each application.
    pub async fn rollouts(&self) -> Result<Rollouts> {
        self.ask("list the rollouts", Endpoint::ListRollouts, &[]).await
    }

    pub async fn rollout(&self, app: &AppName) -> Result<RolloutStatus> {
        let action = format!("read the rollout of {app}");
        self.ask(&action, Endpoint::GetRollout, &[app.as_str()]).await
    }

    pub async fn command_rollout(
        &self,
        app: &AppName,
        command: RolloutCommand,
    ) -> Result<RolloutStatus> {
        let action = format!("{} the rollout of {app}", command.as_str());
        self.ask(&action, Endpoint::CommandRollout, &[app.as_str(), command.as_str()]).await
    }

    pub async fn call(&self, app: &AppName, request: &CallRequest) -> Result<CallAnswer> {
        let action = format!("call {} of {app}", request.function);
        self.tell(&action, Endpoint::CallApplication, &[app.as_str()], request).await
    }

    /// The OpenAPI document of the application's routes.
    pub async fn application_document(&self, app: &AppName) -> Result<Value> {
        let action = format!("describe the routes of {app}");
        self.ask(&action, Endpoint::ApplicationDocument, &[app.as_str()]).await
    }

    /// The OpenAPI document of the management API.
    pub async fn document(&self) -> Result<Value> {
        self.ask("describe the management API", Endpoint::Document, &[]).await
    }

    pub async fn keys(&self) -> Result<Keys> {
        self.ask("list the keys", Endpoint::ListKeys, &[]).await
    }

    pub async fn create_key(&self, request: &KeyRequest) -> Result<KeyCreated> {
        self.tell("create the key", Endpoint::CreateKey, &[], request).await
    }

    pub async fn delete_key(&self, id: &str) -> Result<()> {
        let endpoint = Endpoint::DeleteKey;
        self.send("delete the key", endpoint, self.request(endpoint, &[id])).await.map(drop)
    }

    pub async fn create_token(&self, request: &TokenRequest) -> Result<TokenCreated> {
        self.tell("create a token", Endpoint::CreateToken, &[], request).await
    }

    pub async fn drain_node(&self, node: NodeId) -> Result<()> {
        self.change_node(&format!("drain node {node}"), Endpoint::DrainNode, node).await
    }

    pub async fn activate_node(&self, node: NodeId) -> Result<()> {
        self.change_node(&format!("activate node {node}"), Endpoint::ActivateNode, node).await
    }

    pub async fn remove_node(&self, node: NodeId) -> Result<()> {
        self.change_node(&format!("remove node {node}"), Endpoint::RemoveNode, node).await
    }

    async fn change_node(&self, action: &str, endpoint: Endpoint, node: NodeId) -> Result<()> {
        let request = self.request(endpoint, &[&node.to_string()]);
        self.send(action, endpoint, request).await.map(drop)
    }

    async fn component<T: DeserializeOwned>(
        &self,
        action: &str,
        endpoint: Endpoint,
        digest: Digest,
        bytes: Bytes,
    ) -> Result<T> {
        let request = self.request(endpoint, &[&digest.to_string()]);
        let request = request.header("content-type", "application/wasm").body(bytes);
        let response = self.send(action, endpoint, request).await?;
        self.read(action, response).await
    }

    pub(crate) async fn ask<T: DeserializeOwned>(
        &self,
        action: &str,
        endpoint: Endpoint,
        params: &[&str],
    ) -> Result<T> {
        let response = self.send(action, endpoint, self.request(endpoint, params)).await?;
        self.read(action, response).await
    }

    pub(crate) async fn tell<T: DeserializeOwned>(
        &self,
        action: &str,
        endpoint: Endpoint,
        params: &[&str],
        body: &impl Serialize,
    ) -> Result<T> {
        let request = self.request(endpoint, params).json(body);
        let response = self.send(action, endpoint, request).await?;
        self.read(action, response).await
    }

    /// The address of an endpoint, its `{…}` segments filled in order and escaped.
    fn url(&self, endpoint: Endpoint, params: &[&str]) -> Url {
        let mut url = self.server.clone();
        let mut params = params.iter();
        {
            let mut path = url.path_segments_mut().expect("http addresses have a path");
            path.pop_if_empty();
            for segment in endpoint.method_and_path().1.split('/').skip(1) {
                let param = segment.starts_with('{').then(|| params.next().copied());
                let param = param.map(Option::unwrap_or_default);
                match param {
                    Some(param) if segment.ends_with("...}") => path.extend(param.split('/')),
                    param => path.push(param.unwrap_or(segment)),
                };
            }
        }
        url
    }

    pub(crate) fn request(&self, endpoint: Endpoint, params: &[&str]) -> RequestBuilder {
        self.http.request(endpoint.method_and_path().0, self.url(endpoint, params))
    }

    /// The good answer; every other one as an error.
    pub(crate) async fn send(
        &self,
        action: &str,
        endpoint: Endpoint,
        request: RequestBuilder,
    ) -> Result<Response> {
        let request = request.timeout(endpoint.time_max() + SPARE_TIME);
        let request = match &self.key {
            Some(key) => request.bearer_auth(key),
            None => request,
        };
        let response = request.send().await.map_err(|e| self.transport(action, &e))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let body = response.bytes().await.map_err(|e| self.transport(action, &e))?;
        let failure = match serde_json::from_slice::<Problem>(&body) {
            Ok(problem) => Failure::Refused(Box::new(problem)),
            Err(_) => self.broken(format!("status {status} without a problem document")),
        };
        Err(Error { action: action.to_owned(), failure })
    }

    pub(crate) async fn read<T: DeserializeOwned>(
        &self,
        action: &str,
        response: Response,
    ) -> Result<T> {
        let body = response.bytes().await.map_err(|e| self.transport(action, &e))?;
        serde_json::from_slice(&body).map_err(|error| {
            let failure =
                self.broken(format!("{error}; client and node may be of different versions"));
            Error { action: action.to_owned(), failure }
        })
    }

    pub(crate) fn bad_answer(&self, action: &str, detail: &str) -> Error {
        Error { action: action.to_owned(), failure: self.broken(detail.to_owned()) }
    }

    fn broken(&self, detail: String) -> Failure {
        Failure::Broken { server: self.address(), detail }
    }

    pub(crate) fn transport(&self, action: &str, error: &reqwest::Error) -> Error {
        let server = self.address();
        let detail = innermost(error);
        let failure = if error.is_connect() {
            Failure::Unreachable { server, detail }
        } else if error.is_timeout() {
            Failure::TimedOut { server }
        } else {
            Failure::Broken { server, detail }
        };
        Error { action: action.to_owned(), failure }
    }

    fn address(&self) -> String {
        self.server.as_str().trim_end_matches('/').to_owned()
    }
}

/// The cause at the bottom: what the operating system said.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
