//! From what the plan names to a loaded slice: bytes from disk, grants and limits from the
//! blueprint. Knows no life-cycle.

use crate::depot::{Depot, DepotError};
use crate::projector::Picture;
use crate::routing::Routing;
use crate::shared_code::SharedCode;
use crate::tasks::with_causes;
use aether_engine::{AppContext, Engine, Load, Slice};
use aether_types::code::Code;
use aether_types::observed::{InstanceState, InstanceStatus, Reason};
use aether_types::plan::InstanceKey;
use aether_types::{Digest, ErrorKind, NodeId, Revision};
use std::sync::Arc;

/// Loads slices of this node.
pub(crate) struct Loader {
    engine: Engine,
    depot: Depot,
    code: SharedCode,
    picture: Arc<Picture>,
}

impl Loader {
    pub(crate) fn new(engine: Engine, depot: Depot, code: SharedCode) -> Self {
        Self { engine, depot, code, picture: Arc::default() }
    }

    /// The picture from which the next slices are loaded.
    pub(crate) fn show(&mut self, picture: &Arc<Picture>) {
        self.picture = Arc::clone(picture);
    }

    /// Fetches, verifies, compiles where no other node has the code, and links.
    pub(crate) fn load(
        &self,
        instance: &InstanceKey,
        digest: &Digest,
        revision: Revision,
        routing: &Routing,
    ) -> impl Future<Output = Result<Arc<Slice>, Reason>> + Send + 'static {
        let app = self.context(instance, revision);
        let description = self.picture.world.artifacts.get(digest).cloned();
        let router = routing.router(instance.app.clone(), revision, instance.coordinates.clone());
        let (engine, depot, digest) = (self.engine.clone(), self.depot.clone(), *digest);
        let (code, holders) = (self.code.clone(), self.holders(&digest));
        async move {
            let description = Arc::new(description.ok_or_else(|| missing(&digest))?);
            let app = Arc::new(app?);
            let bytes = depot.get(digest).await.map_err(|e| unreadable(&e))?;
            code.fetch(&description, &holders).await;
            let load = move || engine.load(Load { description, bytes: &bytes, app, router });
            let loaded = tokio::task::spawn_blocking(load).await;
            loaded.unwrap_or_else(|panic| {
                let message = format!("loading panicked: {panic}");
                Err(Reason { code: Code::Internal, message, retryable: false })
            })
        }
    }

    /// Nodes that say that they have loaded it.
    fn holders(&self, digest: &Digest) -> Vec<NodeId> {
        let has = |it: &InstanceStatus| {
            let loading = matches!(it.state, InstanceState::Loading | InstanceState::Failed);
            it.digest == *digest && !loading
        };
        let observed = self.picture.world.observed.iter();
        observed.filter(|(_, at)| at.instances.iter().any(has)).map(|(id, _)| *id).collect()
    }

    /// What the slice runs with at this revision of its blueprint.
    fn context(&self, instance: &InstanceKey, revision: Revision) -> Result<AppContext, Reason> {
        let outdated = || Reason {
            code: Code::RevisionConflict,
            message: format!("revision {revision} of {} does not apply", instance.app),
            retryable: true,
        };
        let checked = self.picture.applications.get(&instance.app, revision);
        let checked = checked.ok_or_else(outdated)?;
        let slice = checked.slice(&instance.coordinates).ok_or_else(outdated)?;
        let known = self.picture.world.application(&instance.app, revision);
        let blueprint = &known.ok_or_else(outdated)?.blueprint;
        let entry = &blueprint.slices[slice.entry];
        let mut config = blueprint.config.clone();
        config.extend(entry.config.clone());
        Ok(AppContext {
            app: instance.app.clone(),
            coordinates: Arc::new(instance.coordinates.clone()),
            limits: slice.limits,
            grants: entry.grants.clone(),
            config,
            buckets: blueprint.cache.clone(),
        })
    }
}

fn missing(digest: &Digest) -> Reason {
    let message = format!("no artifact with digest {digest} is known");
    Reason { code: Code::ArtifactMissing, message, retryable: true }
}

/// Another node may answer again, and a disk may have room or be mended.
fn unreadable(error: &DepotError) -> Reason {
    let code = match error.kind() {
        ErrorKind::Exhausted => Code::DiskFull,
        _ => Code::ArtifactMissing,
    };
    Reason { code, message: with_causes(error), retryable: true }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[test]
    fn what_a_disk_does_not_take_is_tried_again_and_says_why() {
        let check = |kind: io::ErrorKind, expected: (Code, &str)| {
            let (action, path, source) = ("write", "a".into(), io::Error::from(kind));
            let error = aether_storage::Error::Io { action, path, source };
            let Reason { code, message, retryable } = unreadable(&error.into());
            assert_eq!((code, &*message, retryable), (expected.0, expected.1, true));
        };
        check(io::ErrorKind::StorageFull, (Code::DiskFull, "write a: no storage space"));
        let denied = (Code::ArtifactMissing, "write a: permission denied");
        check(io::ErrorKind::PermissionDenied, denied);
    }
}
