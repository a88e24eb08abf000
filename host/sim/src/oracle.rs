//! What must be true after every step, seen from outside all nodes. Shares no state with them; a
//! broken rule ends the run.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use aether_consensus::{Committed, Entry, HardState, Payload, Persist, Position, ProposalId, Term};
use aether_kv::{Applied, Command, Operation, State, Transaction};
use aether_types::{LogIndex, NodeId};

use crate::disk::Disk;
use crate::history::{self, OpId};
use crate::keys;

/// Everything that was ever true in the cluster, as far as it can be seen.
#[derive(Debug, Default)]
pub(crate) struct Oracle {
    leaders: BTreeMap<Term, NodeId>,
    /// Every entry that was ever on a disk or a wire: what it says, and the term before it.
    entries: BTreeMap<(LogIndex, Term), (u64, Option<Term>)>,
    /// Every index that some node has passed, and what was there; no command, no name.
    log: BTreeMap<LogIndex, Option<(Term, ProposalId)>>,
    /// The earliest term that a node was in when it passed an index: it was committed in that one
    /// or an earlier one.
    passed_in: BTreeMap<LogIndex, Term>,
    /// The state after each command, as a digest; `reference` is the newest.
    hashes: BTreeMap<LogIndex, u64>,
    reference: State,
    /// In which terms a node decided on a plan, by its bytes.
    plans: BTreeMap<(NodeId, Vec<u8>), BTreeSet<Term>>,
    ops: BTreeMap<OpId, (LogIndex, Applied)>,
    refused: BTreeSet<OpId>,
    /// Somebody was told of everything up to here.
    told: LogIndex,
}

/// Who proposed a command: the high half of its name, as the simulator gives it out.
fn proposer(id: ProposalId) -> NodeId {
    NodeId((id.0 >> 96) as u64)
}

pub(crate) fn run_of(node: NodeId, incarnation: u64) -> u64 {
    node.0 << 32 | incarnation
}

/// What two equal states have in common: all of it at every sixteenth command, because that costs,
/// and the counters in between.
fn digest(state: &State) -> u64 {
    let whole = state.applied().0.is_multiple_of(16).then(|| state.encode());
    let counters = (state.applied(), state.revision(), state.lease_time().0, state.bytes());
    hash((counters, whole))
}

pub(crate) fn hash(value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

impl Oracle {
    pub(crate) fn leader_of(&self, term: Term) -> Option<NodeId> {
        self.leaders.get(&term).copied()
    }

    /// How far the log is known to go.
    pub(crate) fn last(&self) -> LogIndex {
        self.log.last_key_value().map_or(LogIndex(0), |(index, _)| *index)
    }

    /// Somebody may rely on everything up to here, from now on.
    pub(crate) fn told(&self) -> LogIndex {
        self.told
    }

    /// A node becomes leader: the only one of its term, and it has everything that was committed in
    /// terms before it. Where it was stopped between vote and office, there are later ones by now.
    pub(crate) fn on_leader(&mut self, node: NodeId, term: Term, disk: &Disk) {
        let first = *self.leaders.entry(term).or_insert(node);
        assert_eq!(first, node, "two leaders in term {}", term.0);
        let snapshot = disk.view().snapshot.position.index;
        for (index, command) in self.log.range(LogIndex(snapshot.0 + 1)..) {
            if self.passed_in.get(index).is_none_or(|passed| *passed >= term) {
                continue;
            }
            let has = disk.term_at(*index);
            let fits = match command {
                Some((term, _)) => has == Some(*term),
                None => has.is_some(),
            };
            assert!(fits, "{node} leads in term {} without committed entry {index}", term.0);
        }
    }

    /// A node asks for a write: its term and vote do not go back.
    pub(crate) fn on_persist(&mut self, disk: &Disk, persist: &Persist) {
        let (old, new) = (disk.view().hard_state, persist.hard_state);
        assert!(new.term >= old.term, "the term went back from {old:?} to {new:?}");
        let same_vote = |old: HardState, new: HardState| old.vote.is_none() || old.vote == new.vote;
        assert!(new.term > old.term || same_vote(old, new), "two votes: {old:?}, {new:?}");
    }

    /// A node that is in this term passes all after the one index and up to the other.
    pub(crate) fn on_committed(&mut self, after: LogIndex, upto: LogIndex, term: Term) {
        for index in (after.0 + 1..=upto.0).map(LogIndex) {
            let passed_in = self.passed_in.entry(index).or_insert(term);
            *passed_in = term.min(*passed_in);
        }
    }

    /// These entries are on a disk, or on their way to another node: wherever an index has the same
    /// term, it has the same entry, and so has everything before it.
    pub(crate) fn on_entries(&mut self, mut before: Option<Term>, entries: &[Entry]) {
        for entry in entries {
            let Position { index, term } = entry.position;
            let said = match &entry.payload {
                Payload::Empty => 0,
                Payload::Command { id, bytes } => hash((id.0, bytes)),
                Payload::Membership { id, change } => {
                    hash((id.map(|id| id.0), format!("{change:?}")))
                }
            };
            let known = self.entries.entry((index, term)).or_insert((said, before));
            assert_eq!(known.0, said, "two entries at {index} in term {}", term.0);
            let same = known.1.is_none() || before.is_none() || known.1 == before;
            assert!(same, "the logs before {index} in term {} do not match", term.0);
            known.1 = known.1.or(before);
            before = Some(term);
        }
    }

    /// A node applies a command: the same as all others there, with the same result.
    pub(crate) fn on_apply(&mut self, node: NodeId, committed: &Committed, state: &State) {
        let Committed { index, term, id, bytes } = committed;
        let here = self.log.entry(*index).or_insert(Some((*term, *id)));
        assert_eq!(*here, Some((*term, *id)), "{node} applies another command at {index}");
        if *index > self.reference.applied() {
            let command = Command::decode(bytes).expect("a committed command");
            let applied = self.reference.apply(*index, &command);
            self.hashes.insert(*index, digest(&self.reference));
            self.check_writers(*term, *id, &command);
            self.note_op(*index, &command, applied);
        }
        let known = self.hashes.get(index).expect("the state after every command is known");
        assert_eq!(*known, digest(state), "{node} has another state after {index}");
    }

    /// A node has passed these indexes: where others saw a command, it has seen it too.
    pub(crate) fn on_passed(
        &mut self,
        node: NodeId,
        from: LogIndex,
        upto: LogIndex,
        seen: &[LogIndex],
    ) {
        for index in (from.0 + 1..=upto.0).map(LogIndex) {
            if !seen.contains(&index) {
                let here = self.log.entry(index).or_insert(None);
                assert_eq!(*here, None, "{node} has no command at {index}");
            }
        }
    }

    pub(crate) fn on_restore(&mut self, node: NodeId, state: &State) {
        let Some(known) = self.hashes.get(&state.applied()) else {
            assert_eq!(state.applied(), LogIndex(0), "{node} restores what nobody applied");
            return;
        };
        assert_eq!(*known, digest(state), "{node} restores another state");
    }

    /// The leader decided on a plan.
    pub(crate) fn on_decided(&mut self, node: NodeId, term: Term, plan: &[u8]) {
        self.plans.entry((node, plan.to_vec())).or_default().insert(term);
    }

    /// A client was told that its write took effect.
    pub(crate) fn on_acknowledged(&mut self, op: OpId, since: LogIndex) -> (LogIndex, &Applied) {
        let (index, applied) = self.ops.get(&op).expect("what is acknowledged was applied");
        assert!(*index > since, "{op:?} took effect at {index}, before it was asked for");
        self.told = self.told.max(*index);
        (*index, applied)
    }

    /// Where the write of a client is in the log, if it is.
    pub(crate) fn place_of(&self, op: OpId) -> Option<LogIndex> {
        self.ops.get(&op).map(|(index, _)| *index)
    }

    /// A client was told that its write will have no effect.
    pub(crate) fn on_refused(&mut self, op: OpId) {
        assert!(!self.ops.contains_key(&op), "{op:?} was refused and took effect");
        self.refused.insert(op);
    }

    /// A reader was told to look at a state.
    pub(crate) fn on_read(&mut self, node: NodeId, applied: LogIndex, since: LogIndex) {
        assert!(applied >= since, "{node} reads at {applied}, others knew of {since}");
        self.told = self.told.max(applied);
    }

    fn note_op(&mut self, index: LogIndex, command: &Command, applied: Applied) {
        if let Command::Transaction(transaction) = command
            && let Some(op) = history::op_of(transaction)
        {
            assert!(!self.refused.contains(&op), "{op:?} was refused and took effect");
            let twice = self.ops.insert(op, (index, applied));
            assert!(twice.is_none(), "{op:?} took effect twice");
        }
    }

    /// The plan is written by the leader of the term, and only as decided in it; what a node
    /// observes, by that node.
    fn check_writers(&self, term: Term, id: ProposalId, command: &Command) {
        let Command::Transaction(transaction) = command else { return };
        let Transaction { operations, .. } = transaction.clone().into();
        for operation in operations {
            let Operation::Put { key, value, .. } = operation else { continue };
            let writer = proposer(id);
            if key == keys::plan() {
                assert_eq!(
                    self.leader_of(term),
                    Some(writer),
                    "the plan of another than the leader"
                );
                let decided = self.plans.get(&(writer, value.to_vec()));
                let fenced = decided.is_some_and(|terms| terms.contains(&term));
                assert!(fenced, "a plan of {writer} was decided in {decided:?}, not in {term:?}");
            }
            if let Some(owner) = keys::owner(&key) {
                assert_eq!(owner, writer, "{key} is written by another node");
            }
        }
    }
}
