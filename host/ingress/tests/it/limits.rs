//! Clients that send too much, too slowly, or too often. Knows the limits.

use crate::client::{door, rest, until, wire};
use aether_ingress::Limits;
use expect_test::{Expect, expect};
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;

fn small() -> Limits {
    Limits { body_bytes_max: 8, uri_bytes_max: 64, head_bytes_max: 1_024, ..Limits::STANDARD }
}

async fn check(request: &str, expect: Expect) {
    let answer = door(small()).talk(request).await;
    let (head, body) = answer.split_once("\n\n").unwrap_or((&answer, ""));
    let status = head.lines().next().unwrap_or_default();
    let detail = body.split("\"detail\":").nth(1).and_then(|rest| rest.split('"').nth(1));
    expect.assert_eq(&format!("{status}: {}", detail.unwrap_or_default()));
}

fn post(path: &str, more: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\nhost: a\nx-request-id: r1\nconnection: close\n\
         content-type: application/json\n{more}"
    )
}

#[tokio::test]
async fn too_much_is_refused() {
    let chunked = "transfer-encoding: chunked\n\n6\n123456\n6\n123456\n0\n\n";
    check(
        &post("/typed", "content-length: 9\n\n123456789"),
        expect!["HTTP/1.1 413 Payload Too Large: a body has at most 8B"],
    )
    .await;
    check(
        &post("/typed", chunked),
        expect!["HTTP/1.1 413 Payload Too Large: a body has at most 8B"],
    )
    .await;
    check(
        &post("/http/count", chunked),
        expect!["HTTP/1.1 413 Payload Too Large: a body has at most 8B"],
    )
    .await;
    check(
        &post(&format!("/typed?{}", "q".repeat(64)), "\n"),
        expect!["HTTP/1.1 414 URI Too Long: path and query have at most 64B"],
    )
    .await;
    check(
        &post("/typed", &format!("x: {}\n\n", "x".repeat(1_024))),
        expect![
            "HTTP/1.1 431 Request Header Fields Too Large: a head has at most 1KiB and 100 fields"
        ],
    )
    .await;
    check(
        &post("/typed", &"x: 1\n".repeat(120)),
        expect![
            "HTTP/1.1 431 Request Header Fields Too Large: a head has at most 1KiB and 100 fields"
        ],
    )
    .await;
    check(
        &post("/typed", &format!("{}\n", "x: 1\n".repeat(96))),
        expect!["HTTP/1.1 400 Bad Request: wanted a record, found nothing"],
    )
    .await;
    check(
        &format!("GET /{} HTTP/1.1\n", "x".repeat(70_000)),
        expect![
            "HTTP/1.1 431 Request Header Fields Too Large: a head has at most 1KiB and 100 fields"
        ],
    )
    .await;
}

#[tokio::test]
async fn an_announced_giant_is_refused_before_it_is_read() {
    let under = door(small());
    let answer = under.talk(&post("/http/count", "content-length: 999999999\n\n")).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert_eq!(under.app.calls.load(SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn a_head_that_does_not_end_is_given_up() {
    let under = door(Limits::STANDARD);
    let mut client = under.connect();
    let started = Instant::now();
    client.write_all(b"GET / HTTP/1.1\r\nhost:").await.unwrap();
    let answer = rest(&mut client).await;
    assert!(answer.starts_with("HTTP/1.1 408 Request Timeout\n"), "{answer}");
    assert!(answer.contains("content-type: application/problem+json\n"), "{answer}");
    assert!(answer.contains("the head did not arrive within 30s"), "{answer}");
    assert_eq!(started.elapsed().as_secs(), Limits::STANDARD.head_time_max.as_secs());
}

#[tokio::test(start_paused = true)]
async fn a_silent_connection_is_closed_without_a_word() {
    let under = door(Limits::STANDARD);
    assert_eq!(under.talk("").await, "");
    let mut client = under.connect();
    client.write_all(wire("GET /http/hello HTTP/1.1\nhost: a\n\n").as_bytes()).await.unwrap();
    until(&mut client, "hello\n").await;
    assert_eq!(rest(&mut client).await, "");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_given_up() {
    for path in ["/typed", "/http/count"] {
        let under = door(Limits::STANDARD);
        let started = Instant::now();
        let answer = under.talk(&post(path, "content-length: 7\n\n{\"a")).await;
        assert!(answer.starts_with("HTTP/1.1 408 Request Timeout"), "{path} {answer}");
        assert!(started.elapsed() < Limits::STANDARD.body_time_max);
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_drips_ends_with_its_time() {
    for path in ["/typed", "/http/count-for-60s"] {
        let under = door(Limits::STANDARD);
        let mut client = under.connect();
        let head = wire(&post(path, "content-length: 1000\n\n"));
        client.write_all(head.as_bytes()).await.unwrap();
        let started = Instant::now();
        let (mut reader, mut writer) = tokio::io::split(client);
        let drip = tokio::spawn(async move {
            let mut tick = tokio::time::interval(Duration::from_secs(5));
            while writer.write_all(b"x").await.is_ok() {
                tick.tick().await;
            }
        });
        let mut answer = Vec::new();
        let read = tokio::io::AsyncReadExt::read_to_end(&mut reader, &mut answer).await;
        assert!(read.is_ok() && answer.starts_with(b"HTTP/1.1 408 Request Timeout"), "{path}");
        assert!(started.elapsed() < Duration::from_secs(61), "{path}");
        drip.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn a_slice_that_does_not_answer_is_given_up() {
    for path in ["/fails/hang", "/http/hang"] {
        let under = door(Limits::STANDARD);
        let started = Instant::now();
        let request = format!("GET {path} HTTP/1.1\nhost: a\nconnection: close\n\n");
        let answer = under.talk(&request).await;
        assert!(answer.starts_with("HTTP/1.1 504 Gateway Timeout"), "{answer}");
        assert!(answer.contains("urn:aether:error:deadline-exceeded"), "{answer}");
        let most = Limits::STANDARD.body_time_max + Limits::STANDARD.answer_time_max;
        assert_eq!(started.elapsed().as_secs(), most.as_secs());
    }
}

#[tokio::test(start_paused = true)]
async fn a_slice_has_the_time_that_it_was_given() {
    let under = door(Limits::STANDARD);
    let started = Instant::now();
    let answer = under.talk("GET /http/late HTTP/1.1\nhost: a\nconnection: close\n\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert_eq!(started.elapsed().as_secs(), 3_600);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_is_cut() {
    let under = door(Limits::STANDARD);
    let mut client = under.connect();
    let request = wire("GET /http/endless HTTP/1.1\nhost: a\n\n");
    client.write_all(request.as_bytes()).await.unwrap();
    while under.door.stats().answered_2xx == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(under.door.stats().requests_in_flight, 1);
    tokio::time::advance(Limits::STANDARD.write_stall_max * 2).await;
    while under.door.stats().requests_in_flight > 0 {
        tokio::time::advance(Duration::from_secs(1)).await;
    }
}

#[tokio::test]
async fn requests_beyond_the_limit_are_refused_and_the_place_comes_back() {
    let under = door(Limits { requests_max: 1, ..Limits::STANDARD });
    let mut first = under.connect();
    let wait = "GET /http/wait HTTP/1.1\nhost: a\nconnection: close\n\n";
    first.write_all(wire(wait).as_bytes()).await.unwrap();
    under.app.arrived.notified().await;
    let hello = "GET /http/hello HTTP/1.1\nhost: a\nx-request-id: r1\nconnection: close\n\n";
    let refused = under.talk(hello).await;
    assert!(refused.starts_with("HTTP/1.1 503 Service Unavailable"), "{refused}");
    assert!(refused.contains("retry-after: 1\n") && refused.contains("error:overloaded"));
    under.app.go_on.notify_one();
    assert!(rest(&mut first).await.ends_with("waited"));
    assert!(under.talk(hello).await.starts_with("HTTP/1.1 200 OK"));
    assert_eq!(under.door.stats().refused_at_limit, 1);
}

#[tokio::test]
async fn a_client_that_leaves_takes_its_call_along() {
    let under = door(Limits::STANDARD);
    let mut client = under.connect();
    client.write_all(wire("GET /http/hang HTTP/1.1\nhost: a\n\n").as_bytes()).await.unwrap();
    under.app.arrived.notified().await;
    drop(client);
    under.app.abandoned.notified().await;
    while under.door.stats().requests_in_flight > 0 {
        tokio::task::yield_now().await;
    }
}
