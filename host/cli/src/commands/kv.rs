//! `aether kv`: the store of operators and tools. Knows no wire.

use crate::args::KvCommand;
use crate::exit::{Failure, Result};
use crate::ui::{Table, Ui, cell};
use aether_api::{Entries, EntryQuery, EntryView, Expected, StoreKey};
use aether_client::Client;
use aether_types::{ByteSize, Revision};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use bytes::Bytes;
use serde_json::json;
use std::io::Read;
use std::path::Path;

/// Entries of a page of a list.
const PAGE: usize = 1_000;

pub(super) async fn run(client: &Client, command: KvCommand, ui: &mut Ui) -> Result {
    match command {
        KvCommand::Put { key, value, file, if_revision, if_absent, .. } => {
            let value = match file {
                Some(path) => read(&path)?,
                None => value.unwrap_or_default().into(),
            };
            let expected = match if_absent {
                true => Expected::Absent,
                false => at(if_revision),
            };
            let revision = client.put_entry(&key, value, expected).await?;
            ui.step("Written", &key)?;
            ui.data(&json!({ "key": key.as_str(), "revision": revision.0 }), |ui| ui.line(revision))
        }
        KvCommand::Get { key, stale, .. } => get(client, &key, stale, ui).await,
        KvCommand::Delete { key, if_revision, .. } => {
            client.delete_entry(&key, at(if_revision)).await?;
            ui.step("Deleted", &key)?;
            ui.data(&json!({ "deleted": key.as_str() }), |_| Ok(()))
        }
        KvCommand::List { prefix, stale, .. } => list(client, prefix, stale, ui).await,
    }
}

fn at(revision: Option<u64>) -> Expected {
    revision.map_or(Expected::Anything, |revision| Expected::At(Revision(revision)))
}

fn read(path: &Path) -> Result<Bytes> {
    let mut bytes = Vec::new();
    let read = match path == Path::new("-") {
        true => std::io::stdin().read_to_end(&mut bytes).map(drop),
        false => std::fs::read(path).map(|read| bytes = read),
    };
    let refuse = |error| Failure::invalid(format!("failed to read {}: {error}", path.display()));
    read.map_err(refuse)?;
    Ok(bytes.into())
}

/// For people the bytes as they are; for scripts as a string, or in base 64 if they are no text.
async fn get(client: &Client, key: &StoreKey, stale: bool, ui: &mut Ui) -> Result {
    let entry = client.entry(key, stale).await?;
    if !ui.json {
        return ui.bytes(&entry.value);
    }
    let (key, revision) = (key.as_str(), entry.revision.0);
    let shown = match std::str::from_utf8(&entry.value) {
        Ok(value) => json!({ "key": key, "revision": revision, "value": value }),
        Err(_) => {
            let value = BASE64_STANDARD.encode(&entry.value);
            json!({ "key": key, "revision": revision, "base64": value })
        }
    };
    ui.json(&shown)
}

async fn list(client: &Client, prefix: String, stale: bool, ui: &mut Ui) -> Result {
    let mut query = EntryQuery { prefix, after: None, limit: PAGE, stale };
    let mut all: Vec<EntryView> = Vec::new();
    loop {
        let Entries { entries, more } = client.entries(&query).await?;
        all.extend(entries);
        query.after = all.last().filter(|_| more).map(|entry| entry.key.clone());
        if query.after.is_none() {
            break;
        }
    }
    ui.data(&Entries { entries: all.clone(), more: false }, |ui| {
        let mut table = Table::new(&["KEY", "REVISION", "SIZE"]);
        for entry in &all {
            let size = ByteSize(entry.bytes);
            table.row(vec![cell(&entry.key), cell(entry.revision), cell(size)]);
        }
        ui.table(table)
    })
}
