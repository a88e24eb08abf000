//! What counts as ACTIVE on another node.

use super::shell::slice;
use crate::active_elsewhere;
use aether_types::observed::{InstanceState, InstanceStatus, Observed};
use aether_types::plan::{Assignment, InstanceKey, Plan};
use aether_types::{ByteSize, Digest, Generation, NodeId, Revision};
use std::vec::Vec;

fn key(ordinal: u32) -> InstanceKey {
    InstanceKey { app: "shop".parse().unwrap(), coordinates: slice("a"), ordinal }
}

/// The instance `planned`, on node 2 since generation 5; what the node said at `generation` of the
/// instance `seen`.
fn check(planned: u32, generation: u64, seen: u32, state: InstanceState) -> bool {
    let assignment = Assignment {
        instance: key(planned),
        node: NodeId(2),
        digest: Digest([1; 32]),
        blueprint: Revision(3),
        since: Generation(5),
        memory: ByteSize::mib(64),
        leaving: false,
    };
    let plan = Plan { assignments: [assignment].to_vec(), ..Plan::default() };
    let status = |ordinal, state| InstanceStatus {
        instance: key(ordinal),
        digest: Digest([1; 32]),
        blueprint: Revision(3),
        state,
        reason: None,
    };
    let instances: Vec<_> =
        [status(0, InstanceState::Loading), status(seen, state)].into_iter().collect();
    let generation = Generation(generation);
    let observed = Observed { node: NodeId(2), run: 1, generation, instances };
    let said = |node| (node == NodeId(2)).then_some(&observed);
    assert!(active_elsewhere(NodeId(2), &plan, said).is_empty(), "that is here");
    assert!(active_elsewhere(NodeId(1), &plan, |_| None).is_empty(), "nothing was said");
    active_elsewhere(NodeId(1), &plan, said).len() == 1
}

#[test]
fn only_what_the_plan_has_there_is_active_elsewhere() {
    use InstanceState::{Active, Deactivating};
    assert!(check(1, 5, 1, Active));
    assert!(check(1, 6, 1, Active));
    assert!(!check(1, 5, 1, Deactivating));
    assert!(!check(1, 4, 1, Active), "an earlier instance with the same key");
    assert!(!check(1, 5, 2, Active), "not in the plan any more");
}
