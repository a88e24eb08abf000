//! The sockets that others connect to, and what they are told of them. Knows no protocol.

use crate::config::Settings;
use crate::run::Error;
use aether_transport::Addresses;
use std::net::SocketAddr;
use tokio::net::TcpListener;

/// The sockets that others connect to.
pub(crate) struct Listeners {
    pub(crate) http: TcpListener,
    pub(crate) api: TcpListener,
    pub(crate) cluster: TcpListener,
}

impl Listeners {
    pub(crate) async fn bind(settings: &Settings) -> Result<Self, Error> {
        let addresses = &settings.listen;
        Ok(Self {
            http: listen(addresses.http, "applications' HTTP", "--http").await?,
            api: listen(addresses.api, "management API", "--api").await?,
            cluster: listen(addresses.cluster, "other nodes", "--cluster").await?,
        })
    }

    /// What others are told.
    pub(crate) fn addresses(&self, settings: &Settings) -> Addresses {
        let cluster = settings.cluster.advertise.clone();
        Addresses {
            cluster: cluster.unwrap_or_else(|| local_address(&self.cluster).to_string()),
            http: local_address(&self.http).to_string(),
            api: local_address(&self.api).to_string(),
        }
    }
}

async fn listen(
    address: SocketAddr,
    what: &'static str,
    flag: &'static str,
) -> Result<TcpListener, Error> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|source| Error::Listen { what, flag, address, source })
}

pub(crate) fn local_address(listener: &TcpListener) -> SocketAddr {
    listener.local_addr().expect("a listener that is bound has an address")
}
