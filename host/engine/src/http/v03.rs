//! HTTP requests into the `wasi:http` 0.3 handler of a component. Knows no routes and no sockets.
//!
//! Nothing of a component moves while its store is not polled: an instance works on a request until
//! its body was read, and one that has no other call until all of its tasks have ended.

use super::Head;
use crate::HostState;
use aether_types::CallError;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::oneshot;
use wasmtime::component::{Accessor, GuestTaskId, Resource, TypedFunc};
use wasmtime::{Result, Store};
use wasmtime_wasi_http::p3::bindings::http::types::ErrorCode;
use wasmtime_wasi_http::p3::{Request, Response};
use wasmtime_wasi_http::{Error as HttpError, WasiBody, WasiHttpView};

/// The function that a component exports to take requests.
pub(crate) type Handler =
    TypedFunc<(Resource<Request>,), (std::result::Result<Resource<Response>, ErrorCode>,)>;

/// What became of the body of the request.
type Received = Pin<Box<dyn Future<Output = std::result::Result<(), HttpError>> + Send>>;

/// A response, and what tells that nobody wants more of its body.
pub(crate) struct Answer {
    pub(crate) response: http::Response<WasiBody>,
    pub(crate) unwanted: oneshot::Receiver<()>,
}

/// A body that tells when nobody wants more of it.
struct Watched {
    body: WasiBody,
    /// Dropped at the end of the body.
    wanted: Option<oneshot::Sender<()>>,
    /// Closed when the body ends before its time, if the instance outlives it.
    cut: Option<oneshot::Receiver<()>>,
}

/// Lets the guest answer through `tx`, and waits until it has nothing left to do.
pub(super) async fn handle(
    store: &mut Store<HostState>,
    handler: Handler,
    request: http::Request<WasiBody>,
    tx: oneshot::Sender<Head>,
) -> Result<()> {
    store.run_concurrent(async |accessor| work(accessor, handler, request, tx).await).await?
}

async fn work(
    accessor: &Accessor<HostState>,
    handler: Handler,
    request: http::Request<WasiBody>,
    tx: oneshot::Sender<Head>,
) -> Result<()> {
    let answer = answer(accessor, handler, request, None, |_, _| ()).await?;
    let Answer { response, unwanted } = answer?;
    // Nobody may wait for it any more; the guest still goes on to its end.
    let _ = tx.send(Ok(response));
    poll_fn(|cx| accessor.poll_no_interesting_tasks(cx)).await;
    let _ = unwanted.await;
    Ok(())
}

/// Lets the guest answer. Its tasks go on while `accessor`'s store is polled; the body ends when
/// `cut` closes. `started` is told which task works for the request.
///
/// # Errors
/// Outside, what stops the instance; inside, that the guest answered with an error code.
pub(crate) async fn answer(
    accessor: &Accessor<HostState>,
    handler: Handler,
    request: http::Request<WasiBody>,
    cut: Option<oneshot::Receiver<()>>,
    started: impl FnOnce(&mut HostState, GuestTaskId),
) -> Result<std::result::Result<Answer, CallError>> {
    let (call, received) = accessor.with(|mut store| {
        let http = store.data_mut().http();
        let (request, received) = Request::from_http(http.hooks, request);
        let received: Received = Box::pin(received);
        let request = http.table.push(request)?;
        let call = handler.start_call_concurrent(&mut store, (request,))?;
        started(store.data_mut(), call.task());
        Ok::<_, wasmtime::Error>((call, received))
    })?;
    let response = match handler.finish_call_concurrent(accessor, call).await?.0 {
        Ok(response) => response,
        Err(code) => {
            let message = format!("it answered with {code:?}");
            return Ok(Err(CallError::CalleeFailed(message)));
        }
    };
    let response = accessor.with(|mut store| {
        let response = store.data_mut().http().table.delete(response)?;
        response.into_http(&mut store, received)
    })?;
    let (wanted, unwanted) = oneshot::channel();
    let watched = |body| Watched { body, wanted: Some(wanted), cut }.boxed_unsync();
    Ok(Ok(Answer { response: response.map(watched), unwanted }))
}

impl Body for Watched {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<Frame<Bytes>, HttpError>>> {
        if let Some(cut) = &mut self.cut
            && Pin::new(cut).poll(cx).is_ready()
        {
            self.wanted = None;
            return Poll::Ready(None);
        }
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            self.wanted = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
