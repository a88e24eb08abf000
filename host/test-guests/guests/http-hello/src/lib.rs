//! A plain `wasi:http` 0.2 component, made without the SDK. Its paths, after any prefix:
//!
//! - `/hello`: a short text
//! - `/echo`: the request's body, chunk by chunk, with its content type
//! - `/request`: method, path, authority and headers of the request, one a line
//! - `/headers`: response headers that are no UTF-8, and one that comes twice
//! - `/big?N`: N bytes of body
//! - `/status/N`: that status, no body
//! - `/count`: how many requests this instance has served
//! - `/trap`, `/spin`, `/silent`: traps, loops, returns without an answer
//! - `/cut`: promises a body, sends a part of it, traps
//!
//! Anything else is 404.

use std::cell::Cell;

use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::types::{
    Fields, IncomingRequest, Method, OutgoingBody, OutgoingResponse, ResponseOutparam,
};
use wasip2::io::streams::OutputStream;

struct Hello;

thread_local! {
    static CALLS: Cell<u32> = const { Cell::new(0) };
}

const CHUNK_BYTES: usize = 4096;
const TEXT: (&str, &[u8]) = ("content-type", b"text/plain");

impl Guest for Hello {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        CALLS.set(CALLS.get() + 1);
        let target = request.path_with_query().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let words: Vec<&str> = path.rsplit('/').collect();
        match words.as_slice() {
            ["hello", ..] => respond(out, 200, &[TEXT], b"Hello, World!"),
            ["echo", ..] => echo(&request, out),
            ["request", ..] => respond(out, 200, &[TEXT], describe(&request).as_bytes()),
            ["headers", ..] => respond(out, 200, GARBAGE, b"see the headers"),
            ["big", ..] => big(out, query.parse().unwrap_or(0)),
            [status, "status", ..] => respond(out, status.parse().unwrap_or(400), &[], b""),
            ["count", ..] => respond(out, 200, &[TEXT], CALLS.get().to_string().as_bytes()),
            ["trap", ..] => panic!("trapping as asked"),
            ["spin", ..] => loop {
                std::hint::black_box(());
            },
            ["silent", ..] => {}
            ["cut", ..] => {
                let (body, stream) = start(out, 200, &[TEXT, ("content-length", b"100")]);
                write(&stream, b"a part of it");
                drop((stream, body));
                panic!("trapping as asked");
            }
            _ => respond(out, 404, &[TEXT], b"no such path"),
        }
    }
}

const GARBAGE: &[(&str, &[u8])] =
    &[TEXT, ("x-garbage", b"\xff\xfe latin \xe9"), ("x-twice", b"one"), ("x-twice", b"two")];

fn respond(out: ResponseOutparam, status: u16, headers: &[(&str, &[u8])], content: &[u8]) {
    let (body, stream) = start(out, status, headers);
    write(&stream, content);
    drop(stream);
    // The peer may be gone; there is nobody to tell.
    let _ = OutgoingBody::finish(body, None);
}

fn start(
    out: ResponseOutparam,
    status: u16,
    headers: &[(&str, &[u8])],
) -> (OutgoingBody, OutputStream) {
    let fields = Fields::new();
    for (name, value) in headers {
        fields.append(name, value).expect("the names and values here are legal");
    }
    let response = OutgoingResponse::new(fields);
    response.set_status_code(status).expect("the host takes any three digits");
    let body = response.body().expect("the first call gives the body");
    ResponseOutparam::set(out, Ok(response));
    let stream = body.write().expect("the first call gives the stream");
    (body, stream)
}

fn write(stream: &OutputStream, content: &[u8]) -> bool {
    content.chunks(CHUNK_BYTES).all(|chunk| stream.blocking_write_and_flush(chunk).is_ok())
}

fn echo(request: &IncomingRequest, out: ResponseOutparam) {
    let content_type = request.headers().get("content-type");
    let content_type = content_type.first().map_or(&b"application/octet-stream"[..], Vec::as_slice);
    let (body, stream) = start(out, 200, &[("content-type", content_type)]);
    let incoming = request.consume().expect("the first call gives the body");
    let source = incoming.stream().expect("the first call gives the stream");
    while let Ok(chunk) = source.blocking_read(64 * 1024) {
        if !write(&stream, &chunk) {
            break;
        }
    }
    drop(stream);
    let _ = OutgoingBody::finish(body, None);
}

fn big(out: ResponseOutparam, bytes: usize) {
    let length = bytes.to_string();
    let (body, stream) = start(out, 200, &[("content-length", length.as_bytes())]);
    let chunk = [b'x'; CHUNK_BYTES];
    let mut left = bytes;
    while left > 0 && write(&stream, &chunk[..left.min(CHUNK_BYTES)]) {
        left -= left.min(CHUNK_BYTES);
    }
    drop(stream);
    let _ = OutgoingBody::finish(body, None);
}

fn describe(request: &IncomingRequest) -> String {
    let mut lines = vec![
        format!("method {}", name(&request.method())),
        format!("path {}", request.path_with_query().unwrap_or_default()),
        format!("authority {}", request.authority().unwrap_or_default()),
    ];
    for (name, value) in request.headers().entries() {
        lines.push(format!("{name}: {}", value.escape_ascii()));
    }
    lines.join("\n")
}

fn name(method: &Method) -> &str {
    match method {
        Method::Get => "GET",
        Method::Head => "HEAD",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Delete => "DELETE",
        Method::Connect => "CONNECT",
        Method::Options => "OPTIONS",
        Method::Trace => "TRACE",
        Method::Patch => "PATCH",
        Method::Other(other) => other,
    }
}

wasip2::http::proxy::export!(Hello);
