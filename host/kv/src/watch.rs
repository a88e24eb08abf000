//! A watcher's place in the changes. Knows no subscriber: whoever holds it polls after `apply`.

use alloc::string::String;

use aether_types::Revision;

use crate::{Event, State};

/// Delivers every change under a prefix, in order, once.
///
/// To see everything: read the entries and [`State::revision`], then watch from the revision after.
/// A wake-up carries no data: poll whenever something may have been applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watch {
    prefix: String,
    next: Revision,
}

/// Why the changes from a revision on cannot be delivered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WatchError {
    #[error(
        "changes before revision {first} are compacted: read the entries again, then watch from \
         there"
    )]
    Compacted { first: Revision },
    #[error("the revision to watch from lies ahead: the newest is {newest}")]
    Ahead { newest: Revision },
}

impl Watch {
    pub(crate) fn new(prefix: &str, from: Revision) -> Self {
        Self { prefix: prefix.into(), next: from }
    }

    /// The changes since the last call; none is delivered twice. After an error the watch stays
    /// where it was.
    pub fn poll<'a>(
        &mut self,
        state: &'a State,
    ) -> Result<impl Iterator<Item = &'a Event> + use<'a>, WatchError> {
        let changes = state.changes(self.next)?;
        self.next = Revision(state.revision().0 + 1);
        let prefix = self.prefix.clone();
        Ok(changes.filter(move |event| event.key.as_str().starts_with(&prefix)))
    }

    /// The revision that the next poll starts from.
    pub fn next(&self) -> Revision {
        self.next
    }
}
