//! A Forge from the other side of its HTTP. Knows its requests, not what they do.

use crate::http::{self, Answer, Request};
use crate::load::Report;
use crate::model::{
    FactorRequest, FaultOrder, FaultView, LoadRequest, NodeAction, NodeView, Overview, Refusal,
};
use serde::de::DeserializeOwned;
use std::net::SocketAddr;
use std::time::Duration;

/// As long as the longest thing takes: a node that joins a busy cluster.
const SILENCE_MAX: Duration = Duration::from_secs(120);

/// A Forge that runs in another process.
#[derive(Debug, Clone)]
pub struct Remote {
    address: SocketAddr,
    key: String,
}

/// Why it did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// It said so, with this status.
    #[error("{message}")]
    Refused { status: u16, message: String },
    #[error("failed to reach the forge at {address}: {source}")]
    Unreachable { address: SocketAddr, source: anyhow::Error },
}

type Result<T> = std::result::Result<T, RemoteError>;

impl Remote {
    /// `None` unless the URL is `http://IP:PORT`.
    pub fn new(url: &str, key: &str) -> Option<Self> {
        let address = url.strip_prefix("http://").unwrap_or(url).trim_end_matches('/');
        Some(Self { address: address.parse().ok()?, key: key.to_owned() })
    }

    pub fn overview(&self) -> Result<Overview> {
        self.ask("GET", "/forge", None)
    }

    /// Asks it to end.
    pub fn end(&self) -> Result<serde_json::Value> {
        self.ask("DELETE", "/forge", None)
    }

    pub fn nodes(&self) -> Result<Vec<NodeView>> {
        self.ask("GET", "/forge/nodes", None)
    }

    pub fn add_node(&self) -> Result<NodeView> {
        self.ask("POST", "/forge/nodes", None)
    }

    pub fn act(&self, number: usize, action: NodeAction) -> Result<NodeView> {
        self.ask("POST", &format!("/forge/nodes/{number}/{}", action.word()), None)
    }

    pub fn faults(&self) -> Result<Vec<FaultView>> {
        self.ask("GET", "/forge/faults", None)
    }

    /// All that are in force then.
    pub fn begin_fault(&self, order: &FaultOrder) -> Result<Vec<FaultView>> {
        self.ask("POST", "/forge/faults", Some(json(order)))
    }

    /// Those in force then.
    pub fn end_fault(&self, number: u64) -> Result<Vec<FaultView>> {
        self.ask("DELETE", &format!("/forge/faults/{number}"), None)
    }

    pub fn end_faults(&self) -> Result<Vec<FaultView>> {
        self.ask("DELETE", "/forge/faults", None)
    }

    pub fn load(&self) -> Result<Report> {
        self.ask("GET", "/forge/load", None)
    }

    pub fn start_load(&self, request: &LoadRequest) -> Result<Report> {
        self.ask("POST", "/forge/load", Some(json(request)))
    }

    pub fn pause_load(&self) -> Result<Report> {
        self.ask("POST", "/forge/load/pause", None)
    }

    pub fn resume_load(&self) -> Result<Report> {
        self.ask("POST", "/forge/load/resume", None)
    }

    pub fn set_load_factor(&self, factor: f64) -> Result<Report> {
        self.ask("PUT", "/forge/load/factor", Some(json(&FactorRequest { factor })))
    }

    pub fn stop_load(&self) -> Result<Report> {
        self.ask("DELETE", "/forge/load", None)
    }

    fn ask<T: DeserializeOwned>(
        &self,
        method: &str,
        path: &str,
        body: Option<String>,
    ) -> Result<T> {
        let authorization = ("authorization".to_owned(), format!("Bearer {}", self.key));
        let headers = [authorization].into();
        let request = Request { method, path, headers, body, silence_max: SILENCE_MAX };
        let address = self.address;
        let unreachable = |source| RemoteError::Unreachable { address, source };
        let Answer { status, body, .. } = http::exchange(address, &request).map_err(unreachable)?;
        if status == 200 {
            return serde_json::from_str(&body).map_err(|error| unreachable(error.into()));
        }
        let message = serde_json::from_str::<Refusal>(&body).map_or(body, |it| it.message);
        Err(RemoteError::Refused { status, message })
    }
}

fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("texts and numbers serialise")
}
