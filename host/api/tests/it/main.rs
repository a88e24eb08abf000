//! The server over real connections, before a node that is a fake: keys, limits, errors, endpoints.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod live;

use aether_api::Endpoint;
use aether_api::fake::serve_fake;
use expect_test::{Expect, expect};
use std::io::{Read, Write};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const BLUEPRINT: &str = "[application]\nname = \"shop\"\nversion = \"1.2.0\"\n[[slices]]\nartifact = \"shop:place-order:1.0.0\"\n";

/// Sends one request and returns the whole response as it came.
async fn send(address: SocketAddr, head: &str, key: &str, body: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let key =
        if key.is_empty() { String::new() } else { format!("Authorization: Bearer {key}\r\n") };
    let length =
        if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    let head = format!(
        "{head} HTTP/1.1\r\nHost: a\r\nX-Request-Id: r-1\r\nConnection: close\r\n{key}{length}\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // The server may refuse before it has read everything.
    let _ = stream.write_all(body).await;
    let mut response = Vec::new();
    let _ = stream.read_to_end(&mut response).await;
    String::from_utf8(response).unwrap()
}

/// Status and body of the answer.
async fn ask(address: SocketAddr, head: &str, key: &str, body: &str) -> String {
    let response = send(address, head, key, body.as_bytes()).await;
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap();
    format!("{status} {body}")
}

async fn check(head: &str, key: &str, body: &str, expect: Expect) {
    let address = serve_fake().await.unwrap();
    expect.assert_eq(&ask(address, head, key, body).await);
}

#[tokio::test]
async fn health_needs_no_key() {
    check("GET /health/live", "", "", expect![[r#"200 {"ready":true,"reasons":[]}"#]]).await;
    check("GET /health/ready", "", "", expect![[r#"200 {"ready":true,"reasons":[]}"#]]).await;
}

#[tokio::test]
async fn every_endpoint_is_closed_to_strangers_and_to_lesser_roles() {
    let address = serve_fake().await.unwrap();
    let mut asked = 0;
    for endpoint in Endpoint::ALL {
        let Some(role) = endpoint.role() else { continue };
        let (method, path) = endpoint.method_and_path();
        let head = format!("{method} {}", path.replace(['{', '}'], ""));
        for key in ["", "wrong"] {
            let answer = ask(address, &head, key, "").await;
            assert!(
                answer.starts_with("401 ") && answer.contains("\"unauthenticated\""),
                "{answer}"
            );
        }
        let lesser = ["viewer", "operator"].into_iter().take(role as usize);
        for key in lesser {
            let answer = ask(address, &head, key, "").await;
            assert!(answer.starts_with("403 ") && answer.contains("\"role-too-low\""), "{answer}");
            asked += 1;
        }
    }
    assert!(asked >= 10, "{asked}");
}

#[tokio::test]
async fn refusals_say_what_to_do() {
    check("GET /api/status", "", "", expect![[r#"401 {"type":"urn:aether:error:unauthenticated","title":"This is not allowed","status":401,"detail":"this needs a key","code":"unauthenticated","kind":"denied","help":"send `Authorization: Bearer KEY`; the first key is in admin.key in the node's data folder","request-id":"r-1","problems":[]}"#]]).await;
    check("POST /api/keys", "operator", "{}", expect![[r#"403 {"type":"urn:aether:error:role-too-low","title":"This is not allowed","status":403,"detail":"key \"the operator\" has the role operator; this needs admin","code":"role-too-low","kind":"denied","help":"ask an administrator for another key: `aether keys create NAME --role ROLE`","request-id":"r-1","problems":[]}"#]]).await;
    check("GET /api/nope", "viewer", "", expect![[r#"404 {"type":"urn:aether:error:unknown-endpoint","title":"It does not exist","status":404,"detail":"there is no endpoint /api/nope","code":"unknown-endpoint","kind":"not-found","help":"GET /api/openapi.json lists all endpoints","request-id":"r-1","problems":[]}"#]]).await;
    check("PATCH /api/apps/shop", "viewer", "", expect![[r#"405 {"type":"urn:aether:error:method-not-allowed","title":"The request is not valid","status":405,"detail":"/api/apps/shop does not take PATCH","code":"method-not-allowed","kind":"invalid","help":"it takes GET, PUT, DELETE","request-id":"r-1","problems":[]}"#]]).await;
    check("GET /api/logs?lvel=info", "viewer", "", expect![[r#"400 {"type":"urn:aether:error:request-invalid","title":"The request is not valid","status":400,"detail":"query: `lvel`: is not a key of this query","code":"request-invalid","kind":"invalid","help":"GET /api/openapi.json describes it","request-id":"r-1","problems":[]}"#]]).await;
    check("GET /api/logs?level=loud", "viewer", "", expect![[r#"400 {"type":"urn:aether:error:request-invalid","title":"The request is not valid","status":400,"detail":"query: `level`: \"loud\" is not trace, debug, info, warn or error","code":"request-invalid","kind":"invalid","help":"GET /api/openapi.json describes it","request-id":"r-1","problems":[]}"#]]).await;
    check("GET /api/logs?limit=0", "viewer", "", expect![[r#"400 {"type":"urn:aether:error:request-invalid","title":"The request is not valid","status":400,"detail":"query: `limit` is 0; it must be 1 to 1000","code":"request-invalid","kind":"invalid","help":"","request-id":"r-1","problems":[]}"#]]).await;
    check("GET /api/explain", "viewer", "", expect![[r#"400 {"type":"urn:aether:error:request-invalid","title":"The request is not valid","status":400,"detail":"query: `target` is missing","code":"request-invalid","kind":"invalid","help":"a route such as \"GET /api/orders/7\", a function, or a slice","request-id":"r-1","problems":[]}"#]]).await;
    check("GET /api/apps/Shop", "viewer", "", expect![[r#"400 {"type":"urn:aether:error:request-invalid","title":"The request is not valid","status":400,"detail":"\"Shop\" is not an application name (a-z, 0-9 and -, at most 63 characters, such as \"shop\")","code":"request-invalid","kind":"invalid","help":"","request-id":"r-1","problems":[]}"#]]).await;
    check("GET /api/apps/shop", "viewer", "", expect![[r#"404 {"type":"urn:aether:error:unknown-application","title":"It does not exist","status":404,"detail":"there is no application shop","code":"unknown-application","kind":"not-found","help":"`aether status` lists the applications","request-id":"r-1","problems":[]}"#]]).await;
    check("PUT /api/artifacts/zz", "operator", "x", expect![[r#"400 {"type":"urn:aether:error:request-invalid","title":"The request is not valid","status":400,"detail":"\"zz\" is not a SHA-256 digest (64 hexadecimal digits)","code":"request-invalid","kind":"invalid","help":"","request-id":"r-1","problems":[]}"#]]).await;
    check(&format!("PUT /api/artifacts/{}", "00".repeat(32)), "operator", "x", expect![[r#"400 {"type":"urn:aether:error:digest-mismatch","title":"The request is not valid","status":400,"detail":"the body has the digest 2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881, the path says 0000000000000000000000000000000000000000000000000000000000000000","code":"digest-mismatch","kind":"invalid","help":"upload the bytes again; they changed on the way or on disk","request-id":"r-1","problems":[]}"#]]).await;
    check("POST /api/apps/shop/call", "operator", r#"{"function":"a:b/c#slow"}"#, expect![[r#"504 {"type":"urn:aether:error:deadline-exceeded","title":"Not possible at the moment","status":504,"detail":"the deadline passed","code":"deadline-exceeded","kind":"unavailable","help":"raise its timeout, or retry","request-id":"r-1","problems":[]}"#]])
        .await;
    check("POST /api/apps/shop/call", "operator", r#"{"fn":"a:b/c#slow"}"#, expect![[r#"400 {"type":"urn:aether:error:request-invalid","title":"The request is not valid","status":400,"detail":"the body is not as it should be: unknown field `fn`, expected `function` or `params` at line 1 column 5","code":"request-invalid","kind":"invalid","help":"GET /api/openapi.json describes it","request-id":"r-1","problems":[]}"#]]).await;
    check(
        "POST /api/apps/shop/call",
        "operator",
        r#"{"function":"a:b/c#d","params":7}"#,
        expect![[r#"400 {"type":"urn:aether:error:request-invalid","title":"The request is not valid","status":400,"detail":"`params` is neither an array nor an object","code":"request-invalid","kind":"invalid","help":"","request-id":"r-1","problems":[]}"#]],
    )
    .await;
    check("POST /api/keys", "admin", r#"{"name":"","role":"viewer"}"#, expect![[r#"400 {"type":"urn:aether:error:request-invalid","title":"The request is not valid","status":400,"detail":"the name of a key has 1 to 64 printable characters","code":"request-invalid","kind":"invalid","help":"","request-id":"r-1","problems":[]}"#]]).await;
    check("DELETE /api/keys/00000000", "admin", "", expect![[r#"404 {"type":"urn:aether:error:unknown-key","title":"It does not exist","status":404,"detail":"there is no key with id 00000000","code":"unknown-key","kind":"not-found","help":"","request-id":"r-1","problems":[]}"#]]).await;
}

#[tokio::test]
async fn blueprints_are_read_strictly() {
    let request = |blueprint: &str| {
        serde_json::json!({ "blueprint": blueprint, "file": "shop/blueprint.toml" }).to_string()
    };
    let broken = BLUEPRINT.replace("version", "versoin") + "instances = 0\n";
    check("PUT /api/apps/shop", "operator", &request(&broken), expect![[r#"400 {"type":"urn:aether:error:toml-unknown-key","title":"The request is not valid","status":400,"detail":"shop/blueprint.toml:3:1: there is no key `versoin` here","code":"toml-unknown-key","kind":"invalid","help":"did you mean `version`?","request-id":"r-1","problems":[{"code":"toml-unknown-key","place":"shop/blueprint.toml:3:1","message":"there is no key `versoin` here","help":"did you mean `version`?"}]}"#]]).await;
    check("PUT /api/apps/other", "operator", &request(BLUEPRINT), expect![[r#"400 {"type":"urn:aether:error:request-invalid","title":"The request is not valid","status":400,"detail":"the path names other, the blueprint names shop","code":"request-invalid","kind":"invalid","help":"","request-id":"r-1","problems":[]}"#]]).await;
    let file = BLUEPRINT.replace("artifact = \"shop:place-order:1.0.0\"", "file = \"a.wasm\"");
    check("PUT /api/apps/shop", "operator", &request(&file), expect![[r#"400 {"type":"urn:aether:error:artifact-missing","title":"The request is not valid","status":400,"detail":"shop/blueprint.toml: slices[0]: nothing was uploaded for a.wasm","code":"artifact-missing","kind":"invalid","help":"put the bytes to /api/artifacts/{digest} and name the digest in `artifacts`","request-id":"r-1","problems":[{"code":"artifact-missing","place":"shop/blueprint.toml: slices[0]","message":"nothing was uploaded for a.wasm","help":"put the bytes to /api/artifacts/{digest} and name the digest in `artifacts`"}]}"#]]).await;
    let stray = serde_json::json!({
        "blueprint": BLUEPRINT,
        "artifacts": [{ "entry": 0, "digest": "00".repeat(32) }],
    });
    check("PUT /api/apps/shop", "operator", &stray.to_string(), expect![[r#"400 {"type":"urn:aether:error:request-invalid","title":"The request is not valid","status":400,"detail":"artifacts: slices[0] has no `file`","code":"request-invalid","kind":"invalid","help":"","request-id":"r-1","problems":[]}"#]]).await;
}

#[tokio::test]
async fn bodies_have_limits() {
    let address = serve_fake().await.unwrap();
    let body = format!("{{\"function\":\"{}\"}}", "x".repeat(aether_api::BODY_BYTES_MAX));
    let answer = ask(address, "POST /api/apps/shop/call", "operator", &body).await;
    assert!(answer.starts_with("413 ") && answer.contains("the body exceeds 1MiB"), "{answer}");
    let answer = ask(address, "GET /api/status", "viewer", "x").await;
    assert!(answer.starts_with("413 "), "{answer}");
}

#[tokio::test]
async fn a_chunked_body_has_the_same_limit() {
    let address = serve_fake().await.unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = "POST /api/apps/shop/call HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer operator\r\nTransfer-Encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    for _ in 0..17 {
        if stream.write_all(chunk.as_bytes()).await.is_err() {
            break;
        }
    }
    let mut start = [0; 12];
    stream.read_exact(&mut start).await.unwrap();
    assert_eq!(&start, b"HTTP/1.1 413");
}

#[tokio::test]
async fn an_application_from_upload_to_removal() {
    let address = serve_fake().await.unwrap();
    let digest = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";
    let upload = ask(address, &format!("PUT /api/artifacts/{digest}"), "operator", "x").await;
    assert!(upload.starts_with("200 ") && upload.contains(digest), "{upload}");
    let body = serde_json::json!({ "blueprint": BLUEPRINT, "if-revision": 0 }).to_string();
    let first = ask(address, "PUT /api/apps/shop", "operator", &body).await;
    assert!(first.starts_with("200 {\"revision\":1,\"changed\":true,"), "{first}");
    let second = ask(address, "PUT /api/apps/shop", "operator", &body).await;
    assert!(second.starts_with("409 ") && second.contains("revision-conflict"), "{second}");
    let slices = ask(address, "GET /api/slices", "viewer", "").await;
    assert!(slices.contains("\"artifact\":\"shop:place-order:1.0.0\""), "{slices}");
    let document = ask(address, "GET /api/apps/shop/openapi.json", "viewer", "").await;
    assert!(document.contains("\"/api/orders\":{\"post\""), "{document}");
    let call = r#"{"function":"shop:orders/place#place","params":{"sku":"a"}}"#;
    let answer = ask(address, "POST /api/apps/shop/call", "operator", call).await;
    assert_eq!(
        answer,
        r#"200 {"outcome":"ok","value":{"echo":{"sku":"a"}},"request-id":"r-1","duration-us":42}"#
    );
    assert_eq!(ask(address, "DELETE /api/apps/shop", "operator", "").await, "204 ");
    assert!(ask(address, "GET /api/apps/shop", "viewer", "").await.starts_with("404 "));
}

#[tokio::test]
async fn a_minted_key_works_until_it_is_deleted() {
    let address = serve_fake().await.unwrap();
    let body = r#"{"name":"ci","role":"operator"}"#;
    let created = ask(address, "POST /api/keys", "admin", body).await;
    assert!(created.starts_with("201 "), "{created}");
    let created: serde_json::Value = serde_json::from_str(&created[4..]).unwrap();
    let (id, secret) =
        (created["key"]["id"].as_str().unwrap(), created["secret"].as_str().unwrap());
    assert!(ask(address, "GET /api/status", secret, "").await.starts_with("200 "));
    let listed = ask(address, "GET /api/keys", "admin", "").await;
    assert!(listed.contains("\"ci\"") && !listed.contains(secret), "{listed}");
    assert_eq!(ask(address, &format!("DELETE /api/keys/{id}"), "admin", "").await, "204 ");
    assert!(ask(address, "GET /api/status", secret, "").await.starts_with("401 "));
}

#[tokio::test]
async fn shutdown_lets_requests_end() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let node = std::sync::Arc::new(aether_api::fake::Fake::default());
    let server = tokio::spawn(aether_api::serve(listener, node, async {
        let _ = stopped.await;
    }));
    assert!(ask(address, "GET /health/live", "", "").await.starts_with("200 "));
    stop.send(()).unwrap();
    server.await.unwrap().unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_node_whose_threads_are_busy_answers_for_its_store_and_its_health() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let node = std::sync::Arc::new(aether_api::fake::Fake::default());
    let server = tokio::spawn(aether_api::serve(listener, node, std::future::pending()));
    assert!(ask(address, "GET /api/status", "admin", "").await.starts_with("200 "));
    let (release, released) = std::sync::mpsc::channel::<()>();
    let (tell_busy, busy) = std::sync::mpsc::channel();
    let slice = tokio::spawn(async move {
        tell_busy.send(()).unwrap();
        let _ = released.recv();
    });
    // This test has a thread of its own; without the only worker it can only wait by itself.
    busy.recv().unwrap();
    let ask_blocking = |head: &str, body: &str| {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        let length = body.len();
        let key = "Authorization: Bearer operator";
        let request = format!(
            "{head} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{key}\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    assert!(ask_blocking("GET /health/ready", "").starts_with("HTTP/1.1 200"));
    assert!(ask_blocking("PUT /api/kv/a", "b").starts_with("HTTP/1.1 200"));
    assert!(ask_blocking("GET /api/kv/a", "").ends_with("\r\n\r\nb"));
    drop(release);
    slice.await.unwrap();
    server.abort();
}

/// The answer with its tag.
async fn tagged(address: SocketAddr, head: &str, body: &str) -> String {
    let response = send(address, head, "operator", body.as_bytes()).await;
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap();
    let tag = head.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap_or("-");
    let detail = serde_json::from_str::<serde_json::Value>(body).ok();
    let detail = detail.and_then(|problem| Some(problem["detail"].as_str()?.to_owned()));
    format!("{status} {tag} {}", detail.unwrap_or_else(|| body.to_owned()))
}

#[tokio::test]
async fn entries_are_written_on_conditions() {
    let address = serve_fake().await.unwrap();
    let check = async |head: &str, body: &str, expect: Expect| {
        expect.assert_eq(&tagged(address, head, body).await);
    };
    let put = "PUT /api/kv/tools/a%20lock";
    let on = |condition: &str| format!("{put} HTTP/1.1\r\n{condition}\r\nX-Rest:");
    check(put, "one", expect![[r#"200 "1" {"revision":1}"#]]).await;
    check("GET /api/kv/tools/a%20lock", "", expect![[r#"200 "1" one"#]]).await;
    check(&on("If-None-Match: *"), "two", expect![[r#"412 "1" tools/a lock is at revision 1"#]])
        .await;
    check(&on("If-Match: \"7\""), "two", expect![[r#"412 "1" tools/a lock is at revision 1"#]])
        .await;
    check(&on("If-Match: \"1\""), "two", expect![[r#"200 "2" {"revision":2}"#]]).await;
    check(&on("If-Match: seven"), "three", expect![[r#"400 - If-Match: "seven" is no revision"#]])
        .await;
    check(&on("If-Match: *"), "", expect![[r#"200 "3" {"revision":3}"#]]).await;
    check("GET /api/kv/tools%2Fa%20lock?stale=true", "", expect![[r#"200 "3" "#]]).await;
    check(
        "GET /api/kv/tools//a",
        "",
        expect![[r#"400 - the key "tools//a" has an empty segment"#]],
    )
    .await;
    check("GET /api/kv/%ff", "", expect!["400 - the key is no UTF-8"]).await;
    check(
        "GET /api/kv?prefix=tools/&stale=perhaps",
        "",
        expect!["400 - query: `stale`: provided string was not `true` or `false`"],
    )
    .await;
    check(
        "GET /api/kv?prefix=tools/",
        "",
        expect![[
            r#"200 - {"entries":[{"key":"tools/a lock","revision":3,"bytes":0}],"more":false}"#
        ]],
    )
    .await;
    check("DELETE /api/kv/tools/a%20lock", "", expect!["204 - "]).await;
    check("GET /api/kv/tools/a%20lock", "", expect!["404 - there is no entry tools/a lock"]).await;
    let large = "x".repeat(aether_api::STORE_VALUE_BYTES_MAX + 1);
    check("PUT /api/kv/large", &large, expect!["413 - the body exceeds 64KiB"]).await;
    check("PUT /api/kv/large", &large[1..], expect![[r#"200 "4" {"revision":4}"#]]).await;
}
