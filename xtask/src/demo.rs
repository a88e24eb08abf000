//! `cargo xtask demo`: a node with the url-shortener on it, until Ctrl-C. Knows `aether` by its
//! commands only.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

use crate::{guests, setup, shell};

const APPLICATION: &str = "examples/url-shortener";
const FRONT_DOOR: SocketAddr = SocketAddr::new(LOOPBACK, 8070);
const MANAGEMENT: SocketAddr = SocketAddr::new(LOOPBACK, 8080);
const LOOPBACK: std::net::IpAddr = std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

const READY_MAX: Duration = Duration::from_secs(30);
/// A node that was asked to stop waits for its requests for ten seconds.
const STOP_MAX: Duration = Duration::from_secs(15);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Somebody wants the demo to end.
struct Stop;

pub(crate) fn run() -> anyhow::Result<()> {
    for address in [FRONT_DOOR, MANAGEMENT] {
        ensure!(
            TcpStream::connect(address).is_err(),
            "{address} is in use: stop what listens there"
        );
    }
    setup::run()?;
    guests::build(&[APPLICATION])?;
    shell::run(shell::cargo().args(["build", "--quiet", "--package", "aether-cli"]))?;
    let (tell, told) = mpsc::channel();
    ctrlc::set_handler(move || {
        // Nobody is told any more: then the demo is ending already.
        let _ = tell.send(Stop);
    })?;

    let data = shell::target().join("demo");
    let mut node = Node::start(&data)?;
    node.wait_until_ready(&told)?;
    shell::run(aether().args(["deploy", APPLICATION]))?;
    shell::run(aether().arg("status"))?;
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

/// The `aether` program, speaking to this demo's node whatever the surroundings say.
fn aether() -> Command {
    let mut command = Command::new(shell::target().join("debug/aether"));
    let server = format!("http://{MANAGEMENT}");
    command.current_dir(shell::root()).env("AETHER_SERVER", server).env_remove("AETHER_KEY");
    command
}

/// The node's process. Ends with this value.
struct Node(Child);

impl Node {
    fn start(data: &Path) -> anyhow::Result<Self> {
        let mut command = aether();
        command.arg("node").arg("--data").arg(data);
        command.args(["--http", &FRONT_DOOR.to_string(), "--api", &MANAGEMENT.to_string()]);
        eprintln!("$ {}", shell::describe(&command));
        Ok(Self(command.spawn().context("start the node")?))
    }

    fn wait_until_ready(&mut self, told: &Receiver<Stop>) -> anyhow::Result<()> {
        let end = Instant::now() + READY_MAX;
        while !is_ready() {
            ensure!(Instant::now() < end, "the node is not ready after {READY_MAX:?}");
            ensure!(!self.pause(told)?, "stopped");
        }
        Ok(())
    }

    fn wait_for_end(&mut self, told: &Receiver<Stop>) -> anyhow::Result<()> {
        while !self.pause(told)? {}
        Ok(())
    }

    /// Waits a moment; true if somebody wants to stop, an error if the node ended by itself.
    fn pause(&mut self, told: &Receiver<Stop>) -> anyhow::Result<bool> {
        match told.recv_timeout(LOOK_EVERY) {
            Ok(Stop) => return Ok(true),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => bail!("the signal handler is gone"),
        }
        match self.0.try_wait()? {
            Some(status) => bail!("the node ended: {status}"),
            None => Ok(false),
        }
    }

    /// Asks the node to end and waits; false if it did not within `STOP_MAX`.
    fn ask_to_end(&mut self) -> bool {
        let signal = format!("kill -TERM {}", self.0.id());
        let asked = Command::new("sh").args(["-c", &signal]).status();
        let end = Instant::now() + STOP_MAX;
        let (_keep, never) = mpsc::channel::<Stop>();
        while asked.is_ok() && Instant::now() < end {
            if !matches!(self.0.try_wait(), Ok(None)) {
                return true;
            }
            // Only time passes here: nobody sends.
            let _ = never.recv_timeout(LOOK_EVERY);
        }
        false
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if !self.ask_to_end() {
            // Nothing is lost: what a node has acknowledged is on its disk.
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
}

fn is_ready() -> bool {
    let answer = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(MANAGEMENT)?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        stream
            .write_all(b"GET /health/ready HTTP/1.1\r\nhost: node\r\nconnection: close\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    };
    answer().is_ok_and(|text| text.starts_with("HTTP/1.1 200"))
}
