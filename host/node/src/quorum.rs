//! Which voters are missing where nothing can be decided. Knows no log and asks nobody.

use crate::reach::Reach;
use aether_consensus::{Membership, Status};
use aether_types::{NodeId, TimeSpan};
use std::collections::BTreeSet;
use std::fmt;
use std::time::{Duration, Instant};

/// Who looks, since when it could, and when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look {
    pub(crate) node: NodeId,
    pub(crate) started: Instant,
    pub(crate) now: Instant,
}

/// The voters that this node does not reach, when those that it does are no majority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Missing {
    voters: usize,
    /// For how long each has been silent.
    silent: Vec<(NodeId, Duration)>,
}

/// How long a node that starts looks for the others before it says that they are missing: until
/// then, what is asked of it waits for a leader.
const START_TIME: Duration = Duration::from_secs(3);

/// None where there is a leader, or could be one in a moment.
pub(crate) fn missing(status: &Status, reach: &Reach, look: Look) -> Option<Missing> {
    match status.leader {
        Some(_) => None,
        None if look.now.saturating_duration_since(look.started) < START_TIME => None,
        None => missing_of(&status.membership, reach, look),
    }
}

fn missing_of(membership: &Membership, reach: &Reach, look: Look) -> Option<Missing> {
    let halves = [&membership.voters, &membership.voters_outgoing];
    halves.into_iter().find_map(|voters| without_majority(voters, reach, look))
}

fn without_majority(voters: &BTreeSet<NodeId>, reach: &Reach, look: Look) -> Option<Missing> {
    let silence = |node: &NodeId| reach.silence(*node, look.node, look.started, look.now);
    let silent = voters.iter().filter_map(|node| Some((*node, silence(node)?)));
    let silent: Vec<_> = silent.collect();
    let answering = voters.len() - silent.len();
    let lacks = !voters.is_empty() && answering * 2 <= voters.len();
    lacks.then_some(Missing { voters: voters.len(), silent })
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { voters, silent } = self;
        write!(f, "{} of {voters} voters do not answer this node: ", silent.len())?;
        for (i, (node, time)) in silent.iter().enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            write!(f, "{comma}{node} for {}", TimeSpan::from_secs(time.as_secs()))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reach::Seen;
    use std::collections::BTreeMap;

    #[test]
    fn a_minority_knows_whom_it_misses() {
        let started = Instant::now();
        let at = |seconds| started + Duration::from_secs(seconds);
        let check = |voters: &[u64], outgoing: &[u64], down: &[(u64, u64)], expected: &str| {
            let ids = |ids: &[u64]| ids.iter().map(|id| NodeId(*id)).collect::<BTreeSet<_>>();
            let membership = Membership {
                voters: ids(voters),
                voters_outgoing: ids(outgoing),
                ..Membership::default()
            };
            let up = |id| (NodeId(id), Seen { up: true, run: 1, leaving: false, since: started });
            let mut seen: BTreeMap<_, _> = (2..=5).map(up).collect();
            for (id, since) in down {
                seen.insert(
                    NodeId(*id),
                    Seen { up: false, run: 1, leaving: false, since: at(*since) },
                );
            }
            // It has never heard of the sixth.
            let look = Look { node: NodeId(1), started, now: at(60) };
            let found = missing_of(&membership, &Reach(seen), look);
            assert_eq!(found.map(|m| m.to_string()).unwrap_or_default(), expected);
        };
        check(&[1], &[], &[], "");
        check(&[1, 2, 3], &[], &[(2, 5)], "");
        check(
            &[1, 2, 3],
            &[],
            &[(2, 5), (3, 58)],
            "2 of 3 voters do not answer this node: 0000000000000002 for 55s, 0000000000000003 for 2s",
        );
        check(&[1, 6], &[], &[], "1 of 2 voters do not answer this node: 0000000000000006 for 1m");
        check(
            &[1, 4, 5],
            &[2, 3],
            &[(2, 0)],
            "1 of 2 voters do not answer this node: 0000000000000002 for 1m",
        );
        check(&[2, 3, 4], &[], &[(4, 0)], "");
    }
}
