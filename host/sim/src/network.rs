//! When a message arrives, if it does. Knows no contents.

use std::collections::BTreeSet;

use aether_types::NodeId;

use crate::rng::Rng;
use crate::swarm::{Ms, NetworkFaults};

/// Links between nodes, each direction by itself.
#[derive(Debug, Clone)]
pub(crate) struct Network {
    pub(crate) faults: NetworkFaults,
    cut: BTreeSet<(NodeId, NodeId)>,
}

impl Network {
    pub(crate) fn new(faults: NetworkFaults) -> Self {
        Self { faults, cut: BTreeSet::new() }
    }

    pub(crate) fn is_cut(&self, from: NodeId, to: NodeId) -> bool {
        self.cut.contains(&(from, to))
    }

    pub(crate) fn cut(&mut self, from: NodeId, to: NodeId) {
        self.cut.insert((from, to));
    }

    pub(crate) fn mend(&mut self) {
        self.cut.clear();
    }

    /// Delays after which copies of a message arrive.
    pub(crate) fn send(&self, from: NodeId, to: NodeId, rng: &mut Rng) -> Vec<Ms> {
        let faults = &self.faults;
        if self.is_cut(from, to) || rng.chance(faults.lose) {
            return Vec::new();
        }
        let copies = 1 + u64::from(rng.chance(faults.double));
        let delay = |rng: &mut Rng| match rng.chance(faults.straggle) {
            true => rng.between(1, faults.straggle_ms),
            false => faults.delay_ms + rng.below(faults.jitter_ms + 1),
        };
        (0..copies).map(|_| delay(rng)).collect()
    }
}
