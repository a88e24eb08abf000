//! Calls between nodes: what travels, and both ends of it. Knows no plan and no sockets.

mod chunks;
mod http;

use crate::network::{Kind, Network};
use crate::routing::Routing;
use crate::tasks::Tasks;
use aether_engine::{CallContext, Origin, Place, RemoteSlice, Slice};
use aether_routing::Endpoint;
use aether_transport::{CallFailure, Class, Request, Response, Stream};
use aether_types::plan::InstanceKey;
use aether_types::versioned::Versioned;
use aether_types::{CallError, Coordinates, FunctionName, InterfaceName, RequestId, Revision};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

pub(crate) use http::HttpHead;

/// Instances that one call is sent to, one after the other, when they fail technically.
const ATTEMPTS_MAX: u32 = 3;

/// Answers with the bytes of a result.
const ANSWERED: u32 = 0;
/// Answers with a `CallError`; the call may have been begun.
const FAILED: u32 = 1;
/// Answers with a `CallError`; the call was not begun.
const REFUSED: u32 = 2;
/// Does not know what is asked for.
const UNKNOWN: u32 = 3;

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
    attempt: u32,
    depth: u32,
    caller: Option<Coordinates>,
}

impl Versioned for CallHead {
    const FORMAT: u8 = 1;
}

impl Context {
    fn of(ctx: &CallContext) -> Self {
        let Origin { request_id, principal, roles, trace_parent } = &*ctx.origin;
        Self {
            request_id: request_id.clone(),
            principal: principal.clone(),
            roles: roles.clone(),
            trace_parent: trace_parent.clone(),
            attempt: ctx.attempt,
            depth: ctx.depth,
            caller: ctx.caller.as_deref().cloned(),
        }
    }

    fn until(self, deadline: std::time::Instant) -> CallContext {
        let Self { request_id, principal, roles, trace_parent, attempt, depth, caller } = self;
        CallContext {
            origin: Arc::new(Origin { request_id, principal, roles, trace_parent }),
            deadline: deadline.into(),
            attempt,
            depth,
            caller: caller.map(Arc::new),
        }
    }
}

/// The instances of one slice on other nodes.
#[derive(Debug)]
pub(crate) struct Remote {
    network: Network,
    endpoints: Vec<Endpoint>,
    /// Takes them in turns.
    turn: AtomicUsize,
}

/// Why one attempt failed, and whether another instance may be asked.
struct Attempt {
    error: CallError,
    repeat: Repeat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Repeat {
    /// It was not begun.
    Yes,
    /// It may have been begun.
    IfIdempotent,
    /// Another instance would fail the same way.
    No,
}

impl Remote {
    /// None if there is no instance.
    pub(crate) fn new(network: Network, endpoints: Vec<Endpoint>) -> Option<Arc<Self>> {
        let turn = AtomicUsize::new(rand::random_range(0..endpoints.len().max(1)));
        (!endpoints.is_empty()).then(|| Arc::new(Self { network, endpoints, turn }))
    }

    /// The endpoints, beginning with the one whose turn it is.
    fn in_turn(&self) -> impl Iterator<Item = &Endpoint> {
        let first = self.turn.fetch_add(1, Relaxed) % self.endpoints.len();
        let (before, after) = self.endpoints.split_at(first);
        after.iter().chain(before).take(ATTEMPTS_MAX as usize)
    }

    /// Calls a function of the first instance that takes the call. One that may have been started
    /// is repeated only if its function allows that.
    pub(crate) async fn invoke(
        &self,
        function: &FunctionName,
        args: &[u8],
        mut ctx: CallContext,
        idempotent: bool,
    ) -> Result<Vec<u8>, CallError> {
        let mut last = None;
        for endpoint in self.in_turn() {
            match self.attempt(endpoint, function, args, &ctx).await {
                Ok(answer) => return Ok(answer),
                Err(Attempt { error, repeat: Repeat::Yes }) => last = Some(error),
                Err(Attempt { error, repeat: Repeat::IfIdempotent }) if idempotent => {
                    last = Some(error);
                }
                Err(Attempt { error, .. }) => return Err(error),
            }
            if ctx.remaining().is_zero() {
                return Err(CallError::DeadlineExceeded);
            }
            ctx.attempt += 1;
        }
        Err(last.expect("there is at least one endpoint"))
    }

    async fn attempt(
        &self,
        endpoint: &Endpoint,
        function: &FunctionName,
        args: &[u8],
        ctx: &CallContext,
    ) -> Result<Vec<u8>, Attempt> {
        let head = CallHead {
            callee: Callee { instance: endpoint.instance.clone(), revision: endpoint.revision },
            function: function.clone(),
            context: Context::of(ctx),
        };
        let mut body = aether_types::versioned::encode(&head);
        body.extend_from_slice(args);
        let deadline = ctx.deadline.into_std();
        let request = Request { kind: Kind::Call as u32, deadline, body: body.into() };
        let links = self.network.links().expect("a node that is routed to was linked");
        match links.call(endpoint.node, Class::Calls, request).await {
            Ok(response) => answered(response),
            Err(failure) => Err(failed(&failure)),
        }
    }
}

/// What one slice imports from another that runs elsewhere.
#[derive(Debug)]
pub(crate) struct RemoteImport {
    pub(crate) remote: Arc<Remote>,
    /// Functions that may not be called twice.
    pub(crate) never_repeated: Vec<FunctionName>,
}

impl RemoteSlice for RemoteImport {
    fn call(
        self: Arc<Self>,
        interface: &InterfaceName,
        function: &str,
        args: Vec<u8>,
        ctx: CallContext,
    ) -> BoxFuture<'static, Result<Vec<u8>, CallError>> {
        let function = FunctionName { interface: interface.clone(), function: function.to_owned() };
        let never = self.never_repeated.iter().any(|name| name.means(&function));
        Box::pin(async move { self.remote.invoke(&function, &args, ctx, !never).await })
    }
}

fn answered(response: Response) -> Result<Vec<u8>, Attempt> {
    let error = || {
        postcard::from_bytes(&response.body)
            .unwrap_or_else(|_| CallError::Other("a node answered with garbage".to_owned()))
    };
    match response.status {
        ANSWERED => Ok(response.body.into()),
        REFUSED => Err(Attempt { error: error(), repeat: Repeat::Yes }),
        FAILED => {
            let error = error();
            let repeat = match error {
                CallError::Unavailable(_) | CallError::Overloaded(_) => Repeat::IfIdempotent,
                _ => Repeat::No,
            };
            Err(Attempt { error, repeat })
        }
        _ => {
            let message = "a node of another version does not know calls";
            Err(Attempt { error: CallError::Other(message.to_owned()), repeat: Repeat::Yes })
        }
    }
}

fn failed(failure: &CallFailure) -> Attempt {
    let repeat = if failure.may_have_started() { Repeat::IfIdempotent } else { Repeat::Yes };
    let error = match failure {
        CallFailure::Deadline { .. } => CallError::DeadlineExceeded,
        CallFailure::Overloaded { .. } => CallError::Overloaded(None),
        other => CallError::Unavailable(other.to_string()),
    };
    Attempt { error, repeat }
}

/// Who takes a call, which function, with what parameters.
type Found<'a> = (Arc<Slice>, Place, &'a [u8], CallContext);

/// The end that takes calls of other nodes.
#[derive(Clone)]
pub(crate) struct Callees {
    pub(crate) routing: Routing,
    pub(crate) tasks: Tasks,
}

impl Callees {
    pub(crate) fn call(&self, request: Request) -> BoxFuture<'static, Response> {
        let this = self.clone();
        Box::pin(async move {
            let (slice, place, args, ctx) = match this.find(&request) {
                Ok(found) => found,
                Err(error) => return failure(REFUSED, &error),
            };
            match slice.call(place, args.to_vec(), ctx).await {
                Ok(answer) => Response { status: ANSWERED, body: answer.into() },
                Err(error) => failure(FAILED, &error),
            }
        })
    }

    fn find<'a>(&self, request: &'a Request) -> Result<Found<'a>, CallError> {
        let (head, args) = read(&request.body)?;
        let CallHead { callee, function, context } = head;
        let slice = self.slice(&callee)?;
        let place = slice.find(&function).ok_or_else(|| {
            CallError::Unavailable(format!("{} has no {function}", callee.instance.coordinates))
        })?;
        Ok((slice, place, args, context.until(request.deadline)))
    }

    pub(crate) fn http(&self, head: HttpHead, stream: Stream) {
        http::serve(self, head, stream);
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

fn failure(status: u32, error: &CallError) -> Response {
    let body = postcard::to_extend(error, Vec::new());
    Response { status, body: body.expect("values in memory serialise").into() }
}

pub(crate) fn unknown_kind(kind: u32) -> Response {
    Response { status: UNKNOWN, body: Bytes::from(format!("requests of kind {kind}")) }
}
