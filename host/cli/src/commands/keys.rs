//! `aether keys`: who may use the management API. Knows no hash.

use crate::args::KeysCommand;
use crate::exit::Result;
use crate::ui::{Table, Ui, cell};
use aether_api::KeyRequest;
use aether_client::Client;

pub(super) async fn run(client: &Client, command: KeysCommand, ui: &mut Ui) -> Result {
    match command {
        KeysCommand::List(_) => {
            let keys = client.keys().await?;
            ui.data(&keys, |ui| {
                let mut table = Table::new(&["ID", "NAME", "ROLE", "CREATED"]);
                for key in &keys.keys {
                    table.row(vec![
                        cell(&key.id),
                        cell(&key.name),
                        cell(key.role),
                        cell(&key.created),
                    ]);
                }
                ui.table(table)
            })
        }
        KeysCommand::Create { name, role, .. } => {
            let created = client.create_key(&KeyRequest { name, role: role.into() }).await?;
            ui.step(
                "Created",
                format!(
                    "key {} of {}; its secret is shown once:",
                    created.key.id, created.key.name
                ),
            )?;
            ui.data(&created, |ui| ui.line(&created.secret))
        }
        KeysCommand::Delete { id, .. } => {
            client.delete_key(&id).await?;
            ui.step("Deleted", format!("key {id}"))?;
            ui.data(&serde_json::json!({ "deleted": id }), |_| Ok(()))
        }
    }
}
