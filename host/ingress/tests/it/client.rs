//! Clients of every kind of manners. Knows bytes, no application.

use crate::app::App;
use aether_ingress::{FrontDoor, Limits};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio_util::sync::CancellationToken;

pub(crate) struct Under {
    pub(crate) app: Arc<App>,
    pub(crate) door: FrontDoor,
    pub(crate) shutdown: CancellationToken,
}

pub(crate) fn door(limits: Limits) -> Under {
    let app = Arc::new(App::default());
    let door = FrontDoor::new(app.clone(), limits);
    Under { app, door, shutdown: CancellationToken::new() }
}

impl Under {
    /// The client's end of a connection without a network.
    pub(crate) fn connect(&self) -> DuplexStream {
        let (client, server) = tokio::io::duplex(64 << 10);
        let (door, shutdown) = (self.door.clone(), self.shutdown.clone());
        tokio::spawn(async move { door.connection(server, peer(), shutdown).await });
        client
    }

    /// Sends `text` (line ends are made `\r\n`) and reads until the door closes the connection.
    pub(crate) async fn talk(&self, text: &str) -> String {
        let mut client = self.connect();
        client.write_all(wire(text).as_bytes()).await.expect("the door reads");
        rest(&mut client).await
    }
}

pub(crate) fn peer() -> SocketAddr {
    ([127, 0, 0, 1], 4_000).into()
}

pub(crate) fn wire(text: &str) -> String {
    text.replace('\n', "\r\n")
}

/// Everything until the connection is closed, without what differs from run to run.
pub(crate) async fn rest(client: &mut (impl AsyncRead + Unpin)) -> String {
    let mut bytes = Vec::new();
    client.read_to_end(&mut bytes).await.expect("an in-memory stream does not break");
    let text = String::from_utf8_lossy(&bytes).replace("\r\n", "\n");
    let same = text.split_inclusive('\n').filter(|line| !line.starts_with("date: "));
    without_trace(same.collect())
}

/// Traces that begin here are drawn.
pub(crate) fn without_trace(text: String) -> String {
    const KEY: &str = "\"trace-id\":\"";
    let Some((before, trace)) = text.split_once(KEY) else { return text };
    format!("{before}{KEY}TRACE{}", &trace[32..])
}

/// Reads until `end` has come.
pub(crate) async fn until(client: &mut (impl AsyncRead + Unpin), end: &str) -> String {
    let mut text = String::new();
    while !text.ends_with(end) {
        let byte = client.read_u8().await.expect("the answer goes on");
        text.push(char::from(byte));
    }
    text
}
