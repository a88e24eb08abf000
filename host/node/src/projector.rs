//! Keeps the picture that the reconcilers of this node work from. Knows no effects.

use crate::control::Control;
use crate::rollouts;
use crate::tasks::Runs;
use crate::world::{World, WorldError};
use aether_types::checked::Applications;
use aether_types::{AppName, Revision};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// The replicated map at one revision, with every application checked.
#[derive(Debug, Default, Clone)]
pub(crate) struct Picture {
    pub(crate) world: World,
    pub(crate) applications: Applications,
}

/// Subscribes to the newest picture. A wake-up carries no data: look at the whole.
pub(crate) type Pictures = watch::Receiver<Arc<Picture>>;

/// Follows the state until the node stops.
pub(crate) struct Projector {
    control: Control,
    revisions: watch::Receiver<Revision>,
    watch: aether_kv::Watch,
    picture: Picture,
    pictures: watch::Sender<Arc<Picture>>,
}

impl Projector {
    /// Reads the state as it is now.
    pub(crate) fn start(control: Control) -> Result<(Self, Pictures), WorldError> {
        let revisions = control.revisions();
        let (world, watch) = control.read(World::read)?;
        let mut picture = Picture { world, applications: Applications::default() };
        picture.check_applications();
        let (pictures, receiver) = watch::channel(Arc::new(picture.clone()));
        Ok((Self { control, revisions, watch, picture, pictures }, receiver))
    }

    pub(crate) async fn run(
        mut self,
        runs: Runs,
        shutdown: CancellationToken,
    ) -> Result<(), WorldError> {
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                changed = self.revisions.changed() => {
                    // The control thread has ended: there is nothing more to follow.
                    let Ok(()) = changed else { return Ok(()) };
                }
            }
            let since = Instant::now();
            let (world, watch) = (&mut self.picture.world, &mut self.watch);
            if self.control.read(|state| world.follow(watch, state))? {
                self.picture.check_applications();
                self.pictures.send_replace(Arc::new(self.picture.clone()));
            }
            runs.note("projector", since, None);
        }
    }
}

impl Picture {
    /// Brings the checked applications up to date with the blueprints.
    fn check_applications(&mut self) {
        let known: Vec<AppName> =
            self.applications.all_current().map(|(_, c)| c.app.clone()).collect();
        for app in known.iter().filter(|app| !self.world.applications.contains_key(*app)) {
            self.applications.remove(app);
        }
        for (app, at) in &self.world.applications {
            let current = self.applications.current(app).map(|(revision, _)| revision);
            if current == Some(at.revision) {
                continue;
            }
            let others = self.applications.all_current().map(|(_, checked)| &**checked);
            let others = others.filter(|checked| checked.app != *app);
            match aether_placement::check(&at.value, &self.world.artifacts, others) {
                Ok(checked) => self.applications.accept(at.revision, Arc::new(checked)),
                // It was checked before it was accepted: another version of Aether did that.
                Err(problems) => {
                    tracing::error!(%app, %problems, "an accepted application does not check");
                }
            }
        }
        self.check_versions();
        let in_use = self.revisions_in_use();
        self.applications.forget(|app, revision| in_use.contains(&(app.clone(), revision)));
    }

    /// What a rollout leads from and to is known beside what applies.
    fn check_versions(&mut self) {
        for (app, revision) in rollouts::versions(&self.world) {
            let at = self.world.application(&app, revision);
            let Some(application) = at.filter(|_| self.applications.get(&app, revision).is_none())
            else {
                continue;
            };
            // Routes of others do not matter: it was accepted, or will be when it applies.
            match aether_placement::check(application, &self.world.artifacts, []) {
                Ok(checked) => self.applications.know(revision, Arc::new(checked)),
                Err(problems) => {
                    tracing::error!(%app, %problems, "a version of a rollout does not check");
                }
            }
        }
    }

    /// Revisions that an instance runs with, or is planned to, or a rollout leads from or to.
    fn revisions_in_use(&self) -> BTreeSet<(AppName, Revision)> {
        let observed = self.world.observed.values().flat_map(|node| &node.instances);
        let observed = observed.map(|i| (i.instance.app.clone(), i.blueprint));
        let planned = self.world.plan.value.assignments.iter();
        let planned = planned.map(|a| (a.instance.app.clone(), a.blueprint));
        observed.chain(planned).chain(rollouts::versions(&self.world)).collect()
    }
}
