//! `aether metrics`: how busy nodes and functions are, and were. Knows no counter.

use super::graph::time;
use crate::args::MetricsArgs;
use crate::exit::Result;
use crate::ui::{Cell, Table, Tone, Ui, bytes, cell, toned};
use aether_api::{CallQuery, Column, HistoryQuery, Metrics, MetricsHistory};
use aether_client::Client;
use aether_types::TimeSpan;

pub(super) async fn run(client: &Client, args: MetricsArgs, ui: &mut Ui) -> Result {
    let MetricsArgs { history, node, calls, app, slice, function, remote: _ } = args;
    if calls {
        return functions(client, &CallQuery { app, slice, function }, ui).await;
    }
    match history {
        Some(minutes) => past(client, &HistoryQuery { minutes, node }, ui).await,
        None => now(client, ui).await,
    }
}

async fn now(client: &Client, ui: &mut Ui) -> Result {
    let metrics = client.measured().await?;
    ui.data(&metrics, |ui| {
        let mut table = Table::new(&[
            "NODE",
            "CPU",
            "MACHINE",
            "RESIDENT",
            "COMMITTED",
            "INSTANCES",
            "RUNNING",
            "QUEUED",
            "DISK FREE",
        ]);
        for (id, node) in &metrics.nodes {
            table.row(vec![
                cell(id),
                cell(format!("{:.2} of {}", node.cpu_cores, node.processors)),
                cell(format!("{:.0}%", node.machine_busy * 100.0)),
                cell(bytes(node.memory.resident)),
                cell(format!("{} of {}", bytes(node.memory.committed), bytes(node.memory.budget))),
                cell(node.instances),
                cell(format!("{:.1}", node.calls_running)),
                cell(format!("{:.1}", node.calls_queued)),
                cell(bytes(node.disk_free)),
            ]);
        }
        ui.table(table)?;
        requests(&metrics, ui)
    })
}

fn requests(metrics: &Metrics, ui: &mut Ui) -> Result {
    let requests = &metrics.requests;
    ui.line(format_args!(
        "requests: {:.1}/s, {:.1}/s failed, p50 {}, p99 {}",
        requests.per_second,
        requests.failures_per_second,
        time(requests.p50_us),
        time(requests.p99_us)
    ))
}

async fn past(client: &Client, query: &HistoryQuery, ui: &mut Ui) -> Result {
    let history = client.metrics_history(query).await?;
    ui.data(&history, |ui| {
        let mut table =
            Table::new(&["AGO", "REQUESTS/S", "FAILED/S", "P50", "P99", "CPU", "NODES"]);
        let requests = &history.requests;
        for slot in first(&history)..history.slots {
            let ago = u64::from(history.slots - slot - 1) * u64::from(history.step_seconds);
            let slot = slot as usize;
            let of = |times: &[Option<u64>]| time(times.get(slot).copied().flatten());
            let (cpu, nodes) = cpu(&history, slot);
            table.row(vec![
                cell(TimeSpan::from_secs(ago)),
                mean(&requests.per_second, slot),
                mean(&requests.failures_per_second, slot),
                cell(of(&requests.p50_us)),
                cell(of(&requests.p99_us)),
                cell(format!("{cpu:.2}")),
                cell(nodes),
            ]);
        }
        ui.table(table)
    })
}

/// The first slot of which anything is known.
fn first(history: &MetricsHistory) -> u32 {
    let nodes = history.nodes.values().map(|node| &node.cpu_cores);
    let columns = nodes.chain([&history.requests.per_second]);
    let first = columns.filter_map(|column| column.mean.iter().position(Option::is_some)).min();
    first.and_then(|slot| u32::try_from(slot).ok()).unwrap_or(history.slots)
}

fn mean(column: &Column, slot: usize) -> Cell {
    match column.mean.get(slot).copied().flatten() {
        Some(mean) => cell(format!("{mean:.1}")),
        None => cell("-"),
    }
}

/// Processors that all nodes together kept busy, and how many nodes that were.
fn cpu(history: &MetricsHistory, slot: usize) -> (f64, usize) {
    let nodes = history.nodes.values();
    let cores = nodes.filter_map(|node| node.cpu_cores.mean.get(slot).copied().flatten());
    cores.fold((0.0, 0), |(sum, nodes), cores| (sum + cores, nodes + 1))
}

async fn functions(client: &Client, query: &CallQuery, ui: &mut Ui) -> Result {
    let metrics = client.call_metrics(query).await?;
    ui.data(&metrics, |ui| {
        let mut table = Table::new(&[
            "APP", "SLICE", "FUNCTION", "REVISION", "CALLS", "FAILED", "CALLS/S", "P50", "P90",
            "P99", "MAX",
        ]);
        for function in &metrics.functions {
            let fails = function.failures > 0;
            table.row(vec![
                cell(&function.app),
                cell(&function.slice),
                cell(&function.function),
                cell(function.version),
                cell(function.calls),
                if fails { toned(function.failures.to_string(), Tone::Bad) } else { cell(0) },
                cell(format!("{:.1}", function.calls_per_second)),
                cell(time(function.p50_us)),
                cell(time(function.p90_us)),
                cell(time(function.p99_us)),
                cell(time(function.max_us)),
            ]);
        }
        ui.table(table)
    })
}
