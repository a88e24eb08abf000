//! Scripts of what happens to a cluster, and what every plan does about it.

use super::cluster::{Cluster, show_report};
use crate::Duty;
use aether_types::ByteSize;
use expect_test::Expect;
use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

fn line(cluster: &mut Cluster, line: &str) -> String {
    let (command, rest) = line.split_once(' ').unwrap_or((line, ""));
    let ids = || rest.split_whitespace().map(|id| id.parse::<u64>().unwrap());
    match command {
        "nodes" => cluster.add_nodes(rest),
        "apply" => cluster.apply("shop", rest),
        "other" => cluster.apply("other", rest),
        "drain" => ids().for_each(|id| cluster.set_duty(id, Duty::Draining)),
        "cordon" => ids().for_each(|id| cluster.set_duty(id, Duty::Cordoned)),
        "activate" => ids().for_each(|id| cluster.set_duty(id, Duty::OnDuty)),
        "lose" => ids().for_each(|id| cluster.nodes.get_mut(&id).unwrap().is_lost = true),
        "find" => ids().for_each(|id| cluster.nodes.get_mut(&id).unwrap().is_lost = false),
        "suspect" => ids().for_each(|id| cluster.nodes.get_mut(&id).unwrap().view.suspect = true),
        "trust" => ids().for_each(|id| cluster.nodes.get_mut(&id).unwrap().view.suspect = false),
        "shrink" => ids().for_each(|id| {
            cluster.nodes.get_mut(&id).unwrap().view.memory = ByteSize::mib(64);
        }),
        "run" => ids().for_each(|id| cluster.run(id)),
        "start" => ids().for_each(|id| {
            let plan = cluster.plan.clone();
            let node = cluster.nodes.get_mut(&id).unwrap();
            node.take_up(&plan);
            node.publish();
        }),
        "fail" => ids().for_each(|id| {
            let plan = cluster.plan.clone();
            let node = cluster.nodes.get_mut(&id).unwrap();
            node.take_up(&plan);
            node.fail();
            node.publish();
        }),
        "plan" => {
            let report = cluster.replan();
            let show = cluster.show();
            return format!("{} changes: {show}{}", report.changes.len(), show_report(&report));
        }
        "settle" => {
            let (plans, report) = cluster.settle();
            return format!("{plans} plans: {}{}", cluster.show(), show_report(&report));
        }
        other => panic!("no such command: {other}"),
    }
    String::new()
}

/// Runs the script, a command a line; shows those that have something to show.
pub(super) fn check(script: &str, expect: Expect) {
    let mut cluster = Cluster::default();
    let mut lines = Vec::new();
    for command in script.lines().map(str::trim).filter(|l| !l.is_empty()) {
        let shown = line(&mut cluster, command);
        lines.push(format!("{command} => {shown}").trim_end_matches(" => ").to_string());
    }
    expect.assert_eq(&lines.join("\n"));
}
