//! `aether slow`: calls that took too long, and what that means. Knows no clock.

use super::graph::{OUTSIDE, time};
use crate::args::SlowArgs;
use crate::exit::Result;
use crate::ui::{Table, Ui, cell};
use aether_api::{CallQuery, SlowQuery, SlowSettings};
use aether_client::Client;
use aether_types::slow::SlowStrategy;

pub(super) async fn run(client: &Client, args: SlowArgs, ui: &mut Ui) -> Result {
    let SlowArgs { app, slice, function, limit, strategy, remote: _ } = args;
    if let Some(strategy) = strategy {
        let settings = client.set_slow(&SlowSettings { strategy: strategy.0 }).await?;
        return ui.data(&settings, |ui| ui.line(meaning(&settings.strategy)));
    }
    let query = SlowQuery { calls: CallQuery { app, slice, function }, limit: limit as usize };
    let slow = client.slow_calls(&query).await?;
    ui.data(&slow, |ui| {
        let mut table =
            Table::new(&["TIME", "NODE", "APP", "CALLER", "FUNCTION", "TOOK", "ENDING", "REQUEST"]);
        for call in &slow.calls {
            table.row(vec![
                cell(&call.at),
                cell(&call.node),
                cell(&call.app),
                cell(call.caller.as_deref().unwrap_or(OUTSIDE)),
                cell(format!("{} {}", call.slice, call.function)),
                cell(time(Some(call.took_us))),
                cell(&call.ending),
                cell(&call.request_id),
            ]);
        }
        ui.table(table)?;
        for silence in &slow.silent {
            ui.note(format_args!("node {} does not answer: {}", silence.node, silence.reason))?;
        }
        ui.note(meaning(&slow.strategy))
    })
}

/// What is slow, in words.
fn meaning(strategy: &SlowStrategy) -> String {
    match strategy {
        SlowStrategy::Fixed(threshold) => format!("slow is what takes {threshold} or longer"),
        SlowStrategy::Adaptive { at_least } => {
            format!("slow is what takes longer than 99% of a function's calls, and {at_least}")
        }
        SlowStrategy::PerFunction { functions, otherwise } => {
            let named = functions.iter().map(|(name, threshold)| format!("{name} {threshold}, "));
            let named: String = named.collect();
            format!("slow is what takes longer than {named}else {otherwise}")
        }
    }
}
