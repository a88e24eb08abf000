//! Closing without losing a request. Knows real sockets.

use crate::client::{Under, door, rest, until, wire};
use aether_ingress::{Closing, Drained, Limits};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

async fn serve(under: &Under) -> (SocketAddr, JoinHandle<Drained>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a socket on loopback");
    let addr = listener.local_addr().expect("it is bound");
    let (served, shutdown) = (under.door.clone(), under.shutdown.clone());
    (addr, tokio::spawn(async move { served.serve(listener, shutdown).await }))
}

async fn send(addr: SocketAddr, text: &str) -> TcpStream {
    let mut client = TcpStream::connect(addr).await.expect("a socket on loopback");
    client.write_all(wire(text).as_bytes()).await.expect("a socket on loopback");
    client
}

#[tokio::test]
async fn requests_in_flight_finish_and_idle_connections_close() {
    let under = door(Limits::STANDARD);
    let (addr, serving) = serve(&under).await;
    let mut idle = TcpStream::connect(addr).await.expect("a socket on loopback");
    let mut busy = send(addr, "GET /http/wait HTTP/1.1\nhost: a\n\n").await;
    under.app.arrived.notified().await;
    under.shutdown.cancel();
    let mut nothing = Vec::new();
    idle.read_to_end(&mut nothing).await.expect("a socket on loopback");
    assert!(nothing.is_empty());
    under.app.go_on.notify_one();
    let mut answer = String::new();
    busy.read_to_string(&mut answer).await.expect("a socket on loopback");
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("waited"), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
    assert_eq!(serving.await.unwrap(), Drained { connections_cut: 0 });
    assert_eq!(under.door.stats().connections, 0);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_finish_is_cut_in_the_end() {
    let under = door(Limits::STANDARD);
    let (addr, serving) = serve(&under).await;
    let mut client = send(addr, "GET /http/wait HTTP/1.1\nhost: a\n\n").await;
    under.app.arrived.notified().await;
    under.shutdown.cancel();
    assert_eq!(serving.await.unwrap(), Drained { connections_cut: 1 });
    let mut answer = Vec::new();
    let _ = client.read_to_end(&mut answer).await;
    assert!(answer.is_empty());
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_a_place() {
    let under = door(Limits { connections_max: 1, ..Limits::STANDARD });
    let (addr, _serving) = serve(&under).await;
    let hello = "GET /http/hello HTTP/1.1\nhost: a\nconnection: close\n\n";
    let mut first = send(addr, "GET /http/wait HTTP/1.1\nhost: a\nconnection: close\n\n").await;
    under.app.arrived.notified().await;
    let mut second = send(addr, hello).await;
    assert_eq!(under.door.stats().connections, 1);
    under.app.go_on.notify_one();
    let mut answers = String::new();
    first.read_to_string(&mut answers).await.expect("a socket on loopback");
    drop(first);
    second.read_to_string(&mut answers).await.expect("a socket on loopback");
    assert!(answers.ends_with("hello\n"), "{answers}");
}

#[tokio::test]
async fn a_connection_that_is_told_to_stop_between_requests_closes() {
    let under = door(Limits::STANDARD);
    let mut client = under.connect();
    client
        .write_all(wire("GET /http/hello HTTP/1.1\nhost: a\n\n").as_bytes())
        .await
        .expect("a socket on loopback");
    until(&mut client, "hello\n").await;
    under.shutdown.cancel();
    assert_eq!(rest(&mut client).await, "");
}

#[tokio::test]
async fn what_the_system_has_accepted_is_served_also_after_the_stop() {
    let under = door(Limits::STANDARD);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let addr = listener.local_addr().expect("it is bound");
    let mut early = send(addr, "GET /http/hello HTTP/1.1\nhost: a\n\n").await;
    let mut late = TcpStream::connect(addr).await.expect("the system accepts");
    under.shutdown.cancel();
    let (served, shutdown) = (under.door.clone(), under.shutdown.clone());
    let serving = tokio::spawn(async move { served.serve(listener, shutdown).await });
    let mut answer = String::new();
    early.read_to_string(&mut answer).await.expect("a socket on loopback");
    assert!(answer.ends_with("hello\n"), "{answer}");
    // Its first request was still on its way.
    late.write_all(wire("GET /http/hello HTTP/1.1\nhost: a\n\n").as_bytes()).await.expect("open");
    late.read_to_string(&mut answer).await.expect("a socket on loopback");
    assert_eq!(answer.matches("hello\n").count(), 2, "{answer}");
    assert_eq!(serving.await.unwrap(), Drained { connections_cut: 0 });
    assert!(TcpStream::connect(addr).await.is_err(), "the door is closed");
}

#[tokio::test]
async fn after_notice_each_connection_ends_with_its_next_answer() {
    let under = door(Limits::STANDARD);
    let (notice, stop) = (CancellationToken::new(), CancellationToken::new());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let addr = listener.local_addr().expect("it is bound");
    let closing = Closing { notice: notice.clone(), stop: stop.clone() };
    let served = under.door.clone();
    let serving = tokio::spawn(async move { served.serve(listener, closing).await });
    let hello = "GET /http/hello HTTP/1.1\nhost: a\n\n";
    let mut kept = send(addr, hello).await;
    let before = until(&mut kept, "hello\n").await;
    assert!(!before.contains("connection: close"), "{before}");
    notice.cancel();
    kept.write_all(wire(hello).as_bytes()).await.expect("it is still open");
    let after = rest(&mut kept).await;
    assert!(after.contains("connection: close") && after.ends_with("hello\n"), "{after}");
    // New connections are taken until the stop.
    let last = rest(&mut send(addr, hello).await).await;
    assert!(last.contains("connection: close") && last.ends_with("hello\n"), "{last}");
    stop.cancel();
    assert_eq!(serving.await.unwrap(), Drained { connections_cut: 0 });
}
