//! Peers whose every byte a test chooses.

use tokio::io::AsyncReadExt;

use super::support::*;
use crate::{
    Addresses, Class, Run, Settings,
    frame::{Frame, Kind},
    hello::{Hello, Purpose},
    links::{Connection, dial_connection},
    tls::server_name,
};

pub(super) struct Scene {
    pub(super) cluster: Cluster,
    pub(super) one: Node,
    /// Behaves; must notice nothing.
    pub(super) two: Node,
}

impl Scene {
    pub(super) async fn new() -> Self {
        let cluster = Cluster::new();
        let (one, two) = cluster.pair().await;
        Self { cluster, one, two }
    }

    /// TLS as node 3, which is a member.
    pub(super) async fn connected(&self) -> Connection {
        connected(&self.cluster, &self.one).await
    }

    /// Linked as node 3.
    pub(super) async fn linked(&self, class: Class) -> Connection {
        linked(&self.cluster, &self.one, class).await
    }

    /// The link ends, with this reason.
    pub(super) async fn ends(&self, mut connection: Connection, label: &'static str) {
        soon(async { while connection.io.read(&mut [0; 1 << 14]).await.is_ok_and(|n| n > 0) {} })
            .await;
        soon(async {
            while !self.one.links.stats().ended.contains_key(label) {
                tokio::task::yield_now().await;
            }
        })
        .await;
        let answer = soon(self.two.call(self.one.id, ECHO, b"still there")).await;
        assert_eq!(answer.unwrap().body, "still there");
    }
}

async fn connected(cluster: &Cluster, to: &Node) -> Connection {
    let tls = cluster.tls(3);
    let name = server_name(to.id, CLUSTER);
    dial_connection(&to.address, tls.client, name).await.unwrap()
}

/// Linked as node 3.
pub(super) async fn linked(cluster: &Cluster, to: &Node, class: Class) -> Connection {
    let mut connection = connected(cluster, to).await;
    connection.write(Kind::Hello, hello_of_three(class).encode()).await.unwrap();
    assert_eq!(connection.read().await.unwrap().kind, Kind::Welcome);
    connection
}

pub(super) fn hello_of_three(class: Class) -> Hello {
    Hello {
        cluster: CLUSTER,
        node: aether_types::NodeId(3),
        run: Run(3),
        starts: 1,
        purpose: Purpose::Link(class),
        clock_ms: (Settings::new(Addresses::default()).clock_ms)(),
        addresses: Addresses::default(),
    }
}

pub(super) fn bytes_of(frame: &Frame) -> Vec<u8> {
    [&frame.header()[..], &frame.body].concat()
}
