//! Routes and edges with the instances behind them, derived from what was applied and observed.
//! Knows no pools, no links and no load.

use crate::trie::RouteTrie;
use aether_types::checked::{Applications, BoundRoute, Checked};
use aether_types::observed::{InstanceState, Observed};
use aether_types::plan::InstanceKey;
use aether_types::{AppName, Coordinates, InterfaceName, NodeId, Revision};
use std::collections::BTreeMap;
use std::sync::Arc;

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
}

/// One slice's way to one interface that it imports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    pub interface: InterfaceName,
    pub exporter: Coordinates,
    pub endpoints: Vec<Endpoint>,
}

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
        let mut table = Self { endpoints: Endpoints::of(observed), ..Self::default() };
        // What runs may call, also while its application is being deleted.
        for (revision, checked) in applications.all() {
            table.add_edges(revision, checked);
        }
        // The routes that are wanted go before those that an earlier revision has left.
        for (revision, checked) in applications.all_current() {
            table.add_current_routes(applications, revision, checked);
        }
        for (revision, checked) in applications.all() {
            if applications.current(&checked.app).is_some() {
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
        HttpRoute {
            app: checked.app.clone(),
            revision,
            route: route.clone(),
            endpoints: self.endpoints.of_slice(&checked.app, revision, &route.slice),
        }
    }

    fn add_edges(&mut self, revision: Revision, checked: &Checked) {
        for edge in &checked.edges {
            let endpoints = self.endpoints.of_slice(&checked.app, revision, &edge.exporter);
            let key = (checked.app.clone(), revision, edge.importer.clone());
            self.edges.entry(key).or_default().push(Edge {
                interface: edge.interface.clone(),
                exporter: edge.exporter.clone(),
                endpoints,
            });
        }
    }
}

impl Endpoints {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Match;
    use aether_types::checked::{CheckedSlice, Edge as CheckedEdge, RouteTarget};
    use aether_types::description::HttpVersion;
    use aether_types::observed::InstanceStatus;
    use aether_types::{Digest, Generation, Method};
    use expect_test::{Expect, expect};

    /// An application "shop" whose slice `web:{version}` calls `stock:{version}`.
    fn shop(version: &str, routes: &[&str]) -> Arc<Checked> {
        application("shop", version, routes)
    }

    fn application(app: &str, version: &str, routes: &[&str]) -> Arc<Checked> {
        let slice = |name: &str| format!("shop:{name}:{version}").parse().unwrap();
        let handler = RouteTarget::Handler(HttpVersion::V02);
        let route = |pattern: &&str| BoundRoute {
            pattern: pattern.parse().unwrap(),
            slice: slice("web"),
            target: handler.clone(),
        };
        Arc::new(Checked {
            app: app.parse().unwrap(),
            slices: Vec::<CheckedSlice>::new(),
            edges: vec![CheckedEdge {
                importer: slice("web"),
                interface: "shop:stock/api@1.0.0".parse().unwrap(),
                exporter: slice("stock"),
            }],
            routes: routes.iter().map(route).collect(),
        })
    }

    /// `web:1.0.0@1 ACTIVE`: slice, revision and state of one instance.
    fn observed(lines: &[&str]) -> Observed {
        let instance = |line: &&str| {
            let (slice, state) = line.split_once(' ').unwrap();
            let (slice, revision) = slice.split_once('@').unwrap();
            let state = match state {
                "ACTIVE" => InstanceState::Active,
                _ => InstanceState::Loading,
            };
            InstanceStatus {
                instance: InstanceKey {
                    app: "shop".parse().unwrap(),
                    coordinates: format!("shop:{slice}").parse().unwrap(),
                    ordinal: 0,
                },
                digest: Digest([0; 32]),
                blueprint: Revision(revision.parse().unwrap()),
                state,
                reason: None,
            }
        };
        let instances = lines.iter().map(instance).collect();
        Observed { node: NodeId(1), run: 1, generation: Generation(1), instances }
    }

    fn check(applications: &Applications, lines: &[&str], paths: &[&str], expect: Expect) {
        let observed = observed(lines);
        let table = Table::derive(applications, [&observed].into_iter());
        let show = |endpoints: &[Endpoint]| match endpoints {
            [] => "nobody".to_owned(),
            all => all
                .iter()
                .map(|e| format!("{}@{}", e.instance.coordinates, e.revision))
                .collect::<Vec<_>>()
                .join(", "),
        };
        let mut shown: Vec<String> = paths
            .iter()
            .map(|path| match table.http.find(Method::Get, path) {
                Match::Found { target, .. } => format!("{path} => {}", show(&target.endpoints)),
                other => format!("{path} => {other:?}"),
            })
            .collect();
        for ((_, revision, importer), edges) in &table.edges {
            for edge in edges {
                shown.push(format!("{importer}@{revision} calls {}", show(&edge.endpoints)));
            }
        }
        expect.assert_eq(&shown.join("\n"));
    }

    #[test]
    fn an_update_loses_no_route_until_the_new_revision_serves_it() {
        let mut applications = Applications::default();
        applications.accept(Revision(1), shop("1.0.0", &["GET /", "GET /old"]));
        applications.accept(Revision(2), shop("2.0.0", &["GET /", "GET /new"]));
        let paths = ["/", "/old", "/new"];
        let old = ["web:1.0.0@1 ACTIVE", "stock:1.0.0@1 ACTIVE", "web:2.0.0@2 LOADING"];
        check(
            &applications,
            &old,
            &paths,
            expect![[r#"
            / => shop:web:1.0.0@1
            /old => shop:web:1.0.0@1
            /new => nobody
            shop:web:1.0.0@1 calls shop:stock:1.0.0@1
            shop:web:2.0.0@2 calls nobody"#]],
        );
        let both = ["web:1.0.0@1 ACTIVE", "web:2.0.0@2 ACTIVE", "stock:2.0.0@2 ACTIVE"];
        check(
            &applications,
            &both,
            &paths,
            expect![[r#"
            / => shop:web:2.0.0@2
            /old => shop:web:1.0.0@1
            /new => shop:web:2.0.0@2
            shop:web:1.0.0@1 calls nobody
            shop:web:2.0.0@2 calls shop:stock:2.0.0@2"#]],
        );
        applications.forget(|_, revision| revision != Revision(1));
        check(
            &applications,
            &["web:2.0.0@2 ACTIVE"],
            &paths,
            expect![[r#"
            / => shop:web:2.0.0@2
            /old => Nothing
            /new => shop:web:2.0.0@2
            shop:web:2.0.0@2 calls nobody"#]],
        );
    }

    #[test]
    fn calls_stay_within_their_revision_where_they_can() {
        let mut applications = Applications::default();
        applications.accept(Revision(1), shop("1.0.0", &["GET /"]));
        applications.accept(Revision(2), shop("1.0.0", &["GET /"]));
        let both = [
            "web:1.0.0@1 ACTIVE",
            "web:1.0.0@2 ACTIVE",
            "stock:1.0.0@1 ACTIVE",
            "stock:1.0.0@2 ACTIVE",
        ];
        check(
            &applications,
            &both,
            &["/"],
            expect![[r#"
            / => shop:web:1.0.0@2, shop:web:1.0.0@1
            shop:web:1.0.0@1 calls shop:stock:1.0.0@1, shop:stock:1.0.0@2
            shop:web:1.0.0@2 calls shop:stock:1.0.0@2, shop:stock:1.0.0@1"#]],
        );
    }

    #[test]
    fn a_deleted_application_has_no_routes_while_its_instances_drain() {
        let mut applications = Applications::default();
        applications.accept(Revision(1), shop("1.0.0", &["GET /"]));
        applications.remove(&"shop".parse().unwrap());
        check(
            &applications,
            &["web:1.0.0@1 ACTIVE", "stock:1.0.0@1 ACTIVE"],
            &["/"],
            expect![[r#"
                / => Nothing
                shop:web:1.0.0@1 calls shop:stock:1.0.0@1"#]],
        );
    }

    #[test]
    fn an_instance_can_go_when_no_call_goes_there() {
        let observed = observed(&["web:1.0.0@1 LOADING", "web:1.0.0@2 ACTIVE"]);
        let table = Table::derive(&Applications::default(), [&observed].into_iter());
        let instance = &observed.instances[0].instance;
        let sends_to = |node, revision| table.sends_to(NodeId(node), instance, Revision(revision));
        assert_eq!([sends_to(1, 1), sends_to(1, 2), sends_to(2, 2)], [false, true, false]);
    }

    #[test]
    fn a_route_that_was_given_up_is_free_for_others() {
        let mut applications = Applications::default();
        applications.accept(Revision(1), shop("1.0.0", &["GET /", "GET /x"]));
        applications.accept(Revision(2), shop("2.0.0", &["GET /"]));
        applications.accept(Revision(3), application("ushop", "1.0.0", &["GET /x"]));
        check(
            &applications,
            &["web:1.0.0@1 ACTIVE"],
            &["/", "/x"],
            expect![[r#"
                / => shop:web:1.0.0@1
                /x => nobody
                shop:web:1.0.0@1 calls nobody
                shop:web:2.0.0@2 calls nobody
                shop:web:1.0.0@3 calls nobody"#]],
        );
    }
}
