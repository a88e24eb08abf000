//! `local-call`: slice to slice on one node, against the same two components composed into one. The
//! caller measures from inside; both run on the same node, turn by turn.

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

/// A measure and the path, below the application's own, that answers with its nanoseconds.
const CASES: [(&str, &str); 3] = [
    ("small record p50 ns", "record?calls="),
    ("4 KiB bytes p50 ns", "bytes?bytes=4096&calls="),
    ("10 KB bytes p50 ns", "bytes?bytes=10000&calls="),
];

pub(crate) fn run(folder: &Path) -> anyhow::Result<()> {
    let wac = tools::WAC.path(folder)?;
    let guests = Guests::build(&["guest-pair-caller", "guest-pair-echo"], folder)?;
    let (caller, echo) = (guests.path("guest-pair-caller"), guests.path("guest-pair-echo"));
    let composed = folder.join("pair-composed.wasm");
    let mut plug = Command::new(wac);
    plug.arg("plug").arg(caller).arg("--plug").arg(echo).arg("-o").arg(&composed);
    ensure!(plug.status()?.success(), "wac could not compose the pair");

    let node = aether::start(folder, "local-call")?;
    let callee = aether::slice("pair-echo", echo);
    let routes = [
        ("GET /pair/record", "call = \"bench:pair/run#record-ns\""),
        ("GET /pair/bytes", "call = \"bench:pair/run#bytes-ns\""),
    ];
    aether::deploy(&node, &(plain("pair", caller, &routes) + &callee))?;
    let routes = routes.map(|(route, call)| (route.replace("/pair/", "/composed/"), call));
    let routes = routes.each_ref().map(|(route, call)| (route.as_str(), *call));
    aether::deploy(&node, &plain("composed", &composed, &routes))?;

    let mut measures = Vec::new();
    for (name, path) in CASES {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            for (application, figures) in [("pair", &mut ours), ("composed", &mut theirs)] {
                let path = format!("/{application}/{path}{CALLS}");
                let answer = client::get(node.http, &path)?;
                figures.push(answer.trim().parse::<f64>().with_context(|| answer.clone())?);
            }
        }
        let theirs = median(theirs).max(1.0);
        measures.push(Measure::new(name, "ns", median(ours), ("composed statically", theirs)));
    }
    report::publish(folder, "local-call", &measures)
}
