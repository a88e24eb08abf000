//! A plain `wasi:http` 0.3 component, made without the SDK. Its paths, after any prefix:
//!
//! - `/hello`: a short text
//! - `/echo`: the request's body, as it comes
//! - `/big?N`: N bytes of body
//! - `/status/N`: that status, no body
//! - `/count`: how many requests this instance has served
//! - `/wait?MS`: waits that long, then tells how many requests waited at the same time
//! - `/refuse`: answers with an error code instead of a response
//! - `/trap`, `/spin`: traps, loops
//!
//! Anything else is 404.
#![expect(unsafe_code, reason = "the bindings export functions")]

use std::cell::Cell;

wit_bindgen::generate!({ path: "wit", generate_all });

use exports::wasi::http::handler::Guest;
use wasi::clocks::monotonic_clock;
use wasi::http::types::{ErrorCode, Fields, Request, Response};
use wit_bindgen::StreamReader;

struct Hello;

thread_local! {
    static CALLS: Cell<u32> = const { Cell::new(0) };
    static WAITING: Cell<u32> = const { Cell::new(0) };
    static WAITING_MAX: Cell<u32> = const { Cell::new(0) };
}

const CHUNK_BYTES: usize = 64 * 1024;

impl Guest for Hello {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        CALLS.set(CALLS.get() + 1);
        let target = request.get_path_with_query().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let words: Vec<&str> = path.rsplit('/').collect();
        match words.as_slice() {
            ["hello", ..] => Ok(text(200, "Hello, World!")),
            ["echo", ..] => Ok(echo(request)),
            ["big", ..] => Ok(respond(200, Some(bytes(query.parse().unwrap_or(0))))),
            [status, "status", ..] => Ok(respond(status.parse().unwrap_or(400), None)),
            ["count", ..] => Ok(text(200, &CALLS.get().to_string())),
            ["wait", ..] => Ok(wait(query.parse().unwrap_or(0)).await),
            ["refuse", ..] => Err(ErrorCode::ConnectionRefused),
            ["trap", ..] => panic!("trapping as asked"),
            ["spin", ..] => loop {
                std::hint::black_box(());
            },
            _ => Ok(text(404, "no such path")),
        }
    }
}

fn text(status: u16, text: &str) -> Response {
    respond(status, Some(stream(vec![text.as_bytes().to_vec()])))
}

fn respond(status: u16, contents: Option<StreamReader<u8>>) -> Response {
    let fields = Fields::new();
    if contents.is_some() {
        let plain = [b"text/plain".to_vec()];
        fields.set("content-type", &plain).expect("the name and value are legal");
    }
    let (_, trailers) = wit_future::new(|| Ok(None));
    let (response, _sent) = Response::new(fields, contents, trailers);
    response.set_status_code(status).expect("the host takes any three digits");
    response
}

/// The body that came is the body that goes; it flows while the host moves it.
fn echo(request: Request) -> Response {
    let (_, received) = wit_future::new(|| Ok(()));
    let (body, trailers) = Request::consume_body(request, received);
    let (response, _sent) = Response::new(Fields::new(), Some(body), trailers);
    response
}

fn bytes(count: usize) -> StreamReader<u8> {
    let whole = count / CHUNK_BYTES;
    let mut chunks = vec![vec![b'x'; CHUNK_BYTES]; whole];
    chunks.push(vec![b'x'; count % CHUNK_BYTES]);
    stream(chunks)
}

fn stream(chunks: Vec<Vec<u8>>) -> StreamReader<u8> {
    let (mut writer, reader) = wit_stream::new();
    wit_bindgen::spawn_local(async move {
        for chunk in chunks {
            // What was not taken is lost with a peer that is gone.
            if !writer.write_all(chunk).await.is_empty() {
                return;
            }
        }
    });
    reader
}

async fn wait(ms: u64) -> Response {
    WAITING.set(WAITING.get() + 1);
    WAITING_MAX.set(WAITING_MAX.get().max(WAITING.get()));
    monotonic_clock::wait_for(ms * 1_000_000).await;
    WAITING.set(WAITING.get() - 1);
    text(200, &WAITING_MAX.get().to_string())
}

export!(Hello);
