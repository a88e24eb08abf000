//! The dashboard's pages and its live feed, over real connections. Knows nothing of what is shown.

use super::{BLUEPRINT, ask, send};
use aether_api::fake::{Fake, serve_fake};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn open(address: SocketAddr, hello: &Value) -> Socket {
    let (mut socket, _) = connect_async(format!("ws://{address}/api/live")).await.unwrap();
    socket.send(Message::text(hello.to_string())).await.unwrap();
    socket
}

/// The next message that is no beat.
async fn next(socket: &mut Socket) -> Value {
    loop {
        match socket.next().await.unwrap().unwrap() {
            Message::Text(text) => {
                let value: Value = serde_json::from_str(&text).unwrap();
                if value["type"] != "beat" {
                    return value;
                }
            }
            Message::Close(frame) => {
                let frame = frame.unwrap();
                return json!(format!("{} {}", u16::from(frame.code), frame.reason));
            }
            other => panic!("{other:?}"),
        }
    }
}

fn hello(key: &str) -> Value {
    json!({ "type": "hello", "key": key })
}

/// Deploys one more application.
async fn deploy(address: SocketAddr, name: &str) {
    let blueprint = BLUEPRINT.replace("\"shop\"", &format!("\"{name}\""));
    let body = json!({ "blueprint": blueprint }).to_string();
    let applied = ask(address, &format!("PUT /api/apps/{name}"), "operator", &body).await;
    assert!(applied.starts_with("200 "), "{applied}");
}

#[tokio::test]
async fn a_picture_comes_first_and_then_what_changes() {
    let address = serve_fake().await.unwrap();
    let mut socket = open(address, &hello("viewer")).await;
    let welcome = json!({ "name": "the viewer", "role": "viewer" });
    assert_eq!(next(&mut socket).await, json!({ "type": "welcome", "viewer": welcome }));
    let snapshot = next(&mut socket).await;
    assert_eq!((&snapshot["type"], &snapshot["seq"]), (&json!("snapshot"), &json!(1)));
    assert_eq!(snapshot["picture"]["applications"], json!({}));
    assert_eq!(snapshot["picture"]["nodes"]["a1b2c3d4e5f60718"]["reachable"], json!(true));
    deploy(address, "one").await;
    let delta = next(&mut socket).await;
    assert_eq!((&delta["type"], &delta["seq"]), (&json!("delta"), &json!(2)));
    let patch = delta["patch"].as_object().unwrap();
    assert_eq!(patch["applications"]["one"]["revision"], json!(1));
    assert!(!patch.contains_key("nodes"), "what is as before is not sent again: {delta}");

    // Who comes back gets what was missed; who comes from another run gets everything.
    drop(socket);
    deploy(address, "two").await;
    let back = |epoch: &Value, seq| {
        let place = json!({ "epoch": epoch, "seq": seq });
        json!({ "type": "hello", "key": "viewer", "place": place })
    };
    let mut socket = open(address, &back(&snapshot["epoch"], 2)).await;
    assert_eq!(next(&mut socket).await["type"], "welcome");
    let missed = next(&mut socket).await;
    assert_eq!((&missed["type"], &missed["seq"]), (&json!("delta"), &json!(3)));
    assert!(missed["patch"]["applications"]["two"].is_object(), "{missed}");
    let mut socket = open(address, &back(&json!("another"), 2)).await;
    assert_eq!(next(&mut socket).await["type"], "welcome");
    assert_eq!(next(&mut socket).await["type"], "snapshot");

    let polled = ask(address, "GET /api/live", "viewer", "").await;
    let polled: Value = serde_json::from_str(polled.strip_prefix("200 ").unwrap()).unwrap();
    assert_eq!(polled["viewer"], welcome);
    assert!(polled["picture"]["applications"]["two"].is_object());
}

#[tokio::test]
async fn strangers_see_nothing() {
    let address = serve_fake().await.unwrap();
    let unknown = "4401 the cluster does not know this key";
    let rude = "4400 the first message is {\"type\":\"hello\",\"key\":KEY}";
    assert_eq!(next(&mut open(address, &hello("wrong")).await).await, unknown);
    assert_eq!(next(&mut open(address, &hello("")).await).await, unknown);
    assert_eq!(next(&mut open(address, &json!({ "type": "hello" })).await).await, rude);
    assert_eq!(next(&mut open(address, &json!({ "key": "viewer" })).await).await, rude);
    let mut foreign = format!("ws://{address}/api/live").into_client_request().unwrap();
    foreign.headers_mut().insert("origin", "http://elsewhere".parse().unwrap());
    let Err(Error::Http(refused)) = connect_async(foreign).await else { panic!("it may not") };
    assert_eq!(refused.status(), 403);
    let body = String::from_utf8_lossy(refused.body().as_deref().unwrap()).into_owned();
    assert!(body.contains("\"foreign-origin\""), "{body}");
}

#[tokio::test]
async fn a_session_ends_with_its_key() {
    let address = serve_fake().await.unwrap();
    let created = ask(address, "POST /api/keys", "admin", r#"{"name":"ci","role":"viewer"}"#).await;
    let created: Value = serde_json::from_str(created.strip_prefix("201 ").unwrap()).unwrap();
    let mut socket = open(address, &hello(created["secret"].as_str().unwrap())).await;
    assert_eq!(next(&mut socket).await["type"], "welcome");
    assert_eq!(next(&mut socket).await["type"], "snapshot");
    let id = created["key"]["id"].as_str().unwrap();
    assert_eq!(ask(address, &format!("DELETE /api/keys/{id}"), "admin", "").await, "204 ");
    assert_eq!(next(&mut socket).await, "4401 the cluster does not know this key");
}

#[tokio::test]
async fn a_session_ends_with_its_server() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(aether_api::serve(listener, Arc::new(Fake::default()), async {
        let _ = stopped.await;
    }));
    let mut socket = open(address, &hello("viewer")).await;
    assert_eq!(next(&mut socket).await["type"], "welcome");
    assert_eq!(next(&mut socket).await["type"], "snapshot");
    stop.send(()).unwrap();
    assert_eq!(next(&mut socket).await, "1001 the node stops");
    server.await.unwrap().unwrap();
}

#[tokio::test]
async fn pages_are_for_everybody_and_load_nothing_from_elsewhere() {
    let address = serve_fake().await.unwrap();
    let page = send(address, "GET /", "", b"").await;
    let (head, body) = page.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 ") && body.starts_with("<!doctype html>"), "{page}");
    for header in [
        "content-type: text/html; charset=utf-8",
        "content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'; ",
        "frame-ancestors 'none'",
        "x-content-type-options: nosniff",
        "referrer-policy: no-referrer",
        "cache-control: no-cache",
    ] {
        assert!(head.contains(header), "{header}: {head}");
    }
    let tag = head.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap();
    let again = format!("GET / HTTP/1.1\r\nIf-None-Match: {tag}\r\nX-Rest:");
    let again = send(address, &again, "", b"").await;
    assert!(again.starts_with("HTTP/1.1 304 ") && again.ends_with("\r\n\r\n"), "{again}");
    let head = send(address, "HEAD /dashboard/app.js", "", b"").await;
    assert!(head.starts_with("HTTP/1.1 200 ") && head.ends_with("\r\n\r\n"), "{head}");
    assert!(ask(address, "POST /", "", "").await.contains("\"unknown-endpoint\""));
    assert!(ask(address, "GET /dashboard/other", "", "").await.contains("\"unknown-endpoint\""));
}
