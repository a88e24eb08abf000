//! Two versions of an application at once: each has a lane of ordinals and is planned by itself,
//! in the room that the other leaves. Knows no weights, and not why there are two.

use crate::lint::{Note, lint};
use crate::plan::{Report, changes, plan};
use crate::view::{NodeView, Status, View};
use aether_types::checked::{Applications, Checked};
use aether_types::observed::Observed;
use aether_types::plan::{Assignment, InstanceKey, Plan};
use aether_types::{AppName, ByteSize, Coordinates, Generation, NodeId, Revision, SliceName};
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// Applications of which other versions than the current one are wanted, or other numbers of
/// instances. Those that are not named run their current revision.
pub type SideBySide = BTreeMap<AppName, Vec<WantedVersion>>;

/// One version, known to the applications.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedVersion {
    pub revision: Revision,
    /// Instances of a slice instead of those that its blueprint wants.
    pub instances: BTreeMap<Coordinates, u32>,
}

/// Versions of one application at the same time.
pub const VERSIONS_MAX: usize = 2;
/// Ordinals of the second lane begin here: ten times what a slice can have. A version stays in its
/// lane, and the next one takes the other.
pub const LANE: u32 = 10_000;

/// Rounds until neither lane changes because of the other. The bound is for a defect.
const ROUNDS_MAX: usize = 16;

/// What is wanted in one lane: which version, and how many instances if not as its blueprint says.
type Wanted<'a> = BTreeMap<&'a AppName, (Revision, BTreeMap<Coordinates, u32>)>;

/// Like [`plan`], with several versions of some applications beside each other. A version that is
/// not wanted any more goes when of each slice of one that is, as many as its min-ready are; and
/// then as a slice does that is not wanted: when no instance that is there calls it. Of more than
/// [`VERSIONS_MAX`] the first ones count; one that is not known is not wanted. Hints are kept
/// within a version.
pub fn plan_versions(
    applications: &Applications,
    side_by_side: &SideBySide,
    view: &View,
    previous: &Plan,
) -> (Plan, Report) {
    if side_by_side.is_empty() && !has_second_lane(view, previous) {
        return plan(applications, view, previous);
    }
    let wanted = lanes(applications, side_by_side, view, previous);
    let lanes = [0, 1].map(|lane: usize| of_lane(applications, &wanted[lane]));
    let generation = Generation(previous.generation.0 + 1);
    let mut next = previous.clone();
    let mut report = Report::default();
    for _ in 0..ROUNDS_MAX {
        let (assignments, found) = round(&lanes, view, previous, &next.assignments);
        report = found;
        if assignments == next.assignments {
            break;
        }
        next = Plan { generation, parent: previous.generation, assignments };
    }
    report.changes = changes(&previous.assignments, &next.assignments);
    (next, report)
}

/// Everything that is wrong with a plan that [`plan_versions`] made for this view: what [`lint`]
/// finds in each lane, and in both together.
pub fn lint_versions(
    applications: &Applications,
    side_by_side: &SideBySide,
    view: &View,
    plan: &Plan,
) -> Vec<Note> {
    if side_by_side.is_empty() && !has_second_lane(view, plan) {
        return lint(applications, view, plan);
    }
    let wanted = lanes(applications, side_by_side, view, plan);
    let parts = split(&plan.assignments);
    let mut notes = Vec::new();
    for lane in [0, 1] {
        let applications = of_lane(applications, &wanted[lane]);
        let view = lane_view(view, lane, &parts[1 - lane]);
        let part = Plan { assignments: parts[lane].clone(), ..plan.clone() };
        notes.extend(lint(&applications, &view, &part));
    }
    for pair in plan.assignments.windows(2).filter(|pair| pair[0].instance >= pair[1].instance) {
        notes.push(Note::NotSorted { instance: pair[1].instance.clone() });
    }
    notes
}

fn round(
    applications: &[Applications; VERSIONS_MAX],
    view: &View,
    previous: &Plan,
    assignments: &[Assignment],
) -> (Vec<Assignment>, Report) {
    let mut parts = split(assignments);
    let mut report = Report::default();
    for lane in [0, 1] {
        let view = lane_view(view, lane, &parts[1 - lane]);
        // Both lanes are of one plan: what they change, they change in the same generation.
        let before = Plan { assignments: parts[lane].clone(), ..previous.clone() };
        let (after, found) = plan(&applications[lane], &view, &before);
        parts[lane] = after.assignments;
        report.unplaced.extend(found.unplaced);
        report.crowded.extend(found.crowded);
        report.staying.extend(found.staying.into_iter().map(|mut staying| {
            staying.instance = in_lane(staying.instance, lane);
            staying
        }));
    }
    report.unplaced.sort_by(|a, b| (&a.app, &a.coordinates).cmp(&(&b.app, &b.coordinates)));
    report.crowded.sort_by(|a, b| (&a.app, &a.coordinates).cmp(&(&b.app, &b.coordinates)));
    report.staying.sort_by(|a, b| a.instance.cmp(&b.instance));
    (join(parts), report)
}

fn has_second_lane(view: &View, plan: &Plan) -> bool {
    let mut observed = view.nodes.iter().flat_map(|node| &node.observed);
    plan.assignments.iter().any(|a| lane_of(&a.instance) > 0)
        || observed.any(|o| o.instances.iter().any(|i| lane_of(&i.instance) > 0))
}

fn lane_of(instance: &InstanceKey) -> usize {
    usize::from(instance.ordinal >= LANE)
}

/// The instance as its lane counts it, and back.
fn within_lane(instance: InstanceKey) -> InstanceKey {
    InstanceKey { ordinal: instance.ordinal % LANE, ..instance }
}

fn in_lane(instance: InstanceKey, lane: usize) -> InstanceKey {
    InstanceKey { ordinal: instance.ordinal + LANE * lane as u32, ..instance }
}

fn split(assignments: &[Assignment]) -> [Vec<Assignment>; VERSIONS_MAX] {
    [0, 1].map(|lane| {
        let of_lane = assignments.iter().filter(|a| lane_of(&a.instance) == lane).cloned();
        of_lane.map(|a| Assignment { instance: within_lane(a.instance.clone()), ..a }).collect()
    })
}

fn join(parts: [Vec<Assignment>; VERSIONS_MAX]) -> Vec<Assignment> {
    let with_lane = parts.into_iter().enumerate();
    let mut all: Vec<Assignment> = with_lane
        .flat_map(|(lane, part)| {
            part.into_iter()
                .map(move |a| Assignment { instance: in_lane(a.instance.clone(), lane), ..a })
        })
        .collect();
    all.sort_by(|a, b| a.instance.cmp(&b.instance));
    all
}

/// Instances of one application, by version and slice: how many stay in each lane, and are ready.
#[derive(Debug, Default)]
struct Seats<'a> {
    staying: BTreeMap<(Revision, &'a Coordinates), [u32; VERSIONS_MAX]>,
    ready: BTreeMap<(Revision, &'a Coordinates), u32>,
    leaving: BTreeMap<Revision, [u32; VERSIONS_MAX]>,
}

/// Which version is wanted in which lane: the one where it is, else the one that is free.
fn lanes<'a>(
    applications: &'a Applications,
    side_by_side: &SideBySide,
    view: &View,
    plan: &Plan,
) -> [Wanted<'a>; VERSIONS_MAX] {
    let seats = seats(view, plan);
    let nobody = Seats::default();
    let mut wanted = [Wanted::new(), Wanted::new()];
    for (current, checked) in applications.all_current() {
        let app = &checked.app;
        let seats = seats.get(app).unwrap_or(&nobody);
        let mut versions = match side_by_side.get(app) {
            Some(versions) => versions.clone(),
            None => Vec::from([WantedVersion { revision: current, instances: BTreeMap::new() }]),
        };
        versions.retain(|v| applications.get(app, v.revision).is_some());
        versions.truncate(VERSIONS_MAX);
        // Those that are somewhere choose first.
        versions.sort_by_key(|v| seats.lane(Some(v.revision)).is_none());
        for version in &versions {
            let lane = seats.lane(Some(version.revision)).or_else(|| seats.lane(None));
            let lane = lane.unwrap_or(0);
            let lane = if wanted[lane].contains_key(app) { 1 - lane } else { lane };
            wanted[lane].insert(app, (version.revision, version.instances.clone()));
        }
        let stands = |v: &WantedVersion| {
            applications.get(app, v.revision).is_some_and(|checked| seats.stands(v, checked))
        };
        if versions.is_empty() || versions.iter().any(stands) {
            continue;
        }
        // Nothing that is wanted could stand in: what is there stays as it is.
        for lane in [0, 1] {
            let there = seats.there(lane).filter(|(v, _)| applications.get(app, *v).is_some());
            if let Some(there) = there.filter(|_| !wanted[lane].contains_key(app)) {
                wanted[lane].insert(app, there);
            }
        }
    }
    wanted
}

fn seats<'a>(view: &View, plan: &'a Plan) -> BTreeMap<&'a AppName, Seats<'a>> {
    let nodes: BTreeMap<NodeId, &NodeView> = view.nodes.iter().map(|n| (n.id, n)).collect();
    let mut seats: BTreeMap<&AppName, Seats<'_>> = BTreeMap::new();
    for a in &plan.assignments {
        let of_app = seats.entry(&a.instance.app).or_default();
        let (key, lane) = ((a.blueprint, &a.instance.coordinates), lane_of(&a.instance));
        let status = nodes.get(&a.node).map(|node| node.status(&a.instance, a.since));
        if a.leaving {
            of_app.leaving.entry(a.blueprint).or_default()[lane] += 1;
        } else {
            of_app.staying.entry(key).or_default()[lane] += 1;
            *of_app.ready.entry(key).or_default() += u32::from(status == Some(Status::Ready));
        }
    }
    seats
}

impl Seats<'_> {
    /// Where most instances of a version, or of all, stay; else where the last ones go.
    fn lane(&self, version: Option<Revision>) -> Option<usize> {
        let is_of = |revision: Revision| version.is_none_or(|version| version == revision);
        let sum = |all: &mut dyn Iterator<Item = [u32; VERSIONS_MAX]>| {
            all.reduce(|a, b| [a[0] + b[0], a[1] + b[1]]).map(|[a, b]| usize::from(b > a))
        };
        let staying = self.staying.iter().filter(|((revision, _), _)| is_of(*revision));
        let leaving = self.leaving.iter().filter(|(revision, _)| is_of(**revision));
        let staying = sum(&mut staying.map(|(_, count)| *count));
        staying.or_else(|| sum(&mut leaving.map(|(_, count)| *count)))
    }

    /// Whether of each slice as many as its min-ready are.
    fn stands(&self, version: &WantedVersion, checked: &Checked) -> bool {
        checked.slices.iter().all(|slice| {
            let wanted = version.instances.get(&slice.coordinates).copied();
            let min_ready = slice.min_ready.min(wanted.unwrap_or(slice.instances));
            let ready = self.ready.get(&(version.revision, &slice.coordinates));
            ready.copied().unwrap_or(0) >= min_ready
        })
    }

    /// The newest version that stays in a lane, with as many instances as there are.
    fn there(&self, lane: usize) -> Option<(Revision, BTreeMap<Coordinates, u32>)> {
        let there = || self.staying.iter().filter(|(_, count)| count[lane] > 0);
        let newest = there().map(|((revision, _), _)| *revision).max()?;
        let of_newest = there().filter(|((revision, _), _)| *revision == newest);
        let counts = of_newest.map(|((_, slice), count)| ((*slice).clone(), count[lane]));
        Some((newest, counts.collect()))
    }
}

/// The applications as one lane knows them: all versions, of which those that are wanted in the
/// lane are the current ones.
fn of_lane(applications: &Applications, wanted: &Wanted<'_>) -> Applications {
    let mut lane = Applications::default();
    for (revision, checked) in applications.all() {
        lane.accept(revision, Arc::clone(checked));
    }
    for (_, checked) in applications.all() {
        lane.remove(&checked.app);
    }
    for (app, (revision, instances)) in wanted {
        let checked = applications.get(app, *revision).expect("only what is known is wanted");
        lane.accept(*revision, with_instances(checked, instances));
    }
    lane
}

fn with_instances(checked: &Arc<Checked>, instances: &BTreeMap<Coordinates, u32>) -> Arc<Checked> {
    if instances.is_empty() {
        return Arc::clone(checked);
    }
    let mut checked = Checked::clone(checked);
    for slice in &mut checked.slices {
        let wanted = instances.get(&slice.coordinates).copied().unwrap_or(slice.instances);
        slice.min_ready = slice.min_ready.min(wanted);
        slice.instances = wanted;
    }
    Arc::new(checked)
}

/// The nodes as one lane sees them: its own instances, and the room that the other leaves.
fn lane_view(view: &View, lane: usize, other: &[Assignment]) -> View {
    let reserved = reserved(other);
    let node = |node: &NodeView| {
        let taken = reserved.get(&node.id).copied().unwrap_or(0);
        let memory = ByteSize(node.memory.bytes().saturating_sub(taken));
        let observed = node.observed.as_ref().map(|observed| lane_observed(observed, lane));
        NodeView { memory, observed, ..node.clone() }
    };
    View { nodes: view.nodes.iter().map(node).collect() }
}

fn lane_observed(observed: &Observed, lane: usize) -> Arc<Observed> {
    let of_lane = observed.instances.iter().filter(|i| lane_of(&i.instance) == lane).cloned();
    let instances = of_lane.map(|mut status| {
        status.instance = within_lane(status.instance);
        status
    });
    Arc::new(Observed { instances: instances.collect(), ..observed.clone() })
}

/// Bytes by node. What takes the place of something shares its reservation.
fn reserved(assignments: &[Assignment]) -> BTreeMap<NodeId, u64> {
    let mut seats: BTreeMap<(NodeId, &AppName, &SliceName, u32), [u64; 2]> = BTreeMap::new();
    for a in assignments {
        let InstanceKey { app, coordinates, ordinal } = &a.instance;
        let seat = seats.entry((a.node, app, &coordinates.slice, *ordinal)).or_default();
        seat[usize::from(a.leaving)] += a.memory.bytes();
    }
    let mut bytes = BTreeMap::new();
    for ((node, ..), [staying, leaving]) in seats {
        *bytes.entry(node).or_default() += staying.max(leaving);
    }
    bytes
}
