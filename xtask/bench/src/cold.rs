//! `cold`: from `aether deploy` of the built url-shortener to its first good answer, on a node that
//! never saw it, and on one that has its compiled code on disk.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use aether_forge::Node;
use anyhow::ensure;

use crate::aether;
use crate::client;
use crate::guests::Guests;
use crate::report::{self, Measure, median};

const APPLICATION: &str = "examples/url-shortener";
const ROUNDS: usize = 5;
const FIRST_ANSWER_MAX: Duration = Duration::from_secs(60);
/// Often enough to be exact, seldom enough not to disturb.
const ASK_EVERY: Duration = Duration::from_millis(2);

pub(crate) fn run(folder: &Path) -> anyhow::Result<()> {
    Guests::build(&["url-shortener", "analytics"], folder)?;
    let (mut compiled, mut cached) = (Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        let node = aether::start(folder, "cold")?;
        compiled.push(deploy_ms(&node)?);
        node.order(&["undeploy", "url-shortener"])?;
        cached.push(deploy_ms(&node)?);
        let (a, b) = (compiled[round - 1], cached[round - 1]);
        eprintln!("round {round}: {a:.0} ms, with compiled code {b:.0} ms");
    }
    let theirs = ("without compiled code on disk", median(compiled));
    let measure = Measure::new("deploy to first 200 ms", "ms", median(cached), theirs);
    report::publish(folder, "cold", &[measure])
}

fn deploy_ms(node: &Node) -> anyhow::Result<f64> {
    let start = Instant::now();
    let mut deploy = node.command(&["deploy", APPLICATION]);
    deploy.stdout(Stdio::null()).stderr(Stdio::null());
    let mut deploy = deploy.spawn()?;
    let json = r#"{"url":"https://www.rust-lang.org/"}"#;
    while client::post(node.http, "/api/v1/urls/", json).is_err() {
        ensure!(start.elapsed() < FIRST_ANSWER_MAX, "no good answer after {FIRST_ANSWER_MAX:?}");
        std::thread::park_timeout(ASK_EVERY);
    }
    let took = start.elapsed();
    let status = deploy.wait()?;
    ensure!(status.success(), "aether deploy {APPLICATION}: {status}");
    Ok(took.as_secs_f64() * 1e3)
}
