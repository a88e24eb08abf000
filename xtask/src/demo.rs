//! `cargo xtask demo`: Forge with the url-shortener, a load and the dashboard, until Ctrl-C; and a
//! check that all of it is there. Knows `aether` by its commands.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use aether_forge::http::{self, Request};
use aether_forge::model::Overview;
use anyhow::{Context, bail, ensure};
use serde::Deserialize;

use crate::{guests, node, setup, shell};

const APPLICATION: &str = "examples/url-shortener";
const LOAD: &str = "examples/url-shortener/load.toml";
const LINK: &str = "https://www.rust-lang.org/";
const PORT: u16 = 8888;
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Time for the load's first answers.
const ANSWERED_MAX: Duration = Duration::from_secs(30);

/// Somebody wants it to end.
struct Stop;

pub(crate) fn run() -> anyhow::Result<()> {
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, PORT));
    let free = TcpStream::connect(listen).is_err();
    ensure!(free, "{listen} is in use: stop what listens there");
    setup::run()?;
    guests::build(&[APPLICATION])?;
    node::build()?;
    let (tell, told) = mpsc::channel();
    ctrlc::set_handler(move || {
        // Nobody is told any more: then the demo is ending already.
        let _ = tell.send(Stop);
    })?;
    let mut demo = Demo::start(listen)?;
    println!("{}", demo.invitation()?);
    demo.wait(&told)
}

/// That everything the demo shows is there, with the program that is built.
pub(crate) fn check() -> anyhow::Result<()> {
    guests::build(&[APPLICATION])?;
    let demo = Demo::start((Ipv4Addr::LOCALHOST, 0).into())?;
    let Overview { nodes, .. } = &demo.started.overview;
    ensure!(nodes.len() == 5, "{} nodes", nodes.len());
    println!("{}", demo.invitation()?);
    let page = demo.ask("/")?;
    ensure!(page.contains("data-forge"), "no dashboard: {page}");
    let seen = demo.ask("/api/nodes")?;
    ensure!(nodes.iter().all(|node| seen.contains(&node.id)), "not all nodes: {seen}");
    let end = Instant::now() + ANSWERED_MAX;
    loop {
        let overview: Overview = serde_json::from_str(&demo.ask("/forge")?)?;
        let load = overview.load.context("there is no load")?;
        let answered = load.targets.iter().all(|target| target.figures.good > 0);
        if answered {
            ensure!(load.total.failed == 0, "{:?}", load.total.failures);
            return Ok(());
        }
        ensure!(Instant::now() < end, "not every target was answered: {:?}", load.targets);
        std::thread::park_timeout(LOOK_EVERY);
    }
}

/// What `aether forge --json` says.
#[derive(Deserialize)]
struct Started {
    key: String,
    overview: Overview,
}

/// Forge's process. Ends with this value.
struct Demo {
    forge: Child,
    started: Started,
}

impl Demo {
    fn start(listen: SocketAddr) -> anyhow::Result<Self> {
        let mut command = Command::new(node::program());
        command.current_dir(shell::root()).args(["forge", "--blueprint", APPLICATION]);
        command.args(["--load", LOAD, "--listen", &listen.to_string(), "--json"]);
        eprintln!("$ {}", shell::describe(&command));
        let mut forge = command.stdout(Stdio::piped()).spawn().context("start Forge")?;
        let mut said = BufReader::new(forge.stdout.take().context("the pipe just made")?);
        let mut line = String::new();
        said.read_line(&mut line)?;
        match serde_json::from_str(&line) {
            Ok(started) => Ok(Self { forge, started }),
            Err(_) => bail!("Forge did not start: {}", forge.wait()?),
        }
    }

    fn address(&self) -> anyhow::Result<SocketAddr> {
        let url = &self.started.overview.url;
        url.trim_start_matches("http://").parse().with_context(|| url.clone())
    }

    /// What Forge answers at a path.
    fn ask(&self, path: &str) -> anyhow::Result<String> {
        let key = format!("Bearer {}", self.started.key);
        let headers = [("authorization".to_owned(), key)].into();
        let answer =
            http::exchange(self.address()?, &Request { path, headers, ..Default::default() })?;
        ensure!(answer.status == 200, "{path}: {} {}", answer.status, answer.body);
        Ok(answer.body)
    }

    fn invitation(&self) -> anyhow::Result<String> {
        let Started { key, overview } = &self.started;
        let url = &overview.url;
        let door = &overview.nodes.first().context("a Forge has nodes")?.http;
        let code = code(door.parse()?)?;
        Ok(format!(
            r#"
Five nodes run the url-shortener, and answer a load of 80 requests a second.
  dashboard      {url}/#key={key}
  application    http://{door}, and at the other nodes

Open the dashboard, and break something:
  Chaos          kill the node that leads, or one that runs a slice; start it again; slow a link down
  Overview       what that does to the requests: which node took over, how long it took
  Load           double the rate

The same from a second terminal, in this folder:
  export PATH="$PWD/target/debug:$PATH" AETHER_SERVER={url} AETHER_KEY={key}
  aether forge status
  aether forge node kill 1
  aether slices

Shorten a URL, follow the code, see how often it was followed:
  curl -s http://{door}/api/v1/urls/ -H 'content-type: application/json' -d '{{"url":"{LINK}"}}'
  curl -s http://{door}/api/v1/urls/{code}
  curl -s http://{door}/api/v1/analytics/{code}

Ctrl-C ends all of it."#
        ))
    }

    /// Until it has ended, by itself or because somebody wants it to.
    fn wait(&mut self, told: &Receiver<Stop>) -> anyhow::Result<()> {
        loop {
            match told.recv_timeout(LOOK_EVERY) {
                Ok(Stop) => return Ok(()),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => bail!("nobody could tell it to stop"),
            }
            if let Some(status) = self.forge.try_wait()? {
                ensure!(status.success(), "Forge ended: {status}");
                return Ok(());
            }
        }
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // Ctrl-C has told it already; to tell it again does no harm. Its nodes end with it.
        if matches!(self.forge.try_wait(), Ok(None)) {
            let signal = format!("kill -TERM {}", self.forge.id());
            let _ = Command::new("sh").args(["-c", &signal]).status();
            let _ = self.forge.wait();
        }
    }
}

/// Asks the application for the short code of a link: the same for everybody who asks.
fn code(door: SocketAddr) -> anyhow::Result<String> {
    let body = Some(format!(r#"{{"url":"{LINK}"}}"#));
    let request = Request { method: "POST", path: "/api/v1/urls/", body, ..Default::default() };
    let answer = http::exchange(door, &request)?;
    let value: serde_json::Value = serde_json::from_str(&answer.body).context(answer.body)?;
    Ok(value["code"].as_str().context("the answer has a code")?.to_owned())
}
