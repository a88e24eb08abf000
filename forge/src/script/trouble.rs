//! Orders of faults in the words of the desk. Begins none.

use super::ast::Order;
use super::run::named;
use super::stage::Stage;
use super::value::Value;
use crate::model::{Calls, Trouble};
use aether_types::{ByteSize, TimeSpan};
use anyhow::{Context, bail};

/// The faults of an order, and who is meant: one for each node where a fault has one.
pub(super) fn troubles(
    stage: &Stage,
    order: &Order<Value>,
) -> anyhow::Result<(Vec<Trouble>, String)> {
    let meant = |slot: &str| match order.value(slot) {
        Some(nodes) => stage.meant(nodes),
        None => Ok(Vec::new()),
    };
    let verb = *order.form.verb.first().context("an order has a verb")?;
    let between = matches!(verb, "partition" | "latency" | "loss");
    if between {
        let (from, to) = (meant("from")?, meant("to")?);
        let seen = format!("{}, {}", named(from.clone()), named(to.clone()));
        let trouble = match verb {
            "partition" => Trouble::Partition { groups: [from, to], one_way: order.has("one-way") },
            "latency" => Trouble::Latency { from, to, time: time(order, "time") },
            _ => Trouble::Loss { from, to, share: share(order) },
        };
        return Ok((vec![trouble], seen));
    }
    let slice = order.value("slice").map(|slice| slice.text().to_owned());
    if let Some(slice) = slice {
        let nodes = meant("on")?;
        let seen = if nodes.is_empty() { String::new() } else { named(nodes.clone()) };
        let function = order.value("function").map(|function| function.text().to_owned());
        let calls = Calls { nodes, slice, function, share: share(order) };
        let trouble = match verb {
            "call-failure" => Trouble::CallFailure { calls },
            "call-delay" => Trouble::CallDelay { calls, time: time(order, "time") },
            _ => Trouble::Crash { calls },
        };
        return Ok((vec![trouble], seen));
    }
    let nodes = if order.value("nodes").is_some() { meant("nodes")? } else { meant("on")? };
    let each = nodes.iter().map(|node| of_node(verb, *node, order));
    Ok((each.collect::<anyhow::Result<_>>()?, named(nodes)))
}

fn of_node(verb: &str, node: usize, order: &Order<Value>) -> anyhow::Result<Trouble> {
    Ok(match verb {
        "kill" => Trouble::Kill { node },
        "stop" => Trouble::Stop { node },
        "slow-disk" => Trouble::SlowDisk { node, time: time(order, "time") },
        "failed-sync" => Trouble::FailedSync { node },
        "cpu" => {
            let threads = order.value("threads").map_or(0, Value::count);
            Trouble::Cpu { node, threads: u32::try_from(threads).unwrap_or(u32::MAX) }
        }
        "memory" => {
            let Some(Value::Size(size)) = order.value("size") else { bail!("memory has a size") };
            Trouble::Memory { node, size: ByteSize(size.bytes()) }
        }
        "clock" => {
            let behind = order.has("behind");
            Trouble::Clock { node, apart: time(order, "apart"), behind }
        }
        other => bail!("{other} is no fault"),
    })
}

fn time(order: &Order<Value>, slot: &str) -> TimeSpan {
    order.value(slot).map_or(TimeSpan::from_millis(0), Value::time)
}

/// All of them where nothing is said.
fn share(order: &Order<Value>) -> f64 {
    order.value("share").map_or(1.0, Value::number)
}
