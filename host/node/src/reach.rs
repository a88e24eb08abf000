//! Which other nodes answer this one, and since when. Knows no sockets.

use aether_types::NodeId;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// A node that does not answer for so long is lost for the plan: what it ran is started elsewhere.
pub(crate) const LOST_AFTER: Duration = Duration::from_secs(10);

/// A voter that does not answer for so long gives its vote to another node, if there is one.
pub(crate) const VOTE_LOST_AFTER: Duration = Duration::from_secs(60);

/// What this node sees of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) up: bool,
    /// Which run of its process; 0 if it never answered.
    pub(crate) run: u64,
    /// It has said that it is about to end.
    pub(crate) leaving: bool,
    pub(crate) since: Instant,
}

/// Which runs of other nodes have said that they are about to end.
pub(crate) type Leavers = watch::Sender<BTreeMap<NodeId, u64>>;

/// All other nodes, as this one sees them now.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Reach(pub(crate) BTreeMap<NodeId, Seen>);

/// Subscribes to the newest view of the others.
pub(crate) type Reaches = watch::Receiver<Arc<Reach>>;

impl Reach {
    /// Whether calls can go there now. A node reaches itself.
    pub(crate) fn is_up(&self, node: NodeId, me: NodeId) -> bool {
        node == me || self.0.get(&node).is_some_and(|seen| seen.up)
    }

    /// Whether a node that answers has said that it is about to end.
    pub(crate) fn is_leaving(&self, node: NodeId) -> bool {
        self.0.get(&node).is_some_and(|seen| seen.up && seen.leaving)
    }

    /// For how long a node has not answered; none if it does. One that was never heard of is silent
    /// since `started`.
    pub(crate) fn silence(
        &self,
        node: NodeId,
        me: NodeId,
        started: Instant,
        now: Instant,
    ) -> Option<Duration> {
        if self.is_up(node, me) {
            return None;
        }
        let since = self.0.get(&node).map_or(started, |seen| seen.since.max(started));
        Some(now.saturating_duration_since(since))
    }
}
