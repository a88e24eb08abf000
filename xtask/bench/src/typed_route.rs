//! `typed-route`: a small record in and out as JSON, read and written by the host, against the same
//! logic in a `wasi:http` component that reads and writes the JSON itself. Both on one node.

use std::path::Path;

use crate::aether::{self, plain};
use crate::compare::{self, Contender, Request};
use crate::guests::Guests;
use crate::report::{self, Measure};

pub(crate) fn run(folder: &Path) -> anyhow::Result<()> {
    let guests = Guests::build(&["guest-price-http", "guest-price-typed"], folder)?;
    let node = aether::start(folder, "typed-route")?;
    aether::deploy(&node, &plain("price-typed", guests.path("guest-price-typed"), &[]))?;
    let own = [("POST /http/quote", "handler = \"wasi:http\"")];
    aether::deploy(&node, &plain("price-http", guests.path("guest-price-http"), &own))?;

    let json = r#"{"sku":"sku-4711","quantity":3,"coupon":"half"}"#;
    let contender = |name, path| Contender {
        name,
        address: node.http,
        process: node.process(),
        request: Request { method: "POST", path, body: Some(json) },
    };
    let figures = compare::run(&[
        contender("typed route", "/typed/quote"),
        contender("wasi:http with serde_json", "/http/quote"),
    ])?;
    let [ours, theirs] = figures[..] else { unreachable!("two contenders, two figures") };
    let peer = "wasi:http with serde_json";
    let measures = [
        Measure::new("req/s", "req/s", ours.per_second, (peer, theirs.per_second)),
        Measure::new("p99 ms", "ms", ours.p99_ms, (peer, theirs.p99_ms)),
        Measure::new("cpu us/request", "us", ours.cpu_us, (peer, theirs.cpu_us)),
    ];
    report::publish(folder, "typed-route", &measures)
}
