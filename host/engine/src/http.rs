//! HTTP requests into the `wasi:http` handler of a component. Knows no routes and no sockets.
//!
//! The guest runs on the task of the request until it has answered. One that goes on after that, to
//! stream a body or to do what nobody waits for, gets a task of its own; its slot is free when it
//! ends.

mod body;
pub(crate) mod v03;

pub use body::{BodyError, HttpBody};

use crate::code::{Code, WasmInstance};
use crate::deadline::until;
use crate::joint::{Job, Joint, Reply, Work};
use crate::pool::Lease;
use crate::slice::{admit, stopped};
use crate::{CallContext, HostState, Slice};
use aether_types::CallError;
use aether_types::counts::Ending as Counted;
use aether_types::description::HttpVersion;
use body::Ending;
pub(crate) use body::Guard;
use bytes::Bytes;
use http_body::Body;
use http_body_util::BodyExt;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use tokio::sync::oneshot;
use tokio::time::Instant;
use wasmtime::AsContextMut;
use wasmtime::component::{Instance, Resource, TypedFunc};
use wasmtime_wasi_http::p2::bindings::http::types::{ErrorCode, Scheme};
use wasmtime_wasi_http::p2::types::{HostIncomingRequest, HostResponseOutparam};
use wasmtime_wasi_http::{Error as HttpError, WasiBody, WasiHttpView};

/// The function that a component exports to take requests.
#[derive(Clone, Copy)]
pub(crate) enum Handler {
    V02(HandlerV02),
    V03(v03::Handler),
}

type ArgsV02 = (Resource<HostIncomingRequest>, Resource<HostResponseOutparam>);
type HandlerV02 = TypedFunc<ArgsV02, ()>;

type Head = Result<http::Response<WasiBody>, ErrorCode>;

enum Event {
    Answered(Head),
    Ended(Result<(), CallError>),
}

impl Slice {
    /// Lets the component's own handler answer a request. Cancelled by dropping the future.
    ///
    /// # Errors
    /// When the guest did not answer: nothing of a response was made then. What happens after the
    /// head shows in the body.
    pub async fn handle<B>(
        &self,
        request: http::Request<B>,
        ctx: CallContext,
    ) -> Result<http::Response<HttpBody>, CallError>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: std::fmt::Display,
    {
        self.offer_request(&mut Some(request), ctx).await
    }

    /// The same for a request that is offered: what is still there after an error was not begun.
    ///
    /// # Errors
    /// As [`Slice::handle`].
    pub async fn offer_request<B>(
        &self,
        offer: &mut Option<http::Request<B>>,
        ctx: CallContext,
    ) -> Result<http::Response<HttpBody>, CallError>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: std::fmt::Display,
    {
        let mut take = || {
            offer.take().expect("a request is offered until it begins").map(|body| {
                let error = |error: B::Error| HttpError::InternalError(Some(error.to_string()));
                body.map_err(error).boxed_unsync()
            })
        };
        let now = Instant::now();
        if self.code.handler.is_none() {
            let message = format!("{} does not handle HTTP", self.app().coordinates);
            return Err(CallError::Unavailable(message));
        }
        // The handler comes after all functions.
        let (place, mut ctx) = (self.code.functions.len(), ctx);
        let span = self.span(place, &mut ctx, now);
        let counting = self.tally.begin(place, &ctx, now).traced(span);
        let outcome = self.serve(&mut take, ctx, now).await;
        match &outcome {
            Ok(response) => counting.end(Counted::of_status(response.status().as_u16())),
            Err(error) => counting.fail(error, offer.is_none()),
        }
        outcome
    }

    /// `request` is taken once an instance is there for it.
    async fn serve(
        &self,
        request: &mut (dyn FnMut() -> http::Request<WasiBody> + Send),
        mut ctx: CallContext,
        now: Instant,
    ) -> Result<http::Response<HttpBody>, CallError> {
        admit(&mut ctx, self.app().limits.timeout, now)?;
        if let Some(fate) = self.code.shared.tampering.fate(&self.app().coordinates.slice, None) {
            let mut suffering = Box::pin(self.suffer(fate));
            let suffered = until(ctx.deadline, suffering.as_mut()).await;
            if let Err(error) = suffered.unwrap_or(Err(CallError::DeadlineExceeded)) {
                drop(request());
                return Err(error);
            }
        }
        if let Some(joint) = &self.joint {
            return self.join(joint, request, ctx).await;
        }
        let deadline = ctx.deadline;
        let ready = async {
            let mut lease = self.lease(&ctx).await?;
            let wasm = self.code.ready(&mut lease, ctx).await?;
            Ok((lease, wasm))
        };
        let ready = until(deadline, pin!(ready)).await.unwrap_or(Err(CallError::DeadlineExceeded));
        let (lease, wasm) = ready?;
        let (tx, mut rx) = oneshot::channel();
        let ending = Arc::new(Ending::default());
        let guard = Guard::new(&ending);
        let guest = Guest { code: Arc::clone(&self.code), lease, wasm, guard };
        let mut guest = Box::pin(guest.run(request(), tx, deadline));
        let event = std::future::poll_fn(|cx| {
            if let Poll::Ready(ended) = guest.as_mut().poll(cx) {
                return Poll::Ready(Event::Ended(ended));
            }
            match Pin::new(&mut rx).poll(cx) {
                Poll::Ready(Ok(head)) => Poll::Ready(Event::Answered(head)),
                // The guest threw the outparam away: what follows from that is its own affair.
                _ => Poll::Pending,
            }
        });
        let failed = |code| CallError::CalleeFailed(format!("it answered with {code:?}"));
        match event.await {
            Event::Answered(head) => {
                tokio::spawn(guest);
                Ok(head.map_err(failed)?.map(|body| HttpBody::streaming(body, ending)))
            }
            Event::Ended(ended) => {
                ended?;
                let silent = "it returned without a response".to_owned();
                let head = rx.try_recv().map_err(|_| CallError::CalleeFailed(silent))?;
                Ok(head.map_err(failed)?.map(|body| HttpBody::written(body, ending)))
            }
        }
    }
}

impl Slice {
    /// Lets the instance that has other calls answer a request.
    async fn join(
        &self,
        joint: &Arc<Joint>,
        request: &mut (dyn FnMut() -> http::Request<WasiBody> + Send),
        ctx: CallContext,
    ) -> Result<http::Response<HttpBody>, CallError> {
        let deadline = ctx.deadline;
        let ending = Arc::new(Ending::default());
        let guard = Guard::new(&ending);
        let answered = async {
            let lease = self.lease(&ctx).await?;
            let (tx, rx) = oneshot::channel();
            let (request, reply) = (Box::new(request()), Reply::Response(tx));
            let work = Work::Handle { request, guard };
            joint.submit(Job { work, ctx, reply, lease });
            rx.await.unwrap_or_else(|_| Err(stopped()))
        };
        let answer = until(deadline, pin!(answered)).await;
        let response = answer.unwrap_or(Err(CallError::DeadlineExceeded))?;
        Ok(response.map(|body| HttpBody::streaming(body, ending)))
    }
}

/// A guest that works on a request. Fields are dropped in order: the guard before the instance,
/// whose end closes the body.
struct Guest {
    guard: Guard,
    wasm: WasmInstance,
    lease: Lease<WasmInstance>,
    code: Arc<Code>,
}

impl Guest {
    async fn run(
        mut self,
        request: http::Request<WasiBody>,
        tx: oneshot::Sender<Head>,
        deadline: Instant,
    ) -> Result<(), CallError> {
        let called = {
            let handled = pin!(self.wasm.handle(&self.code, request, tx));
            until(deadline, handled).await
        };
        called.unwrap_or(Err(CallError::DeadlineExceeded))?;
        let Self { guard, wasm, lease, code } = self;
        guard.release();
        code.keep(lease, wasm);
        Ok(())
    }
}

impl WasmInstance {
    async fn handle(
        &mut self,
        code: &Code,
        request: http::Request<WasiBody>,
        tx: oneshot::Sender<Head>,
    ) -> Result<(), CallError> {
        let handler = Handler::get(&mut self.handler, &mut self.store, &self.instance, code);
        let called = match handler {
            Ok(Handler::V02(handler)) => match self.args(request, tx) {
                Ok(args) => handler.call_async(&mut self.store, args).await,
                Err(error) => Err(error),
            },
            Ok(Handler::V03(handler)) => v03::handle(&mut self.store, handler, request, tx).await,
            Err(error) => Err(error),
        };
        called.map_err(|error| code.failure(self.store.data_mut(), error, "wasi:http"))
    }

    fn args(
        &mut self,
        request: http::Request<WasiBody>,
        tx: oneshot::Sender<Head>,
    ) -> wasmtime::Result<ArgsV02> {
        let mut http = self.store.data_mut().http();
        let request = http.new_incoming_request(Scheme::Http, request)?;
        Ok((request, http.new_response_outparam(tx)?))
    }
}

impl Handler {
    /// Looks the handler up at its first call.
    pub(crate) fn get(
        known: &mut Option<Self>,
        mut store: impl AsContextMut<Data = HostState>,
        instance: &Instance,
        code: &Code,
    ) -> wasmtime::Result<Self> {
        if let Some(known) = known {
            return Ok(*known);
        }
        let (version, index) = code.handler.as_ref().expect("only slices with a handler get here");
        Ok(*known.insert(match version {
            HttpVersion::V02 => Self::V02(instance.get_typed_func(&mut store, index)?),
            HttpVersion::V03 => Self::V03(instance.get_typed_func(&mut store, index)?),
        }))
    }
}
