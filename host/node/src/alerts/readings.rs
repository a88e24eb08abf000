//! The values of all metrics, as this node knows them now. Knows no threshold.

use crate::counts::Counting;
use crate::projector::Picture;
use crate::reach::Reaches;
use crate::records::Duty;
use crate::samples::Samples;
use crate::scaling;
use aether_alerts::{Metric, Reading};
use aether_types::checked::{Checked, CheckedSlice};
use aether_types::observed::InstanceState;
use aether_types::{NodeId, Revision};

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
    pub(super) fn read(&self, picture: &Picture) -> Vec<Reading> {
        let mut readings = Vec::new();
        let mut add = |metric, of: &dyn ToString, value| {
            readings.push(Reading { metric, of: of.to_string(), value });
        };
        for (node, load) in self.samples.loads().iter().filter(|(id, _)| is_member(picture, **id)) {
            let part = |part: u64, whole: u64| part as f64 / whole.max(1) as f64;
            let reading = &load.reading;
            add(Metric::NodeCpu, node, load.cpu_share());
            let memory = part(reading.memory_committed, reading.memory_budget);
            add(Metric::NodeMemory, node, memory);
            if reading.disk_size > 0 {
                add(Metric::NodeDiskFree, node, part(reading.disk_free, reading.disk_size));
            }
        }
        add(Metric::NodesLost, &"cluster", self.lost(picture) as f64);
        for (revision, checked) in picture.applications.all_current() {
            let (rate, minute) = self.counting.requests(&checked.app);
            add(Metric::CallsRate, &checked.app, rate.calls);
            let missing = checked.slices.iter();
            let missing = missing.map(|slice| self.missing(picture, (revision, checked), slice));
            add(Metric::InstancesMissing, &checked.app, f64::from(missing.sum::<u32>()));
            if minute.calls() >= REQUESTS_MIN {
                let failed = minute.failures() as f64 / minute.calls() as f64;
                add(Metric::CallsErrorRate, &checked.app, failed);
                if let Some(micros) = minute.latencies.percentile(99) {
                    add(Metric::CallsP99, &checked.app, micros as f64 / 1e3);
                }
            }
        }
        readings
    }

    fn lost(&self, picture: &Picture) -> usize {
        let reach = self.reaches.borrow().clone();
        let members = picture.world.nodes.keys().filter(|id| is_member(picture, **id));
        members.filter(|id| !reach.is_up(**id, self.node)).count()
    }

    fn missing(
        &self,
        picture: &Picture,
        (revision, checked): (Revision, &Checked),
        slice: &CheckedSlice,
    ) -> u32 {
        let reach = self.reaches.borrow().clone();
        let nodes = picture.world.observed.values().filter(|o| reach.is_up(o.node, self.node));
        let active = nodes.flat_map(|observed| &observed.instances).filter(|status| {
            let is_of = status.instance.app == checked.app
                && status.instance.coordinates == slice.coordinates;
            is_of && status.blueprint == revision && status.state == InstanceState::Active
        });
        let wanted = scaling::wanted(&picture.world, &checked.app, slice);
        wanted.saturating_sub(active.count() as u32)
    }
}

fn is_member(picture: &Picture, node: NodeId) -> bool {
    let member = picture.world.members.get(&node);
    member.is_some_and(|at| at.value.duty != Duty::Removed)
}
