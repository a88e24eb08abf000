//! HTTP/1.1: requests that are refused, and in what words. Knows no limits.

use crate::client::{door, wire};
use crate::http1::last;
use aether_ingress::Limits;
use expect_test::{Expect, expect};

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
            503 urn:aether:error:overloaded
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
async fn a_path_that_is_not_one_is_refused() {
    for (line, more, expect) in [
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
