//! One request, one answer. For what a bench asks beside its load.

use std::net::SocketAddr;

use aether_forge::http::{Request, exchange};
use anyhow::ensure;

/// The body of a good answer.
pub(crate) fn get(address: SocketAddr, path: &str) -> anyhow::Result<String> {
    good(address, &Request { method: "GET", path, ..Request::default() })
}

pub(crate) fn post(address: SocketAddr, path: &str, json: &str) -> anyhow::Result<String> {
    let body = Some(json.to_owned());
    good(address, &Request { method: "POST", path, body, ..Request::default() })
}

fn good(address: SocketAddr, request: &Request<'_>) -> anyhow::Result<String> {
    let answer = exchange(address, request)?;
    ensure!((200..300).contains(&answer.status), "{} {}", answer.status, answer.body);
    Ok(answer.body)
}
