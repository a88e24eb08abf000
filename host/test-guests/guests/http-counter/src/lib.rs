//! Serves HTTP itself, and counts requests by path in the cache bucket `counter` with the SDK. The
//! answer is the count, or the cache's error with status 503.

use aether_slice::cache::{Bucket, Error};
use aether_slice::context;
use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::types::{
    Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
};

struct Counter;

impl Guest for Counter {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let path = request.path_with_query().unwrap_or_default();
        let (status, text) = match count(&path) {
            Ok(count) => (200, count.to_string()),
            Err(error) => (503, error.to_string()),
        };
        let fields = Fields::new();
        let request_id = context::request_id();
        fields.set("x-seen-request-id", &[request_id.into_bytes()]).expect("an id is plain ASCII");
        let response = OutgoingResponse::new(fields);
        response.set_status_code(status).expect("the host takes any three digits");
        let body = response.body().expect("the first call gives the body");
        ResponseOutparam::set(out, Ok(response));
        let stream = body.write().expect("the first call gives the stream");
        // The peer may be gone; there is nobody to tell.
        let _ = stream.blocking_write_and_flush(text.as_bytes());
        drop(stream);
        let _ = OutgoingBody::finish(body, None);
    }
}

fn count(path: &str) -> Result<i64, Error> {
    Bucket::open("counter")?.increment(path, 1)
}

wasip2::http::proxy::export!(Counter);
