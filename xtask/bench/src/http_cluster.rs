//! `http-cluster`: requests that enter where the slice does not run, against requests that enter
//! where it does, and against nginx in front of bare hyper.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use aether_forge::Node;
use anyhow::{Context, ensure};

use crate::aether::{self, plain};
use crate::compare::{self, Contender, Request};
use crate::guests::Guests;
use crate::report::{self, Measure};
use crate::server::{Server, free_address};
use crate::tools;

pub(crate) fn run(folder: &Path) -> anyhow::Result<()> {
    let nginx = tools::debian("nginx", "usr/sbin/nginx", folder)?;
    let guests = Guests::build(&["guest-http-hello"], folder)?;
    let nodes = aether::sandbox(folder, "http-cluster")?.cluster(3)?;
    let routes = [("* /**", "handler = \"wasi:http\"")];
    aether::deploy(&nodes[0], &plain("hello", guests.path("guest-http-hello"), &routes))?;
    let (near, far) = near_and_far(&nodes)?;

    let address = free_address()?;
    let mut bare = Command::new(std::env::current_exe()?.with_file_name("hyper-hello"));
    bare.arg(address.to_string());
    let hyper = Server::start(&mut bare, address, &folder.join("hyper.log"))?;
    let address = free_address()?;
    let mut proxy = proxy(&nginx, address, hyper.address, folder)?;
    let mut proxy = Server::start(&mut proxy, address, &folder.join("nginx.log"))?;

    let request = Request { method: "GET", path: "/hello", body: None };
    let contender = |name, address, process| Contender { name, address, process, request };
    let figures = compare::run(&[
        contender("another node", far.http, far.process()),
        contender("the slice's node", near.http, near.process()),
        contender("nginx to hyper", proxy.address, &proxy.process),
        contender("hyper", hyper.address, &hyper.process),
    ])?;
    // Its workers end when it is asked to, and not when it is killed.
    proxy.process.stop()?;
    let [far, near, proxied, direct] = figures[..] else { unreachable!("one for each contender") };
    let (own, nginx) = ("the slice's node", "nginx to hyper");
    let added = |with: f64, without: f64| (with - without).max(0.001);
    let measures = [
        Measure::new("another node req/s", "req/s", far.per_second, (own, near.per_second)),
        Measure::new("another node p50 ms", "ms", far.p50_ms, (own, near.p50_ms)),
        Measure::new("another node p99 ms", "ms", far.p99_ms, (own, near.p99_ms)),
        Measure::new("nginx req/s", "req/s", far.per_second, (nginx, proxied.per_second)),
        Measure::new("nginx p50 ms", "ms", far.p50_ms, (nginx, proxied.p50_ms)),
        Measure::new("nginx p99 ms", "ms", far.p99_ms, (nginx, proxied.p99_ms)),
        Measure::new(
            "the hop alone p50 ms",
            "ms",
            added(far.p50_ms, near.p50_ms),
            (nginx, added(proxied.p50_ms, direct.p50_ms)),
        ),
    ];
    report::publish(folder, "http-cluster", &measures)
}

/// The node on which the only instance runs, and another one.
fn near_and_far(nodes: &[Node]) -> anyhow::Result<(&Node, &Node)> {
    let listed = nodes[0].json(&["slices"])?.to_string();
    let (near, far): (Vec<_>, Vec<_>) = nodes.iter().partition(|node| listed.contains(&node.id));
    ensure!(near.len() == 1, "the slice is not on one node: {listed}");
    Ok((near[0], far[0]))
}

/// nginx as its manual says a proxy is set up: connections to the server are kept, nothing is
/// logged, one process for each core.
fn proxy(
    nginx: &Path,
    listen: SocketAddr,
    server: SocketAddr,
    folder: &Path,
) -> anyhow::Result<Command> {
    let home = folder.join("nginx");
    std::fs::create_dir_all(&home).with_context(|| home.display().to_string())?;
    let configuration = format!(
        "daemon off; worker_processes auto; pid nginx.pid; error_log error.log;\n\
         events {{ worker_connections 1024; }}\n\
         http {{\n\
           access_log off; keepalive_requests 1000000;\n\
           client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;\n\
           uwsgi_temp_path uwsgi; scgi_temp_path scgi;\n\
           upstream hyper {{ server {server}; keepalive 64; keepalive_requests 1000000; }}\n\
           server {{ listen {listen}; location / {{\n\
             proxy_pass http://hyper; proxy_http_version 1.1; proxy_set_header Connection \"\";\n\
           }} }}\n\
         }}\n"
    );
    let file = home.join("nginx.conf");
    std::fs::write(&file, configuration)?;
    let mut command = Command::new(nginx);
    command.arg("-p").arg(&home).arg("-c").arg(&file).arg("-e").arg(home.join("error.log"));
    Ok(command)
}
