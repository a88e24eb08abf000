//! What nobody refers to any more: artifacts and join tokens. Knows no slices.

use crate::control::{Control, ControlError};
use crate::depot::Depot;
use crate::projector::{Picture, Pictures};
use crate::tasks::Runs;
use crate::{keys, unix_ms};
use aether_consensus::Term;
use aether_kv::{Operation, Transaction};
use aether_types::Digest;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How often it is looked for.
const LOOK: Duration = Duration::from_secs(60);

/// What nobody has referred to for so long goes: between an upload and the blueprint that names it
/// lie seconds.
const UNUSED_MAX: Duration = Duration::from_secs(600);

/// Entries that go in one transaction.
const AT_ONCE_MAX: usize = 100;

pub(crate) struct Housekeeping {
    pub(crate) control: Control,
    pub(crate) pictures: Pictures,
    pub(crate) depot: Depot,
    pub(crate) leading: watch::Receiver<Option<Term>>,
}

/// Since when something is not referred to, as far as this run of the node knows.
#[derive(Debug, Default)]
struct Unused(BTreeMap<Digest, Instant>);

impl Housekeeping {
    pub(crate) async fn run(
        self,
        runs: Runs,
        shutdown: CancellationToken,
    ) -> Result<(), Infallible> {
        let (mut entries, mut files) = (Unused::default(), Unused::default());
        while shutdown.run_until_cancelled(tokio::time::sleep(LOOK)).await.is_some() {
            let since = Instant::now();
            let picture = self.pictures.borrow().clone();
            let term = *self.leading.borrow();
            let mut error = None;
            if let Some(term) = term {
                error = self.forget_entries(&picture, &mut entries, term).await.err();
            }
            self.forget_files(&picture, &mut files).await;
            runs.note("housekeeping", since, error.map(|error| error.to_string()));
        }
        Ok(())
    }

    /// As the leader: entries of artifacts that no application names, and tokens that are over.
    async fn forget_entries(
        &self,
        picture: &Picture,
        unused: &mut Unused,
        term: Term,
    ) -> Result<(), ControlError> {
        let world = &picture.world;
        let stored = world.artifacts.keys().filter(|digest| !is_named(picture, digest));
        let over = unused.over(stored.copied(), Instant::now());
        let artifacts = over.into_iter().take(AT_ONCE_MAX).map(|digest| keys::artifact(&digest));
        let expired = world.tokens.iter().filter(|(_, token)| token.expires_ms < unix_ms());
        let tokens = expired.take(AT_ONCE_MAX).map(|(id, _)| keys::token(id));
        let gone: Vec<_> = artifacts.chain(tokens).collect();
        if gone.is_empty() {
            return Ok(());
        }
        // Whoever named one of them in the meantime has applied a blueprint, maybe a first one.
        let conditions = vec![world.blueprints_unchanged()];
        tracing::info!(entries = gone.len(), "forgetting what nobody refers to");
        let operations = gone.into_iter().map(|key| Operation::Delete { key }).collect();
        let transaction = Transaction { conditions, operations };
        self.control.transact_as_leader(transaction, term).await.map(drop)
    }

    /// Files of artifacts that have no entry.
    async fn forget_files(&self, picture: &Picture, unused: &mut Unused) {
        let artifacts = self.depot.artifacts.clone();
        let known = picture.world.artifacts.clone();
        let list = move || artifacts.list();
        let Ok(Ok(files)) = tokio::task::spawn_blocking(list).await else { return };
        let without = files.into_iter().filter(|digest| !known.contains_key(digest));
        for digest in unused.over(without, Instant::now()) {
            let artifacts = self.depot.artifacts.clone();
            let removed = tokio::task::spawn_blocking(move || artifacts.remove(&digest)).await;
            if let Ok(Err(error)) = removed {
                tracing::warn!(%digest, %error, "failed to remove an artifact");
            }
        }
    }
}

fn is_named(picture: &Picture, digest: &Digest) -> bool {
    let world = &picture.world;
    let stored = world.blueprints.values().flat_map(|at| &at.value.artifacts);
    let before = world.changes.values().flat_map(|at| &at.value.application.artifacts);
    let mut bound = stored.chain(before);
    let mut planned = world.plan.value.assignments.iter();
    let mut observed = world.observed.values().flat_map(|observed| &observed.instances);
    bound.any(|bound| bound.digest == *digest)
        || planned.any(|assignment| assignment.digest == *digest)
        || observed.any(|instance| instance.digest == *digest)
}

impl Unused {
    /// Those that have been unused for long enough; others that are used again start anew.
    fn over(&mut self, unused: impl Iterator<Item = Digest>, now: Instant) -> Vec<Digest> {
        let before = std::mem::take(&mut self.0);
        self.0 = unused.map(|it| (it, before.get(&it).copied().unwrap_or(now))).collect();
        let over = self.0.iter().filter(|(_, since)| now - **since >= UNUSED_MAX);
        over.map(|(digest, _)| *digest).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_again_is_not_forgotten() {
        let (a, b) = (Digest([1; 32]), Digest([2; 32]));
        let mut unused = Unused::default();
        let start = Instant::now();
        let at = |share: u32| start + UNUSED_MAX * share / 4;
        assert_eq!(unused.over([a, b].into_iter(), at(0)), []);
        assert_eq!(unused.over([a].into_iter(), at(2)), []);
        assert_eq!(unused.over([a, b].into_iter(), at(4)), [a]);
        assert_eq!(unused.over([b].into_iter(), at(8)), [b]);
    }
}
