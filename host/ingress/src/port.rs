//! What the front door asks of the application behind it. Knows no engine and no routing policy.

use crate::body::{RequestBody, ResponseBody};
use aether_types::{CallError, Method, RequestId, Revision};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use std::any::Any;
use std::pin::Pin;
use std::sync::Arc;
use std::{future::Future, net::SocketAddr};
use tokio::time::Instant;

/// A future that is dropped, and its work with it, when the client goes away.
pub type Answering<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The applications of this node, as the front door sees them. Implemented by the node.
pub trait Application: Send + Sync + 'static {
    /// The route that takes a request. `path` is the raw path, without the query; the headers may
    /// say which version of it. Called once or twice per request: it must not block.
    fn find(&self, method: Method, path: &str, headers: &HeaderMap) -> Found;

    /// The version of its application that a route found leads to; none where there is one only
    /// that has no number.
    fn variant(&self, _route: &RouteRef) -> Option<Revision> {
        None
    }

    /// Calls the function of a typed route.
    fn typed(&self, route: RouteRef, req: TypedRequest) -> Answering<'_, Result<Answer, Failure>>;

    /// Hands a request to a component's own HTTP handler.
    fn http(
        &self,
        route: RouteRef,
        req: http::Request<RequestBody>,
        call: Call,
    ) -> Answering<'_, Result<http::Response<ResponseBody>, CallError>>;
}

/// What the application knows a route by; the front door only hands it back.
pub type RouteRef = Arc<dyn Any + Send + Sync>;

/// What a path and a method lead to.
pub enum Found {
    /// A function; the parameters of the path, percent-decoded, with their names. `body` says
    /// whether it takes one.
    Typed { route: RouteRef, params: Vec<(String, String)>, body: TakesBody },
    /// A component's own handler.
    Http { route: RouteRef },
    /// The path exists, with other methods.
    WrongMethod { allow: Vec<Method> },
    /// No route has this path.
    Nothing,
}

/// Whether a typed route reads a JSON body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TakesBody {
    Json,
    No,
}

/// What every call carries from here to its last hop.
#[derive(Debug, Clone)]
pub struct Call {
    pub request_id: RequestId,
    /// When the head of the response must be there.
    pub deadline: Instant,
    /// The `traceparent` header (W3C): the client's if it sent a valid one, else of a new trace.
    pub trace_parent: String,
    /// The version of its application that the request got; none before its route was found.
    pub variant: Option<Revision>,
    /// The other end of the connection.
    pub peer: SocketAddr,
}

impl Call {
    /// The number of the version, as logs and problem documents write it.
    pub(crate) fn variant(&self) -> Option<u64> {
        self.variant.map(|variant| variant.0)
    }

    /// The trace that the request belongs to.
    pub(crate) fn trace_id(&self) -> &str {
        &self.trace_parent[3..35]
    }
}

/// A request to a typed route, complete.
#[derive(Debug)]
pub struct TypedRequest {
    /// Parameters of the path, percent-decoded.
    pub path: Vec<(String, String)>,
    /// Pairs of the query in their order, decoded as HTML forms are.
    pub query: Vec<(String, String)>,
    /// The JSON text; empty where the route takes none.
    pub body: Bytes,
    pub call: Call,
}

/// What a function returned.
#[derive(Debug)]
pub enum Answer {
    /// A value as JSON, or none at all.
    Good { status: StatusCode, json: Option<Vec<u8>> },
    /// A business error: its case, and its payload as JSON where it has one.
    Refused { status: StatusCode, case: String, payload: Option<Vec<u8>> },
}

/// Why a typed route has no answer.
#[derive(Debug)]
pub enum Failure {
    /// The request does not fit the function's types: where (a JSON path, or the name of a path
    /// or query parameter) and what was wanted.
    Input {
        place: String,
        message: String,
    },
    Call(CallError),
}
