//! Decides for each request of a guest whether it may go out. Knows grants, no sockets.

use crate::client::{Bounds, Client};
use crate::origin::Origin;
use aether_engine::{AppContext, CallContext};
use http::header::{Entry, HeaderName, HeaderValue};
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::Semaphore;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

/// Requests that one slice may have under way on one node, bodies included.
pub const REQUESTS_PER_SLICE_MAX: usize = 256;
/// Origins without a grant of which a slice's log speaks; each once.
pub const DENIALS_LOGGED_MAX: usize = 64;
const TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");

/// What one slice may reach.
pub struct Granted {
    client: Client,
    origins: BTreeSet<Origin>,
    under_way: Arc<Semaphore>,
    app: String,
    slice: String,
    denied: Mutex<BTreeSet<Origin>>,
}

/// One `WasmInstance` as a sender of requests.
pub struct Outbound {
    granted: Arc<Granted>,
    call: Option<CallContext>,
}

type Done = Box<dyn Future<Output = Result<(), Error>> + Send>;
type Sent = Result<(http::Response<WasiBody>, Done), Error>;

impl Granted {
    pub(crate) fn new(client: Client, origins: BTreeSet<Origin>, app: &AppContext) -> Self {
        Self {
            client,
            origins,
            under_way: Arc::new(Semaphore::new(REQUESTS_PER_SLICE_MAX)),
            app: app.app.to_string(),
            slice: app.coordinates.to_string(),
            denied: Mutex::default(),
        }
    }

    fn check(&self, uri: &http::Uri, by: &aether_engine::Origin) -> Result<(), Error> {
        let Ok(origin) = Origin::of(uri) else { return Err(Error::HttpRequestUriInvalid) };
        if self.origins.contains(&origin) {
            return Ok(());
        }
        let is_news = {
            let mut denied = self.denied.lock();
            denied.len() < DENIALS_LOGGED_MAX && denied.insert(origin.clone())
        };
        if is_news {
            tracing::warn!(
                app = self.app,
                slice = self.slice,
                request_id = %by.request_id,
                variant = by.variant_number(),
                trace_id = by.trace_id(),
                principal = by.principal_name(),
                %origin,
                "outgoing request denied: add the origin to `grants.http` of the slice"
            );
        }
        Err(Error::HttpRequestDenied)
    }
}

impl Outbound {
    pub(crate) fn new(granted: Arc<Granted>) -> Self {
        Self { granted, call: None }
    }

    /// What is sent from now on belongs to this call.
    pub(crate) fn begin(&mut self, call: &CallContext) {
        match &mut self.call {
            // Called for every host call of `wasi:http`: the same request is the usual case.
            Some(known) if Arc::ptr_eq(&known.origin, &call.origin) => {
                known.deadline = call.deadline;
            }
            other => *other = Some(call.clone()),
        }
    }

    /// Lets the request out, as part of the trace of the call unless the guest names another one.
    fn admit(
        &self,
        req: &mut http::Request<WasiBody>,
        options: Option<RequestOptions>,
    ) -> Result<Bounds, Error> {
        let Some(CallContext { origin, deadline, .. }) = &self.call else {
            return Err(Error::InternalError(Some("a request outside of a call".to_owned())));
        };
        self.granted.check(req.uri(), origin)?;
        let permit = self.granted.under_way.clone().try_acquire_owned();
        let permit = permit.map_err(|_| Error::ConnectionLimitReached)?;
        let trace = origin.trace_parent.as_deref().and_then(|t| HeaderValue::from_str(t).ok());
        if let (Some(trace), Entry::Vacant(place)) = (trace, req.headers_mut().entry(TRACE_PARENT))
        {
            place.insert(trace);
        }
        Ok(Bounds { options, deadline: *deadline, permit })
    }
}

impl WasiHttpHooks for Outbound {
    fn send_request(
        &mut self,
        mut req: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _read: Done,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        let admitted = self.admit(&mut req, options);
        let client = self.granted.client.clone();
        Box::new(async move {
            let res = client.send(req, admitted?).await?;
            // The pool drives the connection: nothing is left to wait for.
            let done: Done = Box::new(std::future::ready(Ok(())));
            Ok((res, done))
        })
    }
}
