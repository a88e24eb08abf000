//! Passes requests for the management API on to a node that runs, and to the next one where it
//! does not answer. Knows nothing of what they mean; the node looks at the key.

use super::{Body, respond_with};
use crate::forge::Nodes;
use crate::model::ProcessState;
use anyhow::{Context, bail};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::{Either, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use serde_json::json;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;

/// A node on this machine takes a connection at once, or not at all.
const CONNECT_MAX: Duration = Duration::from_secs(1);
/// Time for the head of an answer where another node can be asked instead.
const HEAD_MAX: Duration = Duration::from_secs(5);
/// How soon a socket ends whose node has been stopped: one that is stopped says nothing.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What can be asked of one node after the other.
struct Question {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
}

pub(super) async fn pass(nodes: Arc<Nodes>, request: Request<Incoming>) -> Response<Body> {
    let (mut head, body) = request.into_parts();
    let near = head.extensions.remove::<OnUpgrade>();
    let question = Question { method: head.method, uri: head.uri, headers: head.headers };
    // What changes something is asked once: nobody knows whether it was done.
    let mut body = Some(body).filter(|_| question.method != Method::GET);
    for (number, api) in nodes.apis() {
        let Ok(connection) = connect(api).await else { continue };
        let answered = match (body.take(), question.method == Method::GET) {
            (Some(body), _) => ask(connection, &question, Either::Right(body)).await,
            (None, true) => {
                let asked = ask(connection, &question, Either::Left(Empty::new()));
                let asked = tokio::time::timeout(HEAD_MAX, asked).await;
                asked.unwrap_or_else(|_| bail!("no answer in {HEAD_MAX:?}"))
            }
            (None, false) => break,
        };
        let Ok(mut answer) = answered else { continue };
        if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
            let far = hyper::upgrade::on(&mut answer);
            if let Some(near) = near {
                tokio::spawn(tunnel(near, far, nodes.clone(), number));
            }
        }
        return answer.map(Either::Right);
    }
    nobody()
}

type Connection = http1::SendRequest<Either<Empty<Bytes>, Incoming>>;

async fn connect(api: SocketAddr) -> anyhow::Result<Connection> {
    let stream = tokio::time::timeout(CONNECT_MAX, TcpStream::connect(api)).await??;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Whoever reads the answer sees it break.
    tokio::spawn(async move { connection.with_upgrades().await.ok() });
    Ok(sender)
}

async fn ask(
    mut connection: Connection,
    question: &Question,
    body: Either<Empty<Bytes>, Incoming>,
) -> anyhow::Result<Response<Incoming>> {
    let mut request = Request::new(body);
    *request.method_mut() = question.method.clone();
    // As it came: a node compares the host with the origin of the page that asks for a socket.
    *request.uri_mut() = question.uri.clone();
    *request.headers_mut() = question.headers.clone();
    if !question.headers.contains_key(header::HOST) {
        let host = question.uri.host().context("a request names its host")?;
        request.headers_mut().insert(header::HOST, host.parse()?);
    }
    Ok(connection.send_request(request).await?)
}

/// Until one end is gone, or the node does not run any more.
async fn tunnel(near: OnUpgrade, far: OnUpgrade, nodes: Arc<Nodes>, number: usize) {
    let (Ok(near), Ok(far)) = tokio::join!(near, far) else { return };
    let (mut near, mut far) = (TokioIo::new(near), TokioIo::new(far));
    let gone = async {
        let mut look = tokio::time::interval(LOOK_EVERY);
        while nodes.process(number) == Some(ProcessState::Running) {
            look.tick().await;
        }
    };
    tokio::select! {
        // How it ended is for both ends to say.
        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
        () = gone => {}
    }
}

fn nobody() -> Response<Body> {
    let status = StatusCode::SERVICE_UNAVAILABLE;
    let problem = json!({
        "type": "urn:aether:error:unavailable",
        "title": "not possible now",
        "status": status.as_u16(),
        "code": "unavailable",
        "kind": "unavailable",
        "detail": "no node of the forge answers",
        "help": "`aether forge status` shows how they are",
    });
    respond_with(status, "application/problem+json", problem.to_string())
}
