//! The replicated map, decoded: what every reconciler of this node reads. Knows no writer.

use crate::records::{
    AuthorityRecord, Change, ClusterRecord, JoinToken, Member, NodeRecord, Scale,
};
use crate::{keys, rollouts};
use aether_alerts::{Alerts, Outbox, Thresholds, Webhook};
use aether_api::StoredKey;
use aether_kv::{Condition, Event, Key, State, Watch, WatchError};
use aether_rollout::{Outcome, Phase, Rollout};
use aether_routing::Traffics;
use aether_types::aspect::Aspects;
use aether_types::blueprint::Application;
use aether_types::description::Description;
use aether_types::observed::Observed;
use aether_types::plan::Plan;
use aether_types::slow::SlowStrategy;
use aether_types::traffic::Acknowledged;
use aether_types::versioned::{DecodeError, decode};
use aether_types::{AppName, Digest, NodeId, Revision};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A consistent picture of the replicated map at one revision, without what operators and tools
/// keep there. Cheap to clone.
#[derive(Debug, Default, Clone)]
pub(crate) struct World {
    pub(crate) revision: Revision,
    /// What applies: a blueprint that was rolled back does not, the one before it does.
    pub(crate) applications: BTreeMap<AppName, Arc<At<Application>>>,
    /// What is stored.
    pub(crate) blueprints: BTreeMap<AppName, Arc<At<Application>>>,
    /// When one of them came, changed or went last; 0 where none has.
    pub(crate) blueprints_changed: Revision,
    pub(crate) changes: BTreeMap<AppName, Arc<At<Change>>>,
    pub(crate) rollouts: BTreeMap<AppName, Arc<At<Rollout>>>,
    pub(crate) acknowledged: BTreeMap<NodeId, Arc<Acknowledged>>,
    pub(crate) artifacts: Arc<BTreeMap<Digest, Description>>,
    pub(crate) observed: BTreeMap<NodeId, Arc<Observed>>,
    pub(crate) nodes: BTreeMap<NodeId, Arc<NodeRecord>>,
    pub(crate) members: BTreeMap<NodeId, Arc<At<Member>>>,
    pub(crate) tokens: BTreeMap<String, Arc<JoinToken>>,
    pub(crate) cluster: Option<Arc<ClusterRecord>>,
    pub(crate) authority: Option<Arc<AuthorityRecord>>,
    pub(crate) principals: BTreeMap<String, Arc<StoredKey>>,
    pub(crate) plan: Arc<At<Plan>>,
    pub(crate) traffics: Traffics,
    pub(crate) aspects: Arc<At<Aspects>>,
    /// What is slow; the default where nobody has said anything.
    pub(crate) slow: Arc<SlowStrategy>,
    pub(crate) scales: BTreeMap<AppName, Arc<At<Scale>>>,
    pub(crate) controller: Arc<At<aether_scaling::Settings>>,
    pub(crate) thresholds: Arc<At<Thresholds>>,
    pub(crate) alerts: Arc<At<Alerts>>,
    pub(crate) webhook: Arc<At<Webhook>>,
    pub(crate) outbox: Arc<At<Outbox>>,
}

/// A value with the revision that wrote it; 0 where there is no entry.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct At<T> {
    pub(crate) revision: Revision,
    pub(crate) value: T,
}

/// An entry that this version cannot read: the node must not go on with a wrong picture.
#[derive(Debug, thiserror::Error)]
#[error("failed to read the entry {key}")]
pub(crate) struct WorldError {
    key: Key,
    #[source]
    source: DecodeError,
}

impl World {
    /// The picture of the whole state, and the watch that continues it.
    pub(crate) fn read(state: &State) -> Result<(Self, Watch), WorldError> {
        let mut world = Self::default();
        for (key, entry) in state.range("") {
            world.put(key, &entry.value, entry.modified)?;
        }
        world.settle();
        world.revision = state.revision();
        let next = Revision(state.revision().0 + 1);
        let watch = state.watch("", next).expect("the newest revision is never compacted");
        Ok((world, watch))
    }

    /// The revision that a picture must have to show everything that stands in the state. The
    /// newest one may be that of an entry that no picture shows, and none is made for it.
    pub(crate) fn newest(state: &State) -> Revision {
        let shown = state.range("").filter(|(key, _)| is_shown(key));
        shown.map(|(_, entry)| entry.modified).max().unwrap_or_default()
    }

    /// Catches up with the state. True if anything changed that is shown.
    pub(crate) fn follow(&mut self, watch: &mut Watch, state: &State) -> Result<bool, WorldError> {
        let events = match watch.poll(state) {
            Ok(events) => events,
            Err(WatchError::Compacted { .. } | WatchError::Ahead { .. }) => {
                (*self, *watch) = Self::read(state)?;
                return Ok(true);
            }
        };
        let mut changed = false;
        for event in events.filter(|event| is_shown(&event.key)) {
            self.apply(event)?;
            changed = true;
        }
        if changed {
            self.settle();
        }
        self.revision = state.revision();
        Ok(changed)
    }

    /// No blueprint has come, changed or gone since.
    pub(crate) fn blueprints_unchanged(&self) -> Condition {
        let seen = Some(self.blueprints_changed).filter(|seen| *seen != Revision(0));
        rollouts::unchanged(keys::blueprints_changed(), seen)
    }

    /// The rollout to the blueprint that is stored; none before the leader has begun it.
    pub(crate) fn rollout(&self, app: &AppName) -> Option<&At<Rollout>> {
        let stored = self.blueprints.get(app)?.revision;
        self.rollouts.get(app).map(|at| &**at).filter(|at| at.value.new.revision == stored)
    }

    /// What an application is at one of the revisions that count now.
    pub(crate) fn application(&self, app: &AppName, revision: Revision) -> Option<&Application> {
        let known = [self.applications.get(app), self.blueprints.get(app)];
        let known = known.into_iter().flatten().find(|at| at.revision == revision);
        let before = || self.changes.get(app).map(|at| &at.value).filter(|c| c.from == revision);
        known.map(|at| &at.value).or_else(|| before().map(|change| &change.application))
    }

    /// Which blueprints apply.
    fn settle(&mut self) {
        let applies = |(app, stored): (&AppName, &Arc<At<Application>>)| {
            let rollout = self.rollout(app).map(|at| &at.value);
            let is_back = |r: &&Rollout| matches!(r.phase, Phase::Ended(Outcome::RolledBack(_)));
            let before = rollout.filter(is_back).and_then(|rollout| {
                let value = self.application(app, rollout.old.revision)?.clone();
                Some(Arc::new(At { revision: rollout.old.revision, value }))
            });
            (app.clone(), before.unwrap_or_else(|| Arc::clone(stored)))
        };
        self.applications = self.blueprints.iter().map(applies).collect();
    }

    fn apply(&mut self, event: &Event) -> Result<(), WorldError> {
        match &event.entry {
            Some(entry) => self.put(&event.key, &entry.value, entry.modified),
            None => {
                self.delete(event.key.as_str());
                Ok(())
            }
        }
    }

    fn put(&mut self, key: &Key, bytes: &[u8], revision: Revision) -> Result<(), WorldError> {
        let name = key.as_str();
        let error = |source| WorldError { key: key.clone(), source };
        if let Some(app) = parse(name, keys::BLUEPRINTS) {
            let value = decode(bytes).map_err(error)?;
            self.blueprints.insert(app, Arc::new(At { revision, value }));
        } else if let Some(digest) = parse(name, keys::ARTIFACTS) {
            let description = decode(bytes).map_err(error)?;
            Arc::make_mut(&mut self.artifacts).insert(digest, description);
        } else if let Some(node) = parse(name, keys::OBSERVED) {
            self.observed.insert(node, Arc::new(decode(bytes).map_err(error)?));
        } else if let Some(node) = parse(name, keys::NODES) {
            self.nodes.insert(node, Arc::new(decode(bytes).map_err(error)?));
        } else if let Some(node) = parse(name, keys::MEMBERS) {
            let value = decode(bytes).map_err(error)?;
            self.members.insert(node, Arc::new(At { revision, value }));
        } else if let Some(id) = parse(name, keys::TOKENS) {
            self.tokens.insert(id, Arc::new(decode(bytes).map_err(error)?));
        } else if name == keys::CLUSTER {
            self.cluster = Some(Arc::new(decode(bytes).map_err(error)?));
        } else if name == keys::AUTHORITY {
            self.authority = Some(Arc::new(decode(bytes).map_err(error)?));
        } else if let Some(id) = parse(name, keys::PRINCIPALS) {
            self.principals.insert(id, Arc::new(decode(bytes).map_err(error)?));
        } else if let Some(app) = parse(name, keys::TRAFFICS) {
            self.traffics.insert(app, Arc::new(decode(bytes).map_err(error)?));
        } else if let Some(app) = parse(name, keys::CHANGES) {
            let value = decode(bytes).map_err(error)?;
            self.changes.insert(app, Arc::new(At { revision, value }));
        } else if let Some(app) = parse(name, keys::ROLLOUTS) {
            let value = decode(bytes).map_err(error)?;
            self.rollouts.insert(app, Arc::new(At { revision, value }));
        } else if let Some(node) = parse(name, keys::ACKNOWLEDGED) {
            self.acknowledged.insert(node, Arc::new(decode(bytes).map_err(error)?));
        } else if let Some(app) = parse(name, keys::SCALES) {
            let value = decode(bytes).map_err(error)?;
            self.scales.insert(app, Arc::new(At { revision, value }));
        } else if name == keys::CONTROLLER {
            self.controller = Arc::new(At { revision, value: decode(bytes).map_err(error)? });
        } else if name == keys::THRESHOLDS {
            self.thresholds = Arc::new(At { revision, value: decode(bytes).map_err(error)? });
        } else if name == keys::ALERTS {
            self.alerts = Arc::new(At { revision, value: decode(bytes).map_err(error)? });
        } else if name == keys::WEBHOOK {
            self.webhook = Arc::new(At { revision, value: decode(bytes).map_err(error)? });
        } else if name == keys::OUTBOX {
            self.outbox = Arc::new(At { revision, value: decode(bytes).map_err(error)? });
        } else if name == keys::PLAN {
            self.plan = Arc::new(At { revision, value: decode(bytes).map_err(error)? });
        } else if name == keys::ASPECTS {
            self.aspects = Arc::new(At { revision, value: decode(bytes).map_err(error)? });
        } else if name == keys::SLOW {
            self.slow = Arc::new(decode(bytes).map_err(error)?);
        } else if name == keys::BLUEPRINTS_CHANGED {
            self.blueprints_changed = revision;
        }
        Ok(())
    }

    fn delete(&mut self, name: &str) {
        if let Some(app) = parse::<AppName>(name, keys::BLUEPRINTS) {
            self.blueprints.remove(&app);
        } else if let Some(digest) = parse::<Digest>(name, keys::ARTIFACTS) {
            Arc::make_mut(&mut self.artifacts).remove(&digest);
        } else if let Some(node) = parse::<NodeId>(name, keys::OBSERVED) {
            self.observed.remove(&node);
        } else if let Some(node) = parse::<NodeId>(name, keys::NODES) {
            self.nodes.remove(&node);
        } else if let Some(node) = parse::<NodeId>(name, keys::MEMBERS) {
            self.members.remove(&node);
        } else if let Some(id) = parse::<String>(name, keys::TOKENS) {
            self.tokens.remove(&id);
        } else if let Some(id) = parse::<String>(name, keys::PRINCIPALS) {
            self.principals.remove(&id);
        } else if let Some(app) = parse::<AppName>(name, keys::TRAFFICS) {
            self.traffics.remove(&app);
        } else if let Some(app) = parse::<AppName>(name, keys::CHANGES) {
            self.changes.remove(&app);
        } else if let Some(app) = parse::<AppName>(name, keys::ROLLOUTS) {
            self.rollouts.remove(&app);
        } else if let Some(node) = parse::<NodeId>(name, keys::ACKNOWLEDGED) {
            self.acknowledged.remove(&node);
        } else if let Some(app) = parse::<AppName>(name, keys::SCALES) {
            self.scales.remove(&app);
        } else if name == keys::PLAN {
            self.plan = Arc::default();
        } else if name == keys::ASPECTS {
            self.aspects = Arc::default();
        } else if name == keys::SLOW {
            self.slow = Arc::default();
        }
    }
}

/// Operators and tools write thousands of entries in a second; nothing here depends on them.
fn is_shown(key: &Key) -> bool {
    !key.as_str().starts_with(keys::OPERATORS)
}

fn parse<T: std::str::FromStr>(name: &str, prefix: &str) -> Option<T> {
    name.strip_prefix(prefix)?.parse().ok()
}
