//! What a node finds on its disk. Knows no disk.

use aether_types::{LogIndex, NodeId};
use bytes::Bytes;

use crate::{
    Entry, GroupId, HardState, Membership, MembershipError, Persist, PersistNumber, Position,
    Snapshot, Term,
};

/// The durable part of a group's state.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Restored {
    pub hard_state: HardState,
    pub snapshot: Snapshot,
    /// In order, without a gap.
    pub entries: Vec<Entry>,
}

/// A disk that contradicts itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RestoredError {
    #[error("the log has a gap before index {index}")]
    Gap { index: LogIndex },
    #[error("the log ends at {last}, before {needed}")]
    Short { last: LogIndex, needed: LogIndex },
    #[error("the term at index {index} contradicts the log before, the snapshot or the vote")]
    Term { index: LogIndex },
    #[error("the snapshot has impossible members")]
    Membership(#[source] MembershipError),
}

impl Restored {
    /// The beginning of a new group. `data` is the encoded empty state machine. Only the founders
    /// of a group start like this, all with the same members; others start with nothing, as
    /// learners or voters that the leader brings up to date.
    ///
    /// The log starts after index 1, so that a node with nothing is always sent the snapshot, which
    /// names the members.
    pub fn founding(voters: impl IntoIterator<Item = NodeId>, data: Bytes) -> Self {
        let position = Position { index: LogIndex(1), term: Term(1) };
        let membership = Membership::of_voters(voters);
        Self {
            hard_state: HardState { term: position.term, vote: None, commit: position.index },
            snapshot: Snapshot { position, membership, data },
            entries: Vec::new(),
        }
    }

    /// The step that puts this on an empty disk.
    pub fn to_persist(&self, group: GroupId) -> Persist {
        Persist {
            group,
            number: PersistNumber(0),
            hard_state: self.hard_state,
            snapshot: Some(self.snapshot.clone()),
            retain: LogIndex(0)..LogIndex(0),
            entries: self.entries.clone(),
        }
    }

    pub(crate) fn validate(&self) -> Result<(), RestoredError> {
        let start = self.snapshot.position;
        if start != Position::default() {
            self.snapshot.membership.validate().map_err(RestoredError::Membership)?;
        }
        if start.term > self.hard_state.term {
            return Err(RestoredError::Term { index: start.index });
        }
        let mut previous = match self.entries.first() {
            Some(first) if first.position.index > LogIndex(start.index.0 + 1) => {
                return Err(RestoredError::Gap { index: first.position.index });
            }
            Some(first) if first.position.index <= start.index => Position {
                index: LogIndex(first.position.index.0.saturating_sub(1)),
                term: Term(0),
            },
            _ => start,
        };
        for Entry { position, .. } in &self.entries {
            if position.index.0 != previous.index.0 + 1 {
                return Err(RestoredError::Gap { index: position.index });
            }
            let ahead = position.term > self.hard_state.term;
            let differs = position.index == start.index && position.term != start.term;
            if position.term < previous.term || ahead || differs {
                return Err(RestoredError::Term { index: position.index });
            }
            previous = *position;
        }
        let needed = self.hard_state.commit.max(start.index);
        match previous.index < needed {
            true => Err(RestoredError::Short { last: previous.index, needed }),
            false => Ok(()),
        }
    }
}
