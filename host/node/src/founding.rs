//! The first entries of a cluster: its members, its authority, its first administrator. Written by
//! the founder, once.

use crate::control::{Control, ControlError};
use crate::management::put_key;
use crate::records::{AuthorityRecord, ClusterRecord, Duty, Member};
use crate::run::Error;
use crate::{keys, unix_ms};
use aether_api::{Role, StoredKey, local};
use aether_kv::{Condition, Operation, Transaction};
use aether_types::versioned::{Versioned, encode};
use aether_types::{ErrorKind, NodeId};
use std::io;
use std::path::Path;

/// What a founder knows.
pub(crate) struct Founding<'a> {
    pub(crate) node: NodeId,
    pub(crate) authority: &'a AuthorityRecord,
    pub(crate) voters: u8,
}

impl Founding<'_> {
    /// Does nothing in a cluster that was founded before. The key's file comes first: a crash in
    /// between leaves a key that nobody accepts, and the next start replaces it.
    pub(crate) async fn write(
        &self,
        control: &Control,
        address: &str,
        key_file: &Path,
    ) -> Result<(), Error> {
        if self.is_written(control).await? {
            return Ok(());
        }
        let name = "first administrator".to_owned();
        let minted = StoredKey::mint(&rand::random(), name, Role::Admin, unix_ms());
        let written = match std::fs::remove_file(key_file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => local::write_key(key_file, &minted.secret),
        };
        written.map_err(|source| Error::KeyFile { path: key_file.to_owned(), source })?;
        let cluster = ClusterRecord { voters_max: self.voters };
        let member = Member { duty: Duty::Full, joined_ms: unix_ms(), address: address.to_owned() };
        let (mut conditions, put) = put_key(&minted.stored);
        conditions.push(Condition::Absent { key: keys::cluster() });
        let operations = vec![
            put,
            entry(keys::cluster(), &cluster),
            entry(keys::member(self.node), &member),
            entry(keys::authority(), self.authority),
        ];
        control.transact(Transaction { conditions, operations }).await?;
        Ok(())
    }

    /// A founder that is alone knows all entries when it leads. One that is not has written them
    /// long ago.
    async fn is_written(&self, control: &Control) -> Result<bool, ControlError> {
        let known = || control.read(|state| state.get(&keys::cluster()).is_some());
        loop {
            if known() {
                return Ok(true);
            }
            match control.fresh().await {
                Ok(()) => return Ok(known()),
                // No leader yet: this node's first election is under way.
                Err(error) if error.kind() == ErrorKind::Unavailable => {}
                Err(error) => return Err(error),
            }
        }
    }
}

fn entry<T: Versioned>(key: aether_kv::Key, value: &T) -> Operation {
    Operation::Put { key, value: encode(value).into(), lease: None }
}
