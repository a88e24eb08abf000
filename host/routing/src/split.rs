//! Who can take the calls of one callee: its versions with their shares, and the endpoints of each.
//! Immutable; knows no load and no failure.

use crate::hash::mix;
use crate::sequence::Sequence;
use crate::table::Endpoint;
use aether_types::traffic::{TrafficRevision, Weight};
use aether_types::{Coordinates, NodeId, Revision};
use std::cmp::Reverse;
use std::ops::Range;

/// Versions of one callee that can have endpoints at the same time. A rollout has two.
pub const ARMS_MAX: usize = 16;

/// One version of a callee.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arm {
    pub version: Revision,
    /// The slice that serves it in this version.
    pub slice: Coordinates,
    pub weight: Weight,
    pub endpoints: Vec<Endpoint>,
}

/// Everything that the choice of a target reads and that does not change from call to call. A shell
/// keeps it behind an `ArcSwap`, with one counter of calls beside it and the state of each endpoint
/// at the endpoint's index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    pub(crate) here: NodeId,
    traffic: Option<TrafficRevision>,
    /// The heaviest first.
    pub(crate) arms: Vec<Version>,
    pub(crate) endpoints: Vec<Endpoint>,
    pub(crate) names: Vec<u64>,
    /// Over the arms that have endpoints.
    pub(crate) sequence: Sequence,
}

/// An arm with its endpoints as a part of those of the split, those on this node first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Version {
    pub(crate) version: Revision,
    pub(crate) slice: Coordinates,
    pub(crate) weight: Weight,
    pub(crate) all: Range<usize>,
    /// How many of them are on this node.
    pub(crate) local: usize,
}

impl Split {
    /// `here` is the node that routes. A version without endpoints gets nothing: the others share
    /// its part, in proportion to their own. Of more than [`ARMS_MAX`] versions, those of the
    /// largest weight are taken, then the newest.
    pub fn new(here: NodeId, traffic: Option<TrafficRevision>, mut arms: Vec<Arm>) -> Self {
        arms.sort_by_key(|arm| (Reverse(arm.weight), Reverse(arm.version)));
        arms.truncate(ARMS_MAX);
        let mut endpoints = Vec::new();
        let mut versions = Vec::new();
        let mut shares = Vec::new();
        for mut arm in arms {
            arm.endpoints.sort_by(|a, b| (a.node != here).cmp(&(b.node != here)).then(a.cmp(b)));
            let first = endpoints.len();
            shares.push(if arm.endpoints.is_empty() { 0 } else { arm.weight.hundredths() });
            let local = arm.endpoints.iter().filter(|e| e.node == here).count();
            endpoints.append(&mut arm.endpoints);
            let Arm { version, slice, weight, .. } = arm;
            versions.push(Version { version, slice, weight, all: first..endpoints.len(), local });
        }
        // The same for every version, so that a key stays on its node when versions change.
        let name = |e: &Endpoint| mix(e.node.0) ^ u64::from(e.instance.ordinal);
        Self {
            here,
            traffic,
            names: endpoints.iter().map(name).collect(),
            arms: versions,
            endpoints,
            sequence: Sequence::new(&shares),
        }
    }

    /// All endpoints; what is chosen is an index of these.
    pub fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// How many versions there are, those included that get nothing.
    pub fn versions(&self) -> usize {
        self.arms.len()
    }

    /// The slices that serve it, one of each version.
    pub fn slices(&self) -> impl Iterator<Item = &Coordinates> {
        self.arms.iter().map(|arm| &arm.slice)
    }

    /// The switch of the traffic that it is of.
    pub fn traffic(&self) -> Option<TrafficRevision> {
        self.traffic
    }

    /// With which number the counter of calls of a router should begin, when the `index`-th of so
    /// many begin together: then the turns of all of them are spread as those of one would be.
    pub fn first_turn(&self, index: u64, routers: u64) -> u64 {
        self.sequence.period() * index / routers.max(1)
    }
}
