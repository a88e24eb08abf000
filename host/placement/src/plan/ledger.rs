//! What seats take of the nodes: memory, load, and who sits where. Knows no policy.

use super::draft::{LineageIndex, Node, NodeIndex, Seat, SlotIndex};
use aether_types::ByteSize;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

/// An instance and what takes its place on the same node hold one reservation together: that of the
/// larger one.
#[derive(Debug, Default, Clone, Copy)]
struct Reserved {
    staying: u64,
    leaving: u64,
    /// By what the node holds beside the plan.
    held: u64,
}

#[derive(Debug, Default)]
struct Account {
    is_open: bool,
    budget: u64,
    /// Everything that is there.
    used: u64,
    /// Instances that stay.
    staying: u64,
    /// How many of them.
    load: usize,
}

#[derive(Debug)]
pub(super) struct Ledger {
    accounts: Vec<Account>,
    reserved: BTreeMap<(NodeIndex, LineageIndex, u32), Reserved>,
    /// Open nodes, the least loaded first.
    by_load: BTreeSet<(usize, NodeIndex)>,
    /// By slot: how many instances that stay are on a node.
    on: Vec<BTreeMap<NodeIndex, u32>>,
    /// By lineage: the same, over all versions.
    of: Vec<BTreeMap<NodeIndex, u32>>,
    /// By lineage: instances on their way out, in the plan or not.
    passing: Vec<BTreeMap<NodeIndex, u32>>,
}

impl Reserved {
    fn bytes(self) -> u64 {
        self.staying.max(self.leaving).max(self.held)
    }

    fn share(&mut self, leaving: bool) -> &mut u64 {
        if leaving { &mut self.leaving } else { &mut self.staying }
    }
}

impl Ledger {
    pub(super) fn new(nodes: &[Node<'_>], slots: usize, lineages: usize) -> Self {
        let account = |node: &Node<'_>| Account {
            is_open: node.view.is_open(),
            budget: node.view.memory.bytes(),
            ..Account::default()
        };
        let accounts: Vec<Account> = nodes.iter().map(account).collect();
        let open = accounts.iter().enumerate().filter(|(_, account)| account.is_open);
        let maps = |count| core::iter::repeat_with(BTreeMap::new).take(count).collect();
        Self {
            by_load: open.map(|(node, _)| (0, node)).collect(),
            accounts,
            reserved: BTreeMap::new(),
            on: maps(slots),
            of: maps(lineages),
            passing: maps(lineages),
        }
    }

    pub(super) fn add(
        &mut self,
        lineage: LineageIndex,
        slot: SlotIndex,
        ordinal: u32,
        seat: &Seat,
    ) {
        self.reserve(seat.node, lineage, ordinal, |reserved| {
            *reserved.share(seat.leaving) += seat.memory.bytes();
        });
        if seat.leaving {
            *self.passing[lineage].entry(seat.node).or_default() += 1;
        } else {
            self.accounts[seat.node].staying += seat.memory.bytes();
            *self.on[slot].entry(seat.node).or_default() += 1;
            *self.of[lineage].entry(seat.node).or_default() += 1;
            self.set_load(seat.node, self.accounts[seat.node].load + 1);
        }
    }

    pub(super) fn remove(
        &mut self,
        lineage: LineageIndex,
        slot: SlotIndex,
        ordinal: u32,
        seat: &Seat,
    ) {
        self.reserve(seat.node, lineage, ordinal, |reserved| {
            *reserved.share(seat.leaving) -= seat.memory.bytes();
        });
        if seat.leaving {
            one_less(&mut self.passing[lineage], seat.node);
        } else {
            self.accounts[seat.node].staying -= seat.memory.bytes();
            one_less(&mut self.on[slot], seat.node);
            one_less(&mut self.of[lineage], seat.node);
            self.set_load(seat.node, self.accounts[seat.node].load - 1);
        }
    }

    /// The node holds something beside the plan; `passes`: it has no seat there.
    pub(super) fn hold(
        &mut self,
        node: NodeIndex,
        lineage: LineageIndex,
        ordinal: u32,
        memory: ByteSize,
        passes: bool,
    ) {
        self.reserve(node, lineage, ordinal, |reserved| {
            reserved.held = reserved.held.max(memory.bytes());
        });
        if passes {
            *self.passing[lineage].entry(node).or_default() += 1;
        }
    }

    /// The node holds something of a slice that nobody plans for any more.
    pub(super) fn hold_stranger(&mut self, node: NodeIndex, memory: ByteSize) {
        self.accounts[node].used += memory.bytes();
    }

    /// Whether so much more fits, in a seat that may have something in it.
    pub(super) fn fits(
        &self,
        node: NodeIndex,
        lineage: LineageIndex,
        ordinal: u32,
        memory: ByteSize,
    ) -> bool {
        let before = self.reserved.get(&(node, lineage, ordinal)).copied().unwrap_or_default();
        let mut after = before;
        after.staying += memory.bytes();
        let account = &self.accounts[node];
        account.used - before.bytes() + after.bytes() <= account.budget
    }

    /// Whether what stays on the node is more than its budget.
    pub(super) fn is_over(&self, node: NodeIndex) -> bool {
        self.accounts[node].staying > self.accounts[node].budget
    }

    pub(super) fn free(&self, node: NodeIndex) -> ByteSize {
        let account = &self.accounts[node];
        ByteSize(account.budget.saturating_sub(account.used))
    }

    pub(super) fn load(&self, node: NodeIndex) -> usize {
        self.accounts[node].load
    }

    /// Open nodes, the least loaded first.
    pub(super) fn by_load(&self) -> impl DoubleEndedIterator<Item = (usize, NodeIndex)> {
        self.by_load.iter().copied()
    }

    /// Instances of the slot that stay on the node.
    pub(super) fn on(&self, slot: SlotIndex, node: NodeIndex) -> u32 {
        self.on[slot].get(&node).copied().unwrap_or(0)
    }

    pub(super) fn nodes_of(&self, slot: SlotIndex) -> impl Iterator<Item = (NodeIndex, u32)> {
        self.on[slot].iter().map(|(node, count)| (*node, *count))
    }

    /// Whether an instance of the slice, in any version, stays on the node.
    pub(super) fn has(&self, lineage: LineageIndex, node: NodeIndex) -> bool {
        self.of[lineage].contains_key(&node)
    }

    /// Whether one is there at all, be it on its way out.
    pub(super) fn has_or_had(&self, lineage: LineageIndex, node: NodeIndex) -> bool {
        self.has(lineage, node) || self.passing[lineage].contains_key(&node)
    }

    fn reserve(
        &mut self,
        node: NodeIndex,
        lineage: LineageIndex,
        ordinal: u32,
        change: impl FnOnce(&mut Reserved),
    ) {
        let reserved = self.reserved.entry((node, lineage, ordinal)).or_default();
        let before = reserved.bytes();
        change(reserved);
        let account = &mut self.accounts[node];
        account.used = account.used - before + reserved.bytes();
    }

    fn set_load(&mut self, node: NodeIndex, load: usize) {
        let account = &mut self.accounts[node];
        if account.is_open {
            self.by_load.remove(&(account.load, node));
            self.by_load.insert((load, node));
        }
        account.load = load;
    }
}

fn one_less(counts: &mut BTreeMap<NodeIndex, u32>, node: NodeIndex) {
    let count = counts.get_mut(&node).expect("it was counted");
    *count -= 1;
    if *count == 0 {
        counts.remove(&node);
    }
}
