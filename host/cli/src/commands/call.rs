//! `aether call` and `aether explain`: a call, or where it would go. Knows no types.

use crate::args::CallArgs;
use crate::commands::lists::state_cell;
use crate::exit::{Exit, Failure, Result};
use crate::ui::{Table, Tone, Ui, cell, short, toned};
use aether_api::{CallRequest, Outcome};
use aether_client::Client;
use serde_json::Value;
use std::collections::BTreeSet;

pub(super) async fn run(client: &Client, args: CallArgs, ui: &mut Ui) -> Result {
    let params = match &args.params {
        Some(text) => named(text)?,
        None => args.arguments.iter().map(|text| argument(text)).collect::<Result<_>>()?,
    };
    let request = CallRequest { function: args.function, params };
    let answer = client.call(&args.app, &request).await?;
    ui.data(&answer, |ui| ui.json(&answer.value))?;
    match answer.outcome {
        Outcome::Ok => Ok(()),
        Outcome::Err => {
            let message = format!("{} returned an error", request.function);
            Err(Failure::expected(Exit::Failed, message))
        }
    }
}

/// One argument: JSON, or a word. What begins like a JSON structure is meant to be one.
fn argument(text: &str) -> Result<Value> {
    match serde_json::from_str(text) {
        Ok(value) => Ok(value),
        Err(error) if text.starts_with(['{', '[', '"']) => {
            Err(Failure::invalid(format!("argument {text:?} is no JSON: {error}")))
        }
        Err(_) => Ok(Value::String(text.to_owned())),
    }
}

fn named(text: &str) -> Result<Value> {
    match serde_json::from_str(text) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err(Failure::invalid("--params is not an object")
            .help("write the parameters by their names: --params '{\"sku\": \"book\"}'")),
        Err(error) => Err(Failure::invalid(format!("--params is no JSON: {error}"))),
    }
}

pub(super) async fn explain(client: &Client, target: &str, ui: &mut Ui) -> Result {
    let explanation = client.explain(target).await?;
    ui.data(&explanation, |ui| {
        explanation.lines.iter().try_for_each(|line| ui.line(line))?;
        if explanation.candidates.is_empty() {
            return Ok(());
        }
        let apps: BTreeSet<&str> = explanation.candidates.iter().map(|c| c.app.as_str()).collect();
        let several = apps.len() > 1;
        let columns = ["", "APP", "SLICE", "INSTANCE", "NODE", "STATE", "WHY"];
        let shown = columns.into_iter().filter(|column| several || *column != "APP");
        let mut table = Table::new(&shown.collect::<Vec<_>>());
        for candidate in &explanation.candidates {
            let mark = if candidate.chosen { "->" } else { "" };
            let mut row = vec![toned(mark, Tone::Good)];
            row.extend(several.then(|| cell(&candidate.app)));
            row.extend([
                cell(&candidate.artifact),
                cell(candidate.ordinal),
                cell(short(&candidate.node)),
                state_cell(candidate.state),
                cell(&candidate.why),
            ]);
            table.row(row);
        }
        ui.line("")?;
        ui.table(table)
    })
}
