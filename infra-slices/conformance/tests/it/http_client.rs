//! Outgoing HTTP against servers on loopback.

use aether_engine::Slice;
use aether_infra_conformance::{Host, TRACE, call, call_within};
use aether_telemetry::{Capture, Logs, Query};
use aether_types::ByteSize;
use expect_test::expect;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tracing::Level;
use tracing_subscriber::layer::SubscriberExt;

const FETCH: &str = "test:probe/outbound#fetch";

/// A server that gives `answer` to each request and keeps its connections open.
async fn server(answer: &'static str) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let addr = listener.local_addr().expect("it is bound");
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = connections.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counted.fetch_add(1, SeqCst);
            tokio::spawn(serve(stream, answer));
        }
    });
    (addr, connections)
}

/// A server that speaks before it is asked, and no protocol that anybody knows.
async fn babbler() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let addr = listener.local_addr().expect("it is bound");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let babble = stream.write_all(b"bla bla bla\r\n\r\n").await;
            babble.expect("there is room for a line");
        }
    });
    addr
}

/// Requests end with an empty line, or with the body `end`.
async fn serve(mut stream: TcpStream, answer: &'static str) {
    let mut request = Vec::new();
    let mut buffer = [0; 4_096];
    while let Ok(n @ 1..) = stream.read(&mut buffer).await {
        request.extend_from_slice(&buffer[..n]);
        let text = String::from_utf8_lossy(&request);
        let whole = match text.starts_with("POST") {
            true => text.contains("end"),
            false => text.ends_with("\r\n\r\n"),
        };
        if whole {
            let head = text.lines().take_while(|l| !l.is_empty()).collect::<Vec<_>>().join("|");
            let answer = answer.replace("HEAD", &head);
            request.clear();
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }
}

fn outbound(host: &Host, origins: &[&str]) -> Arc<Slice> {
    let origins: Vec<String> = origins.iter().map(|o| format!("{o:?}")).collect();
    let grants = format!("[slices.grants]\nhttp = [{}]", origins.join(", "));
    host.load("outbound", &grants).unwrap_or_else(|reason| panic!("{reason}"))
}

fn get(url: &str) -> String {
    format!(r#"{{"method":"GET","url":"{url}","body":[]}}"#)
}

const HEARD: &str = "HTTP/1.1 200 OK\r\nx-heard: HEAD\r\ncontent-length: 0\r\n\r\n";
const HELLO: &str = "HTTP/1.1 201 Created\r\nx-a: b\r\ncontent-length: 5\r\n\r\nhello";

#[tokio::test]
async fn a_granted_origin_is_reached_over_one_connection() {
    let (addr, connections) = server(HELLO).await;
    let slice = outbound(&Host::new(), &[&format!("http://{addr}")]);
    for _ in 0..3 {
        let answer = call(&slice, FETCH, &get(&format!("http://{addr}/a?b=c"))).await;
        assert_eq!(
            answer,
            r#"{"status":201,"headers":[["x-a","b"],["content-length","5"]],"body":"aGVsbG8="}"#
        );
    }
    assert_eq!(connections.load(SeqCst), 1);
}

#[tokio::test]
async fn a_body_goes_out() {
    let (addr, _) = server(HELLO).await;
    let slice = outbound(&Host::new(), &[&format!("http://{addr}")]);
    let post = format!(r#"{{"method":"POST","url":"http://{addr}/","body":"ZW5k"}}"#);
    assert!(call(&slice, FETCH, &post).await.starts_with(r#"{"status":201"#));
}

#[tokio::test]
async fn what_arrives_names_its_host_and_the_trace_of_the_call() {
    let (addr, _) = server(HEARD).await;
    let slice = outbound(&Host::new(), &[&format!("http://{addr}")]);
    let answer = call(&slice, FETCH, &get(&format!("http://{addr}/p"))).await;
    let head = format!("GET /p HTTP/1.1|host: {addr}|traceparent: {TRACE}");
    assert!(answer.contains(&format!("[\"x-heard\",\"{head}\"]")), "{answer}");
}

#[tokio::test]
async fn everything_else_is_denied_before_a_connection_is_made() {
    let logs = Logs::new(ByteSize::mib(1));
    let subscriber = tracing_subscriber::registry().with(Capture(logs.clone()));
    let _here = tracing::subscriber::set_default(subscriber);
    let (addr, connections) = server(HELLO).await;
    let port = addr.port();
    let host = Host::new();
    let other = outbound(&host, &["https://api.example.com", &format!("https://127.0.0.1:{port}")]);
    let none = host.load("outbound", "").unwrap_or_else(|reason| panic!("{reason}"));
    for slice in [&other, &none] {
        for url in [format!("http://{addr}/"), format!("http://localhost:{port}/")] {
            let answer = call(slice, FETCH, &get(&url)).await;
            expect![[r#"error: "ErrorCode::HttpRequestDenied""#]].assert_eq(&answer);
        }
    }
    // Asked again: denied again, and not logged again.
    call(&none, FETCH, &get(&format!("http://{addr}/"))).await;
    assert_eq!(connections.load(SeqCst), 0);
    let warned = logs.query(&Query { level: Level::WARN, ..Query::all() }).lines;
    let origins: Vec<&str> = warned
        .iter()
        .flat_map(|line| &line.fields)
        .filter(|(name, _)| *name == "origin")
        .map(|(_, origin)| origin.as_str())
        .collect();
    let [numeric, named] = [format!("http://{addr}"), format!("http://localhost:{port}")];
    assert_eq!(origins, [&*numeric, &*named, &*numeric, &*named]);
    assert!(warned[0].message.contains("add the origin to `grants.http`"), "{warned:?}");
    assert_eq!(warned[0].slice.as_deref(), Some("test:outbound:1.0.0"));
}

#[tokio::test]
async fn failures_keep_their_names() {
    let host = Host::new();
    let closed = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let addr = closed.local_addr().expect("it is bound");
    drop(closed);
    let (garbage, _) = server("garbage\r\n\r\n").await;
    let tls = format!("https://{}", babbler().await);
    let origins = [format!("http://{addr}"), format!("http://{garbage}"), tls.clone()];
    let origins: Vec<&str> = origins.iter().map(String::as_str).collect();
    let slice = outbound(&host, &origins);
    let fetch = async |url: String| call(&slice, FETCH, &get(&url)).await;
    expect![[r#"error: "ErrorCode::ConnectionRefused""#]]
        .assert_eq(&fetch(format!("http://{addr}/")).await);
    expect![[r#"error: "ErrorCode::HttpProtocolError""#]]
        .assert_eq(&fetch(format!("http://{garbage}/")).await);
    expect![[r#"error: "ErrorCode::TlsProtocolError""#]].assert_eq(&fetch(format!("{tls}/")).await);
}

#[tokio::test]
async fn a_server_that_does_not_answer_costs_no_more_than_the_call() {
    let (addr, _) = server("").await;
    let slice = outbound(&Host::new(), &[&format!("http://{addr}")]);
    let time = Duration::from_millis(300);
    let answer = call_within(&slice, FETCH, &get(&format!("http://{addr}/")), time).await;
    expect!["call failed: the deadline passed"].assert_eq(&answer);
}
