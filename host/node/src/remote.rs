//! Calls between nodes: what travels, and both ends of it. Knows no plan and no sockets.

mod chunks;
mod http;

use crate::network::{Kind, Network};
use crate::routing::Routing;
use crate::tasks::Tasks;
use aether_engine::{CallContext, Origin, RemoteSlice, Slice};
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
/// Answers with a `CallError`.
const FAILED: u32 = 1;
/// Does not know what is asked for.
const UNKNOWN: u32 = 2;

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
    may_repeat: bool,
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
                Err(Attempt { error, may_repeat }) if may_repeat || idempotent => {
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

impl RemoteSlice for Remote {
    fn call(
        self: Arc<Self>,
        interface: &InterfaceName,
        function: &str,
        args: Vec<u8>,
        ctx: CallContext,
    ) -> BoxFuture<'static, Result<Vec<u8>, CallError>> {
        let function = FunctionName { interface: interface.clone(), function: function.to_owned() };
        Box::pin(async move { self.invoke(&function, &args, ctx, true).await })
    }
}

fn answered(response: Response) -> Result<Vec<u8>, Attempt> {
    match response.status {
        ANSWERED => Ok(response.body.into()),
        FAILED => {
            let error = postcard::from_bytes(&response.body)
                .unwrap_or_else(|_| CallError::Other("a node answered with garbage".to_owned()));
            // Refused before it was begun: another instance may have room.
            let may_repeat = matches!(error, CallError::Unavailable(_) | CallError::Overloaded(_));
            let final_answer = matches!(error, CallError::DeadlineExceeded | CallError::Denied(_));
            Err(Attempt { may_repeat: may_repeat && !final_answer, error })
        }
        _ => {
            let error =
                CallError::Other("a node of another version does not know calls".to_owned());
            Err(Attempt { error, may_repeat: true })
        }
    }
}

fn failed(failure: &CallFailure) -> Attempt {
    let may_repeat = !failure.may_have_started();
    let error = match failure {
        CallFailure::Deadline { .. } => CallError::DeadlineExceeded,
        CallFailure::Overloaded { .. } => CallError::Overloaded(None),
        other => CallError::Unavailable(other.to_string()),
    };
    Attempt { error, may_repeat }
}

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
            match this.answer(&request).await {
                Ok(answer) => Response { status: ANSWERED, body: answer.into() },
                Err(error) => failure(&error),
            }
        })
    }

    async fn answer(&self, request: &Request) -> Result<Vec<u8>, CallError> {
        let (head, args) = read(&request.body)?;
        let CallHead { callee, function, context } = head;
        let slice = self.slice(&callee)?;
        let place = slice.find(&function).ok_or_else(|| {
            CallError::Unavailable(format!("{} has no {function}", callee.instance.coordinates))
        })?;
        slice.call(place, args.to_vec(), context.until(request.deadline)).await
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

fn failure(error: &CallError) -> Response {
    let body = postcard::to_extend(error, Vec::new());
    Response { status: FAILED, body: body.expect("values in memory serialise").into() }
}

pub(crate) fn unknown_kind(kind: u32) -> Response {
    Response { status: UNKNOWN, body: Bytes::from(format!("requests of kind {kind}")) }
}
