//! Brings the instances of many nodes up and says how long the reconcilers take for that:
//! `scale [SLICES [NODES]]`. Every step that they ask for ends well and at once.

use aether_lifecycle::{Effect, Outbox, Reconciler, Settings, Tick};
use aether_types::blueprint::{Limits, Placement};
use aether_types::checked::{Applications, Checked, CheckedSlice, Edge};
use aether_types::limits::EffectiveLimits;
use aether_types::observed::{InstanceState, Observed};
use aether_types::plan::{Assignment, InstanceKey, Plan};
use aether_types::slice_toml::Instances;
use aether_types::{ByteSize, Coordinates, Digest, Generation, NodeId, Revision};
use std::collections::{BTreeSet, VecDeque};
use std::io::{Result, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Slices of one application; each calls the one before it.
const SLICES_OF_APP: usize = 100;
const INSTANCES: usize = 3;

fn coordinates(slice: usize) -> Coordinates {
    format!("load:slice-{slice}:1.0.0").parse().expect("it is a slice's name")
}

fn checked(app: usize, slices: usize) -> Checked {
    let slice = |entry: usize| CheckedSlice {
        coordinates: coordinates(entry),
        digest: Digest([1; 32]),
        entry,
        limits: EffectiveLimits::narrow("load", &Instances::default(), &Limits::default())
            .expect("no limits are no wider ones"),
        instances: INSTANCES as u32,
        min_ready: 1,
        max_instances: None,
        placement: Placement::default(),
        exports: Vec::new(),
    };
    let edge = |i: usize| Edge {
        importer: coordinates(i),
        interface: format!("load:slice-{}/api", i - 1).parse().expect("it is an interface"),
        exporter: coordinates(i - 1),
        wish: None,
    };
    Checked {
        app: format!("app-{app}").parse().expect("it is an application's name"),
        slices: (0..slices).map(slice).collect(),
        edges: (1..slices).map(edge).collect(),
        routes: Vec::new(),
    }
}

/// Instances go round the nodes.
fn plan(applications: &Applications, nodes: usize) -> Plan {
    let all = applications.all_current();
    let slices = all.flat_map(|(r, c)| c.slices.iter().map(move |s| (r, &c.app, &s.coordinates)));
    let keys =
        slices.flat_map(|(r, app, c)| (0..INSTANCES.min(nodes)).map(move |i| (r, app, c, i)));
    let assignment =
        |(at, (blueprint, app, coordinates, i)): (usize, (_, &_, &Coordinates, usize))| {
            let (app, coordinates, ordinal) = (Clone::clone(app), coordinates.clone(), i as u32);
            Assignment {
                instance: InstanceKey { app, coordinates, ordinal },
                node: NodeId((at % nodes) as u64 + 1),
                digest: Digest([1; 32]),
                blueprint,
                since: Generation(1),
                memory: ByteSize::mib(64),
                leaving: false,
            }
        };
    let mut assignments: Vec<Assignment> = keys.enumerate().map(assignment).collect();
    assignments.sort_by(|a, b| a.instance.cmp(&b.instance));
    Plan { generation: Generation(1), parent: Generation(0), assignments }
}

/// Ends every step at once; says what the node said last, and how many steps it took.
fn finish(core: &mut Reconciler, out: Outbox) -> (Option<Observed>, usize) {
    let (mut queue, mut last, mut steps) = (VecDeque::from(out), None, 0);
    while let Some(effect) = queue.pop_front() {
        let (mut out, now) = (Outbox::new(), Tick(0));
        match effect {
            Effect::Load { attempt, .. } => core.on_loaded(now, attempt, Ok(()), &mut out),
            Effect::Start { attempt } => core.on_started(now, attempt, Ok(()), &mut out),
            Effect::Publish(observed) => {
                last = Some(observed);
                continue;
            }
            _ => continue,
        }
        steps += 1;
        queue.extend(out);
    }
    (last, steps)
}

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1).map(|arg| arg.parse().expect("a number"));
    let (slices, nodes): (usize, usize) =
        (args.next().unwrap_or(1_000), args.next().unwrap_or(100));
    let mut applications = Applications::default();
    for app in 0..slices.div_ceil(SLICES_OF_APP) {
        let count = SLICES_OF_APP.min(slices - app * SLICES_OF_APP);
        applications.accept(Revision(1), Arc::new(checked(app, count)));
    }
    let plan = plan(&applications, nodes);
    let key = |a: &Assignment| (a.instance.app.clone(), a.instance.coordinates.clone());
    // What the others have is there: each node is measured by itself.
    let elsewhere: BTreeSet<_> = match nodes {
        1 => BTreeSet::new(),
        _ => plan.assignments.iter().map(key).collect(),
    };
    let (mut slowest, mut total, mut steps) = (Duration::ZERO, Duration::ZERO, 0);
    let mut again = Duration::ZERO;
    for id in 1..=nodes as u64 {
        let mut core = Reconciler::new(Settings { node: NodeId(id), run: 1, seed: id });
        let start = Instant::now();
        let mut out = Outbox::new();
        core.on_elsewhere(Tick(0), elsewhere.clone(), &mut out);
        core.on_plan(Tick(0), &plan, &applications, &mut out);
        let (last, taken) = finish(&mut core, out);
        let time = start.elapsed();
        (slowest, total, steps) = (slowest.max(time), total + time, steps + taken);
        let last = last.expect("it said something");
        assert!(last.instances.iter().all(|i| i.state == InstanceState::Active));
        let start = Instant::now();
        core.on_plan(Tick(0), &plan, &applications, &mut Outbox::new());
        again = again.max(start.elapsed());
    }
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    writeln!(
        std::io::stdout().lock(),
        "{slices} slices, {} instances, {nodes} nodes: all nodes {:.1} ms, the slowest {:.1} ms, \
         {steps} steps; the same plan once more, the slowest {:.2} ms",
        plan.assignments.len(),
        ms(total),
        ms(slowest),
        ms(again),
    )
}
