//! Which nodes keep every artifact, and how each of them comes to have them all. Knows no
//! coordinates and no instances.

use crate::control::Control;
use crate::depot::{Depot, blocking};
use crate::projector::Pictures;
use crate::tasks::Runs;
use aether_consensus::Membership;
use aether_types::{Digest, NodeId};
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// How often a keeper looks for what it lacks: a node that got a vote has what it needs soon after.
const LOOK: Duration = Duration::from_secs(5);

/// Where fewer nodes vote, some that do not keep artifacts too.
const KEEPERS_MIN: usize = 3;

/// All that vote, so that an artifact is lost no sooner than the blueprint that names it.
pub(crate) fn keepers(members: &Membership) -> BTreeSet<NodeId> {
    let mut keepers = &members.voters | &members.voters_outgoing;
    let more = KEEPERS_MIN.saturating_sub(keepers.len());
    keepers.extend(members.learners.iter().take(more));
    keepers
}

/// Whether an artifact that these nodes have is as safe as what is written to the log.
pub(crate) fn are_enough(members: &Membership, copies: &BTreeSet<NodeId>) -> bool {
    let halves = [&members.voters, &members.voters_outgoing];
    let is_enough = |voters: &BTreeSet<NodeId>| (voters & copies).len() * 2 > voters.len();
    halves.into_iter().filter(|voters| !voters.is_empty()).all(is_enough)
}

/// Fetches what this node should keep and does not have: it came to vote later, was away when an
/// artifact was stored, or lost a file.
pub(crate) struct Keeper {
    pub(crate) control: Control,
    pub(crate) pictures: Pictures,
    pub(crate) depot: Depot,
}

impl Keeper {
    pub(crate) async fn run(
        self,
        runs: Runs,
        shutdown: CancellationToken,
    ) -> Result<(), Infallible> {
        while shutdown.run_until_cancelled(tokio::time::sleep(LOOK)).await.is_some() {
            let since = Instant::now();
            let missing = self.missing().await;
            let fetched = shutdown.run_until_cancelled(self.fetch(missing)).await;
            runs.note("artifacts", since, fetched.flatten());
        }
        Ok(())
    }

    /// What stands in the state and not on this disk, if this node is a keeper.
    async fn missing(&self) -> Vec<Digest> {
        let members = self.control.status().borrow().as_ref().map(|it| keepers(&it.membership));
        if !members.is_some_and(|keepers| keepers.contains(&self.depot.node)) {
            return Vec::new();
        }
        let known = self.pictures.borrow().world.artifacts.clone();
        let artifacts = self.depot.artifacts.clone();
        let lacks = move |digest: &&Digest| !artifacts.contains(digest);
        blocking(move || known.keys().filter(lacks).copied().collect()).await
    }

    /// What went wrong last, if anything did.
    async fn fetch(&self, missing: Vec<Digest>) -> Option<String> {
        let mut failed = None;
        for digest in missing {
            match self.depot.get(digest).await {
                Ok(_) => tracing::info!(%digest, "keeping an artifact"),
                Err(error) => failed = Some(error.to_string()),
            }
        }
        failed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(ids: &[u64]) -> BTreeSet<NodeId> {
        ids.iter().map(|id| NodeId(*id)).collect()
    }

    fn members(voters: &[u64], outgoing: &[u64], learners: &[u64]) -> Membership {
        Membership {
            voters: nodes(voters),
            voters_outgoing: nodes(outgoing),
            learners: nodes(learners),
            ..Membership::default()
        }
    }

    #[test]
    fn who_votes_keeps_and_where_few_vote_others_do_too() {
        let check = |members: Membership, expected: &[u64]| {
            assert_eq!(keepers(&members), nodes(expected), "{members:?}");
        };
        check(members(&[1], &[], &[]), &[1]);
        check(members(&[4], &[], &[1, 2, 3]), &[1, 2, 4]);
        check(members(&[1, 2, 3], &[], &[4]), &[1, 2, 3]);
        check(members(&[1, 2, 5], &[1, 2, 3], &[4]), &[1, 2, 3, 5]);
        check(members(&[1, 2, 3, 4, 5, 6, 7], &[], &[8]), &[1, 2, 3, 4, 5, 6, 7]);
    }

    #[test]
    fn enough_is_what_outlives_the_loss_of_any_minority() {
        let check = |members: Membership, copies: &[u64], expected: bool| {
            assert_eq!(are_enough(&members, &nodes(copies)), expected, "{members:?} {copies:?}");
        };
        check(members(&[1], &[], &[2]), &[1], true);
        check(members(&[1], &[], &[2, 3]), &[2, 3], false);
        check(members(&[1, 2, 3], &[], &[4]), &[1, 4], false);
        check(members(&[1, 2, 3], &[], &[]), &[1, 3], true);
        check(members(&[1, 2, 3, 4, 5], &[], &[]), &[1, 2], false);
        check(members(&[1, 2, 3, 4, 5, 6, 7], &[], &[]), &[1, 2, 3], false);
        check(members(&[1, 2, 3, 4, 5, 6, 7], &[], &[]), &[1, 2, 3, 7], true);
        check(members(&[1, 2, 3], &[3, 4, 5], &[]), &[1, 2], false);
        check(members(&[1, 2, 3], &[3, 4, 5], &[]), &[1, 3, 4], true);
    }
}
