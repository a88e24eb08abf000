//! An application that passed its check: what every node derives the same from blueprint and
//! artifacts. Made by `placement`, read by `lifecycle` and `routing`. Knows no plan and no node.

use crate::affinity::Affinity;
use crate::binding::Binding;
use crate::blueprint::{Dependency, Placement};
use crate::description::HttpVersion;
use crate::limits::EffectiveLimits;
use crate::slice_toml::OkStatus;
use crate::{AppName, Coordinates, Digest, FunctionName, InterfaceName, Revision, RoutePattern};
use std::collections::BTreeMap;
use std::sync::Arc;

/// One revision of an application, with everything that follows from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    pub app: AppName,
    /// In load order: what a slice depends on stands before it.
    pub slices: Vec<CheckedSlice>,
    /// Sorted by importer, then interface.
    pub edges: Vec<Edge>,
    /// Those of the slices, in the order of the blueprint, then those of the operator.
    pub routes: Vec<BoundRoute>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedSlice {
    pub coordinates: Coordinates,
    pub digest: Digest,
    /// Index of its entry in `Blueprint::slices`: there are its grants and its config.
    pub entry: usize,
    pub limits: EffectiveLimits,
    pub instances: u32,
    /// At most `instances`.
    pub min_ready: u32,
    /// At least `instances`. None: the controller leaves the slice alone.
    pub max_instances: Option<u32>,
    /// Names only slices of the application, without contradiction.
    pub placement: Placement,
    /// Interfaces that it alone exports in this application.
    pub exports: Vec<InterfaceName>,
}

/// The importer's calls of the interface go to the exporter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    pub importer: Coordinates,
    /// As it is imported; the exporter may have a newer one that is compatible.
    pub interface: InterfaceName,
    pub exporter: Coordinates,
    /// What the blueprint says of who may provide it.
    pub wish: Option<Dependency>,
}

/// A route with the slice that serves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoundRoute {
    pub pattern: RoutePattern,
    pub slice: Coordinates,
    pub target: RouteTarget,
    /// The key of its requests; that of the function is another one.
    pub affinity: Option<Affinity>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RouteTarget {
    /// The function's full name; `None` as status: 200, or 204 where there is no value.
    Typed { function: FunctionName, binding: Binding, status: Option<OkStatus> },
    /// The component's own handler.
    Handler(HttpVersion),
}

impl CheckedSlice {
    /// The version of an interface that takes the calls of those who want this one: the very one,
    /// else the newest that is compatible. The version may be left out.
    pub fn called(&self, wanted: &InterfaceName) -> Option<&InterfaceName> {
        let serves = |e: &&InterfaceName| wanted.means(e) || e.serves(wanted);
        let serve = self.exports.iter().filter(serves);
        serve.max_by_key(|e| (wanted.means(e), e.version()))
    }
}

impl Checked {
    pub fn slice(&self, coordinates: &Coordinates) -> Option<&CheckedSlice> {
        self.slices.iter().find(|s| s.coordinates == *coordinates)
    }

    /// The slice that exports the interface, with the version of it that takes the calls: the very
    /// one, else the newest that is compatible. The version may be left out.
    pub fn exporter(&self, interface: &InterfaceName) -> Option<(&CheckedSlice, &InterfaceName)> {
        let called = |slice| Some((slice, CheckedSlice::called(slice, interface)?));
        let offers = self.slices.iter().filter_map(called);
        offers.max_by_key(|(_, called)| (interface.means(called), called.version()))
    }

    /// Who takes the calls of an import of another version of the application, with the version of
    /// the interface that takes them: by the same rules as within a version. Of several slices, the
    /// one that provides it there as well. None: those calls stay within their version.
    pub fn provider(&self, edge: &Edge) -> Option<(&CheckedSlice, &InterfaceName)> {
        let called = |slice| Some((slice, CheckedSlice::called(slice, &edge.interface)?));
        // In whatever version, none provides its own import: two would call each other for ever.
        let others = self.slices.iter().filter(|s| s.coordinates.slice != edge.importer.slice);
        let offers = others.filter_map(called).filter(|(slice, called)| {
            edge.wish.as_ref().is_none_or(|wish| wish.takes(&slice.coordinates, called))
        });
        offers.max_by_key(|(slice, called)| {
            let is_exact = edge.wish.is_none() && **called == edge.interface;
            let is_same = slice.coordinates.slice == edge.exporter.slice;
            (is_exact, is_same, called.version(), &slice.coordinates)
        })
    }

    /// The slices whose interfaces this one calls, each as often as it has interfaces.
    pub fn dependencies<'a>(
        &'a self,
        importer: &'a Coordinates,
    ) -> impl Iterator<Item = &'a Coordinates> {
        self.edges.iter().filter(move |e| e.importer == *importer).map(|e| &e.exporter)
    }
}

/// The revisions that a node knows: the current one of each application, and earlier ones for as
/// long as instances of them run.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Applications {
    current: BTreeMap<AppName, Revision>,
    known: BTreeMap<(AppName, Revision), Arc<Checked>>,
}

impl Applications {
    /// Makes this revision the current one of its application.
    pub fn accept(&mut self, revision: Revision, checked: Arc<Checked>) {
        self.current.insert(checked.app.clone(), revision);
        self.known.insert((checked.app.clone(), revision), checked);
    }

    /// Makes a revision known that is not the current one of its application.
    pub fn know(&mut self, revision: Revision, checked: Arc<Checked>) {
        self.known.insert((checked.app.clone(), revision), checked);
    }

    /// The application was deleted: its routes are gone, its instances still need what is known.
    pub fn remove(&mut self, app: &AppName) {
        self.current.remove(app);
    }

    /// Forgets earlier revisions of which `in_use` says that no instance has them.
    pub fn forget(&mut self, in_use: impl Fn(&AppName, Revision) -> bool) {
        let current = &self.current;
        self.known.retain(|(app, revision), _| {
            current.get(app) == Some(revision) || in_use(app, *revision)
        });
    }

    pub fn get(&self, app: &AppName, revision: Revision) -> Option<&Arc<Checked>> {
        self.known.get(&(app.clone(), revision))
    }

    pub fn current(&self, app: &AppName) -> Option<(Revision, &Arc<Checked>)> {
        let revision = *self.current.get(app)?;
        Some((revision, self.get(app, revision)?))
    }

    /// The newest revision of which anything is known; 0 where there is none.
    pub fn newest(&self) -> Revision {
        self.known.keys().map(|(_, revision)| *revision).max().unwrap_or_default()
    }

    /// The current revision of every application, sorted by name.
    pub fn all_current(&self) -> impl Iterator<Item = (Revision, &Arc<Checked>)> {
        self.current.keys().filter_map(|app| self.current(app))
    }

    /// Every known revision of every application, sorted by name, the newest first.
    pub fn all(&self) -> impl Iterator<Item = (Revision, &Arc<Checked>)> {
        let mut all: Vec<_> = self.known.iter().collect();
        all.sort_by(|((a, r), _), ((b, s), _)| a.cmp(b).then(s.cmp(r)));
        all.into_iter().map(|((_, revision), checked)| (*revision, checked))
    }
}
