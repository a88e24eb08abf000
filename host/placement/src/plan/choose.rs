//! Which node an instance can have, and which of these is best. Changes nothing.

use super::draft::{Draft, LineageIndex, NodeIndex, SlotIndex, Want};
use crate::view::Duty;
use aether_types::blueprint::Spread;
use alloc::vec::Vec;
use core::cmp::Reverse;

/// Whether an instance can go to a node; if not, the first thing that is in its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Fits,
    Cordoned,
    Draining,
    Suspect,
    /// It must be near this slice, which is not there.
    NotNear(LineageIndex),
    /// It must be away from this slice, which is there.
    NotAway(LineageIndex),
    /// Its node or zone would have too many.
    Skewed,
    /// Everything else is well, and the memory does not suffice.
    Full,
    /// The plan itself is as large as it can be written.
    PlanFull,
}

/// An instance that looks for a node.
pub(super) struct Ask<'d, 'a> {
    draft: &'d Draft<'a>,
    want: &'d Want<'a>,
    slot: SlotIndex,
    ordinal: u32,
    lineage: LineageIndex,
    /// By zone.
    in_zone: Vec<u32>,
    /// How many instances a node or zone may have at most, the new one included.
    at_most: Option<u32>,
}

/// How good a node is; less is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    pub(super) spread: (u32, u32),
    pub(super) affinity: Reverse<i64>,
    load: usize,
    node: NodeIndex,
}

impl<'d, 'a> Ask<'d, 'a> {
    pub(super) fn new(draft: &'d Draft<'a>, slot: SlotIndex, ordinal: u32) -> Self {
        let want = draft.want(slot).expect("only what is wanted looks for a node");
        let lineage = draft.slots[slot].lineage;
        let mut ask =
            Self { draft, want, slot, ordinal, lineage, in_zone: Vec::new(), at_most: None };
        if want.is_over_zones() {
            ask.in_zone.resize(draft.zones, 0);
            for (node, count) in draft.ledger.nodes_of(slot) {
                ask.in_zone[draft.nodes[node].zone] += count;
            }
        }
        if let Some(skew) = want.slice.placement.max_skew {
            let nodes = 0..draft.nodes.len();
            let possible = nodes.filter(|node| ask.is_possible(*node));
            let emptiest = possible.map(|node| ask.in_domain(node)).min();
            ask.at_most = emptiest.map(|count| count + skew.get());
        }
        ask
    }

    /// The best node, if there is one.
    pub(super) fn best(&self) -> Option<NodeIndex> {
        let ledger = &self.draft.ledger;
        let fits =
            |node: &NodeIndex| ledger.fits(*node, self.lineage, self.ordinal, self.want.memory);
        if !self.draft.has_room(self.slot) {
            return None;
        }
        if self.want.is_plain() {
            let mut nodes = ledger.by_load().map(|(_, node)| node);
            let first = nodes.find(|node| ledger.on(self.slot, *node) == 0 && fits(node));
            if first.is_some() {
                return first;
            }
        }
        let open = ledger.by_load().map(|(_, node)| node);
        let fitting = open.filter(|node| self.verdict(*node) == Verdict::Fits);
        fitting.min_by_key(|node| self.rank(*node))
    }

    pub(super) fn verdict(&self, node: NodeIndex) -> Verdict {
        let view = self.draft.nodes[node].view;
        match view.duty {
            Duty::Cordoned => return Verdict::Cordoned,
            Duty::Draining => return Verdict::Draining,
            Duty::OnDuty if view.suspect => return Verdict::Suspect,
            Duty::OnDuty => {}
        }
        if !self.draft.has_room(self.slot) {
            return Verdict::PlanFull;
        }
        if let Some(verdict) = self.hint_against(node) {
            return verdict;
        }
        if self.at_most.is_some_and(|at_most| self.in_domain(node) >= at_most) {
            return Verdict::Skewed;
        }
        match self.draft.ledger.fits(node, self.lineage, self.ordinal, self.want.memory) {
            true => Verdict::Fits,
            false => Verdict::Full,
        }
    }

    /// Nodes of another slice come first, then, if wanted, zones; then hints, load and id.
    pub(super) fn rank(&self, node: NodeIndex) -> Rank {
        let has = |lineage: &&LineageIndex| self.draft.ledger.has(**lineage, node);
        let near = self.want.near.iter().filter(has).count() as i64;
        let away = self.want.away.iter().filter(has).count() as i64;
        Rank {
            spread: self.spread(node),
            affinity: Reverse(near - away),
            load: self.draft.ledger.load(node),
            node,
        }
    }

    /// Instances of the slice on the node, and in its zone where that counts.
    pub(super) fn spread(&self, node: NodeIndex) -> (u32, u32) {
        let zone = self.in_zone.get(self.draft.nodes[node].zone);
        (self.draft.ledger.on(self.slot, node), zone.copied().unwrap_or(0))
    }

    fn hint_against(&self, node: NodeIndex) -> Option<Verdict> {
        let ledger = &self.draft.ledger;
        let (near, away) = (&self.want.require_near, &self.want.require_away);
        let not_near = near.iter().find(|lineage| !ledger.has(**lineage, node));
        let not_away = away.iter().find(|lineage| ledger.has_or_had(**lineage, node));
        let not_near = not_near.map(|lineage| Verdict::NotNear(*lineage));
        not_near.or(not_away.map(|lineage| Verdict::NotAway(*lineage)))
    }

    /// Whether the node, if nothing else were there, could have the instance: `max-skew` counts
    /// from what these have. Hints do not matter: what they leave out is not even.
    fn is_possible(&self, node: NodeIndex) -> bool {
        let view = self.draft.nodes[node].view;
        view.is_open() && view.memory >= self.want.memory
    }

    /// Instances in what `max-skew` speaks of.
    fn in_domain(&self, node: NodeIndex) -> u32 {
        let (on_node, in_zone) = self.spread(node);
        match self.want.slice.placement.spread {
            Spread::Node => on_node,
            Spread::Zone => in_zone,
        }
    }
}

/// Whether a node that was chosen once may still have the instance.
pub(super) fn may_stay(draft: &Draft<'_>, slot: SlotIndex, node: NodeIndex) -> bool {
    let Some(want) = draft.want(slot) else { return false };
    want.require_near.iter().all(|lineage| draft.ledger.has(*lineage, node))
        && !want.require_away.iter().any(|lineage| draft.ledger.has(*lineage, node))
}
