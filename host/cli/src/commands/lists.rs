//! `aether slices` and `aether routes`: one line each. Changes nothing.

use super::status::phase_tone;
use crate::exit::Result;
use crate::ui::{Cell, Table, Tone, Ui, cell, short, toned};
use aether_api::{InstanceState, Phase};
use aether_client::Client;

pub(super) async fn slices(client: &Client, ui: &mut Ui) -> Result {
    let slices = client.slices().await?;
    ui.data(&slices, |ui| {
        let mut table =
            Table::new(&["APPLICATION", "SLICE", "DIGEST", "ACTIVE", "STATE", "WHY NOT"]);
        for slice in &slices.slices {
            let mut reasons = slice
                .reasons
                .iter()
                .chain(slice.instances.iter().filter_map(|i| i.reason.as_ref()));
            let why = reasons.next().map(ToString::to_string).unwrap_or_default();
            let worst = slice.instances.iter().map(|i| i.state).max_by_key(|s| badness(*s));
            let states = worst.map_or(cell("-"), state_cell);
            table.row(vec![
                cell(&slice.app),
                cell(&slice.artifact),
                cell(short(&slice.digest.to_string())),
                cell(format!("{}/{}", slice.active, slice.desired)),
                states,
                cell(why),
            ]);
        }
        match slices.slices.is_empty() {
            true => ui.note("no slices yet: `aether deploy PATH` brings some"),
            false => ui.table(table),
        }
    })
}

pub(super) async fn routes(client: &Client, ui: &mut Ui) -> Result {
    let routes = client.routes().await?;
    ui.data(&routes, |ui| {
        let mut table = Table::new(&["ROUTE", "APPLICATION", "SLICE", "ANSWERED BY", "STATE"]);
        for route in &routes.routes {
            let call = route.call.as_ref().map_or("wasi:http".to_owned(), ToString::to_string);
            let state = match route.active {
                true => toned("ACTIVE", Tone::Good),
                false => toned("NO INSTANCE", Tone::Bad),
            };
            table.row(vec![
                cell(&route.route),
                cell(&route.app),
                cell(&route.artifact),
                cell(call),
                state,
            ]);
        }
        match routes.routes.is_empty() {
            true => ui.note("no routes yet: `aether deploy PATH` brings some"),
            false => ui.table(table),
        }
    })
}

pub(super) fn phase_cell(phase: Phase) -> Cell {
    toned(phase, phase_tone(phase))
}

pub(super) fn state_cell(state: InstanceState) -> Cell {
    let tone = match state {
        InstanceState::Active => Tone::Good,
        InstanceState::Failed => Tone::Bad,
        _ => Tone::Busy,
    };
    toned(state, tone)
}

/// The state that stands for several is the one that a reader must know of.
fn badness(state: InstanceState) -> u8 {
    match state {
        InstanceState::Active => 0,
        InstanceState::Failed => 2,
        _ => 1,
    }
}
