//! The leader's care for the members of the group: who listens, who votes. Decides nothing:
//! `placement` does.

use crate::control::{Control, ControlError};
use crate::projector::{Picture, Pictures};
use crate::reach::{Reach, Reaches, VOTE_LOST_AFTER};
use crate::records::Duty;
use crate::tasks::Runs;
use aether_consensus::{Change, MembershipChange, Status, Term};
use aether_placement::{Members, MembersAdvice, Standing, Step, members};
use aether_types::NodeId;
use std::convert::Infallible;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How often the members are looked at without anything having changed: logs catch up silently.
const LOOK: Duration = Duration::from_millis(500);

/// A log that is so many entries behind the leader's is one that catches up by itself.
const ENTRIES_BEHIND_MAX: u64 = 1_000;

pub(crate) struct MembersTask {
    pub(crate) node: NodeId,
    pub(crate) control: Control,
    pub(crate) pictures: Pictures,
    pub(crate) reaches: Reaches,
    pub(crate) leading: watch::Receiver<Option<Term>>,
}

impl MembersTask {
    /// Brings the members to where they should be, for as long as this node leads.
    pub(crate) async fn run(
        mut self,
        runs: Runs,
        shutdown: CancellationToken,
    ) -> Result<(), Infallible> {
        let mut led_since = None;
        loop {
            let term = *self.leading.borrow_and_update();
            match term {
                Some(term) => {
                    let since = Instant::now();
                    let led_since = *led_since.get_or_insert(since);
                    let error = self.look(term, led_since).await.err();
                    runs.note("members", since, error.map(|e| e.to_string()));
                }
                None => led_since = None,
            }
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                Ok(()) = self.leading.changed() => {}
                Ok(()) = self.pictures.changed() => {}
                Ok(()) = self.reaches.changed() => {}
                () = tokio::time::sleep(LOOK), if term.is_some() => {}
            }
        }
    }

    async fn look(&mut self, term: Term, led_since: Instant) -> Result<(), ControlError> {
        let status = self.control.status().borrow().clone();
        let Some(status) = status.filter(|status| !status.membership.is_joint()) else {
            return Ok(());
        };
        let picture = self.pictures.borrow_and_update().clone();
        let reach = self.reaches.borrow_and_update().clone();
        let seen = Seen { me: self.node, since: led_since, now: Instant::now() };
        match advice(&picture, &reach, &status, seen) {
            MembersAdvice::Stay => Ok(()),
            MembersAdvice::HandOver(to) => {
                tracing::info!(%to, "handing leadership over");
                self.control.hand_over(to);
                Ok(())
            }
            MembersAdvice::Change(steps) => {
                let said: Vec<_> = steps.iter().map(ToString::to_string).collect();
                tracing::info!(steps = said.join(", "), "changing the members");
                let steps = steps.into_iter().map(|step| match step {
                    Step::Listen(node) => Change::Learner(node),
                    Step::Vote(node) => Change::Voter(node),
                    Step::Remove(node) => Change::Remove(node),
                });
                let change = MembershipChange(steps.collect());
                self.control.change_members(change, term).await
            }
        }
    }
}

/// Who looks, since when it could, and when.
#[derive(Clone, Copy)]
struct Seen {
    me: NodeId,
    since: Instant,
    now: Instant,
}

fn advice(picture: &Picture, reach: &Reach, status: &Status, seen: Seen) -> MembersAdvice {
    let nodes = picture.world.members.iter().filter(|(_, at)| at.value.duty != Duty::Removed);
    let nodes: Vec<(NodeId, Standing)> =
        nodes.map(|(id, at)| (*id, standing(*id, at.value.duty, reach, status, seen))).collect();
    let membership = &status.membership;
    let now =
        Members { leader: seen.me, voters: &membership.voters, learners: &membership.learners };
    let voters_max = picture.world.cluster.as_ref().map_or(1, |cluster| cluster.voters_max);
    members(&nodes, now, usize::from(voters_max))
}

fn standing(id: NodeId, duty: Duty, reach: &Reach, status: &Status, seen: Seen) -> Standing {
    if duty == Duty::Draining {
        return Standing::Leaving;
    }
    match reach.silence(id, seen.me, seen.since, seen.now) {
        Some(silence) if silence >= VOTE_LOST_AFTER => Standing::Lost,
        Some(_) => Standing::Silent,
        None => {
            let matched = status.matched.get(&id).map_or(0, |index| index.0);
            let behind = status.last.0.saturating_sub(matched) > ENTRIES_BEHIND_MAX;
            if behind && id != seen.me { Standing::Behind } else { Standing::Well }
        }
    }
}

/// The nodes that this node should be linked with: all but itself and those that are gone.
pub(crate) fn peers(picture: &Picture, me: NodeId) -> Vec<(NodeId, String)> {
    let members = picture.world.members.iter();
    let others = members.filter(|(id, at)| **id != me && at.value.duty != Duty::Removed);
    let address = |id: &NodeId, joined: &str| {
        let record = picture.world.nodes.get(id);
        record.map_or_else(|| joined.to_owned(), |record| record.cluster.clone())
    };
    others.map(|(id, at)| (*id, address(id, &at.value.address))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::Member;
    use crate::world::At;
    use aether_types::Revision;
    use std::sync::Arc;

    #[test]
    fn a_node_whose_log_is_far_behind_does_not_vote_yet() {
        let mut picture = Picture::default();
        picture.world.cluster = Some(Arc::new(crate::records::ClusterRecord { voters_max: 3 }));
        for id in 1..=3 {
            let member = Member { duty: Duty::Full, joined_ms: 0, address: String::new() };
            let at = At { revision: Revision(1), value: member };
            picture.world.members.insert(NodeId(id), Arc::new(at));
        }
        let now = Instant::now();
        let up =
            |id| (NodeId(id), crate::reach::Seen { up: true, run: 1, leaving: false, since: now });
        let reach = Reach([up(2), up(3)].into());
        let seen = Seen { me: NodeId(1), since: now, now };
        let mut group = aether_consensus::Group::new(
            aether_consensus::Config::new(crate::control::CONTROL_GROUP, NodeId(1), 7),
            aether_consensus::Restored::founding([NodeId(1)], bytes::Bytes::new()),
        )
        .unwrap();
        group.advance();
        let mut status = group.status();
        status.membership.learners = [NodeId(2), NodeId(3)].into();
        status.last = aether_types::LogIndex(5_000);
        let matched = |far: u64| [(NodeId(2), 5_000), (NodeId(3), far)];
        for (far, expected) in [
            (10, MembersAdvice::Stay),
            (4_990, MembersAdvice::Change(vec![Step::Vote(NodeId(2)), Step::Vote(NodeId(3))])),
        ] {
            let matched = matched(far).map(|(id, index)| (id, aether_types::LogIndex(index)));
            status.matched = matched.into();
            assert_eq!(advice(&picture, &reach, &status, seen), expected);
        }
    }
}
