//! Sequences of log steps as a group makes them, and what a disk should hold after them.

use aether_consensus::{
    Entry, GroupId, HardState, Membership, Payload, Persist, PersistNumber, Position, ProposalId,
    Restored, Snapshot, Term,
};
use aether_types::{LogIndex, NodeId};
use proptest::prelude::*;

/// Seeds that failed are kept as tests by hand, not in a file.
pub(crate) fn settings(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// What a step does to what is kept.
pub(crate) fn write(kept: &mut Restored, step: &Persist) {
    kept.hard_state = step.hard_state;
    if let Some(snapshot) = &step.snapshot {
        kept.snapshot = snapshot.clone();
    }
    kept.entries.retain(|entry| step.retain.contains(&entry.position.index));
    kept.entries.extend(step.entries.clone());
}

pub(crate) fn step(group: u32, term: u64, retain: (u64, u64), entries: (u64, u64)) -> Persist {
    let entry = |index| Entry {
        position: Position { index: LogIndex(index), term: Term(term) },
        payload: Payload::Command {
            id: ProposalId(u128::from(index)),
            bytes: vec![term as u8; (index * 37 % 900) as usize].into(),
        },
    };
    Persist {
        group: GroupId(group),
        number: PersistNumber(1),
        hard_state: HardState {
            term: Term(term),
            vote: Some(NodeId(term)),
            commit: LogIndex(retain.0),
        },
        snapshot: None,
        retain: LogIndex(retain.0)..LogIndex(retain.1),
        entries: (entries.0..entries.1).map(entry).collect(),
    }
}

/// Appends, overwrites of the end, compactions and snapshots of the leader, in two groups.
pub(crate) fn some_persists() -> impl Strategy<Value = Vec<Persist>> {
    let step = (0..2u32, 0..4u8, 0..10u64, 1..6u64);
    prop::collection::vec(step, 1..12).prop_map(|drawn| {
        let mut ranges = [(1, 1), (1, 1)];
        let mut steps = Vec::new();
        for (term, (group, kind, back, count)) in (1..).zip(drawn) {
            let (first, end) = &mut ranges[group as usize];
            let back = back.min(*end - *first);
            let from = *end - back;
            let (retain, entries) = match kind {
                0 | 1 => ((*first, from), (from, from + count)),
                2 => ((from, *end), (*end, *end)),
                _ => ((*end + back, *end + back), (*end + back, *end + back + count)),
            };
            (*first, *end) = (retain.0, entries.1);
            let mut made = self::step(group, term, retain, entries);
            if kind >= 2 {
                made.snapshot = Some(Snapshot {
                    position: Position { index: LogIndex(retain.0), term: Term(term) },
                    membership: Membership::of_voters([NodeId(1), NodeId(2)]),
                    data: vec![count as u8; 700 * count as usize].into(),
                });
            }
            steps.push(made);
        }
        steps
    })
}
