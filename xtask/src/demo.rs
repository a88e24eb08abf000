//! `cargo xtask demo`: a node with the url-shortener on it, until Ctrl-C. Shows; checks nothing.

use std::net::TcpStream;
use std::sync::mpsc;

use anyhow::ensure;

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

    let mut node = Node::start(addresses, &shell::target().join("demo"), None)?;
    node.wait_until_ready(&told)?;
    shell::run(addresses.aether().args(["deploy", APPLICATION]))?;
    shell::run(addresses.aether().arg("status"))?;
    println!("{INVITATION}");
    node.wait_for_end(&told)
}

const INVITATION: &str = r#"
The url-shortener is up.
  application    http://127.0.0.1:8070
  management     http://127.0.0.1:8080/api

Shorten a URL, follow it, see who followed it:
  curl -s -X POST http://127.0.0.1:8070/api/v1/urls/ -H 'content-type: application/json' -d '{"url":"https://www.rust-lang.org/"}'
  curl -s http://127.0.0.1:8070/api/v1/urls/CODE
  curl -s http://127.0.0.1:8070/api/v1/analytics/CODE

Ctrl-C ends it; the next start finds everything again."#;
