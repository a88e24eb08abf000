//! What the fake cluster measures. Knows nothing of the rest of it.

use crate::*;

pub(super) fn now(node: &str) -> Metrics {
    let memory = MemoryStatus { budget: 1 << 30, committed: 128 << 20, resident: 96 << 20 };
    let metrics = NodeMetrics {
        uptime_seconds: 3_725,
        cpu_cores: 0.5,
        cpu_share: 0.25,
        processors: 2,
        machine_busy: 0.75,
        memory,
        instances: 12,
        calls_running: 1.5,
        calls_queued: 0.0,
        disk_free: 20 << 30,
        disk_size: 100 << 30,
    };
    let requests = RequestMetrics {
        per_second: 12.5,
        failures_per_second: 0.25,
        p50_us: Some(1_024),
        p99_us: Some(20_480),
    };
    Metrics { nodes: [(node.to_owned(), metrics)].into(), requests }
}

/// Three slots, of which nothing was heard in the first.
pub(super) fn history(node: &str, query: &HistoryQuery) -> MetricsHistory {
    let column = |mean: f64| Column {
        mean: vec![None, Some(mean), Some(mean)],
        max: vec![None, Some(mean), Some(2.0 * mean)],
    };
    let history = NodeHistory {
        cpu_cores: column(0.5),
        machine_busy: column(0.25),
        memory_resident: column(1e8),
        memory_committed: column(1e8),
        instances: column(12.0),
        calls_running: column(1.5),
        calls_queued: column(0.0),
        disk_free: column(1e10),
    };
    let wanted = query.node.is_none_or(|wanted| wanted.to_string() == node);
    MetricsHistory {
        start: rfc3339(1_700_000_000_000),
        step_seconds: if query.minutes <= 5 { 1 } else { 10 },
        slots: 3,
        nodes: wanted.then(|| (node.to_owned(), history)).into_iter().collect(),
        requests: RequestHistory {
            per_second: column(12.5),
            failures_per_second: column(0.25),
            p50_us: vec![None, None, Some(1_024)],
            p99_us: vec![None, None, Some(20_480)],
        },
    }
}

/// The one function of the fake, if it is wanted.
pub(super) fn functions(app: &str, query: &CallQuery) -> CallMetrics {
    let means = |it: &FunctionMetrics| {
        let slice = it.slice.parse().expect("it is a slice");
        query.means(&it.app, &slice, &it.function.parse().expect("it is a function"))
    };
    CallMetrics { functions: [function(app)].into_iter().filter(means).collect() }
}

fn function(app: &str) -> FunctionMetrics {
    FunctionMetrics {
        app: app.parse().expect("it is a name"),
        slice: "shop:place-order:1.2.0".to_owned(),
        version: 7,
        function: "shop:orders/place@1.0.0#place".to_owned(),
        calls: 1_000,
        failures: 20,
        endings: [("answered".to_owned(), 980), ("callee-failed".to_owned(), 20)].into(),
        calls_per_second: 12.5,
        failures_per_second: 0.25,
        timed: 1_000,
        mean_us: Some(1_500.5),
        p50_us: Some(1_024),
        p90_us: Some(2_048),
        p99_us: Some(20_480),
        max_us: Some(20_480),
    }
}

pub(super) fn slow(node: &str, app: &str) -> SlowCall {
    SlowCall {
        at: rfc3339(1_700_000_000_000),
        node: node.to_owned(),
        app: app.parse().expect("it is a name"),
        slice: "shop:place-order:1.2.0".to_owned(),
        version: 7,
        function: "shop:orders/place@1.0.0#place".to_owned(),
        caller: None,
        request_id: "r-1".to_owned(),
        took_us: 1_234_567,
        ending: "answered".to_owned(),
    }
}
