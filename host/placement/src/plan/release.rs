//! Which of the retired instances go now: those whose going leaves enough that are ready, and that
//! nobody calls any more. The disruption budget is kept here and nowhere else.

use super::Staying;
use super::draft::{Draft, LineageIndex, SlotIndex};
use crate::view::Status;
use aether_types::checked::Applications;
use aether_types::code::Code;
use aether_types::observed::{InstanceState, Reason};
use aether_types::{AppName, Coordinates, NodeId, Revision};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;

/// An instance that may still call a slice that is not wanted any more.
struct Caller<'a> {
    revision: Revision,
    coordinates: &'a Coordinates,
    node: NodeId,
}

/// The callers of slots, for each the one of the oldest revision.
type Callers<'a> = BTreeMap<SlotIndex, Caller<'a>>;

/// Instances of a slot that are ready, and how many have to be.
#[derive(Debug, Default, Clone, Copy)]
struct Count {
    ready: u32,
    /// Where the operator wants nothing, nothing has to be ready.
    is_wanted: bool,
    min_ready: u32,
    /// Those that stay.
    staying: u32,
    /// Of these: with no attempt under way.
    failed: u32,
}

/// Takes the seats of those that go; says why the others stay.
pub(super) fn release(draft: &mut Draft<'_>, applications: &Applications) -> Vec<Staying> {
    let mut staying = Vec::new();
    let callers = callers(draft, applications);
    for lineage in 0..draft.lineages.len() {
        let slots = draft.lineages[lineage].clone();
        if slots.clone().all(|slot| draft.slots[slot].leaving().next().is_none()) {
            continue;
        }
        let mut counts: Vec<Count> = slots.clone().map(|slot| count(draft, slot)).collect();
        for slot in slots {
            release_slot(draft, lineage, slot, &mut counts, &callers, &mut staying);
        }
    }
    staying
}

impl Count {
    /// How many must be ready for one to go: as many as stay, so that what comes after it is up
    /// first, and never fewer than the budget. A draining node does not wait for what has failed.
    fn needed(self, is_forced: bool) -> u32 {
        let awaited = if is_forced { self.staying - self.failed } else { self.staying };
        self.min_ready.max(awaited)
    }
}

fn count(draft: &Draft<'_>, slot: SlotIndex) -> Count {
    let slot = &draft.slots[slot];
    let with = |status| slot.seats.values().filter(move |s| s.status == status);
    Count {
        ready: with(Status::Ready).count() as u32,
        is_wanted: slot.want.is_some(),
        min_ready: slot.want.as_ref().map_or(0, |want| want.min_ready()),
        staying: slot.targets,
        failed: with(Status::Failed).filter(|s| !s.leaving).count() as u32,
    }
}

fn release_slot(
    draft: &mut Draft<'_>,
    lineage: LineageIndex,
    slot: SlotIndex,
    counts: &mut [Count],
    callers: &Callers<'_>,
    staying: &mut Vec<Staying>,
) {
    let at = slot - draft.lineages[lineage].start;
    let mut leaving: Vec<(bool, u32)> = draft.slots[slot]
        .leaving()
        .map(|(ordinal, seat)| (draft.is_draining(seat.node), ordinal))
        .collect();
    leaving.sort_unstable();
    for (is_forced, ordinal) in leaving.into_iter().rev() {
        let seat = draft.slots[slot].seats[&ordinal];
        let is_ready = u32::from(seat.status == Status::Ready);
        let why = match seat.status {
            Status::Coming | Status::Failed => None,
            Status::Ready | Status::Unknown => {
                let caller = callers.get(&slot).filter(|caller| caller.revision <= seat.blueprint);
                caller.map(still_called).or_else(|| shortage(counts, at, is_ready, is_forced))
            }
        };
        match why {
            None => {
                counts[at].ready -= is_ready;
                draft.remove(slot, ordinal);
            }
            Some(reason) => staying.push(Staying {
                instance: draft.slots[slot].key(ordinal),
                node: draft.nodes[seat.node].view.id,
                reason,
            }),
        }
    }
}

/// Why an instance of the slot at `at` cannot go, if too few would be ready without it.
fn shortage(counts: &[Count], at: usize, is_ready: u32, is_forced: bool) -> Option<Reason> {
    let needed = |count: &Count| count.needed(is_forced);
    let (left, needed) = if counts[at].is_wanted {
        (counts[at].ready - is_ready, needed(&counts[at]))
    } else {
        // Versions that are not wanted stand in for those that are, and these not for each other.
        let wanted = counts.iter().filter(|count| count.is_wanted);
        let others = counts.iter().filter(|count| !count.is_wanted).map(|count| count.ready);
        let covered: u32 = wanted.clone().map(|count| count.ready.min(needed(count))).sum();
        (covered + others.sum::<u32>() - is_ready, wanted.map(needed).sum())
    };
    let others = match needed {
        1 => "another instance of its slice is".to_string(),
        _ => format!("{needed} other instances of its slice are"),
    };
    (left < needed).then(|| Reason {
        code: Code::MinReady,
        message: format!("stays until {others} ready; {left} are now"),
        retryable: true,
    })
}

fn still_called(caller: &Caller<'_>) -> Reason {
    let Caller { coordinates, node, .. } = caller;
    Reason {
        code: Code::DependentsActive,
        message: format!("stays until {coordinates} on node {node}, which calls it, is gone"),
        retryable: true,
    }
}

/// Who may call slots that are not wanted any more and still have instances.
fn callers<'a>(draft: &Draft<'a>, applications: &'a Applications) -> Callers<'a> {
    let mut callers: Callers<'a> = BTreeMap::new();
    let doomed = |slot: &SlotIndex| {
        draft.slots[*slot].want.is_none() && !draft.slots[*slot].seats.is_empty()
    };
    let doomed: BTreeMap<(&AppName, &Coordinates), SlotIndex> = (0..draft.slots.len())
        .filter(doomed)
        .map(|slot| ((draft.slots[slot].app, draft.slots[slot].coordinates), slot))
        .collect();
    let apps: BTreeSet<&AppName> = doomed.keys().map(|(app, _)| *app).collect();
    // By importer, for each revision that somebody runs.
    let mut called: BTreeMap<(&AppName, Revision), BTreeMap<&Coordinates, BTreeSet<SlotIndex>>> =
        BTreeMap::new();
    for node in &draft.nodes {
        let instances = node.view.observed.iter().flat_map(|observed| &observed.instances);
        for i in instances.filter(|i| apps.contains(&i.instance.app) && may_call(i.state)) {
            let app = &i.instance.app;
            let Some(checked) = applications.get(app, i.blueprint) else { continue };
            let edges = called.entry((app, i.blueprint)).or_insert_with(|| {
                let mut edges: BTreeMap<&Coordinates, BTreeSet<SlotIndex>> = BTreeMap::new();
                for edge in &checked.edges {
                    if let Some(slot) = doomed.get(&(app, &edge.exporter)) {
                        edges.entry(&edge.importer).or_default().insert(*slot);
                    }
                }
                edges
            });
            let Some((importer, slots)) = edges.get_key_value(&i.instance.coordinates) else {
                continue;
            };
            for slot in slots {
                let (revision, node) = (i.blueprint, node.view.id);
                let caller = Caller { revision, coordinates: importer, node };
                let first = callers.entry(*slot).or_insert(caller);
                if revision < first.revision {
                    *first = Caller { revision, coordinates: importer, node };
                }
            }
        }
    }
    callers
}

fn may_call(state: InstanceState) -> bool {
    match state {
        InstanceState::Activating | InstanceState::Active | InstanceState::Deactivating => true,
        InstanceState::Loading
        | InstanceState::Loaded
        | InstanceState::Unloading
        | InstanceState::Failed => false,
    }
}
