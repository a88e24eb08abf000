//! Finds the route of a request. Knows no bodies.
//!
//! Above everything that reads the body: 404 and 405 cost the client no upload.

use crate::door::Shared;
use crate::port::Found;
use crate::problem::{Extra, Refusal};
use aether_types::{Method, code::Code};
use http::StatusCode;
use http::request::Parts;

/// A typed route, a handler, or the methods that OPTIONS asks for; anything else is refused.
pub(super) fn route(door: &Shared, head: &Parts) -> Result<Found, Refusal> {
    let (method, path) = (Method::of_request(head.method.as_str()), head.uri.path());
    let found = match door.app.find(method, path, &head.headers) {
        // HEAD is GET without the body, where nobody says otherwise.
        Found::WrongMethod { allow } if method == Method::Head && allow.contains(&Method::Get) => {
            door.app.find(Method::Get, path, &head.headers)
        }
        found => found,
    };
    match found {
        Found::WrongMethod { allow } if method != Method::Options => {
            let detail = "no route has this path with this method";
            let refusal =
                Refusal::new(StatusCode::METHOD_NOT_ALLOWED, Code::MethodNotAllowed, detail);
            Err(refusal.with(Extra::Allow(allow)))
        }
        Found::Nothing => {
            let detail = "no deployed application has a route for this path";
            Err(Refusal::new(StatusCode::NOT_FOUND, Code::UnknownEndpoint, detail))
        }
        found => Ok(found),
    }
}
