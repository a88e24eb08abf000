//! `local-call`: slice to slice on one node, against the same two components composed into one. The
//! caller measures from inside; all run on the same node, turn by turn. And what an aspect adds.

use std::path::Path;
use std::process::Command;

use aether_forge::http::Request;
use aether_forge::{Node, until};
use anyhow::{Context, ensure};

use crate::aether::{self, plain};
use crate::client;
use crate::guests::Guests;
use crate::report::{self, Measure, median};
use crate::tools;

const ROUNDS: usize = 41;
const CALLS: u32 = 20_000;

/// What is sent, and the path, below the application's own, that answers with its nanoseconds.
const CASES: [(&str, &str); 3] = [
    ("small record", "record?calls="),
    ("4 KiB bytes", "bytes?bytes=4096&calls="),
    ("10 KB bytes", "bytes?bytes=10000&calls="),
];

/// The pair; the same with the aspect `metrics` on its callee; one component of both.
const APPLICATIONS: [&str; 3] = ["pair", "observed", "composed"];

pub(crate) fn run(folder: &Path) -> anyhow::Result<()> {
    let wac = tools::WAC.path(folder)?;
    let guests = Guests::build(&["guest-pair-caller", "guest-pair-echo"], folder)?;
    let (caller, echo) = (guests.path("guest-pair-caller"), guests.path("guest-pair-echo"));
    let composed = folder.join("pair-composed.wasm");
    let mut plug = Command::new(wac);
    plug.arg("plug").arg(caller).arg("--plug").arg(echo).arg("-o").arg(&composed);
    ensure!(plug.status()?.success(), "wac could not compose the pair");

    let node = aether::start(folder, "local-call")?;
    let routes = [
        ("GET /pair/record", "call = \"bench:pair/run#record-ns\""),
        ("GET /pair/bytes", "call = \"bench:pair/run#bytes-ns\""),
    ];
    let deploy = |name: &str, component: &Path, more: &str| {
        let routes = routes.map(|(route, call)| (route.replace("pair", name), call));
        let routes = routes.each_ref().map(|(route, call)| (route.as_str(), *call));
        aether::deploy(&node, &(plain(name, component, &routes) + more))
    };
    let callee = aether::slice("pair-echo", echo);
    deploy("pair", caller, &callee)?;
    deploy("observed", caller, &callee)?;
    deploy("composed", &composed, "")?;
    node.order(&["aspect", "set", "observed", "bench:pair-echo", "metrics"])?;
    check_aspect(&node)?;

    let mut measures = Vec::new();
    for (name, path) in CASES {
        let mut figures = APPLICATIONS.map(|_| Vec::new());
        for _ in 0..ROUNDS {
            for (application, figures) in APPLICATIONS.iter().zip(&mut figures) {
                let path = format!("/{application}/{path}{CALLS}");
                let answer = client::get(node.http, &path)?;
                figures.push(answer.trim().parse::<f64>().with_context(|| answer.clone())?);
            }
        }
        let [ours, observed, composed] = figures.map(|figures| median(figures).max(1.0));
        let (peer, without) = ("composed statically", "no aspect");
        measures.push(Measure::new(format!("{name} p50 ns"), "ns", ours, (peer, composed)));
        let name = format!("{name}, metrics p50 ns");
        measures.push(Measure::new(name, "ns", observed, (without, ours)));
    }
    report::publish(folder, "local-call", &measures)
}

/// That the aspect does what is measured: it takes the time of every call, and without it few are
/// taken. A change of it is there within a second.
fn check_aspect(node: &Node) -> anyhow::Result<()> {
    const CALLS: f64 = 1_600.0;
    let timed = |application: &str| -> anyhow::Result<f64> {
        let before = times(node, application)?;
        client::get(node.http, &format!("/{application}/record?calls={CALLS}"))?;
        Ok(times(node, application)? - before)
    };
    until("every call is timed with the aspect, and few without it", || {
        timed("observed").is_ok_and(|count| count >= CALLS)
            && timed("pair").is_ok_and(|count| count > 0.0 && count < CALLS / 4.0)
    })
}

/// Of how many calls of the callee the time was taken.
fn times(node: &Node, application: &str) -> anyhow::Result<f64> {
    let metrics = Request { method: "GET", path: "/metrics", ..Request::default() };
    let metrics = node.manage(&metrics)?.body;
    let start = format!("aether_call_seconds_count{{app=\"{application}\"");
    let mut lines = metrics.lines().filter(|line| line.starts_with(&start));
    let line = lines.find(|line| line.contains("slice=\"bench:pair-echo:"));
    line.and_then(|line| line.rsplit(' ').next()).map_or(Ok(0.0), |count| Ok(count.parse()?))
}
