//! Which nodes vote: a small odd number of the nodes that there are, the rest listens. Knows no
//! Raft and no clock.

use aether_types::NodeId;
use alloc::collections::BTreeSet;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

/// What the leader knows of a node of its cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Answers, and its log is as long as the leader's.
    Well,
    /// Answers, and its log is still on the way.
    Behind,
    /// Does not answer; it may come back.
    Silent,
    /// Has not answered for so long that its vote goes to somebody else, if there is somebody.
    Lost,
    /// Is on its way out of the cluster.
    Leaving,
}

/// The members of the group as they are.
#[derive(Debug, Clone, Copy)]
pub struct Members<'a> {
    pub leader: NodeId,
    pub voters: &'a BTreeSet<NodeId>,
    pub learners: &'a BTreeSet<NodeId>,
}

/// One step towards the members that there should be. The steps of one change take effect together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Add the node, or take away its vote.
    Listen(NodeId),
    Vote(NodeId),
    Remove(NodeId),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen(node) => write!(f, "{node} listens"),
            Self::Vote(node) => write!(f, "{node} votes"),
            Self::Remove(node) => write!(f, "{node} goes"),
        }
    }
}

/// What the leader should do about the members now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MembersAdvice {
    Stay,
    Change(Vec<Step>),
    /// The leader is leaving: somebody else must lead first.
    HandOver(NodeId),
}

/// The next change of members. `nodes` are those that belong to the cluster; members that are not
/// among them are removed.
///
/// Voters are the largest odd number of nodes up to `voters_max`, so that every further voter makes
/// one more loss bearable. Voters that merely fail to answer keep their vote until another node can
/// take it: a smaller group would not be a safer one.
pub fn members(nodes: &[(NodeId, Standing)], now: Members<'_>, voters_max: usize) -> MembersAdvice {
    let standing = |node: NodeId| nodes.iter().find(|(id, _)| *id == node).map(|(_, s)| *s);
    if standing(now.leader) == Some(Standing::Leaving) {
        let heir = now.voters.iter().find(|id| standing(**id) == Some(Standing::Well));
        if let Some(heir) = heir {
            return MembersAdvice::HandOver(*heir);
        }
        // Nobody who votes can lead. Two votes are worse than one, for as long as it takes.
        let heir = now.learners.iter().find(|id| standing(**id) == Some(Standing::Well));
        if let Some(heir) = heir {
            return MembersAdvice::Change(vec![Step::Vote(*heir)]);
        }
    }
    let voters = next_voters(nodes, now, voters_max);
    let mut steps = Vec::new();
    for id in now.voters.union(now.learners).filter(|id| standing(**id).is_none()) {
        if *id != now.leader {
            steps.push(Step::Remove(*id));
        }
    }
    for (id, _) in nodes {
        match (voters.contains(id), now.voters.contains(id), now.learners.contains(id)) {
            (true, false, _) => steps.push(Step::Vote(*id)),
            (false, true, _) | (false, false, false) => steps.push(Step::Listen(*id)),
            _ => {}
        }
    }
    steps.sort_unstable();
    if steps.is_empty() { MembersAdvice::Stay } else { MembersAdvice::Change(steps) }
}

/// Present voters first, among them the leader, those that answer, low ids; then nodes that are
/// ready to vote.
fn next_voters(
    nodes: &[(NodeId, Standing)],
    now: Members<'_>,
    voters_max: usize,
) -> BTreeSet<NodeId> {
    let rank = |(id, standing): &(NodeId, Standing)| {
        let votes = now.voters.contains(id);
        let rank = match standing {
            _ if *id == now.leader => 0,
            Standing::Well if votes => 1,
            Standing::Behind | Standing::Silent if votes => 2,
            Standing::Well => 3,
            Standing::Lost if votes => 4,
            // Only until somebody can take the vote over.
            Standing::Leaving if votes => 5,
            _ => return None,
        };
        Some((rank, *id))
    };
    let mut ranked: Vec<(i32, NodeId)> = nodes.iter().filter_map(rank).collect();
    ranked.sort_unstable();
    let staying = ranked.iter().filter(|(rank, _)| *rank < 5).count();
    let odd = |count: usize| if count.is_multiple_of(2) { count.saturating_sub(1) } else { count };
    let count = odd(staying.min(voters_max)).max(1);
    ranked.into_iter().take(count).map(|(_, id)| id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::{String, ToString};
    use expect_test::{Expect, expect};
    use std::format;

    /// `1 leads, 2 votes well, 3 listens behind, 4 new well`, one node per part; the advice, and
    /// what it leads to when everybody is well from then on.
    fn check(nodes: &str, voters_max: usize, expect: Expect) {
        let (mut standings, mut leader) = (Vec::new(), NodeId(0));
        let (mut voters, mut learners) = (BTreeSet::new(), BTreeSet::new());
        for part in nodes.split(", ") {
            let words: Vec<&str> = part.split(' ').collect();
            let id = NodeId(words[0].parse().unwrap());
            match words[1] {
                "leads" => {
                    leader = id;
                    voters.insert(id);
                }
                "votes" => drop(voters.insert(id)),
                "listens" => drop(learners.insert(id)),
                "new" => {}
                other => panic!("unknown role {other}"),
            }
            let standing = match *words.get(2).unwrap_or(&"well") {
                "well" => Standing::Well,
                "behind" => Standing::Behind,
                "silent" => Standing::Silent,
                "lost" => Standing::Lost,
                "leaving" => Standing::Leaving,
                "removed" => continue,
                other => panic!("unknown standing {other}"),
            };
            standings.push((id, standing));
        }
        let now = Members { leader, voters: &voters, learners: &learners };
        let shown = match members(&standings, now, voters_max) {
            MembersAdvice::Stay => "stay".to_string(),
            MembersAdvice::HandOver(to) => format!("hand over to {}", to.0),
            MembersAdvice::Change(steps) => {
                let show = |step: &Step| match step {
                    Step::Listen(id) => format!("listen {}", id.0),
                    Step::Vote(id) => format!("vote {}", id.0),
                    Step::Remove(id) => format!("remove {}", id.0),
                };
                steps.iter().map(show).collect::<Vec<String>>().join(", ")
            }
        };
        expect.assert_eq(&shown);
    }

    #[test]
    fn a_cluster_grows_by_odd_numbers_of_voters() {
        check("1 leads", 5, expect!["stay"]);
        check("1 leads, 2 new behind", 5, expect!["listen 2"]);
        check("1 leads, 2 listens", 5, expect!["stay"]);
        check("1 leads, 2 listens, 3 listens behind", 5, expect!["stay"]);
        check("1 leads, 2 listens, 3 listens", 5, expect!["vote 2, vote 3"]);
        check("1 leads, 2 votes, 3 votes, 4 listens", 5, expect!["stay"]);
        check("1 leads, 2 votes, 3 votes, 4 listens, 5 listens", 5, expect!["vote 4, vote 5"]);
        check("1 leads, 2 votes, 3 votes, 4 listens, 5 listens", 3, expect!["stay"]);
    }

    #[test]
    fn a_voter_keeps_its_vote_until_somebody_can_take_it() {
        check("1 leads, 2 votes silent, 3 votes, 4 listens", 3, expect!["stay"]);
        check("1 leads, 2 votes lost, 3 votes, 4 listens", 3, expect!["listen 2, vote 4"]);
        check("1 leads, 2 votes lost, 3 votes", 3, expect!["stay"]);
        check("1 leads, 2 votes lost, 3 votes, 4 listens behind", 3, expect!["stay"]);
        check("1 leads, 2 votes lost, 3 votes lost, 4 listens", 3, expect!["listen 3, vote 4"]);
        check("1 leads, 2 votes lost, 3 votes lost, 4 votes, 5 votes", 5, expect!["stay"]);
    }

    #[test]
    fn who_leaves_hands_over_and_goes() {
        check("1 leads leaving, 2 votes, 3 votes", 3, expect!["hand over to 2"]);
        check("1 votes leaving, 2 leads, 3 votes, 4 listens", 3, expect!["listen 1, vote 4"]);
        check("1 votes leaving, 2 leads, 3 votes", 3, expect!["listen 1, listen 3"]);
        check("1 listens removed, 2 leads, 3 listens", 3, expect!["remove 1"]);
        check("1 leads leaving", 3, expect!["stay"]);
        check("1 leads leaving, 2 listens behind, 3 listens", 3, expect!["vote 3"]);
        check("1 leads leaving, 2 listens behind", 3, expect!["stay"]);
        check("1 votes leaving, 2 leads", 3, expect!["listen 1"]);
        check("1 leads leaving, 2 votes silent, 3 listens", 3, expect!["vote 3"]);
    }
}
