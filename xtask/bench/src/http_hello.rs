//! `http-hello`: the same `wasi:http` component on a node and on `wasmtime serve`, and no component
//! at all on bare hyper.

use std::path::Path;
use std::process::Command;

use crate::aether::{self, plain};
use crate::compare::{self, Contender, Request};
use crate::guests::Guests;
use crate::report::{self, Measure};
use crate::server::{Server, free_address};
use crate::tools;

/// How often `wasmtime serve` uses an instance: its best setting, not its default.
const REUSE: &str = "128";

pub(crate) fn run(folder: &Path) -> anyhow::Result<()> {
    let wasmtime = tools::WASMTIME.path(folder)?;
    let guests = Guests::build(&["guest-http-hello"], folder)?;
    let component = guests.path("guest-http-hello");

    let node = aether::start(folder, "http-hello")?;
    let routes = [("* /**", "handler = \"wasi:http\"")];
    aether::deploy(&node, &plain("hello", component, &routes))?;
    let address = free_address()?;
    let mut serve = Command::new(wasmtime);
    serve.args(["serve", "-Scli", "--max-instance-reuse-count", REUSE, "--addr"]);
    serve.arg(address.to_string()).arg(component);
    let peer = Server::start(&mut serve, address, &folder.join("wasmtime-serve.log"))?;
    let address = free_address()?;
    let mut bare = Command::new(std::env::current_exe()?.with_file_name("hyper-hello"));
    bare.arg(address.to_string());
    let ceiling = Server::start(&mut bare, address, &folder.join("hyper.log"))?;

    let request = Request { method: "GET", path: "/hello", body: None };
    let contender = |name, address, process| Contender { name, address, process, request };
    let figures = compare::run(&[
        contender("aether", node.http, node.process()),
        contender("wasmtime serve", peer.address, &peer.process),
        contender("hyper", ceiling.address, &ceiling.process),
    ])?;
    let [ours, serve, hyper] = figures[..] else { unreachable!("three contenders, three figures") };
    let (peer, ceiling) = ("wasmtime serve", "hyper");
    let measures = [
        Measure::new("wasmtime serve req/s", "req/s", ours.per_second, (peer, serve.per_second)),
        Measure::new("wasmtime serve p99 ms", "ms", ours.p99_ms, (peer, serve.p99_ms)),
        Measure::new("wasmtime serve cpu us/request", "us", ours.cpu_us, (peer, serve.cpu_us)),
        Measure::new("hyper req/s", "req/s", ours.per_second, (ceiling, hyper.per_second)),
    ];
    report::publish(folder, "http-hello", &measures)
}
