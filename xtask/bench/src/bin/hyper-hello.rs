//! The ceiling: an HTTP server with nothing behind it. For comparison only, no part of the product.

use std::convert::Infallible;
use std::net::SocketAddr;

use anyhow::Context;
use bytes::Bytes;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// Answers every request on the given address with 200 and a few bytes, for ever.
fn main() -> anyhow::Result<()> {
    let address: SocketAddr = std::env::args().nth(1).context("an address")?.parse()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(address).await?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            tokio::spawn(async move {
                let answer = service_fn(|_| async {
                    let body = Full::new(Bytes::from_static(b"Hello, World!\n"));
                    Ok::<_, Infallible>(http::Response::new(body))
                });
                let connection = hyper::server::conn::http1::Builder::new();
                // A client that goes away is the end of its connection, nothing more.
                let _ = connection.serve_connection(TokioIo::new(stream), answer).await;
            });
        }
    })
}
