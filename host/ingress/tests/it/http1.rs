//! HTTP/1.1: what goes in, what comes out. Knows no limits.

use crate::client::{door, rest, until, wire};
use aether_ingress::Limits;
use expect_test::{Expect, expect};
use std::sync::atomic::Ordering::SeqCst;
use tokio::io::AsyncWriteExt;

pub(crate) async fn check(request: &str, expect: Expect) {
    expect.assert_eq(&door(Limits::STANDARD).talk(request).await);
}

/// A request that closes the connection after its answer.
pub(crate) fn last(line: &str, more: &str) -> String {
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
            content-length: 79

            GET /http/seen ["host", "x-request-id", "accept", "traceparent"] id=r1 trace=55"#]],
    )
    .await;
    check(
        &last("GET http://b.example/http/seen", "\n"),
        expect![[r#"
            HTTP/1.1 200 OK
            x-request-id: r1
            connection: close
            content-length: 85

            GET http://b.example/http/seen ["host", "x-request-id", "traceparent"] id=r1 trace=55"#]],
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
        assert!(answer.ends_with(&format!("id={id} trace=55")), "{answer}");
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
