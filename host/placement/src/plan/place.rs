//! Gives missing instances a node. Takes nothing away.

use super::choose::{Ask, Verdict};
use super::draft::{Draft, NodeIndex, Seat, SlotIndex};
use super::reason;
use super::{Crowded, Unplaced};
use alloc::vec::Vec;

pub(super) fn place(draft: &mut Draft<'_>) -> Vec<Unplaced> {
    let mut unplaced = Vec::new();
    for slot in draft.order.clone() {
        let wanted = draft.want(slot).expect("the order has wanted slots").instances();
        while draft.slots[slot].targets < wanted {
            if !place_one(draft, slot) {
                unplaced.push(reason::unplaced(draft, slot));
                break;
            }
        }
    }
    unplaced.sort_by(|a, b| (&a.app, &a.coordinates).cmp(&(&b.app, &b.coordinates)));
    unplaced
}

/// Slices that have several instances on one node.
pub(super) fn crowded(draft: &Draft<'_>) -> Vec<Crowded> {
    let of_slot = |index: SlotIndex| {
        let nodes = draft.ledger.nodes_of(index).count() as u32;
        let slot = &draft.slots[index];
        (nodes < slot.targets).then(|| Crowded {
            app: slot.app.clone(),
            coordinates: slot.coordinates.clone(),
            instances: slot.targets,
            nodes,
        })
    };
    (0..draft.slots.len()).filter_map(of_slot).collect()
}

/// Where one already is if possible: back from retirement, then in the place of another version.
fn place_one(draft: &mut Draft<'_>, slot: SlotIndex) -> bool {
    revive(draft, slot) || take_over(draft, slot) || {
        let ordinal = draft.slots[slot].free_ordinal();
        let best = Ask::new(draft, slot, ordinal).best();
        best.is_some_and(|node| {
            draft.add(slot, ordinal, draft.new_seat(slot, node));
            true
        })
    }
}

/// Whether the node can have the instance, and has none yet.
fn is_free(draft: &Draft<'_>, slot: SlotIndex, ordinal: u32, node: NodeIndex) -> bool {
    let is_alone = draft.ledger.on(slot, node) == 0;
    is_alone && Ask::new(draft, slot, ordinal).verdict(node) == Verdict::Fits
}

fn revive(draft: &mut Draft<'_>, slot: SlotIndex) -> bool {
    let leaving: Vec<u32> = draft.slots[slot].leaving().map(|(ordinal, _)| ordinal).collect();
    for ordinal in leaving {
        let seat = draft.remove(slot, ordinal);
        if is_free(draft, slot, ordinal, seat.node) {
            let next = draft.new_seat(slot, seat.node);
            draft.add(slot, ordinal, Seat { since: seat.since, status: seat.status, ..next });
            return true;
        }
        draft.add(slot, ordinal, seat);
    }
    false
}

/// The seat of a version that is not wanted any more: a new version runs where the old one did.
fn take_over(draft: &mut Draft<'_>, slot: SlotIndex) -> bool {
    let versions = draft.lineages[draft.slots[slot].lineage].clone();
    let unwanted = versions.filter(|other| draft.want(*other).is_none());
    let seats = unwanted.flat_map(|other| draft.slots[other].leaving());
    let mut free = seats.filter(|(ordinal, _)| !draft.slots[slot].seats.contains_key(ordinal));
    let found = free.find(|(ordinal, seat)| is_free(draft, slot, *ordinal, seat.node));
    let found = found.map(|(ordinal, seat)| (ordinal, draft.new_seat(slot, seat.node)));
    drop(free);
    let Some((ordinal, seat)) = found else { return false };
    draft.add(slot, ordinal, seat);
    true
}
