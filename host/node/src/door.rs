//! The front door's port: routes to pools, typed requests to wire bytes and back. Knows no sockets.

use crate::calls::{InvokeError, invoke};
use crate::routing::Routing;
use aether_engine::{CallContext, Origin, Slice, json};
use aether_ingress::{
    Answer, Answering, Application, Call, Failure, Found, RequestBody, ResponseBody, RouteRef,
    TakesBody, TypedRequest,
};
use aether_routing::{HttpRoute, Match};
use aether_types::checked::RouteTarget;
use aether_types::{CallError, Method};
use http::StatusCode;
use http_body_util::BodyExt;
use std::sync::Arc;

/// Applications of this node, as the front door sees them.
pub(crate) struct Door {
    pub(crate) routing: Routing,
}

impl Application for Door {
    fn find(&self, method: Method, path: &str) -> Found {
        let table = self.routing.table();
        match table.http.find(method, path) {
            Match::Found { target, params } => {
                let route: RouteRef = Arc::<HttpRoute>::clone(target);
                match &target.route.target {
                    RouteTarget::Handler(_) => Found::Http { route },
                    RouteTarget::Typed { binding, .. } => {
                        let body = if binding.has_body() { TakesBody::Json } else { TakesBody::No };
                        Found::Typed { route, params, body }
                    }
                }
            }
            Match::WrongMethod { allow } => Found::WrongMethod { allow },
            Match::Nothing => Found::Nothing,
        }
    }

    fn typed(&self, route: RouteRef, req: TypedRequest) -> Answering<'_, Result<Answer, Failure>> {
        Box::pin(async move {
            let route = http_route(&route);
            let RouteTarget::Typed { function, binding, status } = &route.route.target else {
                unreachable!("the front door calls a typed route that it found as one")
            };
            let slice = self.slice(route).map_err(Failure::Call)?;
            let request = json::Request { path: &req.path, query: &req.query, body: &req.body };
            let invoked = invoke(&slice, function, binding, request, context(req.call)).await;
            let good = status.and_then(|s| StatusCode::from_u16(s.get() as u16).ok());
            answer(&slice, invoked.map_err(failure)?, good)
        })
    }

    fn http(
        &self,
        route: RouteRef,
        req: http::Request<RequestBody>,
        call: Call,
    ) -> Answering<'_, Result<http::Response<ResponseBody>, CallError>> {
        Box::pin(async move {
            let slice = self.slice(http_route(&route))?;
            let response = slice.handle(req, context(call)).await?;
            Ok(response.map(|body| ResponseBody::stream(body.map_err(Into::into))))
        })
    }
}

impl Door {
    fn slice(&self, route: &HttpRoute) -> Result<Arc<Slice>, CallError> {
        self.routing.local(&route.endpoints).ok_or_else(|| {
            CallError::Unavailable(format!("no instance of {} is active", route.route.slice))
        })
    }
}

fn http_route(route: &RouteRef) -> &HttpRoute {
    route.downcast_ref().expect("the front door hands back what `find` gave it")
}

fn context(call: Call) -> CallContext {
    let origin = Origin { trace_parent: call.trace_parent, ..Origin::anonymous(call.request_id) };
    CallContext::edge(Arc::new(origin), call.deadline)
}

/// The function's answer as the front door writes it.
fn answer(
    slice: &Slice,
    answer: json::Answer,
    good: Option<StatusCode>,
) -> Result<Answer, Failure> {
    match answer {
        json::Answer::Value(json) => {
            let usual = if json.is_some() { StatusCode::OK } else { StatusCode::NO_CONTENT };
            Ok(Answer::Good { status: good.unwrap_or(usual), json })
        }
        json::Answer::Error { case, payload } => {
            let status = slice.description().settings.error_status(&case);
            let status = StatusCode::from_u16(status).expect("statuses are 400 to 599");
            Ok(Answer::Refused { status, case, payload })
        }
        json::Answer::Failed(error) => Err(Failure::Call(error)),
    }
}

fn failure(error: InvokeError) -> Failure {
    match error {
        InvokeError::Call(error) => Failure::Call(error),
        InvokeError::Input(error) => {
            let message = format!("wanted {}, found {}", error.wanted, error.found);
            Failure::Input { place: error.path, message }
        }
    }
}
