//! The nodes that there are and what they say of their instances, as one consistent snapshot. Knows
//! no plan.

use aether_types::observed::{InstanceState, InstanceStatus, Observed};
use aether_types::plan::InstanceKey;
use aether_types::{ByteSize, Generation, NodeId};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// The nodes of the cluster. A node that is lost is not among them.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct View {
    pub nodes: Vec<NodeView>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeView {
    pub id: NodeId,
    pub duty: Duty,
    /// It has just stopped answering: it keeps its instances and takes no new ones, and none of
    /// them counts as ready.
    pub suspect: bool,
    /// Nodes that name none form one together.
    pub zone: Option<String>,
    /// What its instances may reserve together.
    pub memory: ByteSize,
    /// What it says of its instances, in its present run. None: it has said nothing yet.
    pub observed: Option<Arc<Observed>>,
}

/// What a node does for the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duty {
    /// Keeps instances and takes new ones.
    OnDuty,
    /// Keeps instances and takes no new ones.
    Cordoned,
    /// Gives its instances away.
    Draining,
}

/// What is known of an instance that the plan has on a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    /// The node answers, has taken up the instance, and says that it is ACTIVE.
    Ready,
    /// The node answers, has taken up the instance, and is not done with it.
    Coming,
    /// The same, and its last attempt failed.
    Failed,
    /// The node is silent, or has not taken up the plan that put the instance there.
    Unknown,
}

impl NodeView {
    /// A node on duty that answers, without a zone, and that has said nothing yet.
    pub fn new(id: NodeId, memory: ByteSize) -> Self {
        Self { id, duty: Duty::OnDuty, suspect: false, zone: None, memory, observed: None }
    }

    /// Whether new instances can go there.
    pub(crate) fn is_open(&self) -> bool {
        self.duty == Duty::OnDuty && !self.suspect
    }

    /// What it says of the instances with this key: of each revision one.
    pub(crate) fn statuses(&self, key: &InstanceKey) -> &[InstanceStatus] {
        let instances = self.observed.as_ref().map_or(&[][..], |o| &o.instances);
        let start = instances.partition_point(|i| i.instance < *key);
        let count = instances[start..].iter().take_while(|i| i.instance == *key).count();
        &instances[start..start + count]
    }

    /// What is known of an instance that the plan has on this node since a generation.
    pub(crate) fn status(&self, key: &InstanceKey, since: Generation) -> Status {
        match &self.observed {
            Some(observed) if !self.suspect && observed.generation >= since => {
                let states = self.statuses(key);
                let has = |state| states.iter().any(|i| i.state == state);
                match (has(InstanceState::Active), has(InstanceState::Failed)) {
                    (true, _) => Status::Ready,
                    (false, true) => Status::Failed,
                    (false, false) => Status::Coming,
                }
            }
            _ => Status::Unknown,
        }
    }
}
