//! A price over HTTP by hand: the guest reads and writes the JSON. The logic is that of
//! `price-typed`.

use serde::{Deserialize, Serialize};
use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::types::{
    Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
};
use wasip2::io::streams::StreamError;

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Request {
    sku: String,
    quantity: u32,
    coupon: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Answer {
    sku: String,
    quantity: u32,
    total_cents: u64,
    discounted: bool,
}

struct Price;

impl Guest for Price {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let (status, body) = match serde_json::from_slice(&read(&request)) {
            Ok(request) => (200, serde_json::to_vec(&quote(request))),
            Err(error) => (400, Ok(error.to_string().into_bytes())),
        };
        let body = body.expect("an answer has no map with keys that are not text");
        let headers = Fields::new();
        headers
            .set("content-type", &[b"application/json".to_vec()])
            .expect("the header may be set");
        headers
            .set("content-length", &[body.len().to_string().into_bytes()])
            .expect("the header may be set");
        let response = OutgoingResponse::new(headers);
        response.set_status_code(status).expect("a valid status");
        let outgoing = response.body().expect("the body is taken once");
        ResponseOutparam::set(out, Ok(response));
        let stream = outgoing.write().expect("the stream is taken once");
        stream.blocking_write_and_flush(&body).expect("the host takes a small body");
        drop(stream);
        OutgoingBody::finish(outgoing, None).expect("as many bytes as were announced");
    }
}

fn quote(request: Request) -> Answer {
    let discounted = request.coupon.as_deref() == Some("half");
    let cents = 1_995 * u64::from(request.quantity);
    let total_cents = if discounted { cents / 2 } else { cents };
    Answer { sku: request.sku, quantity: request.quantity, total_cents, discounted }
}

fn read(request: &IncomingRequest) -> Vec<u8> {
    let body = request.consume().expect("the body is taken once");
    let stream = body.stream().expect("the stream is taken once");
    let mut bytes = Vec::new();
    loop {
        match stream.blocking_read(64 * 1024) {
            Ok(chunk) => bytes.extend(chunk),
            Err(StreamError::Closed) => return bytes,
            Err(StreamError::LastOperationFailed(error)) => panic!("{}", error.to_debug_string()),
        }
    }
}

wasip2::http::proxy::export!(Price);
