//! Routes and edges with the instances behind them, derived from what was applied and observed.
//! Knows no pools, no links and no load.

#[cfg(test)]
mod tests;
mod versions;

use crate::split::Arm;
use crate::trie::RouteTrie;
use aether_types::checked::{Applications, BoundRoute, Checked};
use aether_types::observed::{InstanceState, Observed};
use aether_types::plan::InstanceKey;
use aether_types::traffic::{Traffic, TrafficRevision, Weight};
use aether_types::{AppName, Coordinates, InterfaceName, NodeId, Revision};
use std::collections::BTreeMap;
use std::sync::Arc;
use versions::Versions;

/// An ACTIVE instance: calls can go there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Endpoint {
    pub node: NodeId,
    pub instance: InstanceKey,
    /// Revision of the blueprint that it runs with.
    pub revision: Revision,
}

/// A route of the front door with the instances that can serve it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpRoute {
    pub app: AppName,
    /// The revision that the route is of: an earlier one while the current one is on its way.
    pub revision: Revision,
    pub route: BoundRoute,
    /// Empty: the route exists, and nothing serves it now.
    pub endpoints: Vec<Endpoint>,
    /// What the application's traffic makes of it: every version that gets some and has a route of
    /// this shape. The heaviest first.
    pub versions: Vec<RouteVersion>,
    /// The switch of the traffic that they are of.
    pub traffic: Option<TrafficRevision>,
}

/// A route as one version has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteVersion {
    pub route: BoundRoute,
    pub arm: Arm,
}

/// One slice's way to one interface that it imports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    pub interface: InterfaceName,
    pub exporter: Coordinates,
    pub endpoints: Vec<Endpoint>,
    /// What the application's traffic makes of it. Those of another version than the importer's
    /// export a compatible interface with the same types: no rollout starts where they do not.
    pub arms: Vec<Arm>,
    /// The switch of the traffic that they are of.
    pub traffic: Option<TrafficRevision>,
}

/// The traffic of the applications that have a rollout or had one.
pub type Traffics = BTreeMap<AppName, Arc<Traffic>>;

/// Everything that a node needs to route, without asking anybody.
#[derive(Debug, Default)]
pub struct Table {
    pub http: RouteTrie<Arc<HttpRoute>>,
    edges: BTreeMap<(AppName, Revision, Coordinates), Vec<Edge>>,
    endpoints: Endpoints,
}

/// What is observed of the instances, by slice.
#[derive(Debug, Default)]
struct Endpoints(BTreeMap<(AppName, Coordinates), Vec<Endpoint>>);

impl Table {
    /// Derives the table. `observed` holds only what living nodes say: an entry of a node whose
    /// link is broken, or of an earlier run of this node, must be left out.
    pub fn derive<'a>(
        applications: &Applications,
        observed: impl Iterator<Item = &'a Observed>,
    ) -> Self {
        Self::derive_under(applications, observed, &Traffics::new())
    }

    /// The same, where the versions of some applications share their traffic: the routes of such an
    /// application are those of the versions that get traffic, and its edges lead to these.
    pub fn derive_under<'a>(
        applications: &Applications,
        observed: impl Iterator<Item = &'a Observed>,
        traffics: &Traffics,
    ) -> Self {
        let mut table = Self { endpoints: Endpoints::of(observed), ..Self::default() };
        let versions = |app: &AppName| versions::of(applications, app, traffics.get(app));
        // What runs may call, also while its application is being deleted.
        for (revision, checked) in applications.all() {
            table.add_edges(revision, checked, versions(&checked.app).as_ref());
        }
        // The routes that are wanted go before those that an earlier revision has left.
        for (revision, checked) in applications.all_current() {
            match versions(&checked.app) {
                Some(versions) => table.add_shared_routes(&versions),
                None => table.add_current_routes(applications, revision, checked),
            }
        }
        for (revision, checked) in applications.all() {
            let app = &checked.app;
            if applications.current(app).is_some() && versions(app).is_none() {
                table.add_old_routes(revision, checked);
            }
        }
        table
    }

    /// The ways of one slice of one revision, one per interface that it imports.
    pub fn edges(&self, app: &AppName, revision: Revision, importer: &Coordinates) -> &[Edge] {
        let key = (app.clone(), revision, importer.clone());
        self.edges.get(&key).map_or(&[], Vec::as_slice)
    }

    /// Whether calls may still go to an instance. Once they may not, with every later table, it can
    /// be taken out of the pools and drained.
    pub fn sends_to(&self, node: NodeId, instance: &InstanceKey, revision: Revision) -> bool {
        let slice = (instance.app.clone(), instance.coordinates.clone());
        let endpoint = Endpoint { node, instance: instance.clone(), revision };
        self.endpoints.0.get(&slice).is_some_and(|all| all.contains(&endpoint))
    }

    /// ACTIVE instances of a slice: those of `revision` first, then the newest.
    pub fn endpoints(
        &self,
        app: &AppName,
        revision: Revision,
        slice: &Coordinates,
    ) -> Vec<Endpoint> {
        self.endpoints.of_slice(app, revision, slice)
    }

    /// Who takes calls of an interface that come from outside the application: every version that
    /// gets traffic and exports it, or the current one where nothing is shared. With the switch of
    /// the traffic that this is of. The applications and their traffic are those of the table.
    pub fn arms_of_export(
        &self,
        applications: &Applications,
        traffics: &Traffics,
        app: &AppName,
        interface: &InterfaceName,
    ) -> (Vec<Arm>, Option<TrafficRevision>) {
        let Some(versions) = versions::of(applications, app, traffics.get(app)) else {
            let current = applications.current(app);
            let arm = current.and_then(|(revision, checked)| {
                let slice = &checked.exporter(interface)?.0.coordinates;
                Some(only(revision, slice, &self.endpoints.of_slice(app, revision, slice)))
            });
            return (arm.into_iter().collect(), None);
        };
        let arms = versions.shares.iter().filter_map(|(version, checked, weight)| {
            let slice = &checked.exporter(interface)?.0.coordinates;
            Some(self.endpoints.arm(app, *version, slice, *weight))
        });
        (arms.collect(), Some(versions.traffic.revision))
    }

    /// Each route of the current revision; while nothing serves it, the one of the same shape that
    /// an earlier revision still serves.
    fn add_current_routes(
        &mut self,
        applications: &Applications,
        revision: Revision,
        checked: &Checked,
    ) {
        let known: Vec<_> = applications.all().filter(|(_, c)| c.app == checked.app).collect();
        for route in &checked.routes {
            let shape = route.pattern.shape();
            let served = known.iter().find_map(|(revision, checked)| {
                let same = checked.routes.iter().find(|r| r.pattern.shape() == shape)?;
                let served = self.http_route(*revision, checked, same);
                (!served.endpoints.is_empty()).then_some(served)
            });
            self.add(served.unwrap_or_else(|| self.http_route(revision, checked, route)));
        }
    }

    /// Routes that the current revision no longer has, for as long as their instances serve.
    fn add_old_routes(&mut self, revision: Revision, checked: &Checked) {
        for route in &checked.routes {
            let route = self.http_route(revision, checked, route);
            if !route.endpoints.is_empty() {
                self.add(route);
            }
        }
    }

    /// The first route of a shape stays.
    fn add(&mut self, route: HttpRoute) {
        self.http.insert(route.route.pattern.clone(), Arc::new(route));
    }

    fn http_route(&self, revision: Revision, checked: &Checked, route: &BoundRoute) -> HttpRoute {
        let endpoints = self.endpoints.of_slice(&checked.app, revision, &route.slice);
        let arm = only(revision, &route.slice, &endpoints);
        HttpRoute {
            app: checked.app.clone(),
            revision,
            route: route.clone(),
            endpoints,
            versions: vec![RouteVersion { route: route.clone(), arm }],
            traffic: None,
        }
    }

    /// Every route of the versions that get traffic, with all of them that have it.
    fn add_shared_routes(&mut self, versions: &Versions<'_>) {
        for (revision, checked, _) in &versions.shares {
            for route in &checked.routes {
                let shape = route.pattern.shape();
                let same = versions.shares.iter().filter_map(|(version, checked, weight)| {
                    let route = checked.routes.iter().find(|r| r.pattern.shape() == shape)?;
                    let arm = self.endpoints.arm(&checked.app, *version, &route.slice, *weight);
                    Some(RouteVersion { route: route.clone(), arm })
                });
                let shared = HttpRoute {
                    versions: same.collect(),
                    traffic: Some(versions.traffic.revision),
                    ..self.http_route(*revision, checked, route)
                };
                self.add(shared);
            }
        }
    }

    fn add_edges(
        &mut self,
        revision: Revision,
        checked: &Checked,
        versions: Option<&Versions<'_>>,
    ) {
        for edge in &checked.edges {
            let endpoints = self.endpoints.of_slice(&checked.app, revision, &edge.exporter);
            let arms = versions.map(|versions| self.arms(revision, checked, edge, versions));
            let key = (checked.app.clone(), revision, edge.importer.clone());
            self.edges.entry(key).or_default().push(Edge {
                interface: edge.interface.clone(),
                exporter: edge.exporter.clone(),
                arms: arms.unwrap_or_else(|| vec![only(revision, &edge.exporter, &endpoints)]),
                traffic: versions.map(|versions| versions.traffic.revision),
                endpoints,
            });
        }
    }

    /// Whom the calls of an edge go to: those of the importer's version where versions keep
    /// together, or where no version that gets traffic has the interface any more.
    fn arms(
        &self,
        revision: Revision,
        checked: &Checked,
        edge: &aether_types::checked::Edge,
        versions: &Versions<'_>,
    ) -> Vec<Arm> {
        let arm = |version, slice, weight| self.endpoints.arm(&checked.app, version, slice, weight);
        let shares = versions.shares.iter().filter_map(|(version, checked, weight)| {
            let slice = match *version == revision {
                true => &edge.exporter,
                false => &checked.provider(edge)?.0.coordinates,
            };
            Some(arm(*version, slice, *weight))
        });
        let shares: Vec<Arm> = shares.collect();
        match shares.is_empty() || versions.traffic.together {
            true => vec![arm(revision, &edge.exporter, Weight::WHOLE)],
            false => shares,
        }
    }
}

/// Everything to the instances of the first one's revision; those of others wait their turn.
fn only(revision: Revision, slice: &Coordinates, endpoints: &[Endpoint]) -> Arm {
    let version = endpoints.first().map_or(revision, |first| first.revision);
    let same = endpoints.iter().filter(|e| e.revision == version).cloned();
    Arm { version, slice: slice.clone(), weight: Weight::WHOLE, endpoints: same.collect() }
}

impl Endpoints {
    fn arm(&self, app: &AppName, version: Revision, slice: &Coordinates, weight: Weight) -> Arm {
        let known = self.0.get(&(app.clone(), slice.clone())).into_iter().flatten();
        let endpoints = known.filter(|e| e.revision == version).cloned().collect();
        Arm { version, slice: slice.clone(), weight, endpoints }
    }

    fn of<'a>(observed: impl Iterator<Item = &'a Observed>) -> Self {
        let mut endpoints = Self::default();
        for node in observed {
            let active = node.instances.iter().filter(|i| i.state == InstanceState::Active);
            for status in active {
                let instance = status.instance.clone();
                let key = (instance.app.clone(), instance.coordinates.clone());
                let endpoint = Endpoint { node: node.node, instance, revision: status.blueprint };
                endpoints.0.entry(key).or_default().push(endpoint);
            }
        }
        endpoints
    }

    fn of_slice(&self, app: &AppName, revision: Revision, slice: &Coordinates) -> Vec<Endpoint> {
        let mut found = self.0.get(&(app.clone(), slice.clone())).cloned().unwrap_or_default();
        found.sort_by(|a, b| {
            let foreign = |e: &Endpoint| e.revision != revision;
            foreign(a).cmp(&foreign(b)).then(b.revision.cmp(&a.revision)).then(a.cmp(b))
        });
        found
    }
}
