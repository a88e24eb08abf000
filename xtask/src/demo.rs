//! `cargo xtask demo`: a node with the url-shortener on it, until Ctrl-C. Shows; checks nothing.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::mpsc;

use aether_forge::http::{self, Request};
use anyhow::{Context, ensure};

use crate::node::{self, Addresses, Node, Stop};
use crate::{guests, setup, shell};

const APPLICATION: &str = "examples/url-shortener";

pub(crate) fn run() -> anyhow::Result<()> {
    let addresses = Addresses::USUAL;
    for address in [addresses.http, addresses.api] {
        let free = TcpStream::connect(address).is_err();
        ensure!(free, "{address} is in use: stop what listens there");
    }
    setup::run()?;
    guests::build(&[APPLICATION])?;
    node::build()?;
    let (tell, told) = mpsc::channel();
    ctrlc::set_handler(move || {
        // Nobody is told any more: then the demo is ending already.
        let _ = tell.send(Stop);
    })?;

    let log = shell::target().join("demo.log");
    let mut node = Node::start(addresses, &shell::target().join("demo"), Some(&log))?;
    node.wait_until_ready(&told).with_context(|| format!("see {}", log.display()))?;
    shell::run(addresses.aether().args(["deploy", APPLICATION]))?;
    shell::run(addresses.aether().arg("status"))?;
    println!("{}", invitation(&code(addresses.http)?, &log));
    node.wait_for_end(&told)
}

const LINK: &str = "https://www.rust-lang.org/";

/// Asks the application for the short code of a link: the same for everybody who asks.
fn code(door: SocketAddr) -> anyhow::Result<String> {
    let body = Some(format!(r#"{{"url":"{LINK}"}}"#));
    let request = Request { method: "POST", path: "/api/v1/urls/", body, ..Default::default() };
    let answer = http::exchange(door, &request)?;
    let value: serde_json::Value = serde_json::from_str(&answer.body).context(answer.body)?;
    Ok(value["code"].as_str().context("the answer has a code")?.to_owned())
}

fn invitation(code: &str, log: &Path) -> String {
    format!(
        r#"
The url-shortener is up.
  application    http://127.0.0.1:8070
  dashboard      http://127.0.0.1:8080, with the key in target/demo/admin.key
  management     http://127.0.0.1:8080/api
  log            {}

Shorten a URL, follow the code, see how often it was followed:
  curl -s http://127.0.0.1:8070/api/v1/urls/ -H 'content-type: application/json' -d '{{"url":"{LINK}"}}'
  curl -s http://127.0.0.1:8070/api/v1/urls/{code}
  curl -s http://127.0.0.1:8070/api/v1/analytics/{code}

Ctrl-C ends it; the next start finds everything again."#,
        log.display()
    )
}
