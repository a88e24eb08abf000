//! Who takes what the instances that a call was sent to did not take: they were withdrawn before
//! this node knew it, and the table that says so has those that came instead. Knows no attempts.

use super::{Import, Route, Routing, SliceRouter};
use crate::callee::Callee;
use crate::projector::Pictures;
use aether_types::{InterfaceName, Revision};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// How long one call waits for tables in all. A node that hears nothing for so long knows that it
/// is cut off, and what it has is the newest that it will get.
const WAIT_MAX: Duration = Duration::from_secs(1);

/// Until when a call waits for tables.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience(Instant);

impl Patience {
    /// From now on, for a call that ends at this deadline.
    pub(crate) fn until(deadline: Instant) -> Self {
        Self(deadline.min(Instant::now() + WAIT_MAX))
    }

    /// Waits for the next picture; none if there is none in time.
    pub(crate) async fn changed(&self, pictures: &mut Pictures) -> Option<()> {
        timeout_at(self.0, pictures.changed()).await.ok()?.ok()
    }
}

/// What a newer table has.
enum Seen<T> {
    /// The same: there is no newer one yet.
    Same,
    Gone,
    Newer(T),
}

impl Routing {
    /// The route of the same shape as a newer table has it, as soon as there is one. None: it has
    /// none, or there was no newer one in time.
    pub(crate) async fn newer(&self, than: &Route, patience: &Patience) -> Option<Arc<Route>> {
        let look = || {
            let routes = self.0.routes.load();
            let Some(routes) = routes.get(&than.route.pattern) else { return Seen::Gone };
            let of = |revision: Revision| routes.versions.iter().find(|r| r.revision == revision);
            match of(than.revision).or(routes.versions.first()) {
                None => Seen::Gone,
                Some(route) if Arc::ptr_eq(&route.callee, &than.callee) => Seen::Same,
                Some(route) => Seen::Newer(Arc::clone(route)),
            }
        };
        self.wait(look, patience).await
    }

    async fn wait<T>(&self, look: impl Fn() -> Seen<T>, patience: &Patience) -> Option<T> {
        let mut derived = self.0.derived.subscribe();
        loop {
            match look() {
                Seen::Same => patience.changed(&mut derived).await?,
                Seen::Gone => return None,
                Seen::Newer(found) if Instant::now() < patience.0 => return Some(found),
                Seen::Newer(_) => return None,
            }
        }
    }
}

impl SliceRouter {
    /// Who provides the interface by a newer table, as soon as there is one; otherwise as
    /// [`Routing::newer`].
    pub(crate) async fn newer(
        &self,
        interface: &InterfaceName,
        than: &Arc<Callee>,
        patience: &Patience,
    ) -> Option<Arc<Callee>> {
        let look = || {
            let imports = self.imports.load();
            match imports.iter().find(|import| import.interface == *interface) {
                None => Seen::Gone,
                Some(Import { callee, .. }) if Arc::ptr_eq(callee, than) => Seen::Same,
                Some(Import { callee, .. }) => Seen::Newer(Arc::clone(callee)),
            }
        };
        self.routing.wait(look, patience).await
    }
}
