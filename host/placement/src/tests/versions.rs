//! Two versions of an application beside each other: both have what they want, and either can go.

use super::cluster::{Cluster, show_report};
use crate::{
    Report, SideBySide, Transition, WantedVersion, lint_transition, lint_versions, plan_versions,
};
use aether_types::checked::Checked;
use aether_types::plan::Plan;
use aether_types::{AppName, NodeId, Revision};
use expect_test::{Expect, expect};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::format;
use std::string::{String, ToString};
use std::vec;
use std::vec::Vec;

struct World {
    cluster: Cluster,
    side_by_side: SideBySide,
}

fn app() -> AppName {
    "app".parse().unwrap()
}

impl World {
    fn new(nodes: &str, old: &str) -> Self {
        let mut cluster = Cluster::default();
        cluster.add_nodes(nodes);
        cluster.apply("app", old);
        let mut world = Self { cluster, side_by_side: SideBySide::new() };
        world.settle();
        world
    }

    /// `1 2:a=1` wants revision 1 as its blueprint says and revision 2 with one instance of `a`;
    /// nothing: the current revision.
    fn want(&mut self, text: &str) {
        let version = |word: &str| {
            let mut parts = word.split(':');
            let revision = Revision(parts.next().unwrap().parse().unwrap());
            let checked = self.cluster.applications.get(&app(), revision);
            let count = |part: &str| {
                let (name, count) = part.split_once('=').unwrap();
                let slices = &checked.unwrap().slices;
                let slice = slices.iter().find(|s| s.coordinates.slice.artifact() == name);
                (slice.unwrap().coordinates.clone(), count.parse().unwrap())
            };
            WantedVersion { revision, instances: parts.map(count).collect() }
        };
        let versions: Vec<WantedVersion> = text.split_whitespace().map(version).collect();
        self.side_by_side.clear();
        if !versions.is_empty() {
            self.side_by_side.insert(app(), versions);
        }
    }

    fn replan(&mut self) -> Report {
        let view = self.cluster.view();
        let plan = |previous: &Plan| {
            plan_versions(&self.cluster.applications, &self.side_by_side, &view, previous)
        };
        let (next, report) = plan(&self.cluster.plan);
        let (again, quiet) = plan(&next);
        assert_eq!((again, quiet.changes), (next.clone(), vec![]), "idempotent");
        let applications = &self.cluster.applications;
        assert_eq!(lint_versions(applications, &self.side_by_side, &view, &next), []);
        let (side_by_side, previous) = (&self.side_by_side, &self.cluster.plan);
        let (view, next_plan) = (&view, &next);
        let transition = Transition { applications, side_by_side, view, previous, next: next_plan };
        assert_eq!(lint_transition(transition), []);
        let mut memory: BTreeMap<NodeId, u64> = BTreeMap::new();
        for a in next.assignments.iter().filter(|a| !a.leaving) {
            *memory.entry(a.node).or_default() += a.memory.bytes();
        }
        for node in &view.nodes {
            let planned = memory.get(&node.id).copied().unwrap_or(0);
            assert!(planned <= node.memory.bytes(), "both lanes together fit on {}", node.id);
        }
        self.cluster.plan = next;
        report
    }

    fn settle(&mut self) -> Report {
        for _ in 0..100 {
            let ids: Vec<u64> = self.cluster.nodes.keys().copied().collect();
            ids.into_iter().for_each(|id| self.cluster.run(id));
            let before = self.cluster.plan.generation;
            let report = self.replan();
            if self.cluster.plan.generation == before {
                return report;
            }
        }
        panic!("it never settles: {:#?}", self.cluster.plan);
    }

    /// Instances of a slice that serve, in whatever version.
    fn serving(&self, slice: &str) -> usize {
        let active = self.cluster.nodes.values().flat_map(|node| node.active());
        active.filter(|key| key.coordinates.slice.artifact() == slice).count()
    }

    /// Instances that stay, of one revision and slice.
    fn count(&self, revision: Revision, slice: &str) -> u32 {
        let of = self.cluster.plan.assignments.iter().filter(|a| {
            a.blueprint == revision && a.instance.coordinates.slice.artifact() == slice
        });
        of.filter(|a| !a.leaving).count() as u32
    }
}

/// Each step is the blueprint of a new revision, or versions that are wanted: `apply …`, `want …`,
/// `plan …`, `drain N`.
fn check(nodes: &str, old: &str, steps: &[&str], expect: Expect) {
    let mut world = World::new(nodes, old);
    let mut lines = vec![world.cluster.show()];
    for step in steps {
        let (word, rest) = step.split_once(' ').unwrap_or((step, ""));
        match word {
            "apply" => {
                world.cluster.apply("app", rest);
                continue;
            }
            "want" => world.want(rest),
            // Planned once, and no node has done anything yet.
            "plan" => {
                world.want(rest);
                let report = world.replan();
                lines.push(format!("> {step}\n{}{}", world.cluster.show(), show_report(&report)));
                continue;
            }
            "drain" => world.cluster.set_duty(rest.parse().unwrap(), crate::Duty::Draining),
            word => panic!("no step {word}"),
        }
        let report = world.settle();
        lines.push(format!("> {step}\n{}{}", world.cluster.show(), show_report(&report)));
    }
    expect.assert_eq(&lines.join("\n"));
}

#[test]
fn a_new_version_stands_beside_the_old_one_and_then_alone() {
    check(
        "1 2 3",
        "a=3,calls=b b=2",
        &["apply a@2=3,calls=b b=2", "want 1", "want 1 2:a=1:b=1", "want 1 2", "want 2", "want"],
        expect![[r#"
            a#0 on 3, a#1 on 1, a#2 on 2, b#0 on 1, b#1 on 2
            > want 1
            a#0 on 3, a#1 on 1, a#2 on 2, b#0 on 1, b#1 on 2
            > want 1 2:a=1:b=1
            a#0 on 3, a#1 on 1, a#2 on 2, a@2#10000 on 2, b#0 on 1, b#1 on 2, b#10000 on 1
            > want 1 2
            a#0 on 3, a#1 on 1, a#2 on 2, a@2#10000 on 2, a@2#10001 on 1, a@2#10002 on 3, b#0 on 1, b#1 on 2, b#10000 on 1, b#10001 on 3
            > want 2
            a@2#10000 on 2, a@2#10001 on 1, a@2#10002 on 3, b#10000 on 1, b#10001 on 3
            > want
            a@2#10000 on 2, a@2#10001 on 1, a@2#10002 on 3, b#10000 on 1, b#10001 on 3"#]],
    );
}

#[test]
fn the_next_rollout_takes_the_free_lane_and_one_that_is_undone_leaves_no_trace() {
    check(
        "1 2",
        "a=2",
        &["apply a=2", "want 1 2", "want 2", "apply a=2", "want 2 3", "want 2", "want 2 3", "want"],
        expect![[r#"
            a#0 on 1, a#1 on 2
            > want 1 2
            a#0 on 1, a#1 on 2, a#10000 on 1, a#10001 on 2
            > want 2
            a#10000 on 1, a#10001 on 2
            > want 2 3
            a#0 on 1, a#1 on 2, a#10000 on 1, a#10001 on 2
            > want 2
            a#10000 on 1, a#10001 on 2
            > want 2 3
            a#0 on 1, a#1 on 2, a#10000 on 1, a#10001 on 2
            > want
            a#0 on 1, a#1 on 2"#]],
    );
}

#[test]
fn what_has_no_room_beside_the_old_version_says_so() {
    check(
        "1::100 2::100",
        "a=2,mem=64",
        &["apply a@2=2,mem=64", "want 1 2", "want 2"],
        expect![[r#"
            a#0 on 1, a#1 on 2
            > want 1 2
            a#0 on 1, a#1 on 2
              x:a:2.0.0: 2 of 2 instances without a node: 2 nodes have less than 64MiB of the memory budget left (at most 36MiB); lower `limits.memory`, undeploy something, or add a node [out-of-capacity]
            > want 2
            a@2#0 on 1, a@2#1 on 2"#]],
    );
}

#[test]
fn an_old_version_stays_until_one_that_is_wanted_could_stand_in() {
    check(
        "1 2",
        "a=2,min=2 b=1,min=0",
        &["apply a@2=2,min=2 b=1", "want 1 2:a=1", "plan 2", "want 2"],
        expect![[r#"
            a#0 on 1, a#1 on 2, b#0 on 1
            > want 1 2:a=1
            a#0 on 1, a#1 on 2, a@2#10000 on 1, b#0 on 1, b#10000 on 2
            > plan 2
            a#0 on 1, a#1 on 2, a@2#10000 on 1, a@2#10001 on 2, b#0 on 1, b#10000 on 2
            > want 2
            a@2#10000 on 1, a@2#10001 on 2, b#10000 on 2"#]],
    );
}

#[test]
fn both_versions_leave_a_node_that_drains() {
    check(
        "1 2 3",
        "a=2",
        &["apply a@2=2", "want 1 2", "drain 1"],
        expect![[r#"
        a#0 on 1, a#1 on 2
        > want 1 2
        a#0 on 1, a#1 on 2, a@2#10000 on 1, a@2#10001 on 2
        > drain 1
        a#1 on 2, a#2 on 3, a@2#10001 on 2, a@2#10002 on 3"#]],
    );
}

#[test]
fn a_version_that_nobody_knows_and_an_application_that_is_gone_want_nothing() {
    check(
        "1",
        "a=1",
        &["want 1 7", "apply ", "want 1"],
        expect![[r#"
        a#0 on 1
        > want 1 7
        a#0 on 1
        > want 1
    "#]],
    );
}

#[test]
fn without_versions_it_is_the_ordinary_plan() {
    let mut world = World::new("1 2 3", "a=3 b=2");
    world.cluster.apply("app", "a@2=3 b=1");
    let (applications, view) = (&world.cluster.applications, world.cluster.view());
    let ordinary = crate::plan(applications, &view, &world.cluster.plan);
    let ours = plan_versions(applications, &world.side_by_side, &view, &world.cluster.plan);
    assert_eq!(ours, ordinary);
}

#[test]
fn another_number_of_the_current_version_goes_by_the_same_rules() {
    check(
        "1 2 3",
        "a=1",
        &["plan 1:a=3", "want 1:a=3", "plan 1:a=2", "want 1:a=2", "drain 1", "want"],
        expect![[r#"
            a#0 on 1
            > plan 1:a=3
            a#0 on 1, a#1 on 2, a#2 on 3
            > want 1:a=3
            a#0 on 1, a#1 on 2, a#2 on 3
            > plan 1:a=2
            a#0 on 1, a#1 on 2
            > want 1:a=2
            a#0 on 1, a#1 on 2
            > drain 1
            a#1 on 2, a#2 on 3
            > want
            a#1 on 2"#]],
    );
}

/// Numbers of instances of `a` and `b` of each revision, as multiples of what is there.
fn any_step() -> impl Strategy<Value = (u32, u32, u8)> {
    (1u32..4, 1u32..3, 0u8..5)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Rollouts in a row, begun, undone and completed, while plans are taken up when nodes like: in
    /// the end what is wanted is there, and nothing else.
    #[test]
    fn rollouts_in_a_row_leave_what_is_wanted(
        steps in proptest::collection::vec(any_step(), 1..8),
        lazy in proptest::collection::vec(any::<bool>(), 64),
    ) {
        let mut world = World::new("1 2 3", "a=2,calls=b b=1");
        let mut lazy = lazy.into_iter().cycle();
        let (mut stable, mut newest) = (1, 1);
        for (a, b, what) in steps {
            match what {
                // A rollout begins, and what was on its way before is undone.
                0 | 1 => {
                    newest += 1;
                    let version = 1 + newest % 2;
                    world.cluster.apply("app", &format!("a@{version}={a},calls=b b={b}"));
                    world.want(&format!("{stable} {newest}"));
                }
                2 => world.want(&format!("{stable}")),
                3 => {
                    stable = newest;
                    world.want(&format!("{stable}"));
                }
                _ => drop(world.settle()),
            }
            for node in 1..=3 {
                if lazy.next().unwrap() {
                    world.cluster.run(node);
                }
            }
            world.replan();
            prop_assert!(world.serving("a") >= 1, "something serves, whatever is wanted");
            prop_assert!(world.serving("b") >= 1);
        }
        let report = world.settle();
        prop_assert_eq!(report.unplaced, vec![]);
        let wanted: Vec<(Revision, Vec<(String, u32)>)> = world.side_by_side
            .get(&app())
            .map_or(vec![Revision(1)], |v| v.iter().map(|v| v.revision).collect())
            .into_iter()
            .map(|revision| {
                let checked: &Checked = world.cluster.applications.get(&app(), revision).unwrap();
                let slices = checked.slices.iter();
                let counts = slices.map(|s| (s.coordinates.slice.artifact().into(), s.instances));
                (revision, counts.collect())
            })
            .collect();
        let mut total = 0;
        for (revision, slices) in wanted {
            for (slice, instances) in slices {
                prop_assert_eq!(world.count(revision, &slice), instances, "{} {}", revision, slice);
                total += instances as usize;
            }
        }
        prop_assert_eq!(world.cluster.plan.assignments.len(), total, "nothing else is left");
    }
}

#[test]
fn hints_hold_within_each_version() {
    check(
        "1 2",
        "a=1 b=1,must=a",
        &["apply a@2=1 b@2=1,must=a", "want 1 2"],
        expect![[r#"
        a#0 on 1, b#0 on 1
        > want 1 2
        a#0 on 1, a@2#10000 on 1, b#0 on 1, b@2#10000 on 1"#]],
    );
}

/// What the linter says of a plan that only leaves these ordinals.
fn lint_of(world: &World, stays: &[u32]) -> Vec<String> {
    let previous = &world.cluster.plan;
    let mut next = previous.clone();
    next.assignments.retain(|a| stays.contains(&a.instance.ordinal));
    let (applications, side_by_side) = (&world.cluster.applications, &world.side_by_side);
    let view = &world.cluster.view();
    let transition = Transition { applications, side_by_side, view, previous, next: &next };
    lint_transition(transition).iter().map(ToString::to_string).collect()
}

#[test]
fn the_linter_sees_what_is_taken_from_either_version() {
    let mut world = World::new("1 2", "a=2");
    world.cluster.apply("app", "a@2=2");
    world.want("1 2");
    world.settle();
    let few = ["app/x:a would have 0 ready instances of at least 1"];
    assert_eq!(lint_of(&world, &[0, 1, 10_000]), [""; 0]);
    assert_eq!(lint_of(&world, &[0, 1]), few, "the new version has none left");
    assert_eq!(lint_of(&world, &[10_000]), few, "the old one has none left, and is wanted");
    // Nobody wants the old one any more: the new one stands in.
    world.want("2");
    assert_eq!(lint_of(&world, &[10_000]), [""; 0]);
    assert_eq!(lint_of(&world, &[0]), few);
    // A third one is wanted that is not there yet: the old one may not go for it.
    world.cluster.apply("app", "a@3=2");
    world.want("3");
    assert_eq!(lint_of(&world, &[0]), [""; 0], "one that nobody wants stands in");
    assert_eq!(lint_of(&world, &[]), [few[0], few[0]]);
}
