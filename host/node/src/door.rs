//! The front door's port: routes to pools, typed requests to wire bytes and back. Knows no sockets.

use crate::callee::Kept;
use crate::callee::Wish;
use crate::calls::{InvokeError, Invoked, invoke};
use crate::routing::{Patience, Route, Routes, Routing};
use aether_engine::{CallContext, HttpBody, Origin, Slice, json};
use aether_ingress::{
    Answer, Answering, Application, Call, Failure, Found, RequestBody, ResponseBody, RouteRef,
    TakesBody, TypedRequest,
};
use aether_routing::{Key, Match};
use aether_types::affinity::Affinity;
use aether_types::checked::{BoundRoute, RouteTarget};
use aether_types::description::Description;
use aether_types::slice_toml::OkStatus;
use aether_types::traffic::Sticky;
use aether_types::{CallError, Method, Revision};
use http::header::COOKIE;
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt;
use std::sync::Arc;

/// Applications of this node, as the front door sees them.
pub(crate) struct Door {
    pub(crate) routing: Routing,
}

impl Application for Door {
    fn find(&self, method: Method, path: &str, headers: &HeaderMap) -> Found {
        match self.routing.routes().find(method, path) {
            Match::Found { target, params } => {
                let chosen = self.version(target, headers, &params);
                let BoundRoute { pattern, target, .. } = &route_of(&chosen).route;
                match target {
                    RouteTarget::Handler(_) => Found::Http { route: chosen },
                    RouteTarget::Typed { binding, .. } => {
                        let body = if binding.has_body() { TakesBody::Json } else { TakesBody::No };
                        // Versions may call the same parameter by different names.
                        let params = pattern.named(params);
                        Found::Typed { route: chosen, params, body }
                    }
                }
            }
            Match::WrongMethod { allow } => Found::WrongMethod { allow },
            Match::Nothing => Found::Nothing,
        }
    }

    fn variant(&self, route: &RouteRef) -> Option<Revision> {
        Some(route_of(route).revision)
    }

    fn typed(&self, route: RouteRef, req: TypedRequest) -> Answering<'_, Result<Answer, Failure>> {
        Box::pin(async move {
            let TypedRequest { mut path, query, body, call } = req;
            let (mut way, ctx, mut patience) = (Way::of(route), context(call), None);
            loop {
                let RouteTarget::Typed { function, binding, status } = &way.route.route.target
                else {
                    unreachable!("the front door calls a typed route that it found as one")
                };
                let here = way.at_hand();
                let description = way.types(here).map_err(Failure::Call)?;
                let request = json::Request { path: &path, query: &query, body: &body };
                let callee = Invoked { callee: &way.route.callee, here, wish: way.wish() };
                let done =
                    invoke(callee, description, function, binding, request, ctx.clone()).await;
                let error = match done {
                    Ok(done) => return answer(description, done, *status),
                    Err(InvokeError::Outdated(error)) => error,
                    Err(error) => return Err(failure(error)),
                };
                let patience = patience.get_or_insert_with(|| Patience::until(ctx.deadline));
                let newer = self.routing.newer(&way.route, patience).await;
                let newer = newer.filter(|newer| reads_alike(&newer.route, &way.route.route));
                way.route = newer.ok_or(Failure::Call(error))?;
                path = way.route.route.pattern.named(path);
            }
        })
    }

    fn http(
        &self,
        route: RouteRef,
        req: http::Request<RequestBody>,
        call: Call,
    ) -> Answering<'_, Result<http::Response<ResponseBody>, CallError>> {
        Box::pin(async move {
            let mut way = Way::of(route);
            let (ctx, mut offer) = (context(call), Some(req));
            if let Some(slice) = way.at_hand() {
                match slice.offer_request(&mut offer, ctx.clone()).await {
                    Ok(response) => {
                        let body = |body: HttpBody| ResponseBody::stream(body.map_err(Into::into));
                        return Ok(response.map(body));
                    }
                    Err(error) if offer.is_none() || !error.is_temporary() => return Err(error),
                    // It was not begun: whoever else serves the route may take it.
                    Err(_) => {}
                }
            }
            let request = offer.expect("what was not begun is still there");
            let (mut kept, mut patience) = (Kept::of(request).await?, None);
            loop {
                let handled = way.route.callee.handle(&mut kept, ctx.clone(), way.wish()).await;
                let ended = match handled {
                    Ok(response) => return Ok(response.map(ResponseBody::stream)),
                    Err(ended) if ended.outdated => ended,
                    Err(ended) => return Err(ended.error),
                };
                let patience = patience.get_or_insert_with(|| Patience::until(ctx.deadline));
                let newer = self.routing.newer(&way.route, patience).await;
                let handles =
                    |newer: &Arc<Route>| matches!(newer.route.target, RouteTarget::Handler(_));
                way.route = newer.filter(handles).ok_or(ended.error)?;
            }
        })
    }
}

impl Door {
    /// The version that a request gets, its key's or the one whose turn it is, and the key by which
    /// it finds its instance.
    fn version(
        &self,
        routes: &Routes,
        headers: &HeaderMap,
        params: &[(String, String)],
    ) -> RouteRef {
        let [first, others @ ..] = &*routes.versions else { unreachable!("a route has a version") };
        let mut route = first;
        if !others.is_empty() {
            let sticky = first.sticky.as_ref();
            let sticky = sticky.and_then(|sticky| sticky_key(sticky, first, headers, params));
            let version = first.callee.version(sticky);
            let chosen = routes.versions.iter().find(|route| Ok(route.revision) == version);
            route = chosen.unwrap_or(first);
        }
        let route = Arc::clone(route);
        match affinity(&route.route, headers, params) {
            Some(key) => Arc::new(Keyed { route, key }),
            None => route,
        }
    }
}

/// A route with the key of a request to it.
struct Keyed {
    route: Arc<Route>,
    key: Key,
}

/// What the front door hands back: a route, or one with a key.
struct Way {
    route: Arc<Route>,
    affinity: Option<Key>,
}

const HANDED_BACK: &str = "the front door hands back what it got";

impl Way {
    fn of(route: RouteRef) -> Self {
        match route.downcast::<Route>() {
            Ok(route) => Self { route, affinity: None },
            Err(other) => {
                let Keyed { route, key } = other.downcast_ref().expect(HANDED_BACK);
                Self { route: Arc::clone(route), affinity: Some(*key) }
            }
        }
    }

    /// The instance of this node that can take it, whoever else is there.
    fn at_hand(&self) -> Option<&Arc<Slice>> {
        self.route.callee.at_hand().filter(|_| self.affinity.is_none())
    }

    fn wish(&self) -> Wish {
        Wish { affinity: self.affinity, ..self.route.wish }
    }

    /// The types of the slice that answers.
    fn types<'a>(&'a self, here: Option<&'a Arc<Slice>>) -> Result<&'a Description, CallError> {
        let loaded = here.map(|slice| &**slice.description());
        loaded.or_else(|| self.route.types()).ok_or_else(|| {
            CallError::Unavailable(format!("{} is on its way out", self.route.route.slice))
        })
    }
}

fn route_of(route: &RouteRef) -> &Route {
    let plain = route.downcast_ref::<Route>();
    plain.unwrap_or_else(|| &route.downcast_ref::<Keyed>().expect(HANDED_BACK).route)
}

/// Whether what was read of a request to one of them is what the other reads.
fn reads_alike(a: &BoundRoute, b: &BoundRoute) -> bool {
    match (&a.target, &b.target) {
        (RouteTarget::Typed { binding: a, .. }, RouteTarget::Typed { binding: b, .. }) => {
            a.has_body() == b.has_body()
        }
        _ => false,
    }
}

/// By what a request finds its version, if it says so.
fn sticky_key(
    sticky: &Sticky,
    route: &Route,
    headers: &HeaderMap,
    params: &[(String, String)],
) -> Option<Key> {
    match sticky {
        Sticky::Header(name) => headers.get(name).map(|value| Key::of(value.as_bytes())),
        Sticky::Cookie(name) => cookie(headers, name).map(|value| Key::of(value.as_bytes())),
        Sticky::Key => affinity(&route.route, headers, params),
    }
}

/// By what a request finds its instance, if its route says so and the request has it.
pub(crate) fn affinity(
    route: &BoundRoute,
    headers: &HeaderMap,
    params: &[(String, String)],
) -> Option<Key> {
    match route.affinity.as_ref()? {
        Affinity::Header(name) => headers.get(name).map(|value| Key::of(value.as_bytes())),
        Affinity::Cookie(name) => cookie(headers, name).map(|value| Key::of(value.as_bytes())),
        Affinity::Path(name) => {
            // Versions may call the same segment by different names.
            let values = route.pattern.params().zip(params.iter().map(|(_, value)| value));
            let named = values.into_iter().find(|(param, _)| param == name);
            named.map(|(_, value)| Key::of(value.as_bytes()))
        }
        Affinity::Param(_) => unreachable!("a route has no key of a function"),
    }
}

/// The value of a cookie (RFC 6265, 4.2.1).
fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let texts = headers.get_all(COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let mut pairs = texts.flat_map(|text| text.split(';')).filter_map(|pair| pair.split_once('='));
    pairs.find(|(known, _)| known.trim() == name).map(|(_, value)| value.trim())
}

fn context(call: Call) -> CallContext {
    let origin = Origin {
        trace_parent: Some(call.trace_parent),
        variant: call.variant,
        ..Origin::anonymous(call.request_id)
    };
    CallContext::edge(Arc::new(origin), call.deadline)
}

/// The function's answer as the front door writes it.
fn answer(
    description: &Description,
    answer: json::Answer,
    status: Option<OkStatus>,
) -> Result<Answer, Failure> {
    match answer {
        json::Answer::Value(json) => {
            let usual = if json.is_some() { StatusCode::OK } else { StatusCode::NO_CONTENT };
            let given = status.and_then(|s| StatusCode::from_u16(s.get() as u16).ok());
            Ok(Answer::Good { status: given.unwrap_or(usual), json })
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
        InvokeError::Call(error) | InvokeError::Outdated(error) => Failure::Call(error),
        InvokeError::Input(error) => {
            let message = format!("wanted {}, found {}", error.wanted, error.found);
            Failure::Input { place: error.path, message }
        }
    }
}
