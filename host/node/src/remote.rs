//! Calls between nodes: what travels, and both ends of it. Knows no plan and no sockets.

mod chunks;
mod http;
#[cfg(test)]
mod tests;

use crate::network::{Kind, Network};
use crate::routing::Routing;
use crate::tasks::Tasks;
use aether_engine::{CallContext, Offer, Origin, Place, Slice, Urgency, Waits, Way};
use aether_routing::{Endpoint, Started};
use aether_transport::limits::FRAME_BYTES_MAX;
use aether_transport::{CallFailure, Class, Request, Response, Stream};
use aether_types::plan::InstanceKey;
use aether_types::versioned::Versioned;
use aether_types::{CallError, Coordinates, FunctionName, NodeId, RequestId, Revision};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

pub(crate) use http::{BoxError, HttpHead, StreamedBody, handle};

/// Answers with the bytes of a result.
const ANSWERED: u64 = 0;
/// Answers with a `CallError`; the call may have been begun.
const FAILED: u64 = 1;
/// Answers with a `CallError`; the call was not begun.
const REFUSED: u64 = 2;
/// Does not know what is asked for.
const UNKNOWN: u64 = 3;

/// Bits of a status that say which of these; the others are the nanoseconds for which the node
/// worked.
const STATUS_BITS: u32 = 2;

const GARBAGE: &str = "a node answered with garbage";

/// An instance, as both ends call it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Callee {
    instance: InstanceKey,
    revision: Revision,
}

/// What goes before the parameters of a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct CallHead {
    callee: Callee,
    function: FunctionName,
    context: Context,
}

/// What travels with a call; its deadline travels with the request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Context {
    request_id: RequestId,
    principal: Option<String>,
    roles: Vec<String>,
    trace_parent: Option<String>,
    variant: Option<Revision>,
    /// From somebody who looks after the cluster.
    operator: bool,
    attempt: u32,
    /// The slices that wait for the call, the first one first, and the nodes they are on; none: on
    /// the one that sends this.
    chain: Vec<(Coordinates, Option<NodeId>)>,
}

impl Versioned for CallHead {
    /// Of the answers as well.
    const FORMAT: u8 = 4;
}

impl Context {
    fn of(ctx: &CallContext) -> Self {
        let Origin { request_id, principal, roles, variant, urgency, trace_parent: _, way: _ } =
            &*ctx.origin;
        let waits = |waits: &Waits| (Coordinates::clone(&waits.slice), waits.node.map(NodeId));
        let mut chain: Vec<_> = ctx.waiting().map(waits).collect();
        chain.reverse();
        Self {
            request_id: request_id.clone(),
            principal: principal.clone(),
            roles: roles.clone(),
            trace_parent: ctx.trace_parent(),
            variant: *variant,
            operator: *urgency == Urgency::Operator,
            attempt: ctx.attempt,
            chain,
        }
    }

    /// The context as `here` has it of a call that `from` sent.
    fn until(self, deadline: std::time::Instant, from: NodeId, here: NodeId) -> CallContext {
        let Self { request_id, principal, roles, trace_parent, variant, .. } = self;
        let urgency = if self.operator { Urgency::Operator } else { Urgency::Usual };
        let chain = self.chain.into_iter().fold(None, |before, (slice, node)| {
            let node = Some(node.unwrap_or(from)).filter(|node| *node != here);
            Some(Waits::after(Arc::new(slice), node.map(|node| node.0), before))
        });
        CallContext {
            origin: Arc::new(Origin {
                request_id,
                principal,
                roles,
                trace_parent,
                variant,
                urgency,
                way: Way::default(),
            }),
            deadline: deadline.into(),
            attempt: self.attempt,
            chain,
            span: None,
        }
    }
}

/// Why one attempt failed.
pub(crate) struct Attempt {
    pub(crate) error: CallError,
    pub(crate) started: Started,
}

/// Calls a function of an instance of another node; the offer stays what it was.
pub(crate) async fn call(
    network: &Network,
    endpoint: &Endpoint,
    function: &FunctionName,
    offer: &Offer,
) -> Result<Bytes, Attempt> {
    let Offer { args, ctx } = offer;
    let head = CallHead {
        callee: Callee { instance: endpoint.instance.clone(), revision: endpoint.revision },
        function: function.clone(),
        context: Context::of(ctx),
    };
    let mut body = aether_types::versioned::encode(&head);
    body.extend_from_slice(args);
    let deadline = ctx.deadline.into_std();
    let request = Request { kind: Kind::Call as u32, deadline, body: body.into() };
    let links = network.links().expect("a node that is routed to was linked");
    let trip = ctx.origin.way.begin();
    let (outcome, worked) = match links.call(endpoint.node, Class::Calls, request).await {
        Ok(response) => answered(response),
        Err(failure) => failed(&failure),
    };
    trip.end(worked);
    outcome
}

/// What came back, and how long the other node worked for it.
type Outcome = (Result<Bytes, Attempt>, Duration);

fn answered(response: Response) -> Outcome {
    let Response { status, body } = response;
    let worked = Duration::from_nanos(status >> STATUS_BITS);
    let (error, started) = match status & ((1 << STATUS_BITS) - 1) {
        ANSWERED => return (Ok(body), worked),
        FAILED => (postcard::from_bytes(&body).ok(), Started::Perhaps),
        REFUSED => (postcard::from_bytes(&body).ok(), Started::No),
        _ => {
            let message = "a node of another version does not know calls";
            (Some(CallError::Other(message.to_owned())), Started::No)
        }
    };
    let error = error.unwrap_or_else(|| CallError::Other(GARBAGE.to_owned()));
    (Err(Attempt { error, started }), worked)
}

fn failed(failure: &CallFailure) -> Outcome {
    let started = if failure.may_have_started() { Started::Perhaps } else { Started::No };
    let (error, worked) = match failure {
        // Whoever says nothing for all of that time is slow: nobody takes it for the way.
        CallFailure::Deadline { .. } => (CallError::DeadlineExceeded, Duration::MAX),
        CallFailure::Overloaded { .. } => (CallError::Overloaded(None), Duration::ZERO),
        // It would be too long for every other node as well.
        CallFailure::TooLong { bytes, most } => {
            (too_long("arguments", *bytes, *most), Duration::ZERO)
        }
        other => (CallError::Unavailable(other.to_string()), Duration::ZERO),
    };
    (Err(Attempt { error, started }), worked)
}

/// Who takes a call, which function, with what parameters.
type Found = (Arc<Slice>, Place, Bytes, CallContext);

/// The end that takes calls of other nodes.
#[derive(Clone)]
pub(crate) struct Callees {
    pub(crate) routing: Routing,
    pub(crate) tasks: Tasks,
}

impl Callees {
    pub(crate) fn call(&self, from: NodeId, request: Request) -> BoxFuture<'static, Response> {
        let this = self.clone();
        Box::pin(async move {
            let (slice, place, args, ctx) = match this.find(from, &request) {
                Ok(found) => found,
                Err(error) => return failure(REFUSED, &error, Duration::ZERO),
            };
            let (began, origin) = (Instant::now(), Arc::clone(&ctx.origin));
            let mut offer = Some(Offer { args, ctx });
            let outcome = slice.offer(place, &mut offer).await;
            let now = Instant::now();
            let worked = (now - began).saturating_sub(origin.way.until(now));
            match outcome {
                Ok(result) => answer_with(result, worked),
                Err(error) if offer.is_some() => failure(REFUSED, &error, worked),
                Err(error) => failure(FAILED, &error, worked),
            }
        })
    }

    fn find(&self, from: NodeId, request: &Request) -> Result<Found, CallError> {
        let (head, args) = read(&request.body)?;
        let CallHead { callee, function, context } = head;
        let slice = self.slice(&callee)?;
        let place = slice.find(&function).ok_or_else(|| {
            CallError::Unavailable(format!("{} has no {function}", callee.instance.coordinates))
        })?;
        let ctx = context.until(request.deadline, from, self.routing.node());
        Ok((slice, place, request.body.slice_ref(args), ctx))
    }

    pub(crate) fn http(&self, from: NodeId, head: HttpHead, stream: Stream) {
        http::serve(self, from, head, stream);
    }

    fn slice(&self, callee: &Callee) -> Result<Arc<Slice>, CallError> {
        let Callee { instance, revision } = callee;
        self.routing.pool(instance, *revision).ok_or_else(|| {
            CallError::Unavailable(format!("{instance} is not active on this node any more"))
        })
    }
}

fn read(body: &[u8]) -> Result<(CallHead, &[u8]), CallError> {
    let garbage = || CallError::Other("a node sent a call that makes no sense".to_owned());
    let (format, rest) = body.split_first().ok_or_else(garbage)?;
    if *format != CallHead::FORMAT {
        return Err(CallError::Other(format!("calls of format {format} are not known here")));
    }
    postcard::take_from_bytes(rest).map_err(|_| garbage())
}

/// The call has run, and would give the same result elsewhere.
fn answer_with(result: Bytes, worked: Duration) -> Response {
    match result.len() {
        bytes if bytes > FRAME_BYTES_MAX => {
            failure(FAILED, &too_long("result", bytes, FRAME_BYTES_MAX), worked)
        }
        _ => response(ANSWERED, result, worked),
    }
}

fn too_long(what: &str, bytes: usize, most: usize) -> CallError {
    let message = format!("{what} of {bytes} bytes: a call to another node carries at most {most}");
    CallError::Other(message)
}

fn failure(status: u64, error: &CallError, worked: Duration) -> Response {
    let body = postcard::to_extend(error, Vec::new());
    response(status, body.expect("values in memory serialise").into(), worked)
}

fn response(status: u64, body: Bytes, worked: Duration) -> Response {
    // 146 years fit.
    let nanos = worked.as_nanos() as u64;
    Response { status: nanos << STATUS_BITS | status, body }
}

pub(crate) fn unknown_kind(kind: u32) -> Response {
    Response { status: UNKNOWN, body: Bytes::from(format!("requests of kind {kind}")) }
}
