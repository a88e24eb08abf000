//! The way of one request through the front door, layer by layer. Knows no sockets.
//!
//! From the top: `identify` → `admit` → `check` → `route` → `typed` or `forward`. Each layer says
//! why it stands where it does; a refusal goes straight back up and becomes a problem document.

mod admit;
mod check;
mod forward;
mod identify;
mod route;
mod typed;

use crate::body::{Reply, ResponseBody};
use crate::door::Shared;
use crate::port::{Call, Found};
use crate::problem::{self, Names, Refusal};
use crate::stats::Ticket;
use aether_types::CallError;
use http::header::{ALLOW, CONTENT_LENGTH, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body::Body;
use hyper::body::Incoming;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::time::Instant;

pub use identify::begin_trace;
pub(crate) use identify::draw as draw_request_id;

pub(crate) type Answered = Response<Reply<Ticket>>;

/// Answers one request; dropping the future abandons it.
pub(crate) async fn answer(
    door: &Arc<Shared>,
    peer: SocketAddr,
    req: Request<Incoming>,
) -> Answered {
    let started = Instant::now();
    let (mut head, body) = req.into_parts();
    let time_max = door.limits.body_time_max + door.limits.answer_time_max;
    let mut identity = identify::identify(&mut head, peer, started + time_max);
    let call = &mut identity.call;
    let method = head.method.clone();
    let (res, ticket) = match admit::admit(door) {
        Ok(ticket) => (below(door, head, body, call).await, Some(ticket)),
        Err(refusal) => (Err(refusal), None),
    };
    let mut res = res.unwrap_or_else(|refusal| refusal.respond(Names::of(call)));
    identity.sign(&mut res);
    door.counters.answered(res.status());
    let call = &identity.call;
    tracing::debug!(
        request_id = %call.request_id,
        variant = call.variant(),
        trace_id = call.trace_id(),
        %method,
        status = res.status().as_u16(),
        elapsed_us = started.elapsed().as_micros() as u64,
        "request answered"
    );
    complete(res, &method, ticket)
}

async fn below(
    door: &Shared,
    mut head: Parts,
    body: Incoming,
    call: &mut Call,
) -> Result<Response<ResponseBody>, Refusal> {
    check::check(&mut head, &body, &door.limits)?;
    match route::route(door, &head)? {
        Found::Typed { route, params, body: takes } => {
            let target = typed::Target { route, params, takes };
            call.variant = door.app.variant(&target.route);
            typed::call(door, target, &head, body, call).await
        }
        Found::Http { route } => {
            call.variant = door.app.variant(&route);
            forward::forward(door, route, head, body, call).await
        }
        Found::WrongMethod { allow } => Ok(options(&allow)),
        Found::Nothing => unreachable!("route refuses this"),
    }
}

/// The answer to OPTIONS where no slice has a route for it.
fn options(methods: &[aether_types::Method]) -> Response<ResponseBody> {
    let mut res = Response::new(ResponseBody::empty());
    *res.status_mut() = StatusCode::NO_CONTENT;
    res.headers_mut().insert(ALLOW, problem::allow(methods));
    res
}

/// Takes the body away where HTTP allows none, and gives the ticket to a body that still streams.
fn complete(res: Response<ResponseBody>, method: &Method, ticket: Option<Ticket>) -> Answered {
    let (mut head, mut body) = res.into_parts();
    if method == Method::HEAD {
        if let (Some(length), None) = (body.size_hint().exact(), head.headers.get(CONTENT_LENGTH))
            && length > 0
        {
            head.headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        body = ResponseBody::empty();
    } else if matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        body = ResponseBody::empty();
    }
    // A complete body costs nobody anything: its request is over.
    let ticket = ticket.filter(|_| body.is_stream());
    Response::from_parts(head, Reply::new(body, ticket))
}

/// Logs a technical failure, here where it stops travelling, and hides its cause from the client.
fn technical(error: &CallError, call: &Call) -> Refusal {
    let (request_id, kind) = (&call.request_id, error.word());
    let (variant, trace_id) = (call.variant(), call.trace_id());
    match error {
        // Expected under load, and counted: one line per request would add to it.
        CallError::Overloaded(_) => {
            tracing::debug!(%request_id, variant, trace_id, kind, %error, "call refused");
        }
        CallError::Unavailable(_) => {
            tracing::info!(%request_id, variant, trace_id, kind, %error, "call refused");
        }
        _ => tracing::warn!(%request_id, variant, trace_id, kind, %error, "call failed"),
    }
    Refusal::call(error)
}
