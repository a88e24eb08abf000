//! Sends HTTP requests out through `wasi:http/outgoing-handler`, made without the SDK.
#![expect(unsafe_code, reason = "the bindings export functions")]

wit_bindgen::generate!({
    world: "test:outbound/outbound",
    path: ["../../wit/probe", "wit"],
    generate_all,
});

use exports::test::probe::outbound::{Guest, Response};
use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    Fields, IncomingResponse, Method, OutgoingBody, OutgoingRequest, Scheme,
};

struct Outbound;

impl Guest for Outbound {
    fn fetch(method: String, url: String, body: Vec<u8>) -> Result<Response, String> {
        let (scheme, rest) = url.split_once("://").ok_or("the URL has no scheme")?;
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, "/"),
        };
        let request = OutgoingRequest::new(Fields::new());
        let method = if method == "POST" { Method::Post } else { Method::Get };
        let scheme = if scheme == "https" { Scheme::Https } else { Scheme::Http };
        request
            .set_method(&method)
            .and_then(|()| request.set_scheme(Some(&scheme)))
            .and_then(|()| request.set_authority(Some(authority)))
            .and_then(|()| request.set_path_with_query(Some(path)))
            .map_err(|()| "the host does not take this URL")?;
        let outgoing = request.body().map_err(|()| "no body")?;
        let future = outgoing_handler::handle(request, None).map_err(text)?;
        let stream = outgoing.write().map_err(|()| "no stream")?;
        for chunk in body.chunks(4096) {
            stream.blocking_write_and_flush(chunk).map_err(text)?;
        }
        drop(stream);
        OutgoingBody::finish(outgoing, None).map_err(text)?;
        future.subscribe().block();
        let answer = future.get().ok_or("woken without an answer")?;
        let response = answer.map_err(|()| "answered twice")?.map_err(text)?;
        read(&response)
    }
}

fn read(response: &IncomingResponse) -> Result<Response, String> {
    let headers = response.headers().entries();
    let headers =
        headers.into_iter().map(|(name, value)| (name, value.escape_ascii().to_string())).collect();
    let incoming = response.consume().map_err(|()| "no body")?;
    let stream = incoming.stream().map_err(|()| "no stream")?;
    let mut body = Vec::new();
    while let Ok(chunk) = stream.blocking_read(64 * 1024) {
        body.extend_from_slice(&chunk);
    }
    Ok(Response { status: response.status(), headers, body })
}

fn text(error: impl std::fmt::Debug) -> String {
    format!("{error:?}")
}

export!(Outbound);
