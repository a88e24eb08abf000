//! The node's numbers for Prometheus: every name, in one place. Knows no format.

use crate::counts::Load;
use crate::management::Office;
use aether_consensus::Role;
use aether_telemetry::{Family, Labels, Samples, Times, exposition};
use aether_transport::Class;
use aether_types::counts::{CallKey, Caller, Counts, Ending};

impl Office {
    /// What this node is, does and has counted. Of other nodes only the links to them.
    pub(crate) fn exposition(&self) -> String {
        exposition(self.families())
    }

    pub(crate) fn families(&self) -> Vec<Family> {
        let mut families = self.process();
        families.extend(self.raft());
        families.push(self.links());
        families.push(self.repeats());
        families.push(self.deliveries());
        families.extend(loads(&self.counting.loads()));
        families.extend(calls(self.counting.own(&self.picture()).into_iter()));
        families.push(counter(
            "aether_traces_dropped",
            "Spans that no collector took",
            self.engine.traces().dropped() as f64,
        ));
        families
    }

    fn process(&self) -> Vec<Family> {
        let (sample, usage) = (self.sampled.take(), self.engine.usage());
        let labels = vec![("version", env!("CARGO_PKG_VERSION").to_owned())];
        let of_node = Samples::Gauges(vec![(labels, 1.0)]);
        vec![
            Family {
                name: "aether_node_info",
                help: "The program\u{2019}s version",
                samples: of_node,
            },
            gauge(
                "aether_node_uptime_seconds",
                "Time since the start",
                sample.uptime_millis / 1_000,
            ),
            counter(
                "aether_node_cpu_seconds",
                "Processor time of the process",
                sample.cpu_millis as f64 / 1e3,
            ),
            gauge("aether_node_resident_bytes", "Memory of the process", sample.memory_resident),
            gauge("aether_node_disk_free_bytes", "Room beside the data folder", sample.disk_free),
            gauge("aether_node_disk_size_bytes", "Size of that disk", sample.disk_size),
            gauge("aether_engine_instances", "Live instances", usage.wasm_instances),
            gauge("aether_engine_instances_max", "Room for instances", usage.wasm_instances_max),
            gauge("aether_engine_memory_bytes", "Linear memory of guests", usage.memory.bytes()),
            gauge(
                "aether_engine_memory_admitted_bytes",
                "Memory that the loaded slices may use",
                usage.memory_admitted.bytes(),
            ),
            gauge(
                "aether_engine_memory_budget_bytes",
                "Memory that all slices may use",
                usage.memory_budget.bytes(),
            ),
            counter(
                "aether_engine_compiled",
                "Components that were compiled",
                usage.compiled as f64,
            ),
        ]
    }

    fn raft(&self) -> Vec<Family> {
        // Nothing while the node starts.
        let Some(raft) = self.control.status().borrow().clone() else { return Vec::new() };
        let (is_leader, knows) = (raft.role == Role::Leader, raft.leader.is_some());
        vec![
            gauge("aether_raft_term", "Newest term", raft.term.0),
            gauge("aether_raft_is_leader", "1 on the leader", u32::from(is_leader)),
            gauge("aether_raft_has_leader", "1 where one is known", u32::from(knows)),
            gauge("aether_raft_voters", "Voting members", raft.membership.voters.len() as u64),
            gauge("aether_raft_last_index", "Last entry of the log", raft.last.0),
            gauge("aether_raft_committed_index", "Last entry of a majority", raft.commit.0),
            gauge("aether_raft_applied_index", "Last entry in the state", raft.applied.0),
        ]
    }

    fn repeats(&self) -> Family {
        let label = |(word, count)| (vec![("begun", String::from(word))], count as f64);
        let counts = self.routing.repeats().counts().map(label);
        let help = "Calls of this node that were made again, by whether they were begun before";
        Family { name: "aether_calls_repeated", help, samples: Samples::Counters(counts.into()) }
    }

    fn deliveries(&self) -> Family {
        let label = |(word, count)| (vec![("outcome", String::from(word))], count as f64);
        let counts = self.deliveries.counts().map(label);
        let help = "What became of events of alerts that this node told to the webhook";
        Family { name: "aether_alert_deliveries", help, samples: Samples::Counters(counts.into()) }
    }

    fn links(&self) -> Family {
        let mut up = Vec::new();
        if let Some(links) = self.network.links() {
            for (peer, status) in &**links.statuses().borrow() {
                for class in Class::ALL {
                    let class_name = match class {
                        Class::Consensus => "consensus",
                        Class::Calls => "calls",
                        Class::Bulk => "bulk",
                    };
                    let labels = vec![("peer", peer.to_string()), ("class", class_name.to_owned())];
                    up.push((labels, f64::from(u8::from(status.of(class).is_up()))));
                }
            }
        }
        let help = "1 where a link to another node is there";
        Family { name: "aether_link_up", help, samples: Samples::Gauges(up) }
    }
}

fn loads(loads: &[Load]) -> Vec<Family> {
    let family = |name, help, of: fn(&Load) -> usize| {
        let labels = |load: &Load| slice(&load.app, load.version, &load.slice);
        let mut gauges: Vec<(Labels, f64)> = Vec::new();
        for load in loads {
            // Several instances of a slice may be on one node.
            let (labels, n) = (labels(load), of(load) as f64);
            match gauges.iter_mut().find(|(known, _)| *known == labels) {
                Some((_, sum)) => *sum += n,
                None => gauges.push((labels, n)),
            }
        }
        Family { name, help, samples: Samples::Gauges(gauges) }
    };
    vec![
        family("aether_slice_loaded", "Instances of the plan that are loaded", |_| 1),
        family("aether_slice_busy", "Calls that run", |load| load.stats.busy),
        family("aether_slice_idle", "Warm instances that wait for calls", |load| load.stats.idle),
        family("aether_slice_queued", "Calls that wait for an instance", |load| load.stats.queued),
    ]
}

fn calls(counts: impl Iterator<Item = (CallKey, Counts)>) -> Vec<Family> {
    let (mut ended, mut took) = (Vec::new(), Vec::new());
    for (key, counts) in counts {
        let mut labels = slice(&key.app, key.version, &key.slice);
        labels.push(("function", key.function.to_string()));
        labels.push((
            "caller",
            match key.caller {
                Caller::Outside => String::new(),
                Caller::Slice(slice) => slice.to_string(),
                Caller::Others => "others".to_owned(),
            },
        ));
        for ending in Ending::ALL {
            // Who looks for failures shall find a 0 before the first one.
            if counts.of(ending) > 0 || ending.is_failure() || ending == Ending::Answered {
                let mut labels = labels.clone();
                labels.push(("ending", ending.word().to_owned()));
                ended.push((labels, counts.of(ending) as f64));
            }
        }
        took.push((labels, Times { latencies: counts.latencies, nanos: counts.nanos }));
    }
    vec![
        Family {
            name: "aether_calls",
            help: "Calls that ended on this node, by how they did",
            samples: Samples::Counters(ended),
        },
        Family {
            name: "aether_call_seconds",
            help: "Time of the callee: of all calls from outside, and of each 16th between slices",
            samples: Samples::Times(took),
        },
    ]
}

fn slice(
    app: &aether_types::AppName,
    version: aether_types::Revision,
    slice: &aether_types::Coordinates,
) -> Labels {
    vec![("app", app.to_string()), ("revision", version.to_string()), ("slice", slice.to_string())]
}

fn gauge(name: &'static str, help: &'static str, n: impl TryInto<u64>) -> Family {
    let n = n.try_into().unwrap_or(u64::MAX) as f64;
    Family { name, help, samples: Samples::Gauges(vec![(Labels::new(), n)]) }
}

fn counter(name: &'static str, help: &'static str, n: f64) -> Family {
    Family { name, help, samples: Samples::Counters(vec![(Labels::new(), n)]) }
}
