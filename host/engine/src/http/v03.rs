//! HTTP requests into the `wasi:http` 0.3 handler of a component. Knows no routes and no sockets.
//!
//! One request at a time, as with 0.2: the instance works on it until all of its tasks have ended
//! and its body was read, because nothing of a component moves while its store is not polled.

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
use wasmtime::component::{Accessor, Resource, TypedFunc};
use wasmtime::{Result, Store};
use wasmtime_wasi_http::p3::bindings::http::types::ErrorCode;
use wasmtime_wasi_http::p3::{Request, Response};
use wasmtime_wasi_http::{Error as HttpError, WasiBody, WasiHttpView};

/// The function that a component exports to take requests.
pub(crate) type Handler =
    TypedFunc<(Resource<Request>,), (std::result::Result<Resource<Response>, ErrorCode>,)>;

/// What became of the body of the request.
type Received = Pin<Box<dyn Future<Output = std::result::Result<(), HttpError>> + Send>>;

/// A body that tells when nobody wants more of it.
struct Watched {
    body: WasiBody,
    /// Dropped at the end of the body.
    wanted: Option<oneshot::Sender<()>>,
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
    let (request, received) = accessor.with(|mut store| {
        let http = store.data_mut().http();
        let (request, received) = Request::from_http(http.hooks, request);
        let received: Received = Box::pin(received);
        Ok::<_, wasmtime::Error>((http.table.push(request)?, received))
    })?;
    let (answer,) = handler.call_concurrent(accessor, (request,)).await?;
    let answer =
        answer.map_err(|code| CallError::CalleeFailed(format!("it answered with {code:?}")))?;
    let response = accessor.with(|mut store| {
        let response = store.data_mut().http().table.delete(answer)?;
        response.into_http(&mut store, received)
    })?;
    let (wanted, unwanted) = oneshot::channel();
    let watched = |body| Watched { body, wanted: Some(wanted) }.boxed_unsync();
    // Nobody may wait for it any more; the guest still goes on to its end.
    let _ = tx.send(Ok(response.map(watched)));
    poll_fn(|cx| accessor.poll_no_interesting_tasks(cx)).await;
    let _ = unwanted.await;
    Ok(())
}

impl Body for Watched {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<Frame<Bytes>, HttpError>>> {
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
