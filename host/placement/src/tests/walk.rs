//! Random walks of a cluster: blueprints, duties, losses, and nodes that take plans up and tell of
//! it whenever they like. Every plan on the way is checked from outside, by `Cluster::replan`.

use super::cluster::Cluster;
use crate::{Change, Duty, MOVES_MAX, Report, View, plan};
use aether_types::blueprint::Placement;
use aether_types::checked::{Applications, Checked};
use aether_types::code::Code;
use aether_types::observed::InstanceState;
use aether_types::plan::{InstanceKey, Plan};
use aether_types::{ByteSize, Coordinates, NodeId, SliceName};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::format;
use std::string::String;
use std::sync::Arc;
use std::vec;
use std::vec::Vec;

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];
/// Never changed on the way: what is decided under one budget comes true under the next.
const MIN_READY: [u32; 5] = [0, 1, 2, 1, 1];

#[derive(Debug, Clone)]
enum Act {
    Apply(Vec<Wish>),
    Plan,
    TakeUp(u64),
    Finish(u64),
    Fail(u64),
    Publish(u64),
    Run(u64),
    SetDuty(u64, Duty),
    SetSuspect(u64, bool),
    SetMemory(u64, u64),
    Join(u64, u8),
    Lose(u64),
    Find(u64),
}

/// How one slice is wanted.
#[derive(Debug, Clone)]
struct Wish {
    instances: u32,
    version: u32,
    memory: u32,
    hint: u8,
}

fn any_wish() -> impl Strategy<Value = Wish> {
    (0u32..4, 1u32..3, prop_oneof![Just(8u32), Just(32), Just(64)], any::<u8>())
        .prop_map(|(instances, version, memory, hint)| Wish { instances, version, memory, hint })
}

fn any_act() -> impl Strategy<Value = Act> {
    let node = 1u64..7;
    let duty = prop_oneof![Just(Duty::OnDuty), Just(Duty::Cordoned), Just(Duty::Draining)];
    let memory = prop_oneof![Just(64u64), Just(128), Just(1_024)];
    prop_oneof![
        2 => proptest::collection::vec(any_wish(), NAMES.len()).prop_map(Act::Apply),
        6 => Just(Act::Plan),
        4 => node.clone().prop_map(Act::TakeUp),
        4 => node.clone().prop_map(Act::Finish),
        1 => node.clone().prop_map(Act::Fail),
        4 => node.clone().prop_map(Act::Publish),
        6 => node.clone().prop_map(Act::Run),
        3 => (node.clone(), duty).prop_map(|(node, duty)| Act::SetDuty(node, duty)),
        1 => (node.clone(), any::<bool>()).prop_map(|(node, on)| Act::SetSuspect(node, on)),
        1 => (node.clone(), memory).prop_map(|(node, mib)| Act::SetMemory(node, mib)),
        1 => (node.clone(), 0u8..3).prop_map(|(node, zone)| Act::Join(node, zone)),
        1 => node.clone().prop_map(Act::Lose),
        1 => node.prop_map(Act::Find),
    ]
}

/// One slice in the language of the cluster. Hints and calls point to earlier names: no circles.
fn spell(i: usize, wishes: &[Wish]) -> String {
    let wish = &wishes[i];
    let count = wish.instances.max(MIN_READY[i]).max(1);
    let Wish { version, memory, hint, .. } = wish;
    let mut text = format!("{}@{version}={count},min={},mem={memory}", NAMES[i], MIN_READY[i]);
    text += match hint % 4 {
        0 => ",zone=",
        1 => ",zone=,skew=1",
        2 => ",skew=2",
        _ => "",
    };
    if i > 0 && hint % 3 > 0 {
        let called = usize::from(*hint) % i;
        text += &format!(",calls={}@{}", NAMES[called], wishes[called].version);
    }
    if i > 0 {
        let other = NAMES[usize::from(hint >> 4) % i];
        text += &match (hint >> 2) % 4 {
            0 => format!(",near={other}"),
            1 => format!(",must={other}"),
            2 => format!(",away={other}"),
            _ => format!(",never={other}"),
        };
    }
    text
}

fn act(cluster: &mut Cluster, act: &Act) {
    let plan = cluster.plan.clone();
    let knows = |id: &u64| cluster.nodes.contains_key(id);
    match act {
        Act::Run(id) if knows(id) => return cluster.run(*id),
        Act::Join(id, zone) if !knows(id) => {
            let zone = ["a", "b", ""][usize::from(*zone)];
            return cluster.add_nodes(&format!("{id}:{zone}:128"));
        }
        Act::Apply(wishes) => {
            let words: Vec<String> = (0..wishes.len()).map(|i| spell(i, wishes)).collect();
            return cluster.apply("shop", &words.join(" "));
        }
        Act::Plan => return drop(cluster.replan()),
        _ => {}
    }
    let mut with = |id: &u64, change: &dyn Fn(&mut super::cluster::Node)| {
        cluster.nodes.get_mut(id).into_iter().for_each(change);
    };
    match act {
        Act::TakeUp(id) => with(id, &|node| node.take_up(&plan)),
        Act::Finish(id) => with(id, &|node| node.finish()),
        Act::Fail(id) => with(id, &|node| node.fail()),
        Act::Publish(id) => with(id, &|node| node.publish()),
        Act::SetDuty(id, duty) => with(id, &|node| node.view.duty = *duty),
        Act::SetSuspect(id, on) => with(id, &|node| node.view.suspect = *on),
        Act::SetMemory(id, mib) => with(id, &|node| node.view.memory = ByteSize::mib(*mib)),
        Act::Lose(id) => with(id, &|node| node.is_lost = true),
        Act::Find(id) => with(id, &|node| node.is_lost = false),
        Act::Run(_) | Act::Join(..) | Act::Apply(_) | Act::Plan => {}
    }
}

fn start() -> Cluster {
    let mut cluster = Cluster::default();
    cluster.add_nodes("1:a:1024 2:a:128 3:b:128 4::64");
    cluster
}

/// What really serves, by slice.
fn serving(cluster: &Cluster) -> BTreeMap<SliceName, u32> {
    let mut counts = BTreeMap::new();
    for key in cluster.nodes.values().flat_map(|node| node.active()) {
        *counts.entry(key.coordinates.slice.clone()).or_default() += 1;
    }
    counts
}

/// Who serves and calls a version that is not wanted any more. (A version that is wanted has its
/// budget; whether it is there yet is for the caller's node to wait for.)
fn calls(cluster: &Cluster) -> BTreeSet<(NodeId, InstanceKey, Coordinates)> {
    let mut calls = BTreeSet::new();
    for node in cluster.nodes.values() {
        let active = node.instances.iter().filter(|(_, state)| **state == InstanceState::Active);
        for ((key, revision), _) in active {
            let checked = cluster.applications.get(&key.app, *revision).unwrap();
            for callee in checked.dependencies(&key.coordinates) {
                let is_wanted = |(_, c): (_, &Arc<Checked>)| c.slice(callee).is_some();
                let is_wanted = cluster.applications.current(&key.app).is_some_and(is_wanted);
                // The first one may stand still.
                if !is_wanted && callee.slice.artifact() != NAMES[0] {
                    calls.insert((node.view.id, key.clone(), callee.clone()));
                }
            }
        }
    }
    calls
}

/// Versions that serve.
fn versions(cluster: &Cluster) -> BTreeSet<Coordinates> {
    let active = cluster.nodes.values().flat_map(|node| node.active());
    active.map(|key| key.coordinates.clone()).collect()
}

/// Everybody is well again; it must converge, and say why what is not there is not there.
fn heal(cluster: &mut Cluster) {
    for node in cluster.nodes.values_mut() {
        node.is_lost = false;
        node.view.suspect = false;
    }
    let (_, report) = cluster.settle();
    let on_duty = |id: NodeId| cluster.nodes[&id.0].view.duty != Duty::Draining;
    for (_, checked) in cluster.applications.all_current() {
        for slice in &checked.slices {
            let of_slice = |a: &&aether_types::plan::Assignment| {
                a.instance.coordinates == slice.coordinates && !a.leaving
            };
            let placed = cluster.plan.assignments.iter().filter(of_slice).count() as u32;
            let reason = report.unplaced.iter().find(|u| u.coordinates == slice.coordinates);
            assert_eq!(placed < slice.instances, reason.is_some(), "{slice:?}");
        }
    }
    for assignment in cluster.plan.assignments.iter().filter(|a| a.leaving) {
        let why = report.staying.iter().find(|s| s.instance == assignment.instance);
        let why = &why.expect("what stays has a reason").reason;
        assert!(!on_duty(assignment.node) || !report.unplaced.is_empty(), "{why}");
    }
    for unplaced in &report.unplaced {
        assert_named_cause(cluster, &unplaced.coordinates.slice, &report);
    }
}

/// Without the cause that is named, the slice has more instances, or another cause.
fn assert_named_cause(cluster: &Cluster, slice: &SliceName, report: &Report) {
    let of = |report: &Report| {
        let mut all = report.unplaced.iter().filter(|u| u.coordinates.slice == *slice);
        all.next().map(|u| (u.placed, u.reason.code))
    };
    let (placed, code) = of(report).unwrap();
    let (mut view, mut applications) = (cluster.view(), cluster.applications.clone());
    match code {
        Code::OutOfCapacity => {
            view.nodes.iter_mut().for_each(|node| node.memory = ByteSize::mib(1 << 20));
        }
        Code::PlacementUnsatisfied => applications = without_hints(&applications),
        Code::NotEnoughNodes => {
            view.nodes.push(crate::NodeView::new(NodeId(99), ByteSize::mib(1 << 20)));
        }
        other => panic!("{other} is no reason for this"),
    }
    let (_, after) = plan(&applications, &view, &cluster.plan);
    let after = of(&after);
    assert!(after.is_none_or(|(p, c)| p > placed || c != code), "{report:#?}");
}

fn without_hints(applications: &Applications) -> Applications {
    let mut plain = Applications::default();
    for (revision, checked) in applications.all_current() {
        let mut checked = (**checked).clone();
        checked.slices.iter_mut().for_each(|slice| slice.placement = Placement::default());
        plain.accept(revision, Arc::new(checked));
    }
    plain
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn every_plan_on_the_way_is_clean_and_it_converges(
        acts in proptest::collection::vec(any_act(), 0..80),
    ) {
        let mut cluster = start();
        acts.iter().for_each(|a| act(&mut cluster, a));
        heal(&mut cluster);
    }

    /// Leader and nodes see different moments; what really serves never falls below the budget.
    #[test]
    fn no_plan_takes_the_last_ready_ones(
        first in proptest::collection::vec(any_wish(), NAMES.len()),
        acts in proptest::collection::vec(any_act(), 0..80),
    ) {
        let mut cluster = start();
        act(&mut cluster, &Act::Apply(first));
        cluster.settle();
        let mut before = serving(&cluster);
        let mut called = (calls(&cluster), versions(&cluster));
        for a in acts.iter().filter(|a| !matches!(a, Act::Lose(_))) {
            act(&mut cluster, a);
            let now = serving(&cluster);
            for (name, min) in NAMES.iter().zip(MIN_READY) {
                let name: SliceName = format!("x:{name}").parse().unwrap();
                let count = |all: &BTreeMap<SliceName, u32>| all.get(&name).copied().unwrap_or(0);
                prop_assert!(
                    count(&now) >= min.min(count(&before)),
                    "{name} fell from {} to {} by {a:?}", count(&before), count(&now)
                );
            }
            before = now;
            let next = (calls(&cluster), versions(&cluster));
            for (_, caller, callee) in called.0.intersection(&next.0) {
                let is_lost = called.1.contains(callee) && !next.1.contains(callee);
                prop_assert!(!is_lost, "{caller} still calls {callee}, gone by {a:?}");
            }
            called = next;
        }
    }

    #[test]
    fn a_lost_node_moves_what_it_had_and_nothing_else(
        counts in proptest::collection::vec(1u32..5, 1..12),
        lost in 1u64..6,
    ) {
        let mut cluster = Cluster::default();
        cluster.add_nodes("1 2 3 4 5");
        let names = ('a'..='l').zip(counts).map(|(name, count)| format!("{name}={count}"));
        cluster.apply("shop", &names.collect::<Vec<_>>().join(" "));
        cluster.settle();
        let had = cluster.plan.assignments.iter().filter(|a| a.node.0 == lost).count();
        cluster.nodes.get_mut(&lost).unwrap().is_lost = true;
        let report = cluster.replan();
        prop_assert_eq!(report.changes.len(), had);
        let moved = |c: &Change| matches!(c, Change::Move { from, .. } if from.0 == lost);
        prop_assert!(report.changes.iter().all(moved));

        // The node comes back: at most so many are under way at a time.
        cluster.settle();
        cluster.nodes.get_mut(&lost).unwrap().is_lost = false;
        cluster.run(lost);
        let report = cluster.replan();
        prop_assert!(report.changes.len() <= 2 * MOVES_MAX);
        cluster.settle();
        let load = |id: u64| cluster.plan.assignments.iter().filter(|a| a.node.0 == id).count();
        let loads: Vec<usize> = (1..6).map(load).collect();
        let (min, max) = (loads.iter().min().unwrap(), loads.iter().max().unwrap());
        prop_assert!(max - min < 2 || (max - min) * 4 < *max, "{loads:?}");
    }
}

#[test]
fn nothing_is_planned_for_nothing() {
    let (next, report) = plan(&Applications::default(), &View::default(), &Plan::default());
    assert_eq!((next, report), (Plan::default(), Report::default()));
}
