//! An HTTP request on its way to an instance of another node, and its response on the way back:
//! bodies stream, at the pace of their reader.

use super::chunks::{Part, PartError, Parts, write};
use super::{Attempt, Callee, Callees, Context};
use crate::network::{Network, StreamHead};
use crate::tasks::OnFailure;
use aether_engine::CallContext;
use aether_routing::{Endpoint, Started};
use aether_transport::{Class, RecvStream, SendStream, Stream, StreamError};
use aether_types::{CallError, NodeId};
use bytes::Bytes;
use futures_util::future::select;
use futures_util::{TryStreamExt, stream};
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::{Body, Frame};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, StreamBody};
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::pin::pin;
use std::time::{Duration, Instant};

/// What the reader of a response body is told when its writer fails.
pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A request without its body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HttpHead {
    callee: Callee,
    context: Context,
    left_ms: u64,
    method: String,
    uri: String,
    headers: Fields,
}

/// A response without its body, or why there is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Answer {
    Response {
        status: u16,
        headers: Fields,
    },
    /// It may have been begun.
    Failed(CallError),
    /// It was not begun.
    Refused(CallError),
}

/// A body that comes from another node, or as if it did.
pub(crate) type StreamedBody = UnsyncBoxBody<Bytes, BoxError>;

type Fields = Vec<(String, Vec<u8>)>;

/// Lets an instance of another node answer. The request stays offered until there is a link for it.
pub(crate) async fn handle<B>(
    network: &Network,
    endpoint: &Endpoint,
    offer: &mut Option<http::Request<B>>,
    ctx: &CallContext,
) -> Result<http::Response<StreamedBody>, Attempt>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Send,
{
    let request = offer.as_ref().expect("a request is offered until it begins");
    let head = HttpHead {
        callee: Callee { instance: endpoint.instance.clone(), revision: endpoint.revision },
        context: Context::of(ctx),
        left_ms: u64::try_from(ctx.remaining().as_millis()).unwrap_or(u64::MAX),
        method: request.method().to_string(),
        uri: request.uri().to_string(),
        headers: fields(request.headers()),
    };
    let head = StreamHead::Http(Box::new(head)).bytes();
    let links = network.links().expect("a node that is routed to was linked");
    let opened = links.open(endpoint.node, Class::Calls, head).await;
    let unreached = |error| Attempt { error: unavailable(&error), started: Started::No };
    let Stream { send, recv } = opened.map_err(unreached)?;
    let body = offer.take().expect("it was there a moment ago").into_body();
    // Ends with the body, or when the other end does not read any more.
    tokio::spawn(send_body(send, body));
    answered(recv, ctx.deadline).await
}

/// The response comes in while the request's body goes out.
async fn answered(
    recv: RecvStream,
    deadline: tokio::time::Instant,
) -> Result<http::Response<StreamedBody>, Attempt> {
    let begun = |error| Attempt { error, started: Started::Perhaps };
    let mut parts = Parts::new(recv);
    let head = tokio::time::timeout_at(deadline, parts.next()).await;
    let head = head.map_err(|_| begun(CallError::DeadlineExceeded))?;
    let other = |what: &str| begun(CallError::Other(what.to_owned()));
    let head = match head {
        Ok(Some((Part::Head, bytes))) => bytes,
        Ok(_) => return Err(other("a node answered without a head")),
        Err(PartError::Stream(error)) => return Err(begun(unavailable(&error))),
        Err(PartError::Garbage) => return Err(other("a node sent what is no HTTP message")),
    };
    let garbage = || other("a node answered with garbage");
    match postcard::from_bytes(&head).map_err(|_| garbage())? {
        Answer::Failed(error) => Err(begun(error)),
        Answer::Refused(error) => Err(Attempt { error, started: Started::No }),
        Answer::Response { status, headers } => {
            let mut response = http::Response::new(read_body(parts).boxed_unsync());
            *response.status_mut() = status.try_into().map_err(|_| garbage())?;
            *response.headers_mut() = header_map(headers).ok_or_else(garbage)?;
            Ok(response)
        }
    }
}

/// Serves a request that another node sent, as long as that reads: whoever waits there may go away
/// while the guest works.
pub(super) fn serve(callees: &Callees, from: NodeId, head: HttpHead, stream: Stream) {
    let this = callees.clone();
    callees.tasks.spawn("remote request", OnFailure::Log, async move {
        let unread = pin!(stream.send.unread());
        select(unread, pin!(respond(&this, from, head, stream))).await;
        Ok::<(), Infallible>(())
    });
}

async fn respond(callees: &Callees, from: NodeId, head: HttpHead, stream: Stream) {
    let Stream { mut send, recv } = stream;
    match answer(callees, from, head, recv).await {
        Ok(response) => {
            let (parts, body) = response.into_parts();
            let (status, headers) = (parts.status.as_u16(), fields(&parts.headers));
            let head = Answer::Response { status, headers };
            if write(&mut send, Part::Head, encode(&head)).await.is_ok() {
                send_body(send, body).await;
            }
        }
        Err(Attempt { error, started }) => {
            let answer = match started {
                Started::No => Answer::Refused(error),
                Started::Perhaps => Answer::Failed(error),
            };
            // The other end may have gone: nobody is left to tell.
            if write(&mut send, Part::Head, encode(&answer)).await.is_ok() {
                drop(send.finish());
            }
        }
    }
}

async fn answer(
    callees: &Callees,
    from: NodeId,
    head: HttpHead,
    recv: RecvStream,
) -> Result<http::Response<aether_engine::HttpBody>, Attempt> {
    let not_begun = |error| Attempt { error, started: Started::No };
    let slice = callees.slice(&head.callee).map_err(not_begun)?;
    let ends = (from, callees.routing.node());
    let (request, ctx) = request(ends, head, recv).map_err(not_begun)?;
    let mut offer = Some(request);
    slice.offer_request(&mut offer, ctx).await.map_err(|error| {
        let started = if offer.is_some() { Started::No } else { Started::Perhaps };
        Attempt { error, started }
    })
}

type Incoming = http::Request<StreamedBody>;

/// The request that came, between these two nodes.
fn request(
    (from, here): (NodeId, NodeId),
    head: HttpHead,
    recv: RecvStream,
) -> Result<(Incoming, CallContext), CallError> {
    let HttpHead { callee: _, context, left_ms, method, uri, headers } = head;
    let garbage = || CallError::Other("a node sent a request that makes no sense".to_owned());
    let mut request = http::Request::new(read_body(Parts::new(recv)).boxed_unsync());
    *request.method_mut() = method.parse().map_err(|_| garbage())?;
    *request.uri_mut() = uri.parse().map_err(|_| garbage())?;
    *request.headers_mut() = header_map(headers).ok_or_else(garbage)?;
    let deadline = Instant::now() + Duration::from_millis(left_ms);
    Ok((request, context.until(deadline, from, here)))
}

/// Sends a body to its end. A body that fails, and a reader that is gone, end the stream early.
async fn send_body<B>(mut send: SendStream, mut body: B)
where
    B: Body<Data = Bytes> + Send + Unpin,
    B::Error: Send,
{
    while let Some(frame) = body.frame().await {
        // Dropping the stream resets it: the reader sees that the body is not whole.
        let Some(frame) = frame.ok() else { return };
        let sent = match frame.into_data() {
            Ok(data) => write(&mut send, Part::Data, data).await,
            Err(frame) => match frame.into_trailers() {
                Ok(trailers) => write(&mut send, Part::Trailers, encode(&fields(&trailers))).await,
                Err(_) => Ok(()),
            },
        };
        if sent.is_err() {
            return;
        }
    }
    // A link that broke has told the reader.
    drop(send.finish());
}

fn read_body(parts: Parts) -> impl Body<Data = Bytes, Error = BoxError> + Send + Unpin + 'static {
    let frames = stream::try_unfold(parts, |mut parts| async move {
        let frame = match parts.next().await? {
            None => return Ok(None),
            Some((Part::Data, bytes)) => Frame::data(bytes),
            Some((Part::Trailers, bytes)) => {
                let fields = postcard::from_bytes(&bytes).map_err(|_| PartError::Garbage)?;
                Frame::trailers(header_map(fields).ok_or(PartError::Garbage)?)
            }
            Some((Part::Head, _)) => return Err(PartError::Garbage),
        };
        Ok::<_, PartError>(Some((frame, parts)))
    });
    StreamBody::new(Box::pin(frames.map_err(BoxError::from)))
}

fn fields(headers: &HeaderMap) -> Fields {
    let field =
        |(name, value): (&HeaderName, &HeaderValue)| (name.to_string(), value.as_bytes().to_vec());
    headers.iter().map(field).collect()
}

fn header_map(fields: Fields) -> Option<HeaderMap> {
    let field = |(name, value): (String, Vec<u8>)| {
        Some((name.parse::<HeaderName>().ok()?, HeaderValue::from_bytes(&value).ok()?))
    };
    let mut headers = HeaderMap::new();
    for each in fields {
        let (name, value) = field(each)?;
        headers.append(name, value);
    }
    Some(headers)
}

fn encode<T: Serialize>(value: &T) -> Bytes {
    let bytes = postcard::to_extend(value, Vec::new());
    bytes.expect("values in memory serialise into a vector").into()
}

fn unavailable(error: &StreamError) -> CallError {
    CallError::Unavailable(error.to_string())
}
