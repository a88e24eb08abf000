//! `aether graph`: who calls what and how often, as a table or for Graphviz. Knows no counter.

use crate::args::GraphArgs;
use crate::exit::Result;
use crate::ui::{Table, Tone, Ui, cell, toned};
use aether_api::{Graph, GraphEdge};
use aether_client::Client;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// Who calls from outside.
pub(super) const OUTSIDE: &str = "outside";

pub(super) async fn run(client: &Client, args: &GraphArgs, ui: &mut Ui) -> Result {
    let graph = client.graph(args.app.as_ref()).await?;
    if args.dot {
        return ui.line(dot(&graph));
    }
    ui.data(&graph, |ui| {
        let headings =
            ["APP", "CALLER", "FUNCTION", "REVISION", "CALLS/S", "FAILED/S", "P50", "P99"];
        let mut table = Table::new(&headings);
        for edge in &graph.edges {
            let failed = format!("{:.1}", edge.failures_per_second);
            let fails = edge.failures_per_second > 0.0;
            table.row(vec![
                cell(&edge.app),
                cell(caller(edge)),
                cell(format!("{} {}", edge.callee, edge.function)),
                cell(edge.version),
                cell(format!("{:.1}", edge.calls_per_second)),
                if fails { toned(failed, Tone::Bad) } else { cell(failed) },
                cell(time(edge.p50_us)),
                cell(time(edge.p99_us)),
            ]);
        }
        ui.table(table)
    })
}

fn caller(edge: &GraphEdge) -> &str {
    edge.caller.as_deref().unwrap_or(OUTSIDE)
}

pub(super) fn time(micros: Option<u64>) -> String {
    match micros {
        None => "-".to_owned(),
        Some(micros) if micros < 10_000 => format!("{micros} µs"),
        Some(micros) => format!("{} ms", micros / 1_000),
    }
}

/// A box for each application, in it its slices; an arrow for each edge.
fn dot(graph: &Graph) -> String {
    let mut slices: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for edge in &graph.edges {
        let all = slices.entry(edge.app.as_str()).or_default();
        all.insert(&edge.callee);
        all.extend(edge.caller.as_deref());
    }
    let mut text = "digraph aether {\n  rankdir=LR;\n  node [shape=box];\n".to_owned();
    let mut put = |line: std::fmt::Arguments<'_>| {
        writeln!(text, "  {line}").expect("strings take everything");
    };
    put(format_args!("\"{OUTSIDE}\" [shape=ellipse];"));
    for (number, (app, slices)) in slices.iter().enumerate() {
        put(format_args!("subgraph cluster_{number} {{"));
        put(format_args!("  label=\"{app}\";"));
        for slice in slices {
            put(format_args!("  \"{app}/{slice}\" [label=\"{slice}\"];"));
        }
        put(format_args!("}}"));
    }
    for edge in &graph.edges {
        let GraphEdge { app, callee, function, .. } = edge;
        let from = match &edge.caller {
            Some(caller) => format!("{app}/{caller}"),
            None => OUTSIDE.to_owned(),
        };
        let (calls, failed) = (edge.calls_per_second, edge.failures_per_second);
        put(format_args!(
            "\"{from}\" -> \"{app}/{callee}\" \
             [label=\"{function}\\n{calls:.1}/s, {failed:.1}/s failed\"];"
        ));
    }
    text + "}"
}
