//! Dependents and previews, on a cluster that runs something.

use super::cluster::{Cluster, checked, show_report};
use crate::{Change, Duty, Preview, Proposed, Removal, SideBySide, check_removal, preview};
use aether_types::checked::Checked;
use aether_types::plan::Plan;
use expect_test::{Expect, expect};
use std::format;
use std::string::{String, ToString};
use std::sync::Arc;
use std::vec::Vec;

fn running(slices: &str) -> Cluster {
    let mut cluster = Cluster::default();
    cluster.add_nodes("1 2 3");
    cluster.apply("shop", slices);
    cluster.settle();
    cluster
}

fn check(cluster: &Cluster, removed: &str, expect: Expect) {
    let slices = removed.split_whitespace().map(|name| format!("x:{name}:1.0.0").parse().unwrap());
    let (app, slices) = ("shop".parse().unwrap(), slices.collect());
    let removal = Removal { app: &app, slices: &slices };
    expect.assert_eq(&match check_removal(&cluster.applications, &cluster.view(), removal) {
        Ok(()) => "nobody misses it".to_string(),
        Err(problems) => problems.to_string(),
    });
}

#[test]
fn what_others_need_is_not_taken_away() {
    let mut cluster = running("c=1 b=1,calls=c a=2,calls=b d=1,calls=c,calls=b");
    check(
        &cluster,
        "c",
        expect![[r#"
        x:c:1.0.0: x:a:1.0.0 is ACTIVE on 0000000000000001, 0000000000000003 and needs it: x:a:1.0.0 -> x:b:1.0.0 -> x:c:1.0.0 [dependents-active]
          help: take x:a:1.0.0 away first, or with it
        x:c:1.0.0: x:b:1.0.0 is ACTIVE on 0000000000000002 and needs it: x:b:1.0.0 -> x:c:1.0.0 [dependents-active]
          help: take x:b:1.0.0 away first, or with it
        x:c:1.0.0: x:d:1.0.0 is ACTIVE on 0000000000000002 and needs it: x:d:1.0.0 -> x:c:1.0.0 [dependents-active]
          help: take x:d:1.0.0 away first, or with it"#]],
    );
    check(
        &cluster,
        "b d",
        expect![[r#"
        x:b:1.0.0: x:a:1.0.0 is ACTIVE on 0000000000000001, 0000000000000003 and needs it: x:a:1.0.0 -> x:b:1.0.0 [dependents-active]
          help: take x:a:1.0.0 away first, or with it"#]],
    );
    check(&cluster, "a d", expect!["nobody misses it"]);
    check(&cluster, "a b c d", expect!["nobody misses it"]);

    // An earlier revision that still runs counts with its own edges.
    cluster.apply("shop", "c=1 a@2=2");
    cluster.replan();
    cluster.run(1);
    check(
        &cluster,
        "c",
        expect![[r#"
        x:c:1.0.0: x:a:1.0.0 is ACTIVE on 0000000000000001, 0000000000000003 and needs it: x:a:1.0.0 -> x:b:1.0.0 -> x:c:1.0.0 [dependents-active]
          help: take x:a:1.0.0 away first, or with it
        x:c:1.0.0: x:b:1.0.0 is ACTIVE on 0000000000000002 and needs it: x:b:1.0.0 -> x:c:1.0.0 [dependents-active]
          help: take x:b:1.0.0 away first, or with it
        x:c:1.0.0: x:d:1.0.0 is ACTIVE on 0000000000000002 and needs it: x:d:1.0.0 -> x:c:1.0.0 [dependents-active]
          help: take x:d:1.0.0 away first, or with it"#]],
    );
    cluster.settle();
    check(&cluster, "c", expect!["nobody misses it"]);
}

fn show(preview: &Preview) -> String {
    let one = |change: &Change| match change {
        Change::Add { instance, node } => format!("add {instance} on {}", node.0),
        Change::Remove { instance, node } => format!("remove {instance} from {}", node.0),
        Change::Move { instance, from, to } => format!("move {instance} {} to {}", from.0, to.0),
        Change::Replace { instance, node } => format!("replace {instance} on {}", node.0),
        Change::Retire { instance, node } => format!("retire {instance} on {}", node.0),
    };
    let lines: Vec<String> = preview.report.changes.iter().map(one).collect();
    format!("since {}\n{}{}", preview.checked_at, lines.join("\n"), show_report(&preview.report))
}

fn in_place(checked: Arc<Checked>) -> Proposed {
    Proposed { checked, rollout: None }
}

#[test]
fn a_preview_says_what_would_happen_and_changes_nothing() {
    let mut cluster = running("a=2 b=1");
    cluster.set_duty(3, Duty::Draining);
    cluster.settle();
    let look = |slices: &str| {
        let proposed = Arc::new(checked("shop", slices).unwrap());
        show(&preview(
            &cluster.applications,
            &SideBySide::new(),
            in_place(proposed),
            &cluster.view(),
            &cluster.plan,
        ))
    };
    expect![[r#"
        since 1
        replace shop/x:a:1.0.0#0 on 1
        replace shop/x:a:1.0.0#1 on 2
        add shop/x:a:1.0.0#2 on 1
        retire shop/x:b:1.0.0#1 on 1
        add shop/x:b:2.0.0#1 on 1
        add shop/x:c:1.0.0#0 on 1
          shop/x:b:1.0.0#1 on 1: stays until another instance of its slice is ready; 0 are now [min-ready]
          x:a:1.0.0: 3 instances on 2 nodes"#]].assert_eq(&look("a=3 b@2=1 c=1,must=b"));
    expect![[r#"
        since 1
        remove shop/x:a:1.0.0#0 from 1
        replace shop/x:a:1.0.0#1 on 2
        replace shop/x:b:1.0.0#1 on 1"#]]
    .assert_eq(&look("a=1 b=1"));
    // A rollout begins beside what there is, and takes nothing away.
    let proposed = Arc::new(checked("shop", "a@2=2 b@2=1").unwrap());
    let instances = proposed.slices.iter().map(|s| (s.coordinates.clone(), s.instances)).collect();
    let old = cluster.applications.current(&proposed.app).unwrap().0;
    let proposed = Proposed { checked: proposed, rollout: Some((old, instances)) };
    let beside = preview(
        &cluster.applications,
        &SideBySide::new(),
        proposed,
        &cluster.view(),
        &cluster.plan,
    );
    expect![[r#"
        since 1
        add shop/x:a:2.0.0#10000 on 1
        add shop/x:a:2.0.0#10001 on 2
        add shop/x:b:2.0.0#10000 on 1"#]]
    .assert_eq(&show(&beside));
    let new = Arc::new(checked("new", "a=1").unwrap());
    let fresh = preview(
        &cluster.applications,
        &SideBySide::new(),
        in_place(new),
        &cluster.view(),
        &Plan::default(),
    );
    assert_eq!(fresh.checked_at.0, 0);
}
