//! Calls that wait for their answers, by number. Knows no link.

use slab::Slab;
use tokio::sync::oneshot;

use crate::{DownReason, Response, limits::REQUESTS_MAX};

/// How a call ended, as far as its link knows.
#[derive(Debug)]
pub(crate) enum Reply {
    Done(Response),
    Overloaded,
    Failed,
    NotSent(DownReason),
}

/// A number is a place and, above it, a count of uses: a late answer finds nobody.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    slots: Slab<(u32, oneshot::Sender<Reply>)>,
    uses: u32,
}

impl Pending {
    pub(crate) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Nothing if too many wait.
    pub(crate) fn insert(&mut self) -> Option<(u64, oneshot::Receiver<Reply>)> {
        if self.slots.len() >= REQUESTS_MAX {
            return None;
        }
        let (tx, rx) = oneshot::channel();
        self.uses = self.uses.wrapping_add(1);
        let slot = self.slots.insert((self.uses, tx));
        Some((u64::from(self.uses) << 32 | slot as u64, rx))
    }

    /// Gives a call its answer, if it still waits.
    pub(crate) fn complete(&mut self, id: u64, reply: Reply) {
        if let Some(tx) = self.remove(id) {
            // Who does not wait any more has been told otherwise.
            let _ = tx.send(reply);
        }
    }

    pub(crate) fn remove(&mut self, id: u64) -> Option<oneshot::Sender<Reply>> {
        let slot = (id & 0xffff_ffff) as usize;
        let (uses, _) = self.slots.get(slot)?;
        (u64::from(*uses) == id >> 32).then(|| self.slots.remove(slot).1)
    }

    /// Those that still wait learn it from their dropped senders.
    pub(crate) fn clear(&mut self) {
        self.slots.clear();
    }
}
