//! Where the planted defects sit in a group. Knows no other defect than the one that is asked for.

use super::super::Group;
use crate::{HardState, Planted, ReadId, Role, reads::question_of};

impl Group {
    /// Commits whatever a majority has, of whichever term.
    pub(super) fn plant_commit(&mut self) {
        if self.config.planted == Some(Planted::CommitOlderTerm) && self.role() == Role::Leader {
            let raft = &mut self.node.raft;
            let majority_has = raft.mut_prs().maximal_committed_index().0;
            let last = raft.raft_log.last_index();
            raft.raft_log.commit_to(majority_has.min(last));
        }
    }

    pub(super) fn plant_persist(&mut self, hard_state: HardState) -> HardState {
        match self.config.planted {
            Some(Planted::AcknowledgeBeforeFsync) => {
                self.persisted = self.asked;
                hard_state
            }
            Some(Planted::DropVote) => HardState { vote: None, ..hard_state },
            _ => hard_state,
        }
    }

    pub(super) fn plant_round(&self, round: ReadId) -> ReadId {
        match self.config.planted {
            Some(Planted::ReuseQuestion) => question_of(round),
            _ => round,
        }
    }
}
