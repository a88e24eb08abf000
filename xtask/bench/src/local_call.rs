//! `local-call`: slice to slice on one node, against the same two components composed into one. The
//! caller measures from inside; all run on the same node, turn by turn. And what an aspect adds.

use std::path::Path;
use std::process::Command;

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
