//! Rollouts of this cluster, as the picture has them: which versions they need, what is seen of
//! them, how a deploy begins one. Decides nothing: `rollout` does.

mod acknowledge;
mod lead;
mod office;

pub(crate) use acknowledge::acknowledge;
pub(crate) use lead::Lead;

use crate::counts::{Counting, Measured};
use crate::keys;
use crate::projector::Picture;
use crate::reach::{LOST_AFTER, Reach};
use crate::records::{Change, Duty};
use crate::scaling;
use crate::unix_ms;
use crate::world::{At, World};
use aether_api::ApiError;
use aether_kv::{Condition, Key, Operation};
use aether_placement::{SideBySide, WantedVersion};
use aether_rollout::{Look, Phase, Rollout, Seen, Time};
use aether_types::code::Code;
use aether_types::rollout::Strategy;
use aether_types::traffic::Weights;
use aether_types::versioned::encode;
use aether_types::{AppName, NodeId, Revision};
use std::time::Instant;

/// Who looks, since when it has looked, and when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Watcher<'a> {
    pub(crate) node: NodeId,
    pub(crate) run: u64,
    /// Nodes that were never heard of are silent since then.
    pub(crate) since: Instant,
    pub(crate) now: Instant,
    pub(crate) counting: &'a Counting,
}

/// What happens to an application's change of version.
enum Stage<'a> {
    /// The leader has not begun it yet.
    Wanted,
    Going(&'a At<Rollout>),
    Ended,
}

fn stage<'a>(world: &'a World, app: &AppName) -> Stage<'a> {
    match (world.changes.get(app), world.rollout(app)) {
        (_, Some(at)) if at.value.has_ended() => Stage::Ended,
        (_, Some(at)) => Stage::Going(at),
        (Some(_), None) => Stage::Wanted,
        (None, None) => Stage::Ended,
    }
}

/// The versions that are led from and to, beside those that apply.
pub(crate) fn versions(world: &World) -> impl Iterator<Item = (AppName, Revision)> {
    let going = world.changes.iter().filter(|(app, _)| !matches!(stage(world, app), Stage::Ended));
    going.flat_map(|(app, change)| {
        let to = world.blueprints.get(app).map(|at| at.revision);
        let from = Some(change.value.from);
        [from, to].into_iter().flatten().map(|revision| (app.clone(), revision))
    })
}

/// Which versions the plan is to have, where not just the one that applies, with as many instances
/// as its blueprint says.
pub(crate) fn side_by_side(picture: &Picture) -> SideBySide {
    let world = &picture.world;
    let wanted = |(app, change): (&AppName, &std::sync::Arc<At<Change>>)| {
        let versions = match stage(world, app) {
            Stage::Ended => return None,
            // Nothing of the new version before every router keeps to the old one.
            Stage::Wanted => {
                let revision = change.value.from;
                let old = picture.applications.get(app, revision);
                let instances = old.map(|old| scaling::changed(world, old)).unwrap_or_default();
                vec![WantedVersion { revision, instances }]
            }
            Stage::Going(at) => {
                let desired = at.value.desired().into_iter();
                let version = |desired: aether_rollout::Desired| WantedVersion {
                    revision: desired.version,
                    instances: desired.slices.into_iter().collect(),
                };
                desired.map(version).collect()
            }
        };
        Some((app.clone(), versions))
    };
    let mut all: SideBySide = world.changes.iter().filter_map(wanted).collect();
    for app in world.scales.keys() {
        let Some((revision, checked)) = picture.applications.current(app) else { continue };
        let instances = scaling::changed(world, checked);
        if !instances.is_empty() && !all.contains_key(app) {
            all.insert(app.clone(), vec![WantedVersion { revision, instances }]);
        }
    }
    all
}

/// Whether two versions share an application's instances, or are about to.
pub(crate) fn is_going(world: &World, app: &AppName) -> bool {
    !matches!(stage(world, app), Stage::Ended)
}

impl Watcher<'_> {
    /// Which run of a node is alive; what another one has said counts for nothing.
    fn run_of(self, node: NodeId, reach: &Reach) -> Option<u64> {
        match node == self.node {
            true => Some(self.run),
            false => reach.0.get(&node).map(|seen| seen.run),
        }
    }

    /// What is seen of a rollout's instances and routers.
    pub(crate) fn look(self, picture: &Picture, reach: &Reach, rollout: &Rollout) -> Look {
        let world = &picture.world;
        let answers = |node: NodeId, run: u64| {
            reach.is_up(node, self.node) && self.run_of(node, reach) == Some(run)
        };
        let observed = world.observed.values().filter(|o| answers(o.node, o.run));
        let is_lost = |id: NodeId| {
            let silence = reach.silence(id, self.node, self.since, self.now);
            silence.is_some_and(|silence| silence >= LOST_AFTER)
        };
        let members = world.members.iter().filter(|(_, at)| at.value.duty != Duty::Removed);
        let ids = members.map(|(id, _)| *id);
        let routers = ids.filter(|id| world.nodes.contains_key(id) && !is_lost(*id));
        let routers = routers.map(|id| {
            let said = world.acknowledged.get(&id);
            let said = said.filter(|said| self.run_of(id, reach) == Some(said.run));
            let known = said.and_then(|said| said.switches.get(&rollout.app));
            (id, known.copied().unwrap_or_default())
        });
        let Measured { since: counted_since, old, new } = self.counting.measured(rollout);
        Look {
            now: Time(unix_ms()),
            seen: Seen::count(observed.map(|o| &**o), [&rollout.old, &rollout.new]),
            routers: routers.collect(),
            counted_since,
            old,
            new,
        }
    }
}

/// The revision that a rollout to another blueprint would come from; none: there is nothing yet.
pub(crate) fn comes_from(world: &World, app: &AppName) -> Option<Revision> {
    let applies = world.applications.get(app).map(|at| at.revision);
    let going = world.changes.get(app).filter(|_| !matches!(stage(world, app), Stage::Ended));
    going.map(|at| at.value.from).or(applies)
}

/// What is written with a blueprint that replaces another one.
pub(crate) struct Begin {
    pub(crate) conditions: Vec<Condition>,
    pub(crate) operations: Vec<Operation>,
    /// Whether a rollout brings it about.
    pub(crate) rollout: bool,
}

/// How the application gets to a blueprint that differs from what applies: with a strategy as a
/// rollout; without one instance by instance, each in the place of the one before it.
///
/// # Errors
/// `rollout-conflict`: a rollout is under way, and its new version may have traffic.
pub(crate) fn begin(
    world: &World,
    app: &AppName,
    strategy: Option<&Strategy>,
) -> Result<Begin, ApiError> {
    let Some(applies) = world.applications.get(app) else {
        return Ok(Begin { conditions: vec![], operations: vec![], rollout: false });
    };
    let stage = stage(world, app);
    let has_traffic = match &stage {
        Stage::Ended | Stage::Wanted => false,
        Stage::Going(at) => {
            let goes_back = matches!(at.value.phase, Phase::RollingBack { .. });
            goes_back || at.value.traffic.weights != Weights::all(at.value.old.revision)
        }
    };
    let is_going = !matches!(stage, Stage::Ended);
    if has_traffic || (is_going && strategy.is_none()) {
        let message = format!("a rollout of {app} is under way");
        return Err(ApiError::conflict(Code::RolloutConflict, message)
            .help("`aether rollout complete` or `rollback` ends it"));
    }
    let going = world.changes.get(app).filter(|_| is_going);
    let conditions = vec![
        unchanged(keys::change(app), world.changes.get(app).map(|at| at.revision)),
        unchanged(keys::rollout(app), world.rollouts.get(app).map(|at| at.revision)),
    ];
    let Some(strategy) = strategy else {
        let operations = forget(app);
        return Ok(Begin { conditions, operations, rollout: false });
    };
    // What is under way is given up for this, before anybody was sent to it.
    let (from, application) = match going {
        Some(at) => (at.value.from, at.value.application.clone()),
        None => (applies.revision, applies.value.clone()),
    };
    let change = Change { from, application, strategy: strategy.clone() };
    let operations = vec![put(keys::change(app), encode(&change))];
    Ok(Begin { conditions, operations, rollout: true })
}

/// What is written where an application has no rollout any more.
pub(crate) fn forget(app: &AppName) -> Vec<Operation> {
    let keys = [keys::change(app), keys::rollout(app), keys::traffic(app)];
    keys.into_iter().map(|key| Operation::Delete { key }).collect()
}

/// An entry is as it was seen.
pub(crate) fn unchanged(key: Key, revision: Option<Revision>) -> Condition {
    match revision {
        Some(revision) => Condition::ModifiedAt { key, revision },
        None => Condition::Absent { key },
    }
}

fn put(key: Key, value: Vec<u8>) -> Operation {
    Operation::Put { key, value: value.into(), lease: None }
}
