//! What is routed where while applications change.

use super::*;
use crate::Match;
use aether_types::blueprint::{Limits, Placement};
use aether_types::checked::{CheckedSlice, Edge as CheckedEdge, RouteTarget};
use aether_types::description::HttpVersion;
use aether_types::limits::EffectiveLimits;
use aether_types::observed::InstanceStatus;
use aether_types::slice_toml::Instances;
use aether_types::traffic::Weights;
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
        affinity: None,
        pattern: pattern.parse().unwrap(),
        slice: slice("web"),
        target: handler.clone(),
    };
    Arc::new(Checked {
        app: app.parse().unwrap(),
        slices: vec![CheckedSlice {
            coordinates: slice("stock"),
            digest: Digest([0; 32]),
            entry: 0,
            limits: EffectiveLimits::narrow("", &Instances::default(), &Limits::default()).unwrap(),
            instances: 1,
            min_ready: 1,
            max_instances: None,
            placement: Placement::default(),
            exports: vec![
                format!("shop:stock/api@1.{}.0", u8::from(version > "1")).parse().unwrap(),
            ],
        }],
        edges: vec![CheckedEdge {
            importer: slice("web"),
            interface: "shop:stock/api@1.0.0".parse().unwrap(),
            exporter: slice("stock"),
            wish: None,
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

/// Two versions, of which the first has `/old` and the second `/new`, under some traffic.
fn shared(new: &str, together: bool, lines: &[&str], expect: Expect) {
    let mut applications = Applications::default();
    applications.accept(Revision(1), shop("1.0.0", &["GET /{a}/x", "GET /old"]));
    applications.accept(Revision(2), shop("2.0.0", &["GET /{b}/x", "GET /new"]));
    let traffic = Traffic {
        revision: TrafficRevision(5),
        weights: Weights::split(Revision(2), new.parse().unwrap(), Revision(1)),
        sticky: None,
        together,
    };
    let traffics = Traffics::from([("shop".parse().unwrap(), Arc::new(traffic))]);
    let table = Table::derive_under(&applications, [&observed(lines)].into_iter(), &traffics);
    let show = |arm: &Arm| format!("{} {} x {}", arm.weight, arm.slice, arm.endpoints.len());
    let route = |path: &&str| match table.http.find(Method::Get, path) {
        Match::Found { target, params } => {
            let versions = target
                .versions
                .iter()
                .map(|v| format!("{} {:?}", show(&v.arm), v.route.pattern.named(params.clone())));
            format!("{path} => {}", versions.collect::<Vec<_>>().join(", "))
        }
        other => format!("{path} => {other:?}"),
    };
    let mut shown: Vec<String> = ["/7/x", "/old", "/new"].iter().map(route).collect();
    for ((_, _, importer), edges) in &table.edges {
        for edge in edges {
            let arms: Vec<String> = edge.arms.iter().map(show).collect();
            shown.push(format!("{importer} calls {}", arms.join(", ")));
        }
    }
    let interface = "shop:stock/api@1.0.0".parse().unwrap();
    let of = |traffics| {
        let arms =
            table.arms_of_export(&applications, traffics, &"shop".parse().unwrap(), &interface);
        arms.0.iter().map(show).collect::<Vec<_>>().join(", ")
    };
    shown.push(format!("from outside {}; else {}", of(&traffics), of(&Traffics::new())));
    expect.assert_eq(&shown.join("\n"));
}

const BOTH: [&str; 4] =
    ["web:1.0.0@1 ACTIVE", "web:2.0.0@2 ACTIVE", "stock:1.0.0@1 ACTIVE", "stock:2.0.0@2 ACTIVE"];

#[test]
fn versions_share_routes_and_calls_by_weight() {
    shared(
        "5%",
        false,
        &BOTH,
        expect![[r#"
            /7/x => 95% shop:web:1.0.0 x 1 [("a", "7")], 5% shop:web:2.0.0 x 1 [("b", "7")]
            /old => 95% shop:web:1.0.0 x 1 []
            /new => 5% shop:web:2.0.0 x 1 []
            shop:web:1.0.0 calls 95% shop:stock:1.0.0 x 1, 5% shop:stock:2.0.0 x 1
            shop:web:2.0.0 calls 95% shop:stock:1.0.0 x 1, 5% shop:stock:2.0.0 x 1
            from outside 95% shop:stock:1.0.0 x 1, 5% shop:stock:2.0.0 x 1; else 100% shop:stock:2.0.0 x 1"#]],
    );
}

#[test]
fn versions_keep_together_where_that_is_wanted() {
    shared(
        "5%",
        true,
        &BOTH,
        expect![[r#"
            /7/x => 95% shop:web:1.0.0 x 1 [("a", "7")], 5% shop:web:2.0.0 x 1 [("b", "7")]
            /old => 95% shop:web:1.0.0 x 1 []
            /new => 5% shop:web:2.0.0 x 1 []
            shop:web:1.0.0 calls 100% shop:stock:1.0.0 x 1
            shop:web:2.0.0 calls 100% shop:stock:2.0.0 x 1
            from outside 95% shop:stock:1.0.0 x 1, 5% shop:stock:2.0.0 x 1; else 100% shop:stock:2.0.0 x 1"#]],
    );
}

#[test]
fn a_version_without_weight_gets_nothing_although_it_is_ready() {
    shared(
        "0%",
        false,
        &BOTH,
        expect![[r#"
            /7/x => 100% shop:web:1.0.0 x 1 [("a", "7")]
            /old => 100% shop:web:1.0.0 x 1 []
            /new => Nothing
            shop:web:1.0.0 calls 100% shop:stock:1.0.0 x 1
            shop:web:2.0.0 calls 100% shop:stock:1.0.0 x 1
            from outside 100% shop:stock:1.0.0 x 1; else 100% shop:stock:2.0.0 x 1"#]],
    );
}

#[test]
fn a_version_whose_instances_are_gone_keeps_its_weight_for_when_they_are_back() {
    shared(
        "5%",
        false,
        &BOTH[..1],
        expect![[r#"
            /7/x => 95% shop:web:1.0.0 x 1 [("a", "7")], 5% shop:web:2.0.0 x 0 [("b", "7")]
            /old => 95% shop:web:1.0.0 x 1 []
            /new => 5% shop:web:2.0.0 x 0 []
            shop:web:1.0.0 calls 95% shop:stock:1.0.0 x 0, 5% shop:stock:2.0.0 x 0
            shop:web:2.0.0 calls 95% shop:stock:1.0.0 x 0, 5% shop:stock:2.0.0 x 0
            from outside 95% shop:stock:1.0.0 x 0, 5% shop:stock:2.0.0 x 0; else 100% shop:stock:2.0.0 x 0"#]],
    );
}
