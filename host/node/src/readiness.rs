//! When a node that starts should get traffic: once every instance that the plan gives it serves,
//! or has said why it does not; a new one, once it has heard of its cluster. After that only its
//! end makes it unready.

use crate::control::Control;
use crate::projector::{Picture, Pictures};
use crate::world::World;
use aether_types::observed::InstanceState;
use aether_types::{NodeId, Revision};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long to wait before asking for a leader again.
const ASK_RETRY: Duration = Duration::from_millis(500);

/// Remembers that the node was ready once: a deployment later on must not take it out of rotation.
#[derive(Debug, Default)]
pub(crate) struct Readiness(AtomicBool);

impl Readiness {
    /// Why the node should not get traffic now; empty when it should.
    pub(crate) fn reasons(&self, picture: &Picture, node: NodeId, run: u64) -> Vec<String> {
        if self.0.load(Ordering::Relaxed) {
            return Vec::new();
        }
        let reasons: Vec<String> = still_starting(picture, node, run).into_iter().collect();
        if reasons.is_empty() {
            self.0.store(true, Ordering::Relaxed);
        }
        reasons
    }
}

/// Returns when a leader was heard of and this node has caught up with it.
pub(crate) async fn heard(control: &Control) {
    while control.fresh().await.is_err() {
        tokio::time::sleep(ASK_RETRY).await;
    }
}

/// Returns when traffic on this node sees what the cluster had when this was called.
pub(crate) async fn catch_up(control: &Control, mut derived: Pictures) {
    heard(control).await;
    let revision = control.read(World::newest);
    // Whoever derives ends with the node.
    let _ = derived.wait_for(|picture| picture.world.revision >= revision).await;
}

/// Returns when every instance that the plan gives this node serves, or has failed, and requests
/// find it. A new node has to hear of the plan first, and of applications that others serve.
pub(crate) async fn first_ready(
    new: Option<Control>,
    mut derived: Pictures,
    node: NodeId,
    run: u64,
) {
    if let Some(control) = new {
        catch_up(&control, derived.clone()).await;
    }
    let readiness = Readiness::default();
    // Whoever derives ends with the node.
    let _ = derived.wait_for(|picture| readiness.reasons(picture, node, run).is_empty()).await;
}

fn still_starting(picture: &Picture, node: NodeId, run: u64) -> Option<String> {
    if picture.world.revision == Revision(0) {
        return Some("this node has heard nothing of its cluster yet".to_owned());
    }
    let plan = &picture.world.plan.value;
    let observed = picture.world.observed.get(&node).filter(|observed| observed.run == run);
    let settled = |assignment: &&aether_types::plan::Assignment| {
        let statuses = observed.iter().flat_map(|observed| &observed.instances);
        let mut own = statuses.filter(|status| {
            status.instance == assignment.instance && status.blueprint == assignment.blueprint
        });
        own.any(|s| matches!(s.state, InstanceState::Active | InstanceState::Failed))
    };
    let planned = || plan.assignments.iter().filter(|assignment| assignment.node == node);
    let (settled, planned) = (planned().filter(settled).count(), planned().count());
    let starting = settled < planned;
    starting.then(|| format!("{settled} of {planned} instances planned for this node have started"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use aether_types::observed::{InstanceStatus, Observed};
    use aether_types::plan::{Assignment, InstanceKey, Plan};
    use aether_types::{ByteSize, Digest, Generation};
    use std::sync::Arc;

    const NODE: NodeId = NodeId(1);

    fn key(name: &str) -> InstanceKey {
        let coordinates = format!("shop:{name}:1.0.0").parse().unwrap();
        InstanceKey { app: "shop".parse().unwrap(), coordinates, ordinal: 0 }
    }

    /// Of a cluster without applications.
    fn heard() -> Picture {
        let mut picture = Picture::default();
        picture.world.revision = Revision(4);
        picture
    }

    /// Two slices planned for node 1, one for node 2, with what node 1 said in a run.
    fn picture(run: u64, states: &[(&str, InstanceState)]) -> Picture {
        let (digest, blueprint) = (Digest([0; 32]), Revision(3));
        let assignment = |(name, node)| Assignment {
            instance: key(name),
            node: NodeId(node),
            digest,
            blueprint,
            memory: ByteSize::mib(64),
            leaving: false,
            since: Generation(1),
        };
        let mut picture = heard();
        picture.world.plan = Arc::new(crate::world::At {
            revision: Revision(4),
            value: Plan {
                assignments: [("web", 1), ("stock", 1), ("mail", 2)].map(assignment).to_vec(),
                ..Plan::default()
            },
        });
        let status = |(name, state): &(&str, InstanceState)| InstanceStatus {
            instance: key(name),
            digest,
            blueprint,
            state: *state,
            reason: None,
        };
        let instances = states.iter().map(status).collect();
        let observed = Observed { node: NODE, run, generation: Generation(1), instances };
        picture.world.observed.insert(NODE, Arc::new(observed));
        picture
    }

    #[test]
    fn a_node_is_ready_when_what_is_planned_for_it_has_settled() {
        use InstanceState::{Active, Failed, Loading};
        let active: &[_] = &[("web", Active), ("stock", Active)];
        let rows: [(u64, &[_], &[&str]); 4] = [
            (6, active, &["0 of 2 instances planned for this node have started"]),
            (
                7,
                &[("web", Active), ("stock", Loading)],
                &["1 of 2 instances planned for this node have started"],
            ),
            (7, &[("web", Active), ("stock", Failed)], &[]),
            (7, active, &[]),
        ];
        for (run, states, expected) in rows {
            let reasons = Readiness::default().reasons(&picture(run, states), NODE, 7);
            assert_eq!(reasons, expected, "run {run}, {states:?}");
        }
    }

    #[test]
    fn a_node_that_has_heard_nothing_is_not_ready_and_not_for_ever() {
        let readiness = Readiness::default();
        assert_eq!(readiness.reasons(&Picture::default(), NODE, 7).len(), 1);
        assert_eq!(readiness.reasons(&picture(6, &[]), NODE, 7).len(), 1, "it starts instances");
        assert!(readiness.reasons(&heard(), NODE, 7).is_empty());
    }

    #[test]
    fn a_later_deployment_leaves_a_ready_node_ready() {
        let readiness = Readiness::default();
        assert!(readiness.reasons(&heard(), NODE, 7).is_empty());
        assert!(readiness.reasons(&picture(7, &[]), NODE, 7).is_empty());
    }
}
