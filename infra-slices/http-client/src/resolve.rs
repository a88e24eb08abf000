//! Turns names into addresses that may be connected to. Knows no HTTP.
//!
//! A public name that resolves to this machine or to its link is either a mistake or an attack on
//! what listens there, cloud metadata for instance. The addresses that pass are those that are
//! connected to: nobody resolves a second time in between.

use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::{io, vec};
use tower_service::Service;

/// The system's resolver, without the addresses that a name must not lead to.
#[derive(Debug, Clone)]
pub(crate) struct Resolver(GaiResolver);

#[derive(Debug, thiserror::Error)]
pub(crate) enum ResolveError {
    #[error("resolve the name")]
    Unknown(#[source] io::Error),
    #[error("the name {0:?} leads to this machine or its link: grant the address itself")]
    Prohibited(String),
}

impl Resolver {
    pub(crate) fn new() -> Self {
        Self(GaiResolver::new())
    }
}

impl Service<Name> for Resolver {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = ResolveError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, ResolveError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ResolveError>> {
        self.0.poll_ready(cx).map_err(ResolveError::Unknown)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let found = self.0.call(name.clone());
        Box::pin(async move {
            let found = found.await.map_err(ResolveError::Unknown)?;
            permitted(name.as_str(), found.collect())
        })
    }
}

/// Addresses written in the URL itself do not come here: those the grant names.
fn permitted(
    name: &str,
    found: Vec<SocketAddr>,
) -> Result<vec::IntoIter<SocketAddr>, ResolveError> {
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    if name == "localhost" || name.ends_with(".localhost") {
        return Ok(found.into_iter());
    }
    let any = !found.is_empty();
    let left: Vec<_> = found.into_iter().filter(|a| !is_near(a.ip().to_canonical())).collect();
    match any && left.is_empty() {
        true => Err(ResolveError::Prohibited(name)),
        false => Ok(left.into_iter()),
    }
}

/// This machine, its link, or no single machine at all.
fn is_near(ip: IpAddr) -> bool {
    let one = match ip {
        IpAddr::V4(ip) => ip.is_link_local() || ip.is_broadcast() || ip.octets()[0] == 0,
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    one || ip.is_loopback() || ip.is_unspecified() || ip.is_multicast()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(name: &str, addresses: &[&str]) -> Option<Vec<String>> {
        let found = addresses.iter().map(|a| SocketAddr::new(a.parse().expect("an address"), 80));
        let left = permitted(name, found.collect()).ok()?;
        Some(left.map(|a| a.ip().to_string()).collect())
    }

    #[test]
    fn a_name_does_not_lead_back_to_this_machine() {
        for near in [
            "127.0.0.1",
            "127.8.8.8",
            "::1",
            "169.254.169.254",
            "fe80::1",
            "0.0.0.0",
            "::",
            "::ffff:127.0.0.1",
            "224.0.0.1",
        ] {
            assert_eq!(left("evil.example", &[near]), None, "{near}");
            assert!(left("localhost", &[near]).is_some());
        }
        let mixed = left("a.example", &["10.0.0.7", "127.0.0.1", "2001:db8::1"]);
        assert_eq!(mixed, Some(vec!["10.0.0.7".to_owned(), "2001:db8::1".to_owned()]));
        assert_eq!(left("nowhere.example", &[]), Some(vec![]));
    }
}
