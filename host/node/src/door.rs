//! The front door's port: routes to pools, typed requests to wire bytes and back. Knows no sockets.

use crate::calls::{InvokeError, invoke};
use crate::projector::Pictures;
use crate::routing::{Routing, Way};
use aether_engine::{CallContext, Origin, json};
use aether_ingress::{
    Answer, Answering, Application, Call, Failure, Found, RequestBody, ResponseBody, RouteRef,
    TakesBody, TypedRequest,
};
use aether_routing::{HttpRoute, Match};
use aether_types::checked::RouteTarget;
use aether_types::description::Description;
use aether_types::{CallError, Digest, Method};
use http::StatusCode;
use http_body_util::BodyExt;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Applications of this node, as the front door sees them.
pub(crate) struct Door {
    pub(crate) routing: Routing,
    pub(crate) pictures: Pictures,
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
            let way = self.way(route).map_err(Failure::Call)?;
            let description = self.types(&way, route).map_err(Failure::Call)?;
            let request = json::Request { path: &req.path, query: &req.query, body: &req.body };
            let ctx = context(req.call);
            let invoked = invoke(&way, &description, function, binding, request, ctx).await;
            let good = status.and_then(|s| StatusCode::from_u16(s.get() as u16).ok());
            answer(&description, invoked.map_err(failure)?, good)
        })
    }

    fn http(
        &self,
        route: RouteRef,
        req: http::Request<RequestBody>,
        call: Call,
    ) -> Answering<'_, Result<http::Response<ResponseBody>, CallError>> {
        Box::pin(async move {
            match self.way(http_route(&route))? {
                Way::Local(slice) => {
                    let response = slice.handle(req, context(call)).await?;
                    Ok(response.map(|body| ResponseBody::stream(body.map_err(Into::into))))
                }
                Way::Remote(remote) => {
                    let response = remote.handle(req, context(call)).await?;
                    Ok(response.map(ResponseBody::stream))
                }
            }
        })
    }
}

impl Door {
    fn way(&self, route: &HttpRoute) -> Result<Way, CallError> {
        self.routing.way(&route.endpoints).ok_or_else(|| {
            CallError::Unavailable(format!("no instance of {} is active", route.route.slice))
        })
    }

    /// The types of the slice that answers.
    fn types(&self, way: &Way, route: &HttpRoute) -> Result<Types, CallError> {
        if let Way::Local(slice) = way {
            return Ok(Types::Loaded(Arc::clone(slice.description())));
        }
        let picture = self.pictures.borrow();
        let checked = picture.applications.get(&route.app, route.revision);
        let slice = checked.and_then(|checked| checked.slice(&route.route.slice));
        let artifacts = Arc::clone(&picture.world.artifacts);
        let known = slice.filter(|slice| artifacts.contains_key(&slice.digest));
        known.map(|slice| Types::Stored(artifacts, slice.digest)).ok_or_else(|| {
            CallError::Unavailable(format!("{} is on its way out", route.route.slice))
        })
    }
}

/// What an artifact is: as the loaded slice knows it, or as the replicated state does.
enum Types {
    Loaded(Arc<Description>),
    Stored(Arc<BTreeMap<Digest, Description>>, Digest),
}

impl std::ops::Deref for Types {
    type Target = Description;

    fn deref(&self) -> &Description {
        match self {
            Self::Loaded(description) => description,
            Self::Stored(artifacts, digest) => &artifacts[digest],
        }
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
    description: &Description,
    answer: json::Answer,
    good: Option<StatusCode>,
) -> Result<Answer, Failure> {
    match answer {
        json::Answer::Value(json) => {
            let usual = if json.is_some() { StatusCode::OK } else { StatusCode::NO_CONTENT };
            Ok(Answer::Good { status: good.unwrap_or(usual), json })
        }
        json::Answer::Error { case, payload } => {
            let status = description.settings.error_status(&case);
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
