//! The live feed: one picture that is kept up to date while somebody looks, and those who look.
//! Knows no endpoint and nothing of what the picture shows.

mod history;
mod patch;
mod session;

use crate::auth::Principal;
use crate::error::ApiError;
use crate::management::{LogQuery, Management};
use crate::model::{
    GraphEdge, Live, LivePicture, LiveViewer, LogLevel, LogLine, LogSource, rfc3339,
};
use crate::threads::Workers;
use aether_types::ErrorKind;
use aether_types::code::Code;
use history::{History, Next, Place};
use http::{HeaderMap, header};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::{Semaphore, watch};
use warp::ws::Ws;

/// The picture is not older than this while somebody looks.
const FRESH: Duration = Duration::from_millis(500);
/// Browsers that look at the same time. Each costs a socket and, while it is sent, one message.
const CLIENTS_MAX: usize = 128;
/// Sockets whose client has not shown a key yet.
const STRANGERS_MAX: usize = 64;
/// Largest message of a client: a key and a place.
const HELLO_BYTES_MAX: usize = 4 << 10;
/// Newest lines of the log that are searched for events, and events that are shown.
const LOG_LINES_SEARCHED: usize = 400;
const EVENTS_MAX: usize = 60;

/// What all sessions of one server share.
pub(crate) struct Feed {
    node: Arc<dyn Management>,
    workers: Workers,
    history: Mutex<History>,
    /// One looks at the node at a time, for all.
    turn: Semaphore,
    clients: Arc<Semaphore>,
    strangers: Arc<Semaphore>,
    /// Closed when the server stops.
    closing: watch::Receiver<()>,
}

impl Feed {
    /// `epoch` tells this run of the server from others.
    pub(crate) fn new(
        node: Arc<dyn Management>,
        workers: Workers,
        epoch: String,
        closing: watch::Receiver<()>,
    ) -> Arc<Self> {
        Arc::new(Self {
            node,
            workers,
            history: Mutex::new(History::new(epoch)),
            turn: Semaphore::new(1),
            clients: Arc::new(Semaphore::new(CLIENTS_MAX)),
            strangers: Arc::new(Semaphore::new(STRANGERS_MAX)),
            closing,
        })
    }

    /// Answers the request for a socket; the session asks for the key itself.
    ///
    /// # Errors
    /// A page of another origin asks, or too many have not shown a key yet.
    pub(crate) fn upgrade(
        self: Arc<Self>,
        ws: Ws,
        headers: &HeaderMap,
    ) -> Result<warp::reply::Response, ApiError> {
        check_origin(headers)?;
        let waiting = self.strangers.clone().try_acquire_owned().map_err(|_| {
            ApiError::new(ErrorKind::Exhausted, Code::Overloaded, "too many sockets without a key")
                .help("GET /api/live says the same")
        })?;
        let ws = ws.max_message_size(HELLO_BYTES_MAX).max_frame_size(HELLO_BYTES_MAX);
        let reply = ws.on_upgrade(|socket| session::run(self, socket, waiting));
        Ok(warp::Reply::into_response(reply))
    }

    /// Returns when no session is left that had shown its key.
    pub(crate) async fn ended(&self) {
        // It is never closed.
        let _ = self.clients.acquire_many(CLIENTS_MAX as u32).await;
    }

    /// Looks at the node, unless somebody just did.
    async fn refresh(&self) -> Result<(), ApiError> {
        let _turn = self.turn.acquire().await.map_err(ApiError::internal)?;
        if self.history().seen.is_some_and(|seen| seen.elapsed() < FRESH) {
            return Ok(());
        }
        let node = self.node.clone();
        let look =
            async move { serde_json::to_value(take(&*node).await?).map_err(ApiError::internal) };
        let picture = self.workers.run(look).await?;
        self.history().push(Instant::now(), now(), picture);
        Ok(())
    }

    /// What a client at this place has not seen yet.
    fn since(&self, place: Option<&Place>) -> Next {
        self.history().since(place)
    }

    fn history(&self) -> MutexGuard<'_, History> {
        // Nothing that holds it can panic half-way.
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One look, for who asks without a socket.
pub(crate) async fn look(node: &dyn Management, by: &Principal) -> Result<Live, ApiError> {
    Ok(Live { at: now(), viewer: LiveViewer::from(by), picture: take(node).await? })
}

/// The node as it is now.
async fn take(node: &dyn Management) -> Result<LivePicture, ApiError> {
    let status = node.status().await?;
    let (nodes, applications) = (node.nodes().await?, node.applications().await?);
    let rollouts = node.rollouts().await?;
    let own = status.node.id.parse().map_err(ApiError::internal)?;
    let query = LogQuery {
        app: None,
        slice: None,
        request_id: None,
        level: LogLevel::Info,
        after: None,
        source: LogSource::Node(own),
        limit: LOG_LINES_SEARCHED,
    };
    let events = node.logs(query).await?.lines.into_iter().rev().filter(is_event);
    let failing = status.tasks.into_iter().filter_map(|task| Some((task.name, task.error?)));
    Ok(LivePicture {
        node: status.node.id,
        not_ready: node.not_ready(),
        cluster: status.cluster,
        raft: status.raft,
        notes: status.notes,
        failing_tasks: failing.collect(),
        nodes: nodes.into_iter().map(|node| (node.id.clone(), node)).collect(),
        applications: applications.into_iter().map(|a| (a.name.to_string(), a)).collect(),
        rollouts: rollouts.into_iter().map(|r| (r.app.to_string(), r)).collect(),
        alerts: node.alerts().await?.alerts.into_iter().map(|a| (a.id.to_string(), a)).collect(),
        calls: node.graph(None).await?.edges.into_iter().map(named).collect(),
        events: events.take(EVENTS_MAX).map(|line: LogLine| (line.seq.to_string(), line)).collect(),
    })
}

/// An edge under words that tell it from others. Rates fade without end; without their last digits
/// they come to rest, and with them what has to be sent.
fn named(edge: GraphEdge) -> (String, GraphEdge) {
    let GraphEdge { app, callee, version, function, caller, .. } = &edge;
    let caller = caller.as_deref().unwrap_or("outside");
    let name = format!("{app} {callee} {version} {function} {caller}");
    let round = |rate: f64| (rate * 1e3).round() / 1e3;
    let calls_per_second = round(edge.calls_per_second);
    let failures_per_second = round(edge.failures_per_second);
    (name, GraphEdge { calls_per_second, failures_per_second, ..edge })
}

/// What slices say is theirs; who asks for what, and each single link, would hide what happens.
fn is_event(line: &LogLine) -> bool {
    let hidden = ["aether_api", "aether_transport"];
    line.slice.is_none() && !hidden.iter().any(|target| line.target.starts_with(target))
}

/// RFC 3339.
fn now() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    rfc3339(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Pages of other origins may not even try. Programs send no origin; they need a key all the same.
fn check_origin(headers: &HeaderMap) -> Result<(), ApiError> {
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
    let own = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let origin = origin.to_str().unwrap_or_default();
    let host = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    if host.is_some() && host == own {
        return Ok(());
    }
    let message = format!("pages of {origin:?} may not open a socket here");
    Err(ApiError::new(ErrorKind::Denied, Code::ForeignOrigin, message)
        .help("open the dashboard at the address of the node itself"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_own_pages_open_sockets() {
        let check = |origin: Option<&str>, host: Option<&str>| {
            let mut headers = HeaderMap::new();
            let pairs = [(header::ORIGIN, origin), (header::HOST, host)];
            for (name, value) in pairs.into_iter().filter_map(|(n, v)| Some((n, v?))) {
                headers.insert(name, value.parse().unwrap());
            }
            check_origin(&headers).is_ok()
        };
        assert!(check(None, Some("node:8080")));
        assert!(check(Some("http://node:8080"), Some("node:8080")));
        assert!(check(Some("https://node:8080"), Some("node:8080")));
        assert!(!check(Some("http://node:8081"), Some("node:8080")));
        assert!(!check(Some("http://evil"), Some("node:8080")));
        assert!(!check(Some("http://node:8080.evil"), Some("node:8080")));
        assert!(!check(Some("null"), Some("node:8080")));
        assert!(!check(Some("null"), None));
    }
}
