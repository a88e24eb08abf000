//! The planner by script: where instances go, and why some go nowhere.

use super::cluster::{Cluster, show_report};
use super::script::check;
use crate::{Duty, lint};
use aether_types::plan::PLAN_BYTES_MAX;
use expect_test::expect;
use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

#[test]
fn instances_are_spread_and_stay_where_they_are() {
    check(
        "nodes 1 2 3
        apply a=2 b=1 c=1
        settle
        nodes 4
        plan
        apply a=3 b=1
        settle",
        expect![[r#"
            nodes 1 2 3
            apply a=2 b=1 c=1
            settle => 1 plans: a#0 on 1, a#1 on 2, b#0 on 3, c#0 on 1
            nodes 4
            plan => 2 changes: a#0 on 1!, a#1 on 2, a#2 on 4, b#0 on 3, c#0 on 1
              shop/x:a:1.0.0#0 on 1: stays until 2 other instances of its slice are ready; 1 are now [min-ready]
            apply a=3 b=1
            settle => 1 plans: a#0 on 1, a#1 on 2, a#2 on 4, b#0 on 3"#]],
    );
}

#[test]
fn a_node_has_two_only_when_no_other_can_have_one() {
    check(
        "nodes 1
        apply a=3
        settle
        nodes 2 3
        plan
        settle
        apply a=5
        settle",
        expect![[r#"
            nodes 1
            apply a=3
            settle => 1 plans: a#0 on 1, a#1 on 1, a#2 on 1
              x:a:1.0.0: 3 instances on 1 nodes
            nodes 2 3
            plan => 4 changes: a#0 on 1, a#1 on 1!, a#2 on 1!, a#3 on 2, a#4 on 3
              shop/x:a:1.0.0#2 on 1: stays until 3 other instances of its slice are ready; 1 are now [min-ready]
              shop/x:a:1.0.0#1 on 1: stays until 3 other instances of its slice are ready; 1 are now [min-ready]
            settle => 1 plans: a#0 on 1, a#3 on 2, a#4 on 3
            apply a=5
            settle => 1 plans: a#0 on 1, a#1 on 1, a#2 on 2, a#3 on 2, a#4 on 3
              x:a:1.0.0: 5 instances on 3 nodes"#]],
    );
}

#[test]
fn lost_suspect_and_returning_nodes() {
    check(
        "nodes 1 2 3
        apply a=2 b=2 c=2
        settle
        suspect 2
        plan
        lose 2
        plan
        settle
        trust 2
        find 2
        plan
        settle",
        expect![[r#"
            nodes 1 2 3
            apply a=2 b=2 c=2
            settle => 1 plans: a#0 on 1, a#1 on 2, b#0 on 3, b#1 on 1, c#0 on 2, c#1 on 3
            suspect 2
            plan => 0 changes: a#0 on 1, a#1 on 2, b#0 on 3, b#1 on 1, c#0 on 2, c#1 on 3
            lose 2
            plan => 2 changes: a#0 on 1, a#1 on 3, b#0 on 3, b#1 on 1, c#0 on 1, c#1 on 3
            settle => 0 plans: a#0 on 1, a#1 on 3, b#0 on 3, b#1 on 1, c#0 on 1, c#1 on 3
            trust 2
            find 2
            plan => 4 changes: a#0 on 1, a#1 on 3!, a#2 on 2, b#0 on 3, b#1 on 1!, b#2 on 2, c#0 on 1, c#1 on 3
              shop/x:a:1.0.0#1 on 3: stays until 2 other instances of its slice are ready; 1 are now [min-ready]
              shop/x:b:1.0.0#1 on 1: stays until 2 other instances of its slice are ready; 1 are now [min-ready]
            settle => 1 plans: a#0 on 1, a#2 on 2, b#0 on 3, b#2 on 2, c#0 on 1, c#1 on 3"#]],
    );
}

#[test]
fn cordoned_nodes_keep_and_take_nothing() {
    check(
        "nodes 1 2
        apply a=2
        settle
        cordon 1
        apply a=3
        settle
        apply a=1
        settle
        cordon 2
        apply b=1
        settle",
        expect![[r#"
            nodes 1 2
            apply a=2
            settle => 1 plans: a#0 on 1, a#1 on 2
            cordon 1
            apply a=3
            settle => 1 plans: a#0 on 1, a#1 on 2, a#2 on 2
              x:a:1.0.0: 3 instances on 2 nodes
            apply a=1
            settle => 1 plans: a#1 on 2
            cordon 2
            apply b=1
            settle => 1 plans: 
              x:b:1.0.0: 1 of 1 instances without a node: 2 nodes are cordoned; add a node, or put one on duty [not-enough-nodes]"#]],
    );
}

#[test]
fn instances_are_spread_over_zones() {
    check(
        "nodes 1:a 2:a 3:a 4:b
        apply a=2,zone= b=3,zone=
        settle
        nodes 5:c
        settle",
        expect![[r#"
            nodes 1:a 2:a 3:a 4:b
            apply a=2,zone= b=3,zone=
            settle => 1 plans: a#0 on 1, a#1 on 4, b#0 on 2, b#1 on 4, b#2 on 3
            nodes 5:c
            settle => 2 plans: a#0 on 1, a#1 on 4, b#0 on 2, b#1 on 4, b#3 on 5"#]],
    );
    check(
        "nodes 1:a 2:a 3:b:64
        apply a=4,zone=,skew=1
        settle
        drain 3
        settle",
        expect![[r#"
            nodes 1:a 2:a 3:b:64
            apply a=4,zone=,skew=1
            settle => 1 plans: a#0 on 1, a#1 on 3, a#2 on 2
              x:a:1.0.0: 1 of 4 instances without a node: 1 node has less than 64MiB of the memory budget left (at most 0B), 2 nodes would break max-skew = 1; lower `limits.memory`, undeploy something, or add a node [out-of-capacity]
            drain 3
            settle => 2 plans: a#0 on 1, a#2 on 2, a#3 on 1, a#4 on 2
              x:a:1.0.0: 4 instances on 2 nodes"#]],
    );
    check(
        "nodes 1:a 2:a 3:b:64
        apply b=1,never=a a=4,zone=,skew=1
        settle
        nodes 4:b
        settle",
        expect![[r#"
            nodes 1:a 2:a 3:b:64
            apply b=1,never=a a=4,zone=,skew=1
            settle => 1 plans: a#0 on 2, a#1 on 3, a#2 on 2, b#0 on 1
              x:a:1.0.0: 1 of 4 instances without a node: 1 node has less than 64MiB of the memory budget left (at most 0B), 1 node has x:b (require-away-from), 1 node would break max-skew = 1; lower `limits.memory`, undeploy something, or add a node [out-of-capacity]
              x:a:1.0.0: 3 instances on 2 nodes
            nodes 4:b
            settle => 1 plans: a#0 on 2, a#1 on 3, a#2 on 2, a#3 on 4, b#0 on 1
              x:a:1.0.0: 4 instances on 3 nodes"#]],
    );
}

#[test]
fn near_and_away() {
    check(
        "nodes 1 2 3
        apply b=1 c=1 a=1,near=b d=1,away=b,away=c
        settle",
        expect![[r#"
            nodes 1 2 3
            apply b=1 c=1 a=1,near=b d=1,away=b,away=c
            settle => 1 plans: a#0 on 1, b#0 on 1, c#0 on 2, d#0 on 3"#]],
    );
    check(
        "nodes 1 2 3
        apply a=2,must=b b=1 c=2,never=a
        settle
        drain 1
        settle
        apply a=2,must=b,never=d b=1 c=2,never=a d=1
        settle",
        expect![[r#"
            nodes 1 2 3
            apply a=2,must=b b=1 c=2,never=a
            settle => 1 plans: a#0 on 1, a#1 on 1, b#0 on 1, c#0 on 2, c#1 on 3
              x:a:1.0.0: 2 instances on 1 nodes
            drain 1
            settle => 2 plans: a#0 on 1!, b#1 on 2, c#0 on 2, c#1 on 3
              x:a:1.0.0: 2 of 2 instances without a node: 1 node has no x:b (require-near), 1 node has x:c (require-away-from), 1 node is draining; relax the placement of the slice, or add a node [placement-unsatisfied]
              shop/x:a:1.0.0#0 on 1: stays until another instance of its slice is ready; 0 are now [min-ready]
            apply a=2,must=b,never=d b=1 c=2,never=a d=1
            settle => 1 plans: a#0 on 1!, b#1 on 2, c#0 on 2, c#1 on 3, d#0 on 3
              x:a:1.0.0: 2 of 2 instances without a node: 1 node has no x:b (require-near), 1 node has x:c (require-away-from), 1 node is draining; relax the placement of the slice, or add a node [placement-unsatisfied]
              shop/x:a:1.0.0#0 on 1: stays until another instance of its slice is ready; 0 are now [min-ready]"#]],
    );
    check(
        "nodes 1 2
        apply a=2 b=1
        settle
        apply a=2 b=1,never=a
        settle
        nodes 3
        settle",
        expect![[r#"
            nodes 1 2
            apply a=2 b=1
            settle => 1 plans: a#0 on 1, a#1 on 2, b#0 on 1
            apply a=2 b=1,never=a
            settle => 2 plans: a#1 on 2, a#2 on 2, b#0 on 1
              x:a:1.0.0: 2 instances on 1 nodes
            nodes 3
            settle => 2 plans: a#0 on 3, a#1 on 2, b#0 on 1"#]],
    );
}

#[test]
fn memory_is_reserved_and_never_exceeded() {
    check(
        "nodes 1::100 2::64
        apply a=2 b=1,mem=32 c=1,mem=8
        settle
        apply a=2 b=1,mem=40 c=1,mem=8
        settle
        apply a=1 b=1,mem=40 c=1,mem=8
        settle
        shrink 1
        settle",
        expect![[r#"
            nodes 1::100 2::64
            apply a=2 b=1,mem=32 c=1,mem=8
            settle => 1 plans: a#0 on 1, a#1 on 2, b#0 on 1
              x:c:1.0.0: 1 of 1 instances without a node: 2 nodes have less than 8MiB of the memory budget left (at most 4MiB); lower `limits.memory`, undeploy something, or add a node [out-of-capacity]
            apply a=2 b=1,mem=40 c=1,mem=8
            settle => 1 plans: a#0 on 1, a#1 on 2, b#0 on 1!
              x:b:1.0.0: 1 of 1 instances without a node: 2 nodes have less than 40MiB of the memory budget left (at most 4MiB); lower `limits.memory`, undeploy something, or add a node [out-of-capacity]
              x:c:1.0.0: 1 of 1 instances without a node: 2 nodes have less than 8MiB of the memory budget left (at most 4MiB); lower `limits.memory`, undeploy something, or add a node [out-of-capacity]
              shop/x:b:1.0.0#0 on 1: stays until another instance of its slice is ready; 0 are now [min-ready]
            apply a=1 b=1,mem=40 c=1,mem=8
            settle => 3 plans: a#0 on 1, b#1 on 2, c#0 on 2
            shrink 1
            settle => 0 plans: a#0 on 1, b#1 on 2, c#0 on 2"#]],
    );
}

#[test]
fn a_new_node_gets_work_a_few_instances_at_a_time() {
    check(
        "nodes 1
        apply a=1 b=1 c=1 d=1 e=1 f=1 g=1 h=1 i=1 j=1 k=1 l=1 m=1 n=1 o=1 p=1 q=1 r=1 s=1 t=1
        settle
        nodes 2
        plan
        settle",
        expect![[r#"
            nodes 1
            apply a=1 b=1 c=1 d=1 e=1 f=1 g=1 h=1 i=1 j=1 k=1 l=1 m=1 n=1 o=1 p=1 q=1 r=1 s=1 t=1
            settle => 1 plans: a#0 on 1, b#0 on 1, c#0 on 1, d#0 on 1, e#0 on 1, f#0 on 1, g#0 on 1, h#0 on 1, i#0 on 1, j#0 on 1, k#0 on 1, l#0 on 1, m#0 on 1, n#0 on 1, o#0 on 1, p#0 on 1, q#0 on 1, r#0 on 1, s#0 on 1, t#0 on 1
            nodes 2
            plan => 16 changes: a#0 on 1!, a#1 on 2, b#0 on 1!, b#1 on 2, c#0 on 1!, c#1 on 2, d#0 on 1!, d#1 on 2, e#0 on 1!, e#1 on 2, f#0 on 1!, f#1 on 2, g#0 on 1!, g#1 on 2, h#0 on 1!, h#1 on 2, i#0 on 1, j#0 on 1, k#0 on 1, l#0 on 1, m#0 on 1, n#0 on 1, o#0 on 1, p#0 on 1, q#0 on 1, r#0 on 1, s#0 on 1, t#0 on 1
              shop/x:a:1.0.0#0 on 1: stays until another instance of its slice is ready; 0 are now [min-ready]
              shop/x:b:1.0.0#0 on 1: stays until another instance of its slice is ready; 0 are now [min-ready]
              shop/x:c:1.0.0#0 on 1: stays until another instance of its slice is ready; 0 are now [min-ready]
              shop/x:d:1.0.0#0 on 1: stays until another instance of its slice is ready; 0 are now [min-ready]
              shop/x:e:1.0.0#0 on 1: stays until another instance of its slice is ready; 0 are now [min-ready]
              shop/x:f:1.0.0#0 on 1: stays until another instance of its slice is ready; 0 are now [min-ready]
              shop/x:g:1.0.0#0 on 1: stays until another instance of its slice is ready; 0 are now [min-ready]
              shop/x:h:1.0.0#0 on 1: stays until another instance of its slice is ready; 0 are now [min-ready]
            settle => 2 plans: a#1 on 2, b#1 on 2, c#1 on 2, d#1 on 2, e#1 on 2, f#1 on 2, g#1 on 2, h#1 on 2, i#1 on 2, j#0 on 1, k#0 on 1, l#0 on 1, m#0 on 1, n#0 on 1, o#0 on 1, p#0 on 1, q#0 on 1, r#0 on 1, s#0 on 1, t#0 on 1"#]],
    );
}

#[test]
fn the_linter_sees_what_the_planner_never_does() {
    let mut cluster = Cluster::default();
    cluster.add_nodes("1:a 2:b 3:b 4:c:32");
    cluster.apply("shop", "a=2 b=1,never=a c=1,must=a d=3,zone=,skew=1");
    cluster.settle();
    let mut bad = cluster.plan.clone();
    for a in &mut bad.assignments {
        a.node.0 = match (a.instance.coordinates.slice.artifact(), a.node.0) {
            ("a", _) => 4,
            ("b", _) => 4,
            ("c", _) => 7,
            _ => 2,
        };
        a.since = bad.generation;
    }
    bad.assignments[0].blueprint.0 += 1;
    bad.assignments.swap(1, 2);
    bad.assignments.push(bad.assignments[0].clone());
    bad.parent = bad.generation;
    cluster.set_duty(2, Duty::Draining);
    let notes = lint(&cluster.applications, &cluster.view(), &bad);
    let notes: Vec<String> = notes.iter().map(ToString::to_string).collect();
    expect![[r#"
        the plan does not follow its parent
        shop/x:a:1.0.0#1 is out of order
        shop/x:a:1.0.0#0 is out of order
        shop/x:a:1.0.0#0 stays with revision 2, which nobody wants
        shop/x:b:1.0.0#0 must be away from x:a, and is on node 0000000000000004
        shop/x:a:1.0.0#1 is one of more instances than are wanted
        shop/x:a:1.0.0#1 must be away from x:b, and is on node 0000000000000004
        shop/x:c:1.0.0#0 is on node 0000000000000007, which does not exist
        shop/x:d:1.0.0#0 is on node 0000000000000002, which is draining
        shop/x:d:1.0.0#1 is on node 0000000000000002, which is draining
        shop/x:d:1.0.0#2 is on node 0000000000000002, which is draining
        shop/x:a:1.0.0#0 stays with revision 2, which nobody wants
        256MiB are planned on node 0000000000000004, which has 32MiB"#]]
    .assert_eq(&notes.join("\n"));
}

#[test]
fn a_plan_stays_small_enough_to_be_written() {
    let mut cluster = Cluster::default();
    cluster.add_nodes("1::1000000 2::1000000");
    cluster.apply("shop", &format!("{}=1", "a".repeat(63)));
    let mut many =
        cluster.applications.current(&"shop".parse().unwrap()).unwrap().1.as_ref().clone();
    many.slices[0].instances = 6_000;
    cluster.applications.accept(aether_types::Revision(9), std::sync::Arc::new(many));
    let report = cluster.replan();
    let bytes = aether_types::versioned::encode(&cluster.plan).len();
    assert!((700_000..=PLAN_BYTES_MAX).contains(&bytes), "{bytes}");
    let shown = show_report(&report);
    let shown: Vec<&str> = shown.lines().map(str::trim).collect();
    expect![[r#"

          x:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:1.0.0: 697 of 6000 instances without a node: the plan has reached its 917504 bytes; want fewer instances in this cluster [out-of-capacity]
          x:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:1.0.0: 5303 instances on 2 nodes"#]].assert_eq(&shown.join("\n"));
}
