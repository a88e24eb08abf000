//! Plans many slices on many nodes and says how long that takes: `scale [SLICES [NODES]]`. Knows no
//! network and no engine; time and memory are those of the planner alone.

use aether_placement::{Duty, NodeView, View, lint, plan};
use aether_types::blueprint::{Limits, Placement, Spread};
use aether_types::checked::{Applications, Checked, CheckedSlice, Edge};
use aether_types::limits::EffectiveLimits;
use aether_types::observed::{InstanceState, InstanceStatus, Observed};
use aether_types::plan::Plan;
use aether_types::slice_toml::Instances;
use aether_types::versioned::encode;
use aether_types::{ByteSize, Coordinates, Digest, NodeId, Revision};
use std::io::{Result, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Slices of one application: each calls the one before it, one in ten is spread over zones, one in
/// ten prefers to be near the one before it.
const SLICES_OF_APP: usize = 100;
const INSTANCES: u32 = 3;
/// Of each measurement, the best one counts.
const REPEATS: usize = 3;

fn coordinates(slice: usize, version: u32) -> Coordinates {
    format!("load:slice-{slice}:{version}.0.0").parse().expect("it is a slice's name")
}

fn checked(app: usize, slices: usize, version: u32) -> Checked {
    let slice = |i: usize| CheckedSlice {
        coordinates: coordinates(i, version),
        digest: Digest([version as u8; 32]),
        entry: i,
        limits: EffectiveLimits::narrow("load", &Instances::default(), &Limits::default())
            .expect("no limits are no wider ones"),
        instances: INSTANCES,
        min_ready: INSTANCES - 1,
        max_instances: None,
        placement: Placement {
            spread: if i % 10 == 1 { Spread::Zone } else { Spread::Node },
            near: (i % 10 == 2).then(|| coordinates(i - 1, 1).slice).into_iter().collect(),
            ..Placement::default()
        },
        exports: Vec::new(),
    };
    let edge = |i: usize| Edge {
        importer: coordinates(i, version),
        interface: format!("load:slice-{}/api", i - 1).parse().expect("it is an interface"),
        exporter: coordinates(i - 1, version),
        wish: None,
    };
    Checked {
        app: format!("app-{app}").parse().expect("it is an application's name"),
        slices: (0..slices).map(slice).collect(),
        edges: (1..slices).map(edge).collect(),
        routes: Vec::new(),
    }
}

fn applications(slices: usize, version: u32) -> Applications {
    let mut applications = Applications::default();
    for app in 0..slices.div_ceil(SLICES_OF_APP) {
        let count = SLICES_OF_APP.min(slices - app * SLICES_OF_APP);
        applications.accept(Revision(u64::from(version)), Arc::new(checked(app, count, version)));
    }
    applications
}

/// Every node has done what the plan says, and says so.
fn observe(view: &mut View, plan: &Plan) {
    for node in &mut view.nodes {
        let here = plan.assignments.iter().filter(|a| a.node == node.id);
        let status = here.map(|a| InstanceStatus {
            instance: a.instance.clone(),
            digest: a.digest,
            blueprint: a.blueprint,
            state: InstanceState::Active,
            reason: None,
        });
        let instances = status.collect();
        let (id, generation) = (node.id, plan.generation);
        node.observed = Some(Arc::new(Observed { node: id, run: 1, generation, instances }));
    }
}

/// Plans and observes until nothing changes: hints leave nodes uneven, and that is evened out.
fn settle(applications: &Applications, view: &mut View, mut last: Plan) -> Plan {
    loop {
        observe(view, &last);
        let (next, report) = plan(applications, view, &last);
        if report.changes.is_empty() {
            return last;
        }
        last = next;
    }
}

/// The plan and the best time of several.
fn timed(applications: &Applications, view: &View, previous: &Plan) -> (Plan, Duration, usize) {
    let one = || {
        let start = Instant::now();
        let (next, report) = plan(applications, view, previous);
        (next, start.elapsed(), report.changes.len())
    };
    let runs = (0..REPEATS).map(|_| one());
    runs.min_by_key(|(_, time, _)| *time).expect("it runs at least once")
}

fn peak_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.map_or("unknown".to_owned(), |line| line.trim().to_owned())
}

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1).map(|arg| arg.parse().expect("a number"));
    let (slices, nodes) = (args.next().unwrap_or(1_000), args.next().unwrap_or(100));
    // Room for half as much again, in five zones.
    let budget = ByteSize::mib((slices * INSTANCES as usize * 64 * 3 / 2 / nodes).max(256) as u64);
    let node = |id: usize| NodeView {
        zone: Some(format!("zone-{}", id % 5)),
        ..NodeView::new(NodeId(id as u64), budget)
    };
    let mut view = View { nodes: (1..=nodes).map(node).collect() };
    let (old, new) = (applications(slices, 1), applications(slices, 2));
    let mut out = std::io::stdout().lock();
    let mut say = |what: &str, (time, changes): (Duration, usize)| {
        let ms = time.as_secs_f64() * 1e3;
        writeln!(out, "{what:<24} {ms:>10.2} ms {changes:>8} changes")
    };

    let (first, time, changes) = timed(&old, &view, &Plan::default());
    say("everything is new", (time, changes))?;
    let first = settle(&old, &mut view, first);
    let (_, time, changes) = timed(&old, &view, &first);
    say("nothing changes", (time, changes))?;

    let lost = view.nodes.remove(0);
    let (_, time, changes) = timed(&old, &view, &first);
    say("a node is lost", (time, changes))?;
    view.nodes.insert(0, lost);
    view.nodes[0].duty = Duty::Draining;
    let (_, time, changes) = timed(&old, &view, &first);
    say("a node drains", (time, changes))?;
    view.nodes[0].duty = Duty::OnDuty;
    view.nodes.push(node(nodes + 1));
    observe(&mut view, &first);
    let (_, time, changes) = timed(&old, &view, &first);
    say("a node joins", (time, changes))?;
    view.nodes.pop();

    let (updated, time, changes) = timed(&new, &view, &first);
    say("every slice is updated", (time, changes))?;
    observe(&mut view, &updated);
    let (_, time, changes) = timed(&new, &view, &updated);
    say("the old ones go", (time, changes))?;
    let start = Instant::now();
    let notes = lint(&old, &view, &first);
    assert!(notes.is_empty(), "{notes:?}");
    say("lint", (start.elapsed(), 0))?;
    let (memory, bytes) = (peak_memory(), encode(&first).len());
    writeln!(
        out,
        "{slices} slices, {INSTANCES} instances each, {nodes} nodes; plan {bytes} bytes; \
         peak memory {memory}"
    )
}
