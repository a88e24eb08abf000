//! Which cluster a command talks to, and with which key. The one place that reads the environment.

use crate::args::Remote;
use crate::exit::{Failure, Result};
use aether_client::{Client, Url};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// What the commands take from the process's surroundings.
#[derive(Debug, Clone, Default)]
pub(crate) struct Surroundings {
    /// Where nodes on this machine leave notes about their keys.
    pub(crate) notes: Option<PathBuf>,
    /// Where the Forges of this user leave theirs.
    pub(crate) forges: Option<PathBuf>,
}

impl Surroundings {
    pub(crate) fn of_process() -> Self {
        let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
        let home = std::env::var_os("HOME").map(PathBuf::from);
        let notes = aether_api::local::folder(state.as_deref(), home.as_deref());
        let forges = notes.as_ref().map(|nodes| nodes.with_file_name("forges"));
        Self { notes, forges }
    }
}

/// The client that the flags describe.
pub(crate) fn client(remote: &Remote, around: &Surroundings) -> Result<Client> {
    let text = match remote.server.contains("://") {
        true => remote.server.clone(),
        false => format!("http://{}", remote.server),
    };
    let refuse = |why: &str| {
        Failure::invalid(format!(
            "{:?} is not the address of a management API: {why}",
            remote.server
        ))
        .help("write it like http://127.0.0.1:8080")
    };
    let server = text.parse::<Url>().map_err(|error| refuse(&format!("{error}")))?;
    if server.scheme() != "http" {
        return Err(refuse("only http:// is supported"));
    }
    let host = server.host_str().ok_or_else(|| refuse("it names no host"))?;
    let key = match &remote.key {
        Some(key) => Some(key.trim().to_owned()),
        None if is_loopback(host) => local_key(around.notes.as_deref(), server.port()),
        None => None,
    };
    Ok(Client::new(server, key))
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|a| a.is_loopback())
}

fn local_key(notes: Option<&Path>, port: Option<u16>) -> Option<String> {
    aether_api::local::key(notes?, port.unwrap_or(80))
}
