//! HTTP/1.1: what goes in, what comes out. Knows no limits.

use crate::client::{door, rest, until, wire};
use aether_ingress::Limits;
use expect_test::{Expect, expect};
use std::sync::atomic::Ordering::SeqCst;
use tokio::io::AsyncWriteExt;

async fn check(request: &str, expect: Expect) {
    expect.assert_eq(&door(Limits::STANDARD).talk(request).await);
}

/// A request that closes the connection after its answer.
fn last(line: &str, more: &str) -> String {
    format!("{line} HTTP/1.1\nhost: a.example\nx-request-id: r1\nconnection: close\n{more}")
}

#[tokio::test]
async fn typed_routes_answer_in_json() {
    check(
        &last("POST /typed", "content-type: application/json\ncontent-length: 7\n\n{\"a\":1}"),
        expect![[r#"
            HTTP/1.1 200 OK
            content-type: application/json
            x-request-id: r1
            connection: close
            content-length: 7

            {"a":1}"#]],
    )
    .await;
    check(
        &last("GET /typed/7?x=1&y=a%20b&y", "\n"),
        expect![[r#"
        HTTP/1.1 200 OK
        content-type: application/json
        x-request-id: r1
        connection: close
        content-length: 69

        "[(\"id\", \"7\")] [(\"x\", \"1\"), (\"y\", \"a b\"), (\"y\", \"\")]""#]],
    )
    .await;
    check(
        &last("HEAD /typed/7", "\n"),
        expect![[r#"
        HTTP/1.1 200 OK
        content-type: application/json
        x-request-id: r1
        content-length: 22
        connection: close

    "#]],
    )
    .await;
    check(
        &last("GET /fails/nothing", "\n"),
        expect![[r#"
        HTTP/1.1 204 No Content
        x-request-id: r1
        connection: close

    "#]],
    )
    .await;
}

#[tokio::test]
async fn chunks_are_put_together() {
    let body =
        "content-type: application/json\ntransfer-encoding: chunked\n\n3\n{\"a\n4\n\":1}\n0\n\n";
    check(
        &last("POST /typed", body),
        expect![[r#"
        HTTP/1.1 200 OK
        content-type: application/json
        x-request-id: r1
        connection: close
        content-length: 7

        {"a":1}"#]],
    )
    .await;
    check(
        &last("POST /http/count", "transfer-encoding: chunked\n\n3\nabc\n4\ndefg\n0\n\n"),
        expect![[r#"
            HTTP/1.1 200 OK
            x-request-id: r1
            connection: close
            content-length: 7

            7 bytes"#]],
    )
    .await;
}

/// The status, what the problem document says, and the headers that go with it.
async fn problem(request: &str, expect: Expect) {
    let answer = door(Limits::STANDARD).talk(request).await;
    let (head, body) = answer.split_once("\n\n").expect("a head and a body");
    assert!(head.contains("content-type: application/problem+json"), "{answer}");
    let body: serde_json::Value = serde_json::from_str(body).expect("a document");
    assert!(head.contains(&format!("x-request-id: {}", text(&body["request-id"]))), "{answer}");
    assert!(head.starts_with(&format!("HTTP/1.1 {} {}", body["status"], text(&body["title"]))));
    let mut shown = format!("{} {}", body["status"], text(&body["type"]));
    for member in ["detail", "path", "case", "value"] {
        if let Some(value) = body.get(member) {
            shown += &format!("\n{member} {}", text(value));
        }
    }
    for line in head.lines().filter(|l| l.starts_with("allow") || l.starts_with("retry")) {
        shown += &format!("\n{line}");
    }
    expect.assert_eq(&shown);
}

fn text(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[tokio::test]
async fn failures_are_problem_documents() {
    for (path, expect) in [
        (
            "/fails/business",
            expect![[r#"
            409 about:blank
            case insufficient
            value {"left":2}"#]],
        ),
        (
            "/fails/unavailable",
            expect![[r#"
            503 urn:aether:error:unavailable
            detail no instance can take the request now
            retry-after: 1"#]],
        ),
        (
            "/fails/overloaded",
            expect![[r#"
            429 urn:aether:error:overloaded
            detail more requests are waiting than the slice's queue holds
            retry-after: 3"#]],
        ),
        (
            "/fails/trap",
            expect![[r#"
            502 urn:aether:error:callee-failed
            detail the slice failed; the log has the cause under the request id"#]],
        ),
        (
            "/fails/denied",
            expect![[r#"
            403 urn:aether:error:denied
            detail the application may not do this"#]],
        ),
        (
            "/fails/deadline",
            expect![[r#"
            504 urn:aether:error:deadline-exceeded
            detail there was no answer in time"#]],
        ),
        (
            "/http/interim",
            expect![[r#"
            502 urn:aether:error:callee-failed
            detail the slice failed; the log has the cause under the request id"#]],
        ),
    ] {
        problem(&last(&format!("GET {path}"), "\n"), expect).await;
    }
}

#[tokio::test]
async fn requests_that_cannot_be_served_say_why() {
    for (line, more, expect) in [
        (
            "GET /nowhere",
            "\n",
            expect![[r#"
            404 urn:aether:error:unknown-endpoint
            detail no deployed application has a route for this path"#]],
        ),
        (
            "DELETE /typed/1",
            "\n",
            expect![[r#"
            405 urn:aether:error:method-not-allowed
            detail no route has this path with this method
            allow: GET, HEAD, OPTIONS"#]],
        ),
        (
            "GET /http/../typed/1",
            "\n",
            expect![[r#"
            400 urn:aether:error:request-invalid
            detail a path must not have `.` or `..` segments"#]],
        ),
        (
            "GET /http/%2E%2e/typed/1",
            "\n",
            expect![[r#"
            400 urn:aether:error:request-invalid
            detail a path must not have `.` or `..` segments"#]],
        ),
        (
            "GET /http/caf%E9/x",
            "\n",
            expect![[r#"
                400 urn:aether:error:request-invalid
                detail not UTF-8, or a % without two hexadecimal digits
                path segment `caf%E9`"#]],
        ),
        (
            "GET /typed/50%",
            "\n",
            expect![[r#"
                400 urn:aether:error:request-invalid
                detail not UTF-8, or a % without two hexadecimal digits
                path segment `50%`"#]],
        ),
        (
            "OPTIONS /nowhere",
            "\n",
            expect![[r#"
            404 urn:aether:error:unknown-endpoint
            detail no deployed application has a route for this path"#]],
        ),
        (
            "CONNECT a.example:443",
            "\n",
            expect![[r#"
            400 urn:aether:error:request-invalid
            detail the request must name a path; this is no proxy"#]],
        ),
        (
            "GET /typed/1",
            "host: b.example\n\n",
            expect![[r#"
            400 urn:aether:error:request-invalid
            detail a request names its host exactly once"#]],
        ),
    ] {
        problem(&last(line, more), expect).await;
    }
}

#[tokio::test]
async fn what_a_typed_route_cannot_read_is_refused() {
    let json = "content-type: application/json";
    for (line, more, expect) in [
        (
            "POST /typed",
            "content-type: text/plain\ncontent-length: 2\n\n{}",
            expect![[r#"
            415 urn:aether:error:request-invalid
            detail send JSON, with `content-type: application/json`"#]],
        ),
        (
            "POST /typed",
            "content-length: 2\n\n{}",
            expect![[r#"
            415 urn:aether:error:request-invalid
            detail send JSON, with `content-type: application/json`"#]],
        ),
        (
            "POST /typed",
            &format!("{json}\ncontent-encoding: br\ncontent-length: 1\n\nx"),
            expect![[r#"
                415 urn:aether:error:request-invalid
                detail send the body without content-encoding"#]],
        ),
        (
            "POST /typed",
            &format!("{json}\n\n"),
            expect![[r#"
            400 urn:aether:error:request-invalid
            detail wanted a record, found nothing
            path $"#]],
        ),
        (
            "GET /typed/1?a=%zz",
            "\n",
            expect![[r#"
            400 urn:aether:error:request-invalid
            detail not UTF-8, or a % without two hexadecimal digits
            path query `a=%zz`"#]],
        ),
    ] {
        problem(&last(line, more), expect).await;
    }
}

#[tokio::test]
async fn a_request_names_one_host() {
    let head = "GET /typed/1 HTTP/1.1\nx-request-id: r1\nconnection: close\n";
    problem(
        &format!("{head}\n"),
        expect![[r#"
        400 urn:aether:error:request-invalid
        detail a request names its host exactly once"#]],
    )
    .await;
    for bad in ["u@a", "a b", "a/b", ""] {
        let answer = door(Limits::STANDARD).talk(&format!("{head}host: {bad}\n\n")).await;
        assert!(answer.starts_with("HTTP/1.1 400 Bad Request"), "{bad} {answer}");
    }
}

#[tokio::test]
async fn what_a_path_takes_can_be_asked() {
    check(
        &last("OPTIONS /typed/7", "\n"),
        expect![[r#"
            HTTP/1.1 204 No Content
            allow: GET, HEAD, OPTIONS
            x-request-id: r1
            connection: close

        "#]],
    )
    .await;
    let of_the_slice = door(Limits::STANDARD).talk(&last("OPTIONS /http/seen", "\n")).await;
    assert!(of_the_slice.contains("OPTIONS /http/seen ["), "{of_the_slice}");
}

#[tokio::test]
async fn heads_that_cannot_be_read_are_answered_in_words() {
    for (request, expect) in [
        (
            "\x16\x03\x01\x02\x00\x01 this is TLS\n\n",
            expect![[r#"
                400 urn:aether:error:request-invalid
                detail the head cannot be read: invalid HTTP method"#]],
        ),
        (
            "GET / HTTP/1.1\nbad header\n\n",
            expect![[r#"
                400 urn:aether:error:request-invalid
                detail the head cannot be read: invalid HTTP header"#]],
        ),
        (
            "GET / HTTP/3.0\nhost: a\n\n",
            expect![[r#"
                400 urn:aether:error:request-invalid
                detail the head cannot be read: invalid HTTP version"#]],
        ),
        (
            "POST /http/count HTTP/1.1\nhost: a\ncontent-length: 1\ncontent-length: 2\n\nabc",
            expect![[r#"
                400 urn:aether:error:request-invalid
                detail the head cannot be read: invalid content-length"#]],
        ),
    ] {
        problem(request, expect).await;
    }
}

#[tokio::test]
async fn a_head_that_cannot_be_read_does_not_touch_the_answers_before_it() {
    let like_hyper = "HTTP/1.1 431 Request Header Fields Too Large\n\n";
    let echo = format!(
        "POST /http/echo HTTP/1.1\nhost: a\ncontent-length: {}\n\n{like_hyper}",
        wire(like_hyper).len()
    );
    let under = door(Limits::STANDARD);
    let answers = under.talk(&format!("{echo}{echo}bad\n\n")).await;
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 2, "{answers}");
    assert_eq!(answers.matches(like_hyper).count(), 2, "{answers}");
    let (_, last) = answers.rsplit_once("HTTP/1.1 400 Bad Request\n").expect("a refusal");
    assert!(last.contains("content-type: application/problem+json\n"), "{answers}");
    let stats = under.door.stats();
    assert_eq!((stats.answered_2xx, stats.answered_4xx), (2, 1));
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_for_the_handler_to_judge() {
    check(
        &last("POST /http/count", "transfer-encoding: chunked\n\nzz\n"),
        expect![[r#"
            HTTP/1.1 200 OK
            x-request-id: r1
            connection: close
            content-length: 57

            body failed: the connection broke while the body was read"#]],
    )
    .await;
}

#[tokio::test]
async fn a_handler_gets_the_request_without_what_was_for_the_connection() {
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    check(
        &last("GET /http/seen", &format!("te: trailers\ntraceparent: {trace}\naccept: */*\n\n")),
        expect![[r#"
            HTTP/1.1 200 OK
            x-request-id: r1
            connection: close
            content-length: 85

            GET /http/seen ["host", "x-request-id", "accept", "traceparent"] id=r1 trace=Some(55)"#]],
    )
    .await;
    check(
        &last("GET http://b.example/http/seen", "\n"),
        expect![[r#"
        HTTP/1.1 200 OK
        x-request-id: r1
        connection: close
        content-length: 72

        GET http://b.example/http/seen ["host", "x-request-id"] id=r1 trace=None"#]],
    )
    .await;
    check(
        &last("GET /http/hop", "\n"),
        expect![[r#"
        HTTP/1.1 200 OK
        x-request-id: r1
        connection: close
        content-length: 1

        x"#]],
    )
    .await;
    check(
        &last("PURGE /http/hello", "\n"),
        expect![[r#"
        HTTP/1.1 200 OK
        x-request-id: r1
        connection: close
        content-length: 6

        hello
    "#]],
    )
    .await;
    check(
        &last("HEAD /http/hello", "\n"),
        expect![[r#"
        HTTP/1.1 200 OK
        x-request-id: r1
        content-length: 6
        connection: close

    "#]],
    )
    .await;
}

#[tokio::test]
async fn a_request_without_an_id_gets_one() {
    let under = door(Limits::STANDARD);
    for given in ["", "x-request-id: not visible\n", "x-request-id:\n"] {
        let head = format!("GET /http/seen HTTP/1.1\nhost: a\nconnection: close\n{given}\n");
        let answer = under.talk(&head).await;
        let line = answer.lines().find_map(|l| l.strip_prefix("x-request-id: "));
        let id: uuid::Uuid = line.expect("an id").parse().expect("a UUID");
        assert_eq!(id.get_version_num(), 7);
        assert!(answer.ends_with(&format!("id={id} trace=None")), "{answer}");
    }
}

#[tokio::test]
async fn one_connection_serves_many_requests_also_pipelined() {
    let under = door(Limits::STANDARD);
    let mut client = under.connect();
    let hello = wire("GET /http/hello HTTP/1.1\nhost: a\n\n");
    for _ in 0..3 {
        client.write_all(hello.as_bytes()).await.unwrap();
        assert!(until(&mut client, "hello\n").await.starts_with("HTTP/1.1 200 OK"));
    }
    client.write_all(hello.repeat(5).as_bytes()).await.unwrap();
    client.write_all(wire(&last("GET /http/seen", "\n")).as_bytes()).await.unwrap();
    let answers = rest(&mut client).await;
    assert_eq!(answers.matches("hello\n").count(), 5);
    assert!(answers.contains("id=r1"), "{answers}");
    assert_eq!(under.app.calls.load(SeqCst), 9);
    assert_eq!(under.door.stats().answered_2xx, 9);
}

#[tokio::test]
async fn a_body_streams_through_in_both_directions() {
    let under = door(Limits::STANDARD);
    let mut client = under.connect();
    let head = "POST /http/echo HTTP/1.1\nhost: a\ntransfer-encoding: chunked\n\n3\nabc\n";
    client.write_all(wire(head).as_bytes()).await.unwrap();
    // The answer comes while the request is not finished.
    assert!(until(&mut client, "3\r\nabc\r\n").await.starts_with("HTTP/1.1 200 OK"));
    client.write_all(b"4\r\ndefg\r\n").await.unwrap();
    assert_eq!(until(&mut client, "\r\ndefg\r\n").await, "4\r\ndefg\r\n");
    client.write_all(b"0\r\n\r\n").await.unwrap();
    assert_eq!(until(&mut client, "0\r\n\r\n").await, "0\r\n\r\n");
}

#[tokio::test]
async fn a_client_that_asks_first_is_told_to_go_on() {
    let under = door(Limits::STANDARD);
    let mut client = under.connect();
    let head = last("POST /http/count", "expect: 100-continue\ncontent-length: 3\n\n");
    client.write_all(wire(&head).as_bytes()).await.unwrap();
    assert_eq!(until(&mut client, "\r\n\r\n").await, "HTTP/1.1 100 Continue\r\n\r\n");
    client.write_all(b"abc").await.unwrap();
    assert!(rest(&mut client).await.ends_with("3 bytes"));
    // Refused by its head alone: no byte of the body is asked for.
    let head = last("POST /nowhere", "expect: 100-continue\ncontent-length: 3\n\n");
    assert!(under.talk(&head).await.starts_with("HTTP/1.1 404 Not Found"));
}

#[tokio::test]
async fn a_stream_that_breaks_is_seen_to_break() {
    let answer = door(Limits::STANDARD).talk(&last("GET /http/broken", "\n")).await;
    assert!(answer.ends_with("\n\n4\nhalf\n"), "{answer}");
}
