//! What one node knows of the cluster, read from its copy of the state. Decides nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aether_kv::{Event, Key, State, Watch};
use aether_placement::Duty;
use aether_types::blueprint::Application;
use aether_types::checked::Applications;
use aether_types::description::Description;
use aether_types::observed::Observed;
use aether_types::plan::Plan;
use aether_types::versioned::{Versioned, decode};
use aether_types::{AppName, Digest, NodeId, Revision};

use crate::keys;

/// The entries that control works with, decoded.
#[derive(Debug, Default)]
pub(crate) struct Picture {
    pub(crate) blueprints: BTreeMap<AppName, (Revision, Application)>,
    pub(crate) artifacts: BTreeMap<Digest, Description>,
    pub(crate) observed: BTreeMap<NodeId, Observed>,
    pub(crate) duties: BTreeMap<NodeId, Duty>,
    /// With the revision at which it was put; 0 if there is none.
    pub(crate) plan: (Revision, Plan),
    pub(crate) applications: Applications,
    watch: Option<Watch>,
}

fn read<T: Versioned>(bytes: &[u8]) -> T {
    decode(bytes).expect("the simulator wrote it")
}

fn parse<T: std::str::FromStr>(key: &Key, prefix: &str) -> Option<T> {
    key.as_str().strip_prefix(prefix)?.parse().ok()
}

pub(crate) fn encode_duty(duty: Duty) -> bytes::Bytes {
    let word: &[u8] = match duty {
        Duty::OnDuty => b"on-duty",
        Duty::Cordoned => b"cordoned",
        Duty::Draining => b"draining",
    };
    bytes::Bytes::from_static(word)
}

fn decode_duty(bytes: &[u8]) -> Duty {
    let all = [Duty::OnDuty, Duty::Cordoned, Duty::Draining];
    let duty = all.into_iter().find(|duty| encode_duty(*duty) == bytes);
    duty.expect("the simulator wrote it")
}

impl Picture {
    /// Catches up with the state. True if anything changed.
    pub(crate) fn follow(&mut self, state: &State) -> bool {
        let polled = self.watch.as_mut().map(|watch| watch.poll(state));
        let changed = match polled {
            Some(Ok(events)) => events.filter(|event| self.on_event(event)).count() > 0,
            // Never seen, or too far behind: read it all.
            Some(Err(_)) | None => {
                *self = Self {
                    applications: std::mem::take(&mut self.applications),
                    ..Self::default()
                };
                for (key, entry) in state.range("") {
                    self.put(key, &entry.value, entry.modified);
                }
                let next = Revision(state.revision().0 + 1);
                self.watch = Some(state.watch("", next).expect("the newest is never compacted"));
                true
            }
        };
        if changed {
            self.check_applications();
        }
        changed
    }

    fn on_event(&mut self, event: &Event) -> bool {
        match &event.entry {
            Some(entry) => self.put(&event.key, &entry.value, entry.modified),
            None => self.delete(&event.key),
        }
    }

    fn put(&mut self, key: &Key, bytes: &[u8], revision: Revision) -> bool {
        if let Some(app) = parse(key, keys::BLUEPRINTS) {
            self.blueprints.insert(app, (revision, read(bytes)));
        } else if let Some(digest) = parse(key, keys::ARTIFACTS) {
            self.artifacts.insert(digest, read(bytes));
        } else if let Some(node) = parse(key, keys::OBSERVED) {
            self.observed.insert(node, read(bytes));
        } else if let Some(node) = parse(key, keys::DUTIES) {
            self.duties.insert(node, decode_duty(bytes));
        } else if *key == keys::plan() {
            self.plan = (revision, read(bytes));
        } else {
            return false;
        }
        true
    }

    fn delete(&mut self, key: &Key) -> bool {
        let app = parse::<AppName>(key, keys::BLUEPRINTS);
        let node = parse::<NodeId>(key, keys::OBSERVED);
        app.is_some_and(|app| self.blueprints.remove(&app).is_some())
            || node.is_some_and(|node| self.observed.remove(&node).is_some())
    }

    fn check_applications(&mut self) {
        for app in crate::applications::names().filter(|app| !self.blueprints.contains_key(app)) {
            self.applications.remove(&app);
        }
        for (app, (revision, application)) in &self.blueprints {
            let current = self.applications.current(app).map(|(revision, _)| revision);
            if current != Some(*revision)
                && let Ok(checked) = aether_placement::check(application, &self.artifacts, [])
            {
                self.applications.accept(*revision, Arc::new(checked));
            }
        }
        let observed = self.observed.values().flat_map(|node| &node.instances);
        let observed = observed.map(|i| (i.instance.app.clone(), i.blueprint));
        let planned = self.plan.1.assignments.iter();
        let planned = planned.map(|a| (a.instance.app.clone(), a.blueprint));
        let in_use: BTreeSet<_> = observed.chain(planned).collect();
        self.applications.forget(|app, revision| in_use.contains(&(app.clone(), revision)));
    }
}
