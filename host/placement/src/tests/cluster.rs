//! A cluster for the planner: nodes that take plans up late, say what they have late, and lose it.
//! Uses the planner and the check; knows no reconciler.

use super::world::{application, descriptions, slices};
use crate::{Duty, NodeView, Report, SideBySide, Transition, View, lint, lint_transition, plan};
use aether_types::checked::Applications;
use aether_types::observed::{InstanceState, InstanceStatus, Observed};
use aether_types::plan::{InstanceKey, Plan};
use aether_types::{ByteSize, Coordinates, Digest, Generation, NodeId, Revision};
use std::borrow::ToOwned;
use std::collections::{BTreeMap, BTreeSet};
use std::format;
use std::string::{String, ToString};
use std::sync::Arc;
use std::vec::Vec;

/// What a node really has, beside what it last said.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) view: NodeView,
    /// Nobody hears of it; it goes on with what it has.
    pub(super) is_lost: bool,
    taken_up: Generation,
    pub(super) instances: BTreeMap<(InstanceKey, Revision), InstanceState>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Cluster {
    pub(super) applications: Applications,
    pub(super) nodes: BTreeMap<u64, Node>,
    pub(super) plan: Plan,
    revision: u64,
}

/// `a` or `a@2`, as coordinates of group `x`.
fn coordinates(text: &str) -> Coordinates {
    let (name, major) = text.split_once('@').unwrap_or((text, "1"));
    format!("x:{name}:{major}.0.0").parse().unwrap()
}

/// `near=a near=b`: the names of one key as a TOML list.
fn names(options: &[(&str, &str)], key: &str) -> Option<String> {
    let of_key = options.iter().filter(|(k, _)| *k == key);
    let names: Vec<String> = of_key.map(|(_, name)| format!("\"x:{name}\"")).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

/// An entry such as `a@2=3,min=2,mem=8,zone=,skew=1,near=b,must=c,away=d,never=e,calls=f`: its
/// surface and its part of the blueprint.
fn entry(text: &str) -> (String, String) {
    let mut words = text.split(',');
    let (name, count) = words.next().unwrap().split_once('=').unwrap();
    let options: Vec<(&str, &str)> = words.map(|w| w.split_once('=').unwrap()).collect();
    let get = |key| options.iter().find(|(k, _)| *k == key).map(|(_, value)| *value);
    let this = coordinates(name);
    let api = |c: &Coordinates| format!("x:{}/api@{} {{ f() }}", c.slice.artifact(), c.version);
    let mut surface = format!("{this}\nexport {}\n", api(&this));
    for (_, called) in options.iter().filter(|(k, _)| *k == "calls") {
        surface += &format!("import {}\n", api(&coordinates(called)));
    }
    let mut toml = format!("[[slices]]\nartifact = \"{this}\"\ninstances = {count}\n");
    if let Some(min) = get("min") {
        toml += &format!("min-ready = {min}\n");
    }
    if let Some(mib) = get("mem") {
        toml += &format!("[slices.limits]\nmemory = \"{mib}MiB\"\n");
    }
    toml += "[slices.placement]\n";
    if get("zone").is_some() {
        toml += "spread = \"zone\"\n";
    }
    if let Some(skew) = get("skew") {
        toml += &format!("max-skew = {skew}\n");
    }
    let keys = [
        ("near", "near"),
        ("must", "require-near"),
        ("away", "away-from"),
        ("never", "require-away-from"),
    ];
    for (short, key) in keys {
        if let Some(names) = names(&options, short) {
            toml += &format!("{key} = [{names}]\n");
        }
    }
    (surface, toml)
}

/// The application and what its components are, checked.
pub(super) fn checked(
    app: &str,
    text: &str,
) -> Result<aether_types::checked::Checked, aether_types::Problems> {
    let (surfaces, entries): (Vec<String>, Vec<String>) =
        text.split_whitespace().map(entry).unzip();
    let mut slices = slices(&surfaces.join("---\n"));
    for (coordinates, description) in &mut slices {
        let name = coordinates.slice.artifact().bytes().last().unwrap();
        description.digest = Digest([name ^ (coordinates.version.major as u8) << 5; 32]);
    }
    let application = application(app, &slices, &entries.concat());
    crate::check(&application, &descriptions(&slices), [])
}

impl Node {
    fn new(view: NodeView) -> Self {
        let (is_lost, taken_up) = (false, Generation(0));
        Self { view, is_lost, taken_up, instances: BTreeMap::new() }
    }

    /// Instances that serve.
    pub(super) fn active(&self) -> impl Iterator<Item = &InstanceKey> {
        let active = self.instances.iter().filter(|(_, state)| **state == InstanceState::Active);
        active.map(|((key, _), _)| key)
    }

    /// Starts what the plan has here, and stops what it has not. Earlier revisions serve until
    /// their successor does.
    pub(super) fn take_up(&mut self, plan: &Plan) {
        if plan.generation < self.taken_up || self.is_lost {
            return;
        }
        self.taken_up = plan.generation;
        let here = plan.assignments.iter().filter(|a| a.node == self.view.id);
        let wanted: BTreeSet<(InstanceKey, Revision)> =
            here.map(|a| (a.instance.clone(), a.blueprint)).collect();
        for key in &wanted {
            let state = self.instances.entry(key.clone()).or_insert(InstanceState::Loading);
            if *state == InstanceState::Deactivating {
                *state = InstanceState::Loading;
            }
        }
        let replaced = |key: &(InstanceKey, Revision)| wanted.iter().any(|w| w.0 == key.0);
        for (key, state) in self.instances.iter_mut().filter(|(key, _)| !wanted.contains(key)) {
            let serves = *state == InstanceState::Active;
            if !replaced(key) || !serves {
                *state = InstanceState::Deactivating;
            }
        }
    }

    /// Every step that is under way ends.
    pub(super) fn finish(&mut self) {
        let ready: BTreeSet<InstanceKey> = self
            .instances
            .iter_mut()
            .filter(|(_, state)| matches!(state, InstanceState::Loading | InstanceState::Failed))
            .map(|((key, _), state)| {
                *state = InstanceState::Active;
                key.clone()
            })
            .collect();
        let mut newest: BTreeMap<InstanceKey, Revision> = BTreeMap::new();
        for (key, revision) in self.instances.keys() {
            newest.insert(key.clone(), *revision);
        }
        self.instances.retain(|(key, revision), state| {
            let is_old = ready.contains(key) && newest[key] != *revision;
            *state != InstanceState::Deactivating && !is_old
        });
    }

    /// What is being started fails.
    pub(super) fn fail(&mut self) {
        let coming = self.instances.values_mut().filter(|s| **s == InstanceState::Loading);
        coming.for_each(|state| *state = InstanceState::Failed);
    }

    pub(super) fn publish(&mut self) {
        let status = |(instance, blueprint): &(InstanceKey, Revision), state: &InstanceState| {
            InstanceStatus {
                instance: instance.clone(),
                digest: Digest([0; 32]),
                blueprint: *blueprint,
                state: *state,
                reason: None,
            }
        };
        let instances = self.instances.iter().map(|(key, state)| status(key, state)).collect();
        let (node, generation) = (self.view.id, self.taken_up);
        self.view.observed = Some(Arc::new(Observed { node, run: 1, generation, instances }));
    }
}

impl Cluster {
    /// `1 2:a 3:b:128`: nodes on duty, with zone and memory in MiB.
    pub(super) fn add_nodes(&mut self, text: &str) {
        for word in text.split_whitespace() {
            let mut parts = word.split(':');
            let id: u64 = parts.next().unwrap().parse().unwrap();
            let zone = parts.next().filter(|zone| !zone.is_empty()).map(ToOwned::to_owned);
            let memory = parts.next().map_or(4_096, |mib| mib.parse().unwrap());
            let view = NodeView { zone, ..NodeView::new(NodeId(id), ByteSize::mib(memory)) };
            self.nodes.insert(id, Node::new(view));
        }
    }

    pub(super) fn apply(&mut self, app: &str, text: &str) {
        self.revision += 1;
        if text.trim().is_empty() {
            return self.applications.remove(&app.parse().unwrap());
        }
        let checked = checked(app, text).unwrap_or_else(|problems| panic!("{problems}"));
        self.applications.accept(Revision(self.revision), Arc::new(checked));
    }

    pub(super) fn set_duty(&mut self, node: u64, duty: Duty) {
        self.nodes.get_mut(&node).unwrap().view.duty = duty;
    }

    pub(super) fn view(&self) -> View {
        let there = self.nodes.values().filter(|node| !node.is_lost);
        View { nodes: there.map(|node| node.view.clone()).collect() }
    }

    /// Plans, checks the plan from outside, and follows it.
    pub(super) fn replan(&mut self) -> Report {
        let view = self.view();
        let (next, report) = plan(&self.applications, &view, &self.plan);
        assert_eq!(lint(&self.applications, &view, &next), [], "{next:#?}");
        let Self { applications, plan: previous, .. } = &*self;
        let (view, next_plan) = (&view, &next);
        let side_by_side = &SideBySide::new();
        let transition = Transition { applications, side_by_side, view, previous, next: next_plan };
        assert_eq!(lint_transition(transition), []);

        // Planned again, in any order of nodes: nothing to do.
        let mut turned = view.clone();
        turned.nodes.reverse();
        let (again, quiet) = plan(applications, &turned, &next);
        assert_eq!(again, next, "idempotent");
        assert_eq!((quiet.changes.len(), &quiet.unplaced), (0, &report.unplaced));
        assert_eq!(plan(applications, &turned, previous).0, next, "stable");
        self.plan = next;
        report
    }

    /// The node takes the plan up, finishes everything, and says so.
    pub(super) fn run(&mut self, node: u64) {
        let plan = self.plan.clone();
        let node = self.nodes.get_mut(&node).unwrap();
        if !node.is_lost {
            node.take_up(&plan);
            node.finish();
            node.publish();
        }
    }

    /// Plans and runs until nothing changes. Returns the number of plans and the last report.
    pub(super) fn settle(&mut self) -> (u32, Report) {
        for plans in 0..200 {
            let ids: Vec<u64> = self.nodes.keys().copied().collect();
            ids.into_iter().for_each(|id| self.run(id));
            let before = self.plan.generation;
            let report = self.replan();
            if self.plan.generation == before {
                return (plans, report);
            }
        }
        panic!("it never settles: {:#?}", self.plan);
    }

    /// `a 1, a 2!`: where everything is; `!` is on its way out.
    pub(super) fn show(&self) -> String {
        let one = |a: &aether_types::plan::Assignment| {
            let Coordinates { slice, version } = &a.instance.coordinates;
            let major =
                if version.major == 1 { String::new() } else { format!("@{}", version.major) };
            let leaving = if a.leaving { "!" } else { "" };
            format!("{}{major}#{} on {}{leaving}", slice.artifact(), a.instance.ordinal, a.node.0)
        };
        self.plan.assignments.iter().map(one).collect::<Vec<_>>().join(", ")
    }
}

pub(super) fn show_report(report: &Report) -> String {
    let mut lines = Vec::new();
    for u in &report.unplaced {
        lines.push(format!("  {}: {}", u.coordinates, u.reason));
    }
    for s in &report.staying {
        lines.push(format!("  {} on {}: {}", s.instance, s.node.0, s.reason));
    }
    for c in &report.crowded {
        lines.push(format!("  {}: {} instances on {} nodes", c.coordinates, c.instances, c.nodes));
    }
    lines.iter().map(|line| format!("\n{line}")).collect::<String>().to_string()
}
