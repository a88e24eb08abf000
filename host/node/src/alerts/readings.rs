//! The values of all metrics, as this node knows them now. Knows no threshold.

use crate::counts::Counting;
use crate::projector::Picture;
use crate::reach::Reaches;
use crate::records::Duty;
use crate::samples::Samples;
use crate::scaling;
use aether_alerts::{Metric, Reading};
use aether_types::observed::InstanceState;
use aether_types::plan::InstanceKey;
use aether_types::{AppName, Coordinates, NodeId, Revision};
use std::collections::BTreeMap;

/// Requests that must have ended in the last minute for it to say anything of them.
const REQUESTS_MIN: u64 = 10;

/// What values are read from.
pub(crate) struct Instruments {
    pub(crate) node: NodeId,
    pub(crate) samples: Samples,
    pub(crate) counting: Counting,
    pub(crate) reaches: Reaches,
}

impl Instruments {
    /// Of the metrics that have a threshold; nobody wants to know the others.
    pub(super) fn read(&self, picture: &Picture) -> Vec<Reading> {
        let wanted = &picture.world.thresholds.value.0;
        if wanted.is_empty() {
            return Vec::new();
        }
        let mut readings = Vec::new();
        self.read_nodes(picture, &mut readings);
        self.read_applications(picture, &mut readings);
        if wanted.contains_key(&Metric::NodesLost) {
            add(&mut readings, Metric::NodesLost, &"cluster", self.lost(picture) as f64);
        }
        if wanted.contains_key(&Metric::InstancesMissing) {
            self.read_instances(picture, &mut readings);
        }
        readings.retain(|reading| wanted.contains_key(&reading.metric));
        readings
    }

    fn read_nodes(&self, picture: &Picture, readings: &mut Vec<Reading>) {
        let loads = self.samples.loads();
        for (node, load) in loads.iter().filter(|(id, _)| is_member(picture, **id)) {
            let part = |part: u64, whole: u64| part as f64 / whole.max(1) as f64;
            let reading = &load.reading;
            add(readings, Metric::NodeCpu, node, load.cpu_share());
            let memory = part(reading.memory_committed, reading.memory_budget);
            add(readings, Metric::NodeMemory, node, memory);
            if reading.disk_size > 0 {
                let free = part(reading.disk_free, reading.disk_size);
                add(readings, Metric::NodeDiskFree, node, free);
            }
        }
    }

    fn read_applications(&self, picture: &Picture, readings: &mut Vec<Reading>) {
        for app in picture.world.applications.keys() {
            let (rate, minute) = self.counting.requests(app);
            add(readings, Metric::CallsRate, app, rate.calls);
            if minute.calls() >= REQUESTS_MIN {
                let failed = minute.failures() as f64 / minute.calls() as f64;
                add(readings, Metric::CallsErrorRate, app, failed);
                if let Some(micros) = minute.latencies.percentile(99) {
                    add(readings, Metric::CallsP99, app, micros as f64 / 1e3);
                }
            }
        }
    }

    /// Wanted instances that are not active on a node that answers.
    fn read_instances(&self, picture: &Picture, readings: &mut Vec<Reading>) {
        let reach = self.reaches.borrow().clone();
        let mut active: BTreeMap<(&AppName, &Coordinates, Revision), u32> = BTreeMap::new();
        let observed = picture.world.observed.values();
        for observed in observed.filter(|o| reach.is_up(o.node, self.node)) {
            let statuses = observed.instances.iter();
            for status in statuses.filter(|status| status.state == InstanceState::Active) {
                let InstanceKey { app, coordinates, .. } = &status.instance;
                *active.entry((app, coordinates, status.blueprint)).or_default() += 1;
            }
        }
        for (revision, checked) in picture.applications.all_current() {
            let missing = checked.slices.iter().map(|slice| {
                let active = active.get(&(&checked.app, &slice.coordinates, revision));
                let wanted = scaling::wanted(&picture.world, &checked.app, slice);
                wanted.saturating_sub(active.copied().unwrap_or_default())
            });
            let missing = missing.sum::<u32>();
            add(readings, Metric::InstancesMissing, &checked.app, f64::from(missing));
        }
    }

    fn lost(&self, picture: &Picture) -> usize {
        let reach = self.reaches.borrow().clone();
        let members = picture.world.nodes.keys().filter(|id| is_member(picture, **id));
        members.filter(|id| !reach.is_up(**id, self.node)).count()
    }
}

fn add(readings: &mut Vec<Reading>, metric: Metric, of: &dyn ToString, value: f64) {
    readings.push(Reading { metric, of: of.to_string(), value });
}

fn is_member(picture: &Picture, node: NodeId) -> bool {
    let member = picture.world.members.get(&node);
    member.is_some_and(|at| at.value.duty != Duty::Removed)
}
