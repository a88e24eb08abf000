//! Evens out what joining and returning nodes leave lopsided: few moves at a time, after everything
//! else. Knows only instances that are ready.

use super::choose::{Ask, Verdict};
use super::draft::{Draft, NodeIndex, SlotIndex};
use crate::view::Status;
use alloc::vec::Vec;

/// Moves of one plan, less by what is under way already.
pub const MOVES_MAX: usize = 8;
/// A node is crowded when it has at least this many instances more than another one...
const DIFFERENCE_MIN: usize = 2;
/// ... and one is short when it has less than three quarters of what another one has: evening out
/// small differences on large nodes would move much for little.
const SHARE: usize = 4;

pub(super) fn rebalance(draft: &mut Draft<'_>) {
    // A silent node may be lost in a moment, and that is not the time to move anything.
    if draft.nodes.iter().any(|node| node.view.suspect) {
        return;
    }
    let (mut under_way, mut unknown) = (0, 0);
    for seat in draft.slots.iter().flat_map(|slot| slot.seats.values()) {
        under_way += usize::from(seat.leaving || seat.status == Status::Coming);
        unknown += usize::from(seat.status == Status::Unknown);
    }
    // What a plan changes is known when the nodes have taken it up.
    if unknown > 0 {
        return;
    }
    let mut left = MOVES_MAX.saturating_sub(under_way);
    for slot in draft.order.clone() {
        while left > 0 && spread_one(draft, slot) {
            left -= 1;
        }
    }
    while left > 0 && level_one(draft) {
        left -= 1;
    }
}

/// Moves an instance that shares its node, or has too many in its zone, to a better place.
fn spread_one(draft: &mut Draft<'_>, slot: SlotIndex) -> bool {
    let want = draft.want(slot).expect("the order has wanted slots");
    if want.is_anchor || draft.slots[slot].targets < 2 {
        return false;
    }
    let ask = Ask::new(draft, slot, draft.slots[slot].free_ordinal());
    let worst = draft.slots[slot]
        .staying()
        .filter(|(_, seat)| seat.status == Status::Ready)
        .max_by_key(|(ordinal, seat)| (ask.spread(seat.node), *ordinal));
    let Some((ordinal, seat)) = worst else { return false };
    let (on_node, in_zone) = ask.spread(seat.node);
    // Alone on its node, and in a zone that has no more than its share: nothing can be better.
    let zones = draft.zones as u32;
    if on_node == 1 && in_zone <= draft.slots[slot].targets.div_ceil(zones) {
        return false;
    }
    let Some(to) = ask.best() else { return false };
    let without_it = (on_node - 1, in_zone.saturating_sub(1));
    let (on_target, in_target) = ask.spread(to);
    let same_zone = draft.nodes[to].zone == draft.nodes[seat.node].zone;
    let target = (on_target, in_target - u32::from(same_zone && in_target > 0));
    target < without_it && go(draft, slot, ordinal, to)
}

/// Moves an instance from one of the most loaded nodes to the least loaded one.
fn level_one(draft: &mut Draft<'_>) -> bool {
    let Some((least, to)) = draft.ledger.by_load().next() else { return false };
    let is_crowded = |load: usize| load - least >= DIFFERENCE_MIN && (load - least) * SHARE >= load;
    let crowded = draft.ledger.by_load().rev().take_while(|(load, _)| is_crowded(*load));
    let crowded: Vec<NodeIndex> = crowded.map(|(_, node)| node).collect();
    if crowded.is_empty() {
        return false;
    }
    let mut on_node: Vec<Vec<(SlotIndex, u32)>> = Vec::new();
    on_node.resize_with(draft.nodes.len(), Vec::new);
    for (i, slot) in draft.slots.iter().enumerate() {
        for (ordinal, seat) in slot.staying().filter(|(_, s)| s.status == Status::Ready) {
            on_node[seat.node].push((i, ordinal));
        }
    }
    let candidates = crowded.iter().flat_map(|node| on_node[*node].iter().map(|c| (*node, *c)));
    let found =
        candidates.into_iter().find(|(from, (slot, _))| is_as_good(draft, *slot, *from, to));
    found.is_some_and(|(_, (slot, ordinal))| go(draft, slot, ordinal, to))
}

/// Whether an instance of the slot is as well placed on the other node.
fn is_as_good(draft: &Draft<'_>, slot: SlotIndex, from: NodeIndex, to: NodeIndex) -> bool {
    let want = draft.want(slot).expect("what is not wanted does not stay");
    let ask = Ask::new(draft, slot, draft.slots[slot].free_ordinal());
    if want.is_anchor || ask.verdict(to) != Verdict::Fits {
        return false;
    }
    let (here, there) = (ask.rank(from), ask.rank(to));
    let same_zone = draft.nodes[from].zone == draft.nodes[to].zone;
    let zone = there.spread.1 + u32::from(!same_zone && want.is_over_zones());
    (there.spread.0 + 1, zone) <= here.spread && there.affinity <= here.affinity
}

/// The new one comes first; the old one goes when it is ready.
fn go(draft: &mut Draft<'_>, slot: SlotIndex, ordinal: u32, to: NodeIndex) -> bool {
    let new = draft.slots[slot].free_ordinal();
    draft.retire(slot, ordinal);
    draft.add(slot, new, draft.new_seat(slot, to));
    true
}
