//! The planner by example and by property.

use super::world::{application, slices};
use crate::{Duty, NodeView, Report, View, Wanted, lint, plan};
use aether_types::blueprint::Application;
use aether_types::plan::{InstanceKey, Plan};
use aether_types::{Generation, NodeId, Revision};
use expect_test::{Expect, expect};
use proptest::prelude::*;
use std::borrow::ToOwned;
use std::collections::{BTreeMap, BTreeSet};
use std::format;
use std::string::{String, ToString};
use std::vec;
use std::vec::Vec;

/// `a=2 b=1`: slices with their instances.
fn app(name: &str, text: &str) -> Application {
    let of = |word: &str| {
        let (slice, count) = word.split_once('=').unwrap();
        (format!("x:{slice}:1.0.0"), count.to_owned())
    };
    let parsed: Vec<_> = text.split_whitespace().map(of).collect();
    let surface: Vec<_> = parsed.iter().map(|(name, _)| format!("{name}\nhttp\n")).collect();
    let entries = parsed
        .iter()
        .map(|(name, count)| format!("[[slices]]\nartifact = \"{name}\"\ninstances = {count}\n"));
    let entries: String = entries.collect();
    application(name, &slices(&surface.join("---\n")), &entries)
}

/// `1 2! 3?`: nodes on duty, draining, cordoned.
fn view(text: &str) -> View {
    let node = |word: &str| {
        let duty = match word.chars().last() {
            Some('!') => Duty::Draining,
            Some('?') => Duty::Cordoned,
            _ => Duty::OnDuty,
        };
        let id = word.trim_end_matches(['!', '?']).parse().unwrap();
        NodeView { id: NodeId(id), duty }
    };
    View { nodes: text.split_whitespace().map(node).collect() }
}

fn show(plan: &Plan, report: &Report) -> String {
    let mut text = format!("generation {} after {}\n", plan.generation, plan.parent);
    for a in &plan.assignments {
        text += &format!("{} on {}\n", a.instance, a.node.0);
    }
    for u in &report.unplaced {
        text += &format!("{}: {} of {}: {}\n", u.coordinates, u.placed, u.wanted, u.reason);
    }
    text + &format!("{} changes", report.changes.len())
}

/// Each step is `slices | nodes`; the plan of one is the previous one of the next.
fn check(steps: &[&str], expect: Expect) {
    let mut last = Plan::default();
    let mut shown = Vec::new();
    for (i, step) in steps.iter().enumerate() {
        let (slices, nodes) = step.split_once('|').unwrap();
        let application = app("shop", slices);
        let wanted = Wanted { revision: Revision(7), application: &application };
        let wanted = if slices.trim().is_empty() { vec![] } else { vec![wanted] };
        let (next, report) = plan(&wanted, &view(nodes), &last);
        assert_eq!(lint(&next, &view(nodes)), [], "step {i}");
        shown.push(show(&next, &report));
        last = next;
    }
    expect.assert_eq(&shown.join("\n\n"));
}

#[test]
fn instances_are_spread_and_stay_where_they_are() {
    check(
        &["a=2 b=1 c=1 | 1 2 3", "a=2 b=1 c=1 | 1 2 3 4", "a=3 b=1 | 1 2 3 4"],
        expect![[r#"
        generation 1 after 0
        shop/x:a:1.0.0#0 on 1
        shop/x:a:1.0.0#1 on 2
        shop/x:b:1.0.0#0 on 3
        shop/x:c:1.0.0#0 on 1
        4 changes

        generation 1 after 0
        shop/x:a:1.0.0#0 on 1
        shop/x:a:1.0.0#1 on 2
        shop/x:b:1.0.0#0 on 3
        shop/x:c:1.0.0#0 on 1
        0 changes

        generation 2 after 1
        shop/x:a:1.0.0#0 on 1
        shop/x:a:1.0.0#1 on 2
        shop/x:a:1.0.0#2 on 4
        shop/x:b:1.0.0#0 on 3
        2 changes"#]],
    );
}

#[test]
fn what_does_not_fit_has_a_reason_and_is_placed_when_it_does() {
    check(
        &["a=3 | 1", "a=3 | 1 2 3", "a=1 | 1 2 3"],
        expect![[r#"
        generation 1 after 0
        shop/x:a:1.0.0#0 on 1
        x:a:1.0.0: 1 of 3: 2 of 3 instances have no node: a node holds one instance of a slice, and no other is on duty [not-enough-nodes]
        1 changes

        generation 2 after 1
        shop/x:a:1.0.0#0 on 1
        shop/x:a:1.0.0#1 on 2
        shop/x:a:1.0.0#2 on 3
        2 changes

        generation 3 after 2
        shop/x:a:1.0.0#0 on 1
        2 changes"#]],
    );
    check(
        &["a=1 |", "a=1 | 1"],
        expect![[r#"
        generation 0 after 0
        x:a:1.0.0: 0 of 1: 1 of 1 instances have no node: a node holds one instance of a slice, and no other is on duty [not-enough-nodes]
        0 changes

        generation 1 after 0
        shop/x:a:1.0.0#0 on 1
        1 changes"#]],
    );
}

#[test]
fn lost_draining_and_cordoned_nodes() {
    check(
        &["a=2 b=2 | 1 2", "a=2 b=2 | 1 2! 3", "a=2 b=2 | 1", "a=2 b=2 | 1? 4"],
        expect![[r#"
        generation 1 after 0
        shop/x:a:1.0.0#0 on 1
        shop/x:a:1.0.0#1 on 2
        shop/x:b:1.0.0#0 on 1
        shop/x:b:1.0.0#1 on 2
        4 changes

        generation 2 after 1
        shop/x:a:1.0.0#0 on 1
        shop/x:a:1.0.0#1 on 3
        shop/x:b:1.0.0#0 on 1
        shop/x:b:1.0.0#1 on 3
        2 changes

        generation 3 after 2
        shop/x:a:1.0.0#0 on 1
        shop/x:b:1.0.0#0 on 1
        x:a:1.0.0: 1 of 2: 1 of 2 instances have no node: a node holds one instance of a slice, and no other is on duty [not-enough-nodes]
        x:b:1.0.0: 1 of 2: 1 of 2 instances have no node: a node holds one instance of a slice, and no other is on duty [not-enough-nodes]
        2 changes

        generation 4 after 3
        shop/x:a:1.0.0#0 on 1
        shop/x:a:1.0.0#1 on 4
        shop/x:b:1.0.0#0 on 1
        shop/x:b:1.0.0#1 on 4
        2 changes"#]],
    );
    check(
        &["a=2 | 1 2", "a=1 | 1? 2"],
        expect![[r#"
        generation 1 after 0
        shop/x:a:1.0.0#0 on 1
        shop/x:a:1.0.0#1 on 2
        2 changes

        generation 2 after 1
        shop/x:a:1.0.0#1 on 2
        1 changes"#]],
    );
}

#[test]
fn a_new_revision_replaces_in_place_and_a_deleted_application_goes() {
    let application = app("shop", "a=1");
    let nodes = view("1 2");
    let at = |revision| [Wanted { revision: Revision(revision), application: &application }];
    let (first, _) = plan(&at(1), &nodes, &Plan::default());
    let (second, report) = plan(&at(2), &nodes, &first);
    expect![[r#"
        [
            Replace {
                instance: InstanceKey {
                    app: shop,
                    coordinates: x:a:1.0.0,
                    ordinal: 0,
                },
                node: NodeId(
                    1,
                ),
            },
        ]
    "#]]
    .assert_debug_eq(&report.changes);
    assert_eq!(second.assignments[0].blueprint, Revision(2));
    let (third, _) = plan(&[], &nodes, &second);
    assert_eq!((third.assignments.len(), third.generation), (0, Generation(3)));
}

#[test]
fn the_linter_sees_what_the_planner_never_does() {
    let application = app("shop", "a=2 b=1");
    let wanted = [Wanted { revision: Revision(1), application: &application }];
    let (mut bad, _) = plan(&wanted, &view("1 2"), &Plan::default());
    bad.assignments[1].node = bad.assignments[0].node;
    bad.assignments[2].blueprint = Revision(2);
    bad.assignments.swap(1, 2);
    bad.assignments.push(bad.assignments[0].clone());
    bad.parent = bad.generation;
    let notes: Vec<String> = lint(&bad, &view("1! 3")).iter().map(ToString::to_string).collect();
    expect![[r#"
        the plan does not follow its parent
        shop/x:a:1.0.0#0 is on node 0000000000000001, which is draining
        shop/x:b:1.0.0#0 is on node 0000000000000001, which is draining
        shop runs with revisions 1 and 2
        shop/x:a:1.0.0#1 is on node 0000000000000001, which is draining
        shop/x:a:1.0.0#1 is out of order
        shop/x:a:1.0.0#1 is not the only instance of its slice on node 0000000000000001
        shop/x:a:1.0.0#0 is on node 0000000000000001, which is draining
        shop/x:a:1.0.0#0 is out of order
        shop/x:a:1.0.0#0 stands there twice
        shop/x:a:1.0.0#0 is not the only instance of its slice on node 0000000000000001"#]]
    .assert_eq(&notes.join("\n"));
}

type Slices = BTreeMap<u8, u32>;

fn any_slices() -> impl Strategy<Value = Slices> {
    proptest::collection::btree_map(0u8..6, 1u32..6, 1..6)
}

fn any_view() -> impl Strategy<Value = View> {
    let duty =
        prop_oneof![4 => Just(Duty::OnDuty), 1 => Just(Duty::Cordoned), 1 => Just(Duty::Draining)];
    proptest::collection::btree_map(1u64..8, duty, 0..7).prop_map(|nodes| View {
        nodes: nodes.into_iter().map(|(id, duty)| NodeView { id: NodeId(id), duty }).collect(),
    })
}

fn of(name: &str, slices: &Slices) -> Application {
    let words: Vec<_> = slices.iter().map(|(s, n)| format!("s{s}={n}")).collect();
    app(name, &words.join(" "))
}

fn by_instance(plan: &Plan) -> BTreeMap<InstanceKey, NodeId> {
    plan.assignments.iter().map(|a| (a.instance.clone(), a.node)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn plans_are_idempotent_stable_and_clean(
        steps in proptest::collection::vec((any_slices(), any_slices(), any_view()), 1..5)
    ) {
        let mut last = Plan::default();
        for (i, (one, two, view)) in steps.iter().enumerate() {
            let (one, two) = (of("one", one), of("two", two));
            let wanted = |application| Wanted { revision: Revision(i as u64), application };
            let (next, report) = plan(&[wanted(&one), wanted(&two)], view, &last);
            prop_assert_eq!(lint(&next, view), vec![]);

            // Idempotent, and the order of the input does not matter.
            let mut turned = view.clone();
            turned.nodes.reverse();
            let (again, quiet) = plan(&[wanted(&two), wanted(&one)], &turned, &next);
            prop_assert_eq!(&again, &next);
            prop_assert!(quiet.changes.is_empty());
            prop_assert_eq!(&quiet.unplaced, &report.unplaced);
            let (turned, _) = plan(&[wanted(&two), wanted(&one)], &turned, &last);
            prop_assert_eq!(&turned, &next);

            // Nothing moves away from a node that keeps instances.
            let keeps = |id: NodeId| {
                view.nodes.iter().any(|n| n.id == id && n.duty != Duty::Draining)
            };
            let now = by_instance(&next);
            for (instance, node) in by_instance(&last) {
                if let Some(to) = now.get(&instance) {
                    prop_assert!(*to == node || !keeps(node), "{instance} moved");
                }
            }

            // As many as wanted, or one on every node that can have one.
            let on_duty = view.nodes.iter().filter(|n| n.duty == Duty::OnDuty);
            let on_duty: BTreeSet<NodeId> = on_duty.map(|n| n.id).collect();
            for (name, application) in [("one", &one), ("two", &two)] {
                for entry in &application.blueprint.slices {
                    let coordinates = entry.artifact.as_ref().unwrap();
                    let nodes: BTreeSet<NodeId> = now.iter()
                        .filter(|(k, _)| k.app.as_str() == name && k.coordinates == *coordinates)
                        .map(|(_, node)| *node).collect();
                    let wanted = entry.instances.get() as usize;
                    prop_assert!(nodes.len() <= wanted);
                    prop_assert!(nodes.len() == wanted || on_duty.is_subset(&nodes));
                }
            }
            last = next;
        }
    }
}
