//! Why an instance has no node, in words: the true cause first. Decides nothing.

use super::Unplaced;
use super::choose::{Ask, Verdict};
use super::draft::{Draft, LineageIndex, SlotIndex};
use aether_types::ByteSize;
use aether_types::code::Code;
use aether_types::observed::Reason;
use aether_types::plan::PLAN_BYTES_MAX;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// How many nodes each thing rules out.
#[derive(Default)]
struct Tally {
    is_plan_full: bool,
    full: u32,
    free_max: ByteSize,
    skewed: u32,
    not_near: BTreeMap<LineageIndex, u32>,
    not_away: BTreeMap<LineageIndex, u32>,
    cordoned: u32,
    draining: u32,
    suspect: u32,
}

pub(super) fn unplaced(draft: &Draft<'_>, slot: SlotIndex) -> Unplaced {
    let want = draft.want(slot).expect("only what is wanted is missed");
    let tally = tally(draft, slot);
    let (code, way_out) = cause(&tally);
    let (placed, wanted) = (draft.slots[slot].targets, want.instances());
    let what = tally.words(draft, want.memory, want.slice.placement.max_skew.map(|n| n.get()));
    let what = if what.is_empty() { "there is no node".to_string() } else { what.join(", ") };
    let message =
        format!("{} of {wanted} instances without a node: {what}; {way_out}", wanted - placed);
    Unplaced {
        app: draft.slots[slot].app.clone(),
        coordinates: draft.slots[slot].coordinates.clone(),
        wanted,
        placed,
        reason: Reason { code, message, retryable: true },
    }
}

fn tally(draft: &Draft<'_>, slot: SlotIndex) -> Tally {
    let ask = Ask::new(draft, slot, draft.slots[slot].free_ordinal());
    let mut tally = Tally::default();
    for node in 0..draft.nodes.len() {
        match ask.verdict(node) {
            Verdict::Full => {
                tally.full += 1;
                tally.free_max = tally.free_max.max(draft.ledger.free(node));
            }
            Verdict::PlanFull => tally.is_plan_full = true,
            Verdict::Skewed => tally.skewed += 1,
            Verdict::NotNear(lineage) => *tally.not_near.entry(lineage).or_default() += 1,
            Verdict::NotAway(lineage) => *tally.not_away.entry(lineage).or_default() += 1,
            Verdict::Cordoned => tally.cordoned += 1,
            Verdict::Draining => tally.draining += 1,
            Verdict::Suspect => tally.suspect += 1,
            Verdict::Fits => {}
        }
    }
    tally
}

/// Memory where more of it on some node would help; hints where a node is open at all.
fn cause(tally: &Tally) -> (Code, &'static str) {
    let hints = tally.skewed > 0 || !tally.not_near.is_empty() || !tally.not_away.is_empty();
    if tally.is_plan_full {
        return (Code::OutOfCapacity, "want fewer instances in this cluster");
    }
    match (tally.full > 0, hints) {
        (true, _) => {
            (Code::OutOfCapacity, "lower `limits.memory`, undeploy something, or add a node")
        }
        (false, true) => {
            (Code::PlacementUnsatisfied, "relax the placement of the slice, or add a node")
        }
        (false, false) => (Code::NotEnoughNodes, "add a node, or put one on duty"),
    }
}

impl Tally {
    fn words(&self, draft: &Draft<'_>, memory: ByteSize, skew: Option<u32>) -> Vec<String> {
        let mut words = Vec::new();
        let mut say = |count: u32, one: &str, many: &str| match count {
            0 => {}
            1 => words.push(format!("1 node {one}")),
            _ => words.push(format!("{count} nodes {many}")),
        };
        if self.is_plan_full {
            return [format!("the plan has reached its {PLAN_BYTES_MAX} bytes")].to_vec();
        }
        let free = self.free_max;
        let left = format!("less than {memory} of the memory budget left (at most {free})");
        say(self.full, &format!("has {left}"), &format!("have {left}"));
        for (lineage, count) in &self.not_near {
            let name = format!("no {} (require-near)", draft.name(*lineage));
            say(*count, &format!("has {name}"), &format!("have {name}"));
        }
        for (lineage, count) in &self.not_away {
            let name = format!("{} (require-away-from)", draft.name(*lineage));
            say(*count, &format!("has {name}"), &format!("have {name}"));
        }
        let skew = format!("would break max-skew = {}", skew.unwrap_or_default());
        say(self.skewed, &skew, &skew);
        say(self.cordoned, "is cordoned", "are cordoned");
        say(self.draining, "is draining", "are draining");
        say(self.suspect, "does not answer", "do not answer");
        words
    }
}
