//! Connections and requests: accepts, authenticates, limits, answers. Knows no endpoint's meaning.

use crate::auth::{Principal, Role};
use crate::body::{self, Query};
use crate::endpoint::Endpoint;
use crate::error::{ApiError, PROBLEM_JSON};
use crate::handlers::{Answer, Authorized, handle};
use crate::live::Feed;
use crate::management::Management;
use crate::threads::{Workers, on_own_thread};
use aether_dashboard::Site;
use aether_types::code::Code;
use aether_types::{ErrorKind, RequestId, Revision};
use bytes::{Buf, Bytes};
use futures_util::Stream;
use http::{HeaderMap, HeaderValue, Method, header};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use warp::Filter;
use warp::filters::path::FullPath;
use warp::reply::Response;
use warp::ws::Ws;

/// Connections at the same time: people, dashboards, and tools that keep a thousand of them busy
/// with the store. Each costs some 20 KiB; only holders of an operator's key can make one buffer a
/// large body.
const CONNECTIONS_MAX: usize = 4_096;
/// Requests at the same time on one HTTP/2 connection.
const STREAMS_MAX: u32 = 32;
/// Time for the head of a request.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// Time that requests in flight have after the server was told to stop.
const DRAIN_TIME: Duration = Duration::from_secs(5);
/// Pause after the operating system refused a connection, so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
const FIRST_KEY: &str = "the first key is in admin.key in the node's data folder";
const REQUEST_ID: &str = "x-request-id";

/// Serves the management API until `shutdown` completes, then lets requests in flight end: on a
/// thread of its own, but for what may take long, which is done on the caller's runtime.
///
/// # Errors
/// The thread cannot be started, or has panicked.
pub async fn serve(
    listener: TcpListener,
    node: Arc<dyn Management>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let workers = Workers::here();
    on_own_thread(listener, |listener| accept(listener, node, workers, shutdown)).await
}

async fn accept(
    listener: TcpListener,
    node: Arc<dyn Management>,
    workers: Workers,
    shutdown: impl Future<Output = ()>,
) {
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let (closing, closed) = watch::channel(());
    let epoch = uuid::Uuid::now_v7().simple().to_string();
    let feed = Feed::new(node.clone(), workers.clone(), epoch, closed);
    let office = Arc::new(Office { node, workers, feed });
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            _ = connections.join_next(), if !connections.is_empty() => continue,
            accepted = listener.accept(), if connections.len() < CONNECTIONS_MAX => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                connections.spawn(connection(stream, office.clone(), &graceful));
            }
            Err(error) => {
                tracing::warn!(%error, "management connection not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop((listener, closing));
    let ended = async { tokio::join!(graceful.shutdown(), office.feed.ended()) };
    if tokio::time::timeout(DRAIN_TIME, ended).await.is_err() {
        tracing::warn!("management requests cut off at shutdown");
    }
}

/// What all requests share.
struct Office {
    node: Arc<dyn Management>,
    workers: Workers,
    feed: Arc<Feed>,
}

/// One connection, until it ends.
fn connection(
    stream: TcpStream,
    office: Arc<Office>,
    graceful: &GracefulShutdown,
) -> impl Future<Output = ()> + Send + use<> {
    // People wait for small answers; where it cannot be set they are only slower.
    let _ = stream.set_nodelay(true);
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIME);
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(STREAMS_MAX);
    let service = TowerToHyperService::new(warp::service(filter(office)));
    let connection =
        builder.serve_connection_with_upgrades(TokioIo::new(stream), service).into_owned();
    let watched = graceful.watch(connection);
    async move {
        if let Err(error) = watched.await {
            tracing::debug!(error, "management connection broke");
        }
    }
}

/// Sockets, then everything else.
fn filter(office: Arc<Office>) -> impl Filter<Extract = (Response,), Error = Infallible> + Clone {
    let feed = office.feed.clone();
    let socket = warp::path!("api" / "live")
        .and(warp::ws())
        .and(warp::header::headers_cloned())
        .map(move |ws, headers| socket(feed.clone(), ws, &headers));
    socket.or(endpoints(office)).unify()
}

/// A request for a socket of the live feed; the key comes over the socket.
fn socket(feed: Arc<Feed>, ws: Ws, headers: &HeaderMap) -> Response {
    let request_id = request_id(headers);
    let answer = feed.upgrade(ws, headers);
    finish(answer.unwrap_or_else(|error| bad(&error, &request_id)), &request_id)
}

/// Pages and the API as one filter: [`Endpoint`] is the table, so that no path lives in two places.
fn endpoints(
    office: Arc<Office>,
) -> impl Filter<Extract = (Response,), Error = Infallible> + Clone {
    warp::method()
        .and(warp::path::full())
        .and(warp::query::<Vec<(String, String)>>())
        .and(warp::header::headers_cloned())
        .and(warp::body::stream())
        .then(move |method, path, query, headers, body| {
            respond(office.clone(), Asked { method, path, query, headers }, body)
        })
        .recover(unreadable)
        .unify()
}

/// What warp itself refuses: a query that is no query.
async fn unreadable(_: warp::Rejection) -> Result<Response, Infallible> {
    let error = ApiError::invalid(Code::RequestInvalid, "the query cannot be read");
    Ok(bad(&error, &request_id(&HeaderMap::new())))
}

/// A request without its body.
struct Asked {
    method: Method,
    path: FullPath,
    query: Vec<(String, String)>,
    headers: HeaderMap,
}

/// There are as many of these at a time as requests: what they carry is moved once and not kept
/// twice.
async fn respond<B: Buf>(
    office: Arc<Office>,
    mut asked: Asked,
    body: impl Stream<Item = Result<B, warp::Error>>,
) -> Response {
    let Asked { method, path, headers, .. } = &asked;
    if let Some(page) = aether_dashboard::answer(Site::Node, method, path.as_str(), headers) {
        return page.map(Into::into);
    }
    let request_id = request_id(headers);
    let result = answer(&office, &mut asked, body, &request_id).await;
    let Asked { method, path, .. } = asked;
    let response = match result {
        Ok(answer) => good(answer),
        Err(error) => {
            if error.kind == ErrorKind::Internal {
                let path = path.as_str();
                tracing::error!(%method, path, %request_id, %error, "management request failed");
            }
            bad(&error, &request_id)
        }
    };
    let (path, status) = (path.as_str(), response.status().as_u16());
    tracing::debug!(%method, path, status, %request_id, "management request answered");
    finish(response, &request_id)
}

/// What every answer of the API carries.
fn finish(mut response: Response, request_id: &RequestId) -> Response {
    let mut id = HeaderValue::from_str(request_id.as_str()).expect("it is visible ASCII");
    // No other answer has it: HTTP/2 need not remember it (RFC 7541, 7.1.3).
    id.set_sensitive(true);
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, id);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Finds the endpoint, asks who it is, reads the body, acts: nothing is buffered for strangers.
async fn answer<B: Buf>(
    office: &Office,
    asked: &mut Asked,
    body: impl Stream<Item = Result<B, warp::Error>>,
    request_id: &RequestId,
) -> Result<Answer, ApiError> {
    let Asked { method, path, query, headers } = asked;
    let (query, headers) = (std::mem::take(query), std::mem::take(headers));
    let (endpoint, params) = Endpoint::find(method, path.as_str())?;
    let by = authorize(&*office.node, endpoint, &headers)?;
    if endpoint.is_noted() {
        let (path, by) = (path.as_str(), by.name.as_str());
        tracing::info!(%method, path, by, %request_id, "management change requested");
    }
    let query = Query::new(query, endpoint.query())?;
    let request_id = request_id.clone();
    let req = Authorized { endpoint, params, query, headers, body: Bytes::new(), request_id, by };
    let time = endpoint.time_max();
    tokio::time::timeout(time, act(office, req, body)).await.unwrap_or_else(|_| {
        let message = format!("no answer within {} s", time.as_secs());
        let error = ApiError::new(ErrorKind::Unavailable, Code::DeadlineExceeded, message);
        Err(error.help("it may still happen: look with `aether status` before trying again"))
    })
}

async fn act<B: Buf>(
    office: &Office,
    mut req: Authorized,
    body: impl Stream<Item = Result<B, warp::Error>>,
) -> Result<Answer, ApiError> {
    let announced = req.headers.get(header::CONTENT_LENGTH);
    let announced = announced.and_then(|v| v.to_str().ok()?.parse().ok());
    req.body = body::read(body, announced, req.endpoint.body_max()).await?;
    if req.endpoint.is_quick() {
        return handle(&*office.node, req).await;
    }
    let node = office.node.clone();
    office.workers.run(Box::pin(async move { handle(&*node, req).await })).await
}

/// Who it is, if that is enough for the endpoint.
fn authorize(
    node: &dyn Management,
    endpoint: Endpoint,
    headers: &HeaderMap,
) -> Result<Principal, ApiError> {
    let Some(needed) = endpoint.role() else {
        return Ok(Principal { name: "anybody".to_owned(), role: Role::Viewer });
    };
    let unauthenticated = |message: &str| {
        let error = ApiError::new(ErrorKind::Denied, Code::Unauthenticated, message);
        error.help(format!("send `Authorization: Bearer KEY`; {FIRST_KEY}"))
    };
    let secret = headers
        .get(header::AUTHORIZATION)
        .ok_or_else(|| unauthenticated("this needs a key"))?
        .to_str()
        .ok()
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .ok_or_else(|| unauthenticated("the Authorization header holds no bearer key"))?
        .1;
    let by = node
        .authenticate(secret.trim())
        .ok_or_else(|| unauthenticated("the cluster does not know this key"))?;
    if by.role < needed {
        let message = format!("key {:?} has the role {}; this needs {needed}", by.name, by.role);
        return Err(ApiError::new(ErrorKind::Denied, Code::RoleTooLow, message)
            .help("ask an administrator for another key: `aether keys create NAME --role ROLE`"));
    }
    Ok(by)
}

/// The caller's id where it can be taken, else a new one.
fn request_id(headers: &HeaderMap) -> RequestId {
    let given = headers.get(REQUEST_ID).and_then(|v| v.to_str().ok()?.parse().ok());
    given.unwrap_or_else(|| {
        let id = uuid::Uuid::now_v7().hyphenated().to_string();
        id.parse().expect("a UUID is 36 visible ASCII characters")
    })
}

fn good(answer: Answer) -> Response {
    let mut response = Response::default();
    *response.status_mut() = answer.status;
    if let Some((media, body)) = answer.body {
        *response.body_mut() = body.into();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    }
    if let Some(revision) = answer.revision {
        response.headers_mut().insert(header::ETAG, etag(revision));
    }
    response
}

fn etag(revision: Revision) -> HeaderValue {
    HeaderValue::from_str(&format!("\"{}\"", revision.0)).expect("digits are visible ASCII")
}

fn bad(error: &ApiError, request_id: &RequestId) -> Response {
    let document = error.document(request_id.as_str());
    let body = serde_json::to_vec(&document).expect("strings and numbers serialise");
    let mut response = Response::new(body.into());
    *response.status_mut() = error.status();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
    if error.code == Code::Unauthenticated {
        let challenge = HeaderValue::from_static("Bearer realm=\"aether\"");
        headers.insert(header::WWW_AUTHENTICATE, challenge);
    }
    if let Some(revision) = error.revision {
        headers.insert(header::ETAG, etag(revision));
    }
    if error.code == Code::Overloaded {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}
