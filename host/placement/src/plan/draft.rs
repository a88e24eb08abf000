//! The plan in the making: what is wanted, what has a seat, and what that leaves of the nodes.
//! Decides nothing.

use super::ledger::Ledger;
use crate::view::{Duty, NodeView, Status, View};
use aether_types::blueprint::Spread;
use aether_types::checked::{Applications, CheckedSlice};
use aether_types::plan::{Assignment, InstanceKey, PLAN_BYTES_MAX, Plan};
use aether_types::{AppName, ByteSize, Coordinates, Digest, Generation, Revision, SliceName};
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

/// Index of a node in `Draft::nodes`.
pub(super) type NodeIndex = usize;
/// Index of a slice in `Draft::slots`.
pub(super) type SlotIndex = usize;
/// Index of all versions of a slice in `Draft::lineages`.
pub(super) type LineageIndex = usize;

pub(super) struct Draft<'a> {
    /// Sorted by id.
    pub(super) nodes: Vec<Node<'a>>,
    pub(super) zones: usize,
    /// Sorted by application, then coordinates.
    pub(super) slots: Vec<Slot<'a>>,
    /// Slots of the versions of one slice, which follow each other.
    pub(super) lineages: Vec<core::ops::Range<SlotIndex>>,
    /// Wanted slots: what others must be near stands before them, then what others call.
    pub(super) order: Vec<SlotIndex>,
    pub(super) ledger: Ledger,
    /// Of the plan as it would be written, at most.
    bytes: usize,
    /// Of the plan that is being made.
    pub(super) generation: Generation,
}

pub(super) struct Node<'a> {
    pub(super) view: &'a NodeView,
    pub(super) zone: usize,
}

/// One slice of one application, wanted or on its way out.
pub(super) struct Slot<'a> {
    pub(super) app: &'a AppName,
    pub(super) coordinates: &'a Coordinates,
    pub(super) lineage: LineageIndex,
    pub(super) want: Option<Want<'a>>,
    /// By ordinal.
    pub(super) seats: BTreeMap<u32, Seat>,
    /// Those that are not leaving.
    pub(super) targets: u32,
    /// That each seat adds to the plan as it is written.
    bytes: usize,
}

/// What the blueprint wants of a slice.
pub(super) struct Want<'a> {
    pub(super) slice: &'a CheckedSlice,
    pub(super) revision: Revision,
    pub(super) memory: ByteSize,
    pub(super) near: Vec<LineageIndex>,
    pub(super) require_near: Vec<LineageIndex>,
    /// These two in both directions.
    pub(super) away: Vec<LineageIndex>,
    pub(super) require_away: Vec<LineageIndex>,
    /// Somebody must be near it.
    pub(super) is_anchor: bool,
}

/// An instance on a node.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seat {
    pub(super) node: NodeIndex,
    pub(super) digest: Digest,
    pub(super) blueprint: Revision,
    pub(super) since: Generation,
    pub(super) memory: ByteSize,
    pub(super) leaving: bool,
    pub(super) status: Status,
}

impl Want<'_> {
    pub(super) fn instances(&self) -> u32 {
        self.slice.instances
    }

    pub(super) fn min_ready(&self) -> u32 {
        self.slice.min_ready.min(self.slice.instances)
    }

    pub(super) fn is_over_zones(&self) -> bool {
        self.slice.placement.spread == Spread::Zone
    }

    /// Whether any room on any node is as good as any other.
    pub(super) fn is_plain(&self) -> bool {
        let lists = [&self.near, &self.require_near, &self.away, &self.require_away];
        let has_hints = lists.iter().any(|list| !list.is_empty());
        !has_hints && !self.is_over_zones() && self.slice.placement.max_skew.is_none()
    }
}

impl Slot<'_> {
    /// Instances that stay, by ordinal.
    pub(super) fn staying(&self) -> impl Iterator<Item = (u32, &Seat)> {
        self.seats.iter().filter(|(_, s)| !s.leaving).map(|(ordinal, seat)| (*ordinal, seat))
    }

    pub(super) fn leaving(&self) -> impl Iterator<Item = (u32, &Seat)> {
        self.seats.iter().filter(|(_, s)| s.leaving).map(|(ordinal, seat)| (*ordinal, seat))
    }

    pub(super) fn free_ordinal(&self) -> u32 {
        // Sorted, so that the first one that is not at its own place leaves a gap.
        let gap = self.seats.keys().zip(0..).find(|(ordinal, place)| **ordinal != *place);
        gap.map_or(self.seats.len() as u32, |(_, place)| place)
    }

    pub(super) fn key(&self, ordinal: u32) -> InstanceKey {
        InstanceKey { app: self.app.clone(), coordinates: self.coordinates.clone(), ordinal }
    }
}

impl<'a> Draft<'a> {
    pub(super) fn new(
        applications: &'a Applications,
        view: &'a View,
        plan: &'a Plan,
        generation: Generation,
    ) -> Self {
        let (nodes, zones) = nodes(view);
        let (slots, lineages) = slots(applications, plan, &nodes);
        let ledger = Ledger::new(&nodes, slots.len(), lineages.len());
        let mut draft =
            Self { nodes, zones, slots, lineages, order: Vec::new(), ledger, bytes: 0, generation };
        draft.link();
        draft.put_in_order(applications);
        for slot in 0..draft.slots.len() {
            for (ordinal, seat) in core::mem::take(&mut draft.slots[slot].seats) {
                draft.add(slot, ordinal, seat);
            }
        }
        draft.count_residents(applications);
        draft
    }

    /// Whether the plan can be written with one more instance.
    pub(super) fn has_room(&self, slot: SlotIndex) -> bool {
        self.bytes + self.slots[slot].bytes <= PLAN_BYTES_MAX
    }

    pub(super) fn want(&self, slot: SlotIndex) -> Option<&Want<'a>> {
        self.slots[slot].want.as_ref()
    }

    /// Gives the instance a seat.
    pub(super) fn add(&mut self, slot: SlotIndex, ordinal: u32, seat: Seat) {
        self.bytes += self.slots[slot].bytes;
        self.slots[slot].targets += u32::from(!seat.leaving);
        self.ledger.add(self.slots[slot].lineage, slot, ordinal, &seat);
        let taken = self.slots[slot].seats.insert(ordinal, seat);
        assert!(taken.is_none(), "an ordinal has one seat");
    }

    /// Takes the seat away.
    pub(super) fn remove(&mut self, slot: SlotIndex, ordinal: u32) -> Seat {
        let seat = self.slots[slot].seats.remove(&ordinal).expect("it has a seat");
        self.bytes -= self.slots[slot].bytes;
        self.slots[slot].targets -= u32::from(!seat.leaving);
        self.ledger.remove(self.slots[slot].lineage, slot, ordinal, &seat);
        seat
    }

    /// The instance serves until what comes after it is ready.
    pub(super) fn retire(&mut self, slot: SlotIndex, ordinal: u32) {
        let seat = self.remove(slot, ordinal);
        self.add(slot, ordinal, Seat { leaving: true, since: self.generation, ..seat });
    }

    /// A new seat, of what is wanted now.
    pub(super) fn new_seat(&self, slot: SlotIndex, node: NodeIndex) -> Seat {
        let want = self.want(slot).expect("only what is wanted gets a seat");
        Seat {
            node,
            digest: want.slice.digest,
            blueprint: want.revision,
            since: self.generation,
            memory: want.memory,
            leaving: false,
            status: Status::Unknown,
        }
    }

    pub(super) fn assignments(&self) -> Vec<Assignment> {
        let of_slot = |slot: &Slot<'a>| {
            let each = slot.seats.iter().map(|(ordinal, seat)| Assignment {
                instance: slot.key(*ordinal),
                node: self.nodes[seat.node].view.id,
                digest: seat.digest,
                blueprint: seat.blueprint,
                since: seat.since,
                memory: seat.memory,
                leaving: seat.leaving,
            });
            each.collect::<Vec<_>>()
        };
        self.slots.iter().flat_map(of_slot).collect()
    }

    pub(super) fn is_draining(&self, node: NodeIndex) -> bool {
        self.nodes[node].view.duty == Duty::Draining
    }

    pub(super) fn name(&self, lineage: LineageIndex) -> &'a SliceName {
        &self.slots[self.lineages[lineage].start].coordinates.slice
    }

    fn slot_of(&self, app: &AppName, coordinates: &Coordinates) -> Option<SlotIndex> {
        self.slots.binary_search_by(|s| (s.app, s.coordinates).cmp(&(app, coordinates))).ok()
    }

    fn lineage_of(&self, app: &AppName, name: &SliceName) -> Option<LineageIndex> {
        let key = |range: &core::ops::Range<SlotIndex>| {
            let first = &self.slots[range.start];
            (first.app, &first.coordinates.slice)
        };
        self.lineages.binary_search_by(|range| key(range).cmp(&(app, name))).ok()
    }

    /// Turns names in hints into lineages; what holds in both directions is written to both.
    fn link(&mut self) {
        for slot in 0..self.slots.len() {
            let Slot { app, lineage, .. } = self.slots[slot];
            let Some(want) = &self.slots[slot].want else { continue };
            let hints = &want.slice.placement;
            let find = |name: &SliceName| {
                self.lineage_of(app, name).expect("hints name slices of their application")
            };
            let near = hints.near.iter().map(find).collect();
            let require_near: Vec<LineageIndex> = hints.require_near.iter().map(find).collect();
            let away: Vec<LineageIndex> = hints.away_from.iter().map(find).collect();
            let require_away: Vec<LineageIndex> =
                hints.require_away_from.iter().map(find).collect();
            self.each_want(&require_near, |anchor| anchor.is_anchor = true);
            self.each_want(&away, |other| other.away.push(lineage));
            self.each_want(&require_away, |other| other.require_away.push(lineage));
            let want = self.slots[slot].want.as_mut().expect("it was just seen");
            (want.near, want.require_near) = (near, require_near);
            want.away.extend(away);
            want.require_away.extend(require_away);
        }
    }

    fn each_want(&mut self, lineages: &[LineageIndex], change: impl Fn(&mut Want<'a>)) {
        for lineage in lineages {
            let slots = &mut self.slots[self.lineages[*lineage].clone()];
            slots.iter_mut().filter_map(|slot| slot.want.as_mut()).for_each(&change);
        }
    }

    fn put_in_order(&mut self, applications: &Applications) {
        let mut seen = Vec::new();
        seen.resize(self.slots.len(), false);
        for (_, checked) in applications.all_current() {
            for slice in &checked.slices {
                let slot = self.slot_of(&checked.app, &slice.coordinates);
                self.visit(slot.expect("each wanted slice has a slot"), &mut seen);
            }
        }
    }

    fn visit(&mut self, slot: SlotIndex, seen: &mut [bool]) {
        let Some(want) = &self.slots[slot].want else { return };
        if core::mem::replace(&mut seen[slot], true) {
            return;
        }
        for lineage in want.require_near.clone() {
            for anchor in self.lineages[lineage].clone() {
                self.visit(anchor, seen);
            }
        }
        self.order.push(slot);
    }

    /// Counts what nodes still hold beside what the plan has there: earlier revisions, and
    /// instances that are being taken down.
    fn count_residents(&mut self, applications: &Applications) {
        for node in 0..self.nodes.len() {
            let Some(observed) = &self.nodes[node].view.observed else { continue };
            for i in &observed.instances {
                let InstanceKey { app, coordinates, ordinal } = &i.instance;
                let slot = self.slot_of(app, coordinates);
                let seat = slot.and_then(|slot| self.slots[slot].seats.get(ordinal));
                let seat = seat.filter(|seat| seat.node == node);
                if seat.is_some_and(|seat| seat.blueprint == i.blueprint) {
                    continue;
                }
                let checked = applications.get(app, i.blueprint);
                let slice = checked.and_then(|checked| checked.slice(coordinates));
                let memory = slice.map_or(ByteSize(0), |slice| slice.limits.reservation());
                match self.lineage_of(app, &coordinates.slice) {
                    Some(lineage) => {
                        let passes = seat.is_none();
                        self.ledger.hold(node, lineage, *ordinal, memory, passes);
                    }
                    None => self.ledger.hold_stranger(node, memory),
                }
            }
        }
    }
}

fn nodes(view: &View) -> (Vec<Node<'_>>, usize) {
    let mut zones: BTreeMap<Option<&String>, usize> = BTreeMap::new();
    let mut nodes: Vec<&NodeView> = view.nodes.iter().collect();
    nodes.sort_unstable_by_key(|node| node.id);
    let mut all = Vec::new();
    for view in nodes {
        let count = zones.len();
        let zone = *zones.entry(view.zone.as_ref()).or_insert(count);
        all.push(Node { view, zone });
    }
    (all, zones.len())
}

/// One slot for each slice that is wanted or planned, and the ranges of the versions.
fn slots<'a>(
    applications: &'a Applications,
    plan: &'a Plan,
    nodes: &[Node<'_>],
) -> (Vec<Slot<'a>>, Vec<core::ops::Range<SlotIndex>>) {
    let mut slots: BTreeMap<(&AppName, &Coordinates), Slot<'a>> = BTreeMap::new();
    let slot = |app: &'a AppName, coordinates: &'a Coordinates| Slot {
        app,
        coordinates,
        bytes: InstanceKey { app: app.clone(), coordinates: coordinates.clone(), ordinal: 0 }
            .assignment_bytes_max(),
        lineage: 0,
        want: None,
        seats: BTreeMap::new(),
        targets: 0,
    };
    for (revision, checked) in applications.all_current() {
        for slice in &checked.slices {
            let mut wanted = slot(&checked.app, &slice.coordinates);
            wanted.want = Some(want(slice, revision));
            let twice = slots.insert((&checked.app, &slice.coordinates), wanted);
            assert!(twice.is_none(), "an application has a slice once");
        }
    }
    for assignment in &plan.assignments {
        let InstanceKey { app, coordinates, ordinal } = &assignment.instance;
        let slot = slots.entry((app, coordinates)).or_insert_with(|| slot(app, coordinates));
        let found = nodes.binary_search_by_key(&assignment.node, |node| node.view.id);
        // What was on a lost node has no seat.
        let Ok(node) = found else { continue };
        let seat = Seat {
            node,
            digest: assignment.digest,
            blueprint: assignment.blueprint,
            since: assignment.since,
            memory: assignment.memory,
            leaving: assignment.leaving,
            status: nodes[node].view.status(&assignment.instance, assignment.since),
        };
        slot.seats.insert(*ordinal, seat);
    }
    let mut slots: Vec<Slot<'a>> = slots.into_values().collect();
    let mut lineages: Vec<core::ops::Range<SlotIndex>> = Vec::new();
    for i in 0..slots.len() {
        let same = |a: &Slot<'_>, b: &Slot<'_>| {
            a.app == b.app && a.coordinates.slice == b.coordinates.slice
        };
        match lineages.last_mut() {
            Some(range) if same(&slots[range.start], &slots[i]) => range.end = i + 1,
            _ => lineages.push(i..i + 1),
        }
        slots[i].lineage = lineages.len() - 1;
    }
    (slots, lineages)
}

fn want(slice: &CheckedSlice, revision: Revision) -> Want<'_> {
    Want {
        slice,
        revision,
        memory: slice.limits.reservation(),
        near: Vec::new(),
        require_near: Vec::new(),
        away: Vec::new(),
        require_away: Vec::new(),
        is_anchor: false,
    }
}
