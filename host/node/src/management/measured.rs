//! What the management API says of how busy nodes and functions are, and were. Changes nothing.

use super::{Office, unknown_node};
use aether_api::{
    ApiError, CallMetrics, CallQuery, Column, HistoryQuery, MemoryStatus, Metrics, MetricsHistory,
    NodeHistory, NodeMetrics, RequestHistory, RequestMetrics, rfc3339,
};
use aether_telemetry::{Measures, NodeLoad, NodePoint, Span, TrafficPoint};
use std::time::Duration;

impl Office {
    /// Of nodes that answer.
    pub(super) fn metrics_now(&self) -> Metrics {
        let reaches = self.reaches.borrow();
        let answers = |node| reaches.is_up(node, self.identity.node);
        let nodes = self.samples.loads().into_iter().filter(|(id, _)| answers(*id));
        let (requests, _) = self.counting.traffic(&Span::until(Duration::ZERO, Duration::ZERO));
        Metrics {
            nodes: nodes.map(|(id, load)| (id.to_string(), node(&load))).collect(),
            requests: RequestMetrics {
                per_second: rounded(requests.requests_per_second),
                failures_per_second: rounded(requests.failures_per_second),
                p50_us: requests.p50_us.map(u64::from),
                p99_us: requests.p99_us.map(u64::from),
            },
        }
    }

    pub(super) fn metrics_past(&self, query: &HistoryQuery) -> Result<MetricsHistory, ApiError> {
        let now = self.samples.timeline.now();
        let span = Span::until(now, Duration::from_secs(u64::from(query.minutes) * 60));
        let wanted = |node| query.node.is_none_or(|wanted| wanted == node);
        let histories = self.samples.history(&span, wanted);
        if let Some(node) = query.node.filter(|_| histories.is_empty()) {
            let picture = self.picture();
            let is_member = picture.world.members.contains_key(&node);
            if !is_member && node != self.identity.node {
                return Err(unknown_node(&picture, node));
            }
        }
        let (_, requests) = self.counting.traffic(&span);
        let ago = u64::try_from(now.saturating_sub(span.start()).as_millis()).unwrap_or(u64::MAX);
        Ok(MetricsHistory {
            start: rfc3339(crate::unix_ms().saturating_sub(ago)),
            step_seconds: u32::try_from(span.step.seconds()).unwrap_or(u32::MAX),
            slots: u32::try_from(span.slots).unwrap_or(u32::MAX),
            nodes: histories
                .iter()
                .map(|h| (h.node.to_string(), node_history(&h.points)))
                .collect(),
            requests: request_history(&requests),
        })
    }

    pub(super) fn metrics_of_calls(&self, query: &CallQuery) -> CallMetrics {
        self.counting.functions(|key| query.means(&key.app, &key.slice, &key.function))
    }
}

fn node(load: &NodeLoad) -> NodeMetrics {
    let reading = &load.reading;
    NodeMetrics {
        uptime_seconds: reading.uptime.as_secs(),
        cpu_cores: rounded(load.cpu_cores as f32),
        cpu_share: rounded(load.cpu_share() as f32),
        processors: reading.processors,
        machine_busy: rounded(load.machine_busy as f32),
        memory: MemoryStatus {
            budget: reading.memory_budget,
            committed: reading.memory_committed,
            resident: reading.memory_resident,
        },
        instances: reading.instances,
        calls_running: rounded(load.busy as f32),
        calls_queued: rounded(load.queued as f32),
        disk_free: reading.disk_free,
        disk_size: reading.disk_size,
    }
}

fn node_history(points: &[Option<NodePoint>]) -> NodeHistory {
    let column =
        |of: fn(&Measures) -> f32| columns(points, |point| of(&point.mean), |point| of(&point.max));
    NodeHistory {
        cpu_cores: column(|it| it.cpu_cores),
        machine_busy: column(|it| it.machine_busy),
        memory_resident: column(|it| it.memory_resident),
        memory_committed: column(|it| it.memory_committed),
        instances: column(|it| it.instances),
        calls_running: column(|it| it.busy),
        calls_queued: column(|it| it.queued),
        disk_free: column(|it| it.disk_free),
    }
}

fn request_history(points: &[Option<TrafficPoint>]) -> RequestHistory {
    let times = |of: fn(&TrafficPoint) -> Option<u32>| {
        points.iter().map(|point| point.as_ref().and_then(of).map(u64::from)).collect()
    };
    RequestHistory {
        per_second: columns(
            points,
            |point| point.requests_per_second,
            |point| point.requests_per_second_max,
        ),
        failures_per_second: columns(
            points,
            |point| point.failures_per_second,
            |point| point.failures_per_second_max,
        ),
        p50_us: times(|point| point.p50_us),
        p99_us: times(|point| point.p99_us),
    }
}

fn columns<T>(points: &[Option<T>], mean: impl Fn(&T) -> f32, max: impl Fn(&T) -> f32) -> Column {
    let column = |of: &dyn Fn(&T) -> f32| {
        points.iter().map(|point| point.as_ref().map(|point| rounded(of(point)))).collect()
    };
    Column { mean: column(&mean), max: column(&max) }
}

/// To a thousandth: more digits say nothing, and make answers long.
fn rounded(n: f32) -> f64 {
    (f64::from(n) * 1_000.0).round() / 1_000.0
}
