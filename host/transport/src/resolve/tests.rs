//! Both sides keep the same link, whatever order they see things in.

use aether_types::NodeId;
use proptest::prelude::*;

use super::{Claim, Decision, resolve};
use crate::Run;

fn claim(run: u64, dialed_by: u64) -> Claim {
    Claim { run: Run(run), dialed_by: NodeId(dialed_by) }
}

#[test]
fn the_table() {
    let check = |old: Option<(u64, u64)>, new: (u64, u64), expected: Decision| {
        let old = old.map(|(run, dialed_by)| claim(run, dialed_by));
        assert_eq!(resolve(old, claim(new.0, new.1)), expected);
    };
    check(None, (1, 1), Decision::Install);
    check(Some((1, 2)), (1, 1), Decision::Replace);
    check(Some((1, 1)), (1, 2), Decision::Keep);
    check(Some((1, 1)), (1, 1), Decision::Replace);
    check(Some((1, 1)), (2, 1), Decision::Probe);
    check(Some((1, 1)), (2, 2), Decision::Probe);
}

proptest! {
    /// Each side sees the two dials in an order of its own.
    #[test]
    fn both_sides_keep_the_same_of_two_dials(here: bool, there: bool) {
        let (low, high) = (claim(1, 1), claim(1, 2));
        let kept = |low_first: bool| {
            let (first, second) = if low_first { (low, high) } else { (high, low) };
            match resolve(Some(first), second) {
                Decision::Replace => second,
                _ => first,
            }
        };
        prop_assert_eq!(kept(here), kept(there));
    }
}
