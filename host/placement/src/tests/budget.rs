//! What goes and when: new before old, the disruption budget, callers before what they call.

use super::script::check;
use expect_test::expect;

#[test]
fn the_new_one_is_up_before_the_old_one_goes() {
    check(
        "nodes 1 2
        apply a=1
        settle
        drain 1
        plan
        run 1
        plan
        run 2
        plan
        activate 1
        plan",
        expect![[r#"
            nodes 1 2
            apply a=1
            settle => 1 plans: a#0 on 1
            drain 1
            plan => 2 changes: a#0 on 1!, a#1 on 2
              shop/x:a:1.0.0#0 on 1: stays until another instance of its slice is ready; 0 are now [min-ready]
            run 1
            plan => 0 changes: a#0 on 1!, a#1 on 2
              shop/x:a:1.0.0#0 on 1: stays until another instance of its slice is ready; 0 are now [min-ready]
            run 2
            plan => 1 changes: a#1 on 2
            activate 1
            plan => 0 changes: a#1 on 2"#]],
    );
    check(
        "nodes 1
        apply a=1
        settle
        drain 1
        plan
        nodes 2
        plan",
        expect![[r#"
            nodes 1
            apply a=1
            settle => 1 plans: a#0 on 1
            drain 1
            plan => 1 changes: a#0 on 1!
              x:a:1.0.0: 1 of 1 instances without a node: 1 node is draining; add a node, or put one on duty [not-enough-nodes]
              shop/x:a:1.0.0#0 on 1: stays until another instance of its slice is ready; 0 are now [min-ready]
            nodes 2
            plan => 1 changes: a#0 on 1!, a#1 on 2
              shop/x:a:1.0.0#0 on 1: stays until another instance of its slice is ready; 0 are now [min-ready]"#]],
    );
}

#[test]
fn a_version_takes_the_place_of_another() {
    check(
        "nodes 1 2 3
        apply a=2 b=1,calls=a
        settle
        apply a@2=2 b@2=1,calls=a@2
        plan
        run 1
        plan
        run 2
        plan
        run 3
        plan
        run 1 2 3
        plan
        run 1 2 3
        settle",
        expect![[r#"
            nodes 1 2 3
            apply a=2 b=1,calls=a
            settle => 1 plans: a#0 on 1, a#1 on 2, b#0 on 3
            apply a@2=2 b@2=1,calls=a@2
            plan => 6 changes: a#0 on 1!, a#1 on 2!, a@2#0 on 1, a@2#1 on 2, b#0 on 3!, b@2#0 on 3
              shop/x:a:1.0.0#1 on 2: stays until x:b:1.0.0 on node 0000000000000003, which calls it, is gone [dependents-active]
              shop/x:a:1.0.0#0 on 1: stays until x:b:1.0.0 on node 0000000000000003, which calls it, is gone [dependents-active]
              shop/x:b:1.0.0#0 on 3: stays until another instance of its slice is ready; 0 are now [min-ready]
            run 1
            plan => 0 changes: a#0 on 1!, a#1 on 2!, a@2#0 on 1, a@2#1 on 2, b#0 on 3!, b@2#0 on 3
              shop/x:a:1.0.0#1 on 2: stays until x:b:1.0.0 on node 0000000000000003, which calls it, is gone [dependents-active]
              shop/x:a:1.0.0#0 on 1: stays until x:b:1.0.0 on node 0000000000000003, which calls it, is gone [dependents-active]
              shop/x:b:1.0.0#0 on 3: stays until another instance of its slice is ready; 0 are now [min-ready]
            run 2
            plan => 0 changes: a#0 on 1!, a#1 on 2!, a@2#0 on 1, a@2#1 on 2, b#0 on 3!, b@2#0 on 3
              shop/x:a:1.0.0#1 on 2: stays until x:b:1.0.0 on node 0000000000000003, which calls it, is gone [dependents-active]
              shop/x:a:1.0.0#0 on 1: stays until x:b:1.0.0 on node 0000000000000003, which calls it, is gone [dependents-active]
              shop/x:b:1.0.0#0 on 3: stays until another instance of its slice is ready; 0 are now [min-ready]
            run 3
            plan => 1 changes: a#0 on 1!, a#1 on 2!, a@2#0 on 1, a@2#1 on 2, b@2#0 on 3
              shop/x:a:1.0.0#1 on 2: stays until x:b:1.0.0 on node 0000000000000003, which calls it, is gone [dependents-active]
              shop/x:a:1.0.0#0 on 1: stays until x:b:1.0.0 on node 0000000000000003, which calls it, is gone [dependents-active]
            run 1 2 3
            plan => 2 changes: a@2#0 on 1, a@2#1 on 2, b@2#0 on 3
            run 1 2 3
            settle => 0 plans: a@2#0 on 1, a@2#1 on 2, b@2#0 on 3"#]],
    );
}

#[test]
fn the_disruption_budget_holds_where_there_is_no_room() {
    check(
        "nodes 1::64 2::64 3::64
        apply a=3,min=2
        settle
        drain 3
        plan
        drain 2
        run 1 2 3
        plan
        nodes 4::64
        settle",
        expect![[r#"
            nodes 1::64 2::64 3::64
            apply a=3,min=2
            settle => 1 plans: a#0 on 1, a#1 on 2, a#2 on 3
            drain 3
            plan => 1 changes: a#0 on 1, a#1 on 2
              x:a:1.0.0: 1 of 3 instances without a node: 2 nodes have less than 64MiB of the memory budget left (at most 0B), 1 node is draining; lower `limits.memory`, undeploy something, or add a node [out-of-capacity]
            drain 2
            run 1 2 3
            plan => 1 changes: a#0 on 1, a#1 on 2!
              x:a:1.0.0: 2 of 3 instances without a node: 1 node has less than 64MiB of the memory budget left (at most 0B), 2 nodes are draining; lower `limits.memory`, undeploy something, or add a node [out-of-capacity]
              shop/x:a:1.0.0#1 on 2: stays until 2 other instances of its slice are ready; 1 are now [min-ready]
            nodes 4::64
            settle => 2 plans: a#0 on 1, a#2 on 4
              x:a:1.0.0: 1 of 3 instances without a node: 2 nodes have less than 64MiB of the memory budget left (at most 0B), 2 nodes are draining; lower `limits.memory`, undeploy something, or add a node [out-of-capacity]"#]],
    );
    check(
        "nodes 1::64 2::64
        apply a=2,min=1
        settle
        apply a=2,min=2
        settle
        drain 1
        settle",
        expect![[r#"
            nodes 1::64 2::64
            apply a=2,min=1
            settle => 1 plans: a#0 on 1, a#1 on 2
            apply a=2,min=2
            settle => 1 plans: a#0 on 1, a#1 on 2
            drain 1
            settle => 1 plans: a#0 on 1!, a#1 on 2
              x:a:1.0.0: 1 of 2 instances without a node: 1 node has less than 64MiB of the memory budget left (at most 0B), 1 node is draining; lower `limits.memory`, undeploy something, or add a node [out-of-capacity]
              shop/x:a:1.0.0#0 on 1: stays until 2 other instances of its slice are ready; 1 are now [min-ready]"#]],
    );
}

#[test]
fn a_draining_node_does_not_wait_for_what_failed() {
    check(
        "nodes 1 2 3
        apply a=2
        settle
        drain 1
        plan
        fail 3
        plan",
        expect![[r#"
            nodes 1 2 3
            apply a=2
            settle => 1 plans: a#0 on 1, a#1 on 2
            drain 1
            plan => 2 changes: a#0 on 1!, a#1 on 2, a#2 on 3
              shop/x:a:1.0.0#0 on 1: stays until 2 other instances of its slice are ready; 1 are now [min-ready]
            fail 3
            plan => 1 changes: a#1 on 2, a#2 on 3"#]],
    );
    check(
        "nodes 1 2
        apply a=1
        settle
        apply a@2=1
        plan
        fail 1
        plan",
        expect![[r#"
            nodes 1 2
            apply a=1
            settle => 1 plans: a#0 on 1
            apply a@2=1
            plan => 2 changes: a#0 on 1!, a@2#0 on 1
              shop/x:a:1.0.0#0 on 1: stays until another instance of its slice is ready; 0 are now [min-ready]
            fail 1
            plan => 0 changes: a#0 on 1!, a@2#0 on 1
              shop/x:a:1.0.0#0 on 1: stays until another instance of its slice is ready; 0 are now [min-ready]"#]],
    );
}

#[test]
fn a_version_has_the_reservation_of_the_one_before() {
    check(
        "nodes 1::64
        apply a=1
        settle
        apply a@2=1
        plan
        run 1
        plan",
        expect![[r#"
            nodes 1::64
            apply a=1
            settle => 1 plans: a#0 on 1
            apply a@2=1
            plan => 2 changes: a#0 on 1!, a@2#0 on 1
              shop/x:a:1.0.0#0 on 1: stays until another instance of its slice is ready; 0 are now [min-ready]
            run 1
            plan => 1 changes: a@2#0 on 1"#]],
    );
}

#[test]
fn what_others_call_goes_last_on_whatever_node() {
    check(
        "nodes 1 2
        apply b=1 a=1,calls=b
        settle
        apply
        plan
        run 2
        plan
        run 1
        plan",
        expect![[r#"
            nodes 1 2
            apply b=1 a=1,calls=b
            settle => 1 plans: a#0 on 2, b#0 on 1
            apply
            plan => 2 changes: b#0 on 1!
              shop/x:b:1.0.0#0 on 1: stays until x:a:1.0.0 on node 0000000000000002, which calls it, is gone [dependents-active]
            run 2
            plan => 0 changes: b#0 on 1!
              shop/x:b:1.0.0#0 on 1: stays until node 0000000000000001 has taken up the plan: it may start a caller [dependents-active]
            run 1
            plan => 1 changes: "#]],
    );
    check(
        "nodes 1 2
        apply b=1 a=1,calls=b
        settle
        apply a@2=1
        plan
        run 2
        plan
        run 2
        plan
        run 1
        plan",
        expect![[r#"
            nodes 1 2
            apply b=1 a=1,calls=b
            settle => 1 plans: a#0 on 2, b#0 on 1
            apply a@2=1
            plan => 3 changes: a#0 on 2!, a@2#0 on 2, b#0 on 1!
              shop/x:a:1.0.0#0 on 2: stays until another instance of its slice is ready; 0 are now [min-ready]
              shop/x:b:1.0.0#0 on 1: stays until x:a:1.0.0 on node 0000000000000002, which calls it, is gone [dependents-active]
            run 2
            plan => 1 changes: a@2#0 on 2, b#0 on 1!
              shop/x:b:1.0.0#0 on 1: stays until x:a:1.0.0 on node 0000000000000002, which calls it, is gone [dependents-active]
            run 2
            plan => 0 changes: a@2#0 on 2, b#0 on 1!
              shop/x:b:1.0.0#0 on 1: stays until node 0000000000000001 has taken up the plan: it may start a caller [dependents-active]
            run 1
            plan => 1 changes: a@2#0 on 2"#]],
    );
}

#[test]
fn what_is_not_ready_yet_stays_for_its_callers_too() {
    check(
        "nodes 1
        apply b=1 a=1
        settle
        apply b@2=1 a=1,calls=b@2
        plan
        start 1
        apply b=1 a=1
        plan
        run 1
        plan",
        expect![[r#"
            nodes 1
            apply b=1 a=1
            settle => 1 plans: a#0 on 1, b#0 on 1
            apply b@2=1 a=1,calls=b@2
            plan => 3 changes: a#0 on 1, b#0 on 1!, b@2#0 on 1
              shop/x:b:1.0.0#0 on 1: stays until another instance of its slice is ready; 0 are now [min-ready]
            start 1
            apply b=1 a=1
            plan => 3 changes: a#0 on 1, b#0 on 1, b@2#0 on 1!
              shop/x:b:2.0.0#0 on 1: stays until x:a:1.0.0 on node 0000000000000001, which calls it, is gone [dependents-active]
            run 1
            plan => 1 changes: a#0 on 1, b#0 on 1"#]],
    );
    check(
        "nodes 1
        apply b=1 a=1
        settle
        apply b@2=1 a=1,calls=b@2
        plan
        fail 1
        apply b=1 a=1
        plan
        run 1
        plan",
        expect![[r#"
            nodes 1
            apply b=1 a=1
            settle => 1 plans: a#0 on 1, b#0 on 1
            apply b@2=1 a=1,calls=b@2
            plan => 3 changes: a#0 on 1, b#0 on 1!, b@2#0 on 1
              shop/x:b:1.0.0#0 on 1: stays until another instance of its slice is ready; 0 are now [min-ready]
            fail 1
            apply b=1 a=1
            plan => 3 changes: a#0 on 1, b#0 on 1, b@2#0 on 1!
              shop/x:b:2.0.0#0 on 1: stays until x:a:1.0.0 on node 0000000000000001, which calls it, is gone [dependents-active]
            run 1
            plan => 1 changes: a#0 on 1, b#0 on 1"#]],
    );
}

/// Back to an earlier version and away again, before what it left behind is gone.
#[test]
fn what_was_retired_before_stays_for_later_callers() {
    check(
        "nodes 1 2
        apply b=1 a=1
        settle
        apply b@2=1 a=1
        plan
        cordon 1
        apply b=1 a=1,calls=b
        plan
        run 1
        apply b@2=1 a=1
        plan
        run 1 2
        plan
        run 1 2
        settle",
        expect![[r#"
            nodes 1 2
            apply b=1 a=1
            settle => 1 plans: a#0 on 2, b#0 on 1
            apply b@2=1 a=1
            plan => 3 changes: a#0 on 2, b#0 on 1!, b@2#0 on 1
              shop/x:b:1.0.0#0 on 1: stays until another instance of its slice is ready; 0 are now [min-ready]
            cordon 1
            apply b=1 a=1,calls=b
            plan => 3 changes: a#0 on 2, b#0 on 1!, b#1 on 2, b@2#0 on 1!
              shop/x:b:1.0.0#0 on 1: stays until another instance of its slice is ready; 0 are now [min-ready]
              shop/x:b:2.0.0#0 on 1: stays until another instance of its slice is ready; 0 are now [min-ready]
            run 1
            apply b@2=1 a=1
            plan => 3 changes: a#0 on 2, b#0 on 1!, b#1 on 2!, b@2#0 on 1!, b@2#1 on 2
              shop/x:b:1.0.0#1 on 2: stays until node 0000000000000002 has taken up the plan: it may start a caller [dependents-active]
              shop/x:b:1.0.0#0 on 1: stays until node 0000000000000002 has taken up the plan: it may start a caller [dependents-active]
              shop/x:b:2.0.0#0 on 1: stays until another instance of its slice is ready; 0 are now [min-ready]
            run 1 2
            plan => 3 changes: a#0 on 2, b@2#1 on 2
            run 1 2
            settle => 0 plans: a#0 on 2, b@2#1 on 2"#]],
    );
}

#[test]
fn revisions_that_call_each_other_in_a_circle_end() {
    check(
        "nodes 1
        apply b=1 a=1,calls=b
        settle
        nodes 2
        drain 1
        apply a=1 b=1,calls=a
        plan
        start 2
        run 1
        apply
        plan
        settle",
        expect![[r#"
            nodes 1
            apply b=1 a=1,calls=b
            settle => 1 plans: a#0 on 1, b#0 on 1
            nodes 2
            drain 1
            apply a=1 b=1,calls=a
            plan => 4 changes: a#0 on 1!, a#1 on 2, b#0 on 1!, b#1 on 2
              shop/x:a:1.0.0#0 on 1: stays until another instance of its slice is ready; 0 are now [min-ready]
              shop/x:b:1.0.0#0 on 1: stays until another instance of its slice is ready; 0 are now [min-ready]
            start 2
            run 1
            apply
            plan => 3 changes: a#1 on 2!, b#0 on 1!, b#1 on 2!
              shop/x:a:1.0.0#1 on 2: stays until x:b:1.0.0 on node 0000000000000002, which calls it, is gone [dependents-active]
              shop/x:b:1.0.0#0 on 1: stays until x:a:1.0.0 on node 0000000000000001, which calls it, is gone [dependents-active]
              shop/x:b:1.0.0#1 on 2: stays until x:a:1.0.0 on node 0000000000000001, which calls it, is gone [dependents-active]
            settle => 2 plans: "#]],
    );
}
