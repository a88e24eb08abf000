//! HTTP/2 by prior knowledge, over real sockets. Knows hyper's client.

use crate::client::door;
use aether_ingress::Limits;
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

fn get(uri: &str) -> Request<Full<Bytes>> {
    Request::get(uri).body(Full::default()).expect("a request")
}

#[tokio::test]
async fn many_streams_share_one_connection() {
    let under = door(Limits { body_bytes_max: 8, ..Limits::STANDARD });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (served, shutdown) = (under.door.clone(), under.shutdown.clone());
    let serving = tokio::spawn(async move { served.serve(listener, shutdown).await });

    let io = TokioIo::new(TcpStream::connect(addr).await.unwrap());
    let (mut client, conn) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
    let conn = tokio::spawn(conn);
    let waiting = client.send_request(get(&format!("http://{addr}/http/wait")));
    let mut other = client.clone();
    let res = other.send_request(get(&format!("http://{addr}/http/seen?a=1"))).await.unwrap();
    let id = res.headers()["x-request-id"].clone();
    let seen = res.into_body().collect().await.unwrap().to_bytes();
    let seen = String::from_utf8_lossy(&seen);
    assert!(seen.starts_with(&format!("GET http://{addr}/http/seen?a=1")), "{seen}");
    assert!(seen.contains("\"host\"") && seen.contains(id.to_str().unwrap()), "{seen}");

    let large = Request::post(format!("http://{addr}/http/count"));
    let large = large.body(Full::new(Bytes::from_static(&[0; 100]))).unwrap();
    let res = other.send_request(large).await.unwrap();
    assert_eq!(res.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(res.headers()["content-type"], "application/problem+json");

    let head = Request::head(format!("http://{addr}/http/hello")).body(Full::default()).unwrap();
    let res = other.send_request(head).await.unwrap();
    assert_eq!(res.headers()["content-length"], "6");

    // Shutdown: the stream in flight finishes, no new one starts.
    under.app.arrived.notified().await;
    under.shutdown.cancel();
    let waiting = tokio::spawn(waiting);
    under.app.go_on.notify_one();
    let res = waiting.await.unwrap().unwrap();
    assert_eq!(res.into_body().collect().await.unwrap().to_bytes(), "waited");
    assert_eq!(serving.await.unwrap().connections_cut, 0);
    drop(conn);
    let refused = TcpStream::connect(addr).await;
    assert!(refused.is_err(), "the listener is closed");
}

#[tokio::test]
async fn a_stream_that_is_reset_takes_its_call_along() {
    let under = door(Limits::STANDARD);
    let io = TokioIo::new(under.connect());
    let (mut client, conn) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(conn);
    let hang = Request::get("http://a/http/hang").body(Empty::<Bytes>::new()).unwrap();
    let hanging = tokio::spawn(client.send_request(hang));
    under.app.arrived.notified().await;
    hanging.abort();
    under.app.abandoned.notified().await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_not_read_is_cut() {
    let under = door(Limits::STANDARD);
    let io = TokioIo::new(under.connect());
    let (mut client, conn) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(conn);
    let endless = Request::get("http://a/http/endless").body(Empty::<Bytes>::new()).unwrap();
    let res = client.send_request(endless).await.unwrap();
    assert_eq!(under.door.stats().requests_in_flight, 1);
    let started = Instant::now();
    while under.door.stats().requests_in_flight > 0 {
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    assert!(started.elapsed() > Limits::STANDARD.write_stall_max);
    assert!(started.elapsed() < Limits::STANDARD.write_stall_max * 3);
    drop(res);
}

#[tokio::test(start_paused = true)]
async fn a_slice_that_takes_its_time_is_not_the_fault_of_the_client() {
    let under = door(Limits::STANDARD);
    let io = TokioIo::new(under.connect());
    let (mut client, conn) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(conn);
    let slow = Request::get("http://a/http/slow").body(Empty::<Bytes>::new()).unwrap();
    let res = client.send_request(slow).await.unwrap();
    let body = res.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "first second");
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused_in_words_up_to_twice_the_limit() {
    let under = door(Limits::STANDARD);
    let io = TokioIo::new(under.connect());
    let (mut client, conn) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(conn);
    for (size, expect) in [
        (31, "200 OK"),
        (33, "431 Request Header Fields Too Large: a head has at most 32KiB and 100 fields"),
        (65, "431 Request Header Fields Too Large"),
    ] {
        let req = Request::get("http://a/http/hello").header("x", "x".repeat(size << 10));
        let res = client.send_request(req.body(Full::<Bytes>::default()).unwrap()).await.unwrap();
        let mut shown = res.status().to_string();
        if res.headers().contains_key("cache-control") {
            let body = res.into_body().collect().await.unwrap().to_bytes();
            let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
            shown += &format!(": {}", body["detail"].as_str().unwrap());
        }
        assert_eq!(shown, expect, "{size} KiB");
    }
}
