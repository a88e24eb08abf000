//! Which of the retired instances go now: those whose going leaves enough that are ready, and that
//! nobody calls any more. The disruption budget is kept here and nowhere else.

use super::Staying;
use super::draft::{Draft, LineageIndex, Node, Slot, SlotIndex};
use crate::view::Status;
use aether_types::checked::Applications;
use aether_types::code::Code;
use aether_types::observed::{InstanceState, Reason};
use aether_types::{AppName, Coordinates, Generation, NodeId, Revision};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;

/// Who may still call what is on its way out.
struct Callers<'a> {
    applications: &'a Applications,
    /// Slots that some known revision calls, with the oldest one.
    called: BTreeMap<SlotIndex, Revision>,
    /// Instances that do so, for each slot the one of the oldest revision.
    running: BTreeMap<SlotIndex, (Revision, &'a Coordinates, NodeId)>,
    /// The node that has taken up the oldest plan: until it has the one that retired a slice, it
    /// may be starting what calls it.
    slowest: Option<(Generation, NodeId)>,
}

/// By importer, the slots that it calls.
type Edges<'a> = BTreeMap<&'a Coordinates, BTreeSet<SlotIndex>>;

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
    let callers = Callers::new(draft, applications);
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
        // Callers also keep what is not ready yet: it may be by the time its node hears of this.
        // Of a version that is wanted, until others are ready; of another, until they are gone.
        let of = &draft.slots[slot];
        let is_wanted = of.want.is_some();
        let called = (!is_wanted).then(|| callers.reason(of, slot, seat.blueprint)).flatten();
        let why = called.or_else(|| match seat.status {
            Status::Coming if is_wanted && callers.called.contains_key(&slot) => {
                shortage(counts, at, is_ready, is_forced)
            }
            Status::Coming | Status::Failed => None,
            Status::Ready | Status::Unknown => shortage(counts, at, is_ready, is_forced),
        });
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

impl<'a> Callers<'a> {
    fn new(draft: &Draft<'a>, applications: &'a Applications) -> Self {
        let leaves = |slot: &SlotIndex| draft.slots[*slot].leaving().next().is_some();
        let leaving: BTreeMap<(&AppName, &Coordinates), SlotIndex> = (0..draft.slots.len())
            .filter(leaves)
            .map(|slot| ((draft.slots[slot].app, draft.slots[slot].coordinates), slot))
            .collect();
        let apps: BTreeSet<&AppName> = leaving.keys().map(|(app, _)| *app).collect();
        let mut called: BTreeMap<SlotIndex, Revision> = BTreeMap::new();
        // By revision and importer.
        let mut edges: BTreeMap<(&AppName, Revision), Edges<'a>> = BTreeMap::new();
        for (revision, checked) in applications.all().filter(|(_, c)| apps.contains(&c.app)) {
            let of_revision = edges.entry((&checked.app, revision)).or_default();
            for edge in &checked.edges {
                if let Some(slot) = leaving.get(&(&checked.app, &edge.exporter)) {
                    of_revision.entry(&edge.importer).or_default().insert(*slot);
                    let first = called.entry(*slot).or_insert(revision);
                    *first = revision.min(*first);
                }
            }
        }
        let taken_up = |node: &Node<'_>| {
            let generation = node.view.observed.as_ref().map(|observed| observed.generation);
            (generation.unwrap_or_default(), node.view.id)
        };
        let slowest = draft.nodes.iter().map(taken_up).min();
        let mut callers = Self { applications, called, running: BTreeMap::new(), slowest };
        for node in &draft.nodes {
            let instances = node.view.observed.iter().flat_map(|observed| &observed.instances);
            for i in instances.filter(|i| i.state != InstanceState::Unloading) {
                let of_revision = edges.get(&(&i.instance.app, i.blueprint));
                let found = of_revision.and_then(|e| e.get_key_value(&i.instance.coordinates));
                let Some((importer, slots)) = found else { continue };
                for slot in slots {
                    let caller = (i.blueprint, *importer, node.view.id);
                    let first = callers.running.entry(*slot).or_insert(caller);
                    *first = caller.min(*first);
                }
            }
        }
        callers
    }

    /// Why an instance that was retired cannot go yet. Callers of a later revision than its own
    /// keep it too: its version may have been wanted again while it was on its way out.
    fn reason(&self, of: &Slot<'_>, slot: SlotIndex, own: Revision) -> Option<Reason> {
        let first = *self.called.get(&slot)?;
        let running = self.running.get(&slot);
        let is_later = first > own || running.is_some_and(|(caller, ..)| *caller > own);
        let is_bound = is_later && self.is_in_circle(of);
        if is_bound && first > own {
            return None;
        }
        let running = running.filter(|(caller, ..)| !is_bound || *caller <= own);
        let since = of.seats.values().map(|seat| seat.since).max()?;
        let lagging = self.slowest.filter(|(generation, _)| *generation < since);
        let message = match (running, lagging) {
            (Some((_, caller, node)), _) => {
                format!("stays until {caller} on node {node}, which calls it, is gone")
            }
            (None, Some((_, node))) => {
                format!("stays until node {node} has taken up the plan: it may start a caller")
            }
            (None, None) => return None,
        };
        Some(Reason { code: Code::DependentsActive, message, retryable: true })
    }

    /// Whether the slice calls itself through others, with the calls of all revisions together:
    /// within one there are no circles. In a circle each would wait for the next one for ever, so
    /// there only callers of its own revision and earlier ones count.
    fn is_in_circle(&self, slot: &Slot<'_>) -> bool {
        let all = self.applications.all();
        let of_app: Vec<_> = all.filter(|(_, checked)| checked.app == *slot.app).collect();
        let mut seen: BTreeSet<&Coordinates> = BTreeSet::new();
        let mut next = Vec::from([slot.coordinates]);
        while let Some(importer) = next.pop() {
            for (_, checked) in &of_app {
                next.extend(checked.dependencies(importer).filter(|callee| seen.insert(callee)));
            }
        }
        seen.contains(slot.coordinates)
    }
}
