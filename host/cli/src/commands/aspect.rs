//! `aether aspect`: what is done with calls beside making them. Knows no call.

use crate::args::AspectCommand;
use crate::exit::Result;
use crate::ui::{Table, Ui, cell};
use aether_api::{AspectChange, AspectPoints};
use aether_client::Client;

pub(super) async fn run(client: &Client, command: AspectCommand, ui: &mut Ui) -> Result {
    match command {
        AspectCommand::List { app, .. } => {
            let points = client.aspects(app.as_ref()).await?;
            ui.data(&points, |ui| ui.table(table(&points)))
        }
        AspectCommand::Set { app, slice, aspect, function, .. } => {
            let change = AspectChange { app, slice, function, aspect };
            let points = client.set_aspect(&change).await?;
            ui.data(&points, |ui| ui.table(table(&points)))
        }
    }
}

fn table(points: &AspectPoints) -> Table {
    let mut table = Table::new(&["APP", "SLICE", "FUNCTION", "ASPECT"]);
    for point in &points.points {
        table.row(vec![
            cell(&point.app),
            cell(&point.slice),
            cell(&point.function),
            cell(point.aspect),
        ]);
    }
    table
}
