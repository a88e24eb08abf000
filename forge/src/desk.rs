//! Forge's own HTTP: who may ask, which request means what, answers as JSON. Does nothing itself.

mod proxy;

use crate::forge::Shared;
use crate::model::{FactorRequest, LoadRequest, NodeAction, Refusal, Refused};
use aether_dashboard::Site;
use anyhow::Context;
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Either, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use subtle::ConstantTimeEq;
use tokio::sync::watch;

const BODY_BYTES_MAX: usize = 1 << 20;
/// Time for the head of a request.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// Pause after the operating system refused a connection, so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Time that answers have which are on their way at the end.
const LAST_ANSWERS: Duration = Duration::from_secs(1);
const JSON: &str = "application/json";

/// The server, in a thread of its own. Ends with this value.
#[derive(Debug)]
pub(crate) struct Desk {
    asked_to_end: watch::Receiver<bool>,
    open: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.open.send_replace(false);
        // Whoever closes the desk holds nothing of it any more; a panic there was told already.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// What a request needs.
#[derive(Debug)]
struct Room {
    shared: Arc<Shared>,
    key: String,
    end: watch::Sender<bool>,
}

impl Desk {
    pub(crate) fn open(
        listener: TcpListener,
        shared: Arc<Shared>,
        key: String,
    ) -> anyhow::Result<Self> {
        let (end, asked_to_end) = watch::channel(false);
        let (open, closed) = watch::channel(true);
        let room = Arc::new(Room { shared, key, end });
        listener.set_nonblocking(true)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = {
            let _entered = runtime.enter();
            tokio::net::TcpListener::from_std(listener)?
        };
        let serve = move || {
            runtime.block_on(serve(listener, room, closed));
            // What somebody still waits for ends with the nodes.
            runtime.shutdown_background();
        };
        let thread = Some(std::thread::Builder::new().name("desk".to_owned()).spawn(serve)?);
        Ok(Self { asked_to_end, open, thread })
    }

    pub(crate) async fn asked_to_end(&self) {
        // Fails if the server is gone: the end as well.
        let _ = self.asked_to_end.clone().wait_for(|asked| *asked).await;
    }
}

async fn serve(
    listener: tokio::net::TcpListener,
    room: Arc<Room>,
    mut closed: watch::Receiver<bool>,
) {
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            _ = closed.changed() => break,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let room = room.clone();
        let service = service_fn(move |request| respond(room.clone(), request));
        let mut server = auto::Builder::new(TokioExecutor::new()).http1_only();
        server.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIME);
        let connection = server.serve_connection_with_upgrades(TokioIo::new(stream), service);
        let connection = graceful.watch(connection.into_owned());
        // A connection that breaks is its client's affair.
        tokio::spawn(async move { connection.await.ok() });
    }
    // Whoever asked for the end wants to hear that it comes. Others may ask for what takes long.
    let _ = tokio::time::timeout(LAST_ANSWERS, graceful.shutdown()).await;
}

type Body = Either<Full<Bytes>, Incoming>;

async fn respond(
    room: Arc<Room>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let path = request.uri().path().to_owned();
    let is_below = |root: &str| {
        path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    if is_below("/api") {
        return Ok(proxy::pass(room.shared.nodes.clone(), request).await);
    }
    if !is_below("/forge") {
        return Ok(page(&request));
    }
    let answer = if is_allowed(request.headers(), &room.key) {
        answer(room, request, &path).await
    } else {
        let why = "this needs the key that `aether forge` printed, as `Authorization: Bearer KEY`";
        Err((StatusCode::UNAUTHORIZED, why.to_owned()))
    };
    Ok(match answer {
        Ok(value) => respond_with(StatusCode::OK, JSON, value.to_string()),
        Err((status, message)) => {
            let refusal = serde_json::to_string(&Refusal { message }).expect("text serialises");
            respond_with(status, JSON, refusal)
        }
    })
}

fn is_allowed(headers: &HeaderMap, key: &str) -> bool {
    let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| value.split_once(' '));
    given.is_some_and(|(scheme, given)| {
        scheme.eq_ignore_ascii_case("bearer") && bool::from(given.as_bytes().ct_eq(key.as_bytes()))
    })
}

/// A file of the dashboard, for everybody: it holds nothing that is not in the program.
fn page(request: &Request<Incoming>) -> Response<Body> {
    let path = request.uri().path();
    match aether_dashboard::answer(Site::Forge, request.method(), path, request.headers()) {
        Some(page) => page.map(|bytes| Either::Left(Full::new(Bytes::from_static(bytes)))),
        None => {
            let message = format!("there is nothing at {path}; the API is /forge");
            respond_with(StatusCode::NOT_FOUND, JSON, json!({ "message": message }).to_string())
        }
    }
}

fn respond_with(status: StatusCode, media: &'static str, body: String) -> Response<Body> {
    let mut response = Response::new(Either::Left(Full::new(body.into())));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

type Answer = Result<Value, (StatusCode, String)>;

/// Reads the body, then does it on a thread that may wait.
async fn answer(room: Arc<Room>, request: Request<Incoming>, path: &str) -> Answer {
    let method = request.method().clone();
    let query = request.uri().query().unwrap_or_default().to_owned();
    let body = Limited::new(request.into_body(), BODY_BYTES_MAX).collect().await;
    let body = body.map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()))?.to_bytes();
    let asked = Asked { method, path: path.to_owned(), query, body };
    let done = tokio::task::spawn_blocking(move || act(&room, &asked)).await;
    match done.context("a request panicked") {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) | Err(error) => {
            let status = match error.downcast_ref::<Refused>() {
                Some(Refused::Invalid(_)) => StatusCode::BAD_REQUEST,
                Some(Refused::NotFound(_)) => StatusCode::NOT_FOUND,
                Some(Refused::Conflict(_)) => StatusCode::CONFLICT,
                None => StatusCode::INTERNAL_SERVER_ERROR,
            };
            Err((status, format!("{error:#}")))
        }
    }
}

/// A request that has come as a whole.
struct Asked {
    method: Method,
    path: String,
    query: String,
    body: Bytes,
}

fn act(room: &Room, asked: &Asked) -> anyhow::Result<Value> {
    let Asked { method, path, query, body } = asked;
    let shared = &room.shared;
    let segments: Vec<&str> = path.split('/').skip(2).collect();
    let value = match (method.as_str(), segments.as_slice()) {
        ("GET", []) => serde_json::to_value(shared.overview())?,
        ("DELETE", []) => {
            room.end.send_replace(true);
            json!({ "ending": true })
        }
        ("GET", ["live"]) => serde_json::to_value(shared.live(since(query)?))?,
        ("GET", ["nodes"]) => serde_json::to_value(shared.nodes.views())?,
        ("POST", ["nodes"]) => serde_json::to_value(shared.add_node()?)?,
        ("POST", ["nodes", number, action]) => {
            let number = number.parse().map_err(|_| unknown(method, path))?;
            let action = NodeAction::ALL.into_iter().find(|it| it.word() == *action);
            let action = action.ok_or_else(|| unknown(method, path))?;
            serde_json::to_value(shared.act(number, action)?)?
        }
        ("GET", ["faults"]) => serde_json::to_value(shared.faults())?,
        ("POST", ["faults"]) => serde_json::to_value(shared.begin_fault(&read(body)?)?)?,
        ("DELETE", ["faults", number]) => {
            shared.end_fault(number.parse().map_err(|_| unknown(method, path))?)?;
            serde_json::to_value(shared.faults())?
        }
        ("DELETE", ["faults"]) => {
            shared.end_faults()?;
            serde_json::to_value(shared.faults())?
        }
        ("GET", ["load"]) => serde_json::to_value(shared.steer_load(|_| Ok(()))?)?,
        ("GET", ["load", "file"]) => serde_json::to_value(shared.load_request()?)?,
        ("POST", ["load"]) => {
            serde_json::to_value(shared.start_load(&read::<LoadRequest>(body)?)?)?
        }
        ("DELETE", ["load"]) => serde_json::to_value(shared.stop_load()?)?,
        ("POST", ["load", "pause"]) => serde_json::to_value(shared.steer_load(|load| {
            load.pause();
            Ok(())
        })?)?,
        ("POST", ["load", "resume"]) => serde_json::to_value(shared.steer_load(|load| {
            load.resume();
            Ok(())
        })?)?,
        ("PUT", ["load", "factor"]) => {
            let FactorRequest { factor } = read(body)?;
            serde_json::to_value(shared.steer_load(|load| {
                load.set_factor(factor).map_err(|why| Refused::Invalid(why.to_string()).into())
            })?)?
        }
        _ => return Err(unknown(method, path).into()),
    };
    Ok(value)
}

/// Milliseconds since 1970; 0: since ever.
fn since(query: &str) -> Result<u64, Refused> {
    let given = query.split('&').find_map(|pair| pair.strip_prefix("since="));
    let wrong = |_| Refused::Invalid("`since` is in milliseconds since 1970".to_owned());
    given.map_or(Ok(0), |text| text.parse().map_err(wrong))
}

fn unknown(method: &Method, path: &str) -> Refused {
    Refused::NotFound(format!("there is no {method} {path}"))
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refused> {
    serde_json::from_slice(body).map_err(|error| Refused::Invalid(format!("the body: {error}")))
}
