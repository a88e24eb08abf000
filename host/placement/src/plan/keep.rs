//! Which instances of the previous plan stay. Finds no new places.

use super::choose::{Ask, may_stay};
use super::draft::{Draft, Seat, SlotIndex};
use crate::view::{Duty, Status};
use alloc::vec::Vec;
use core::cmp::Reverse;

/// Retires what is not wanted, what draining nodes have, what no longer fits or breaks a hard hint,
/// and what is too much. What stays is brought to the wanted revision.
pub(super) fn keep(draft: &mut Draft<'_>) {
    for slot in 0..draft.slots.len() {
        let is_wanted = draft.want(slot).is_some();
        retire_where(draft, slot, |draft, seat| !is_wanted || draft.is_draining(seat.node));
    }
    for slot in draft.order.clone() {
        retire_where(draft, slot, |draft, seat| draft.ledger.is_over(seat.node));
        let ordinals: Vec<u32> = draft.slots[slot].staying().map(|(ordinal, _)| ordinal).collect();
        for ordinal in ordinals {
            keep_one(draft, slot, ordinal);
        }
        let wanted = draft.want(slot).map_or(0, |want| want.instances());
        while draft.slots[slot].targets > wanted {
            retire_worst(draft, slot);
        }
    }
}

fn retire_where(draft: &mut Draft<'_>, slot: SlotIndex, goes: impl Fn(&Draft<'_>, &Seat) -> bool) {
    let ordinals: Vec<u32> = draft.slots[slot].staying().map(|(ordinal, _)| ordinal).collect();
    for ordinal in ordinals {
        if goes(draft, &draft.slots[slot].seats[&ordinal]) {
            draft.retire(slot, ordinal);
        }
    }
}

fn keep_one(draft: &mut Draft<'_>, slot: SlotIndex, ordinal: u32) {
    let seat = draft.slots[slot].seats[&ordinal];
    if !may_stay(draft, slot, seat.node) {
        return draft.retire(slot, ordinal);
    }
    let wanted = draft.new_seat(slot, seat.node);
    if (seat.digest, seat.blueprint) == (wanted.digest, wanted.blueprint) {
        return;
    }
    let next = Seat { since: seat.since, status: seat.status, ..wanted };
    let lineage = draft.slots[slot].lineage;
    draft.remove(slot, ordinal);
    if next.memory > seat.memory && !draft.ledger.fits(seat.node, lineage, ordinal, next.memory) {
        let since = draft.generation;
        return draft.add(slot, ordinal, Seat { leaving: true, since, ..seat });
    }
    draft.add(slot, ordinal, next);
    // The node has the earlier revision until the new one is ready.
    draft.ledger.hold(seat.node, lineage, ordinal, seat.memory, false);
}

/// Cordoned before on duty, not ready before ready, crowded before alone, from loaded nodes before
/// others, high ordinals before low ones.
fn retire_worst(draft: &mut Draft<'_>, slot: SlotIndex) {
    let ask = Ask::new(draft, slot, 0);
    let rank = |(ordinal, seat): &(u32, &Seat)| {
        let is_cordoned = draft.nodes[seat.node].view.duty == Duty::Cordoned;
        let (is_ready, load) = (seat.status == Status::Ready, draft.ledger.load(seat.node));
        (is_cordoned, Reverse(is_ready), ask.spread(seat.node), load, *ordinal)
    };
    let worst = draft.slots[slot].staying().max_by_key(rank);
    let (ordinal, _) = worst.expect("there are more than wanted");
    draft.retire(slot, ordinal);
}
