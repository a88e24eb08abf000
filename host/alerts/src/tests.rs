//! Alerts second by second, and what no sequence of values may bring about.

use super::*;
use aether_types::TimeSpan;
use aether_types::versioned::{decode, encode};
use expect_test::{Expect, expect};
use proptest::prelude::*;

fn threshold(warning: Option<f64>, critical: Option<f64>, raise: u64, resolve: u64) -> Threshold {
    let [raise_after, resolve_after] = [raise, resolve].map(TimeSpan::from_secs);
    Threshold { warning, critical, raise_after, resolve_after }
}

fn reading(metric: Metric, value: f64) -> Reading {
    Reading { metric, of: "n1".to_owned(), value }
}

/// One value a second (a negative one: nothing is measured), and the seconds at which something
/// happened.
fn check(metric: Metric, threshold: Threshold, values: &[f64], expect: Expect) {
    let thresholds = Thresholds([(metric, threshold)].into());
    let (mut memory, mut alerts) = (Memory::default(), Alerts::default());
    let mut said = Vec::new();
    for (second, value) in values.iter().enumerate() {
        let readings = (*value >= 0.0).then(|| reading(metric, *value));
        let now = Time(second as u64 * 1_000);
        let (next, events) = evaluate(&thresholds, now, readings.as_slice(), &mut memory, &alerts);
        alerts = next;
        said.extend(events.iter().map(|event| format!("{second:>2} s {event}")));
    }
    said.push(format!("active: {}", alerts.active.len()));
    expect.assert_eq(&said.join("\n"));
}

#[test]
fn what_lasts_is_raised_and_what_is_over_is_resolved() {
    let cpu = threshold(Some(0.8), Some(0.95), 2, 3);
    let (ok, warn, bad) = (0.5, 0.85, 0.99);
    let check_cpu = |values: &[f64], expect| check(Metric::NodeCpu, cpu, values, expect);
    check_cpu(&[warn, warn, ok, warn, warn, ok], expect!["active: 0"]);
    check_cpu(
        &[warn, warn, warn, warn, ok, ok, warn, ok, ok, ok, ok],
        expect![[r#"
         2 s alert 1 raised: warning, node.cpu of n1 is 85.0 %
        10 s alert 1 resolved: warning, node.cpu of n1 is 50.0 %
        active: 0"#]],
    );
    check_cpu(
        &[bad, warn, bad, bad, bad, warn, warn, warn, warn, ok, ok, ok, ok],
        expect![[r#"
         2 s alert 1 raised: warning, node.cpu of n1 is 99.0 %
         4 s alert 1 escalated: critical, node.cpu of n1 is 99.0 %
         8 s alert 1 eased: warning, node.cpu of n1 is 85.0 %
        12 s alert 1 resolved: warning, node.cpu of n1 is 50.0 %
        active: 0"#]],
    );
    check_cpu(
        &[warn, warn, warn, bad, bad, bad, ok, ok, ok, ok],
        expect![[r#"
         2 s alert 1 raised: warning, node.cpu of n1 is 85.0 %
         5 s alert 1 escalated: critical, node.cpu of n1 is 99.0 %
         9 s alert 1 resolved: critical, node.cpu of n1 is 50.0 %
        active: 0"#]],
    );
    // A node that is gone.
    check_cpu(
        &[warn, warn, warn, -1.0, -1.0, -1.0, -1.0],
        expect![[r#"
         2 s alert 1 raised: warning, node.cpu of n1 is 85.0 %
         6 s alert 1 resolved: warning, node.cpu of n1 is not measured any more
        active: 0"#]],
    );
}

#[test]
fn less_can_be_worse_and_one_end_is_enough() {
    let disk = threshold(Some(0.15), Some(0.05), 0, 0);
    check(
        Metric::NodeDiskFree,
        disk,
        &[0.5, 0.15, 0.05, 0.10, 0.151],
        expect![[r#"
         1 s alert 1 raised: warning, node.disk-free of n1 is 15.0 %
         2 s alert 1 escalated: critical, node.disk-free of n1 is 5.0 %
         3 s alert 1 eased: warning, node.disk-free of n1 is 10.0 %
         4 s alert 1 resolved: warning, node.disk-free of n1 is 15.1 %
        active: 0"#]],
    );
    let lost = threshold(None, Some(1.0), 1, 1);
    check(
        Metric::NodesLost,
        lost,
        &[0.0, 1.0, 2.0, 0.0, 0.0],
        expect![[r#"
         2 s alert 1 raised: critical, cluster.nodes-lost of n1 is 2
         4 s alert 1 resolved: critical, cluster.nodes-lost of n1 is 0
        active: 0"#]],
    );
    let slow = threshold(Some(250.0), None, 0, 0);
    check(
        Metric::CallsP99,
        slow,
        &[249.9, 9_000.0, 0.0],
        expect![[r#"
         1 s alert 1 raised: warning, calls.p99 of n1 is 9000.0 ms
         2 s alert 1 resolved: warning, calls.p99 of n1 is 0.0 ms
        active: 0"#]],
    );
}

#[test]
fn thresholds_that_make_no_sense_are_named() {
    let check = |metric, threshold: Threshold, expect: Expect| {
        let said: Vec<_> = threshold.problems(metric).iter().map(ToString::to_string).collect();
        expect.assert_eq(&said.join("\n"));
    };
    check(
        Metric::NodeCpu,
        threshold(Some(0.9), Some(0.8), 0, 0),
        expect![
            "`warning` is 0.9 and `critical` is 0.8; for node.cpu, `warning` must be below `critical`"
        ],
    );
    check(
        Metric::NodeCpu,
        threshold(Some(0.9), Some(0.9), 0, 0),
        expect![
            "`warning` is 0.9 and `critical` is 0.9; for node.cpu, `warning` must be below `critical`"
        ],
    );
    check(
        Metric::NodeDiskFree,
        threshold(Some(0.05), Some(0.1), 0, 0),
        expect![
            "`warning` is 0.05 and `critical` is 0.1; for node.disk-free, `warning` must be above `critical`"
        ],
    );
    check(
        Metric::NodeCpu,
        threshold(Some(80.0), Some(f64::NAN), 90_000, 0),
        expect![[r#"
        `warning` is 80; it must be 0 to 1
        `critical` is NaN; it must be 0 to 1
        `warning` is 80 and `critical` is NaN; for node.cpu, `warning` must be below `critical`
        `raise-after` is 25h; it must be at most 1d"#]],
    );
    check(
        Metric::NodeCpu,
        threshold(None, None, 0, 0),
        expect!["there is neither `warning` nor `critical`"],
    );
    check(Metric::CallsP99, threshold(Some(80.0), Some(500.0), 0, 0), expect![]);
    assert_eq!(Metric::ALL.map(|metric| metric.name().parse()), Metric::ALL.map(Ok));
    expect![[r#""cpu.usage" is not a metric; there are node.cpu, node.memory, node.disk-free, cluster.nodes-lost, app.instances-missing, calls.rate, calls.error-rate, calls.p99"#]].assert_eq(&"cpu.usage".parse::<Metric>().unwrap_err().to_string());
}

#[test]
fn a_new_leader_raises_nothing_twice() {
    let thresholds = Thresholds([(Metric::NodeCpu, threshold(Some(0.8), None, 0, 5))].into());
    let hot = [reading(Metric::NodeCpu, 0.9)];
    let look = |now, readings: &[Reading], memory: &mut Memory, alerts: &Alerts| {
        evaluate(&thresholds, Time(now), readings, memory, alerts)
    };
    let (alerts, events) = look(0, &hot, &mut Memory::default(), &Alerts::default());
    assert_eq!(events.len(), 1);
    let alerts: Alerts = decode(&encode(&alerts)).unwrap();
    let mut memory = Memory::default();
    let (same, events) = look(1_000, &hot, &mut memory, &alerts);
    assert_eq!((&same, events), (&alerts, vec![]));
    let (_, events) = look(2_000, &[], &mut memory, &alerts);
    assert_eq!(events, [], "it has to last");
    let (_, events) = evaluate(&Thresholds::default(), Time(3_000), &hot, &mut memory, &alerts);
    assert_eq!(events[0].happened, Happened::Resolved, "without its threshold it is none");
}

#[test]
fn somebody_looks_and_history_is_bounded() {
    let thresholds = Thresholds([(Metric::NodeCpu, threshold(Some(0.8), None, 0, 0))].into());
    let (mut memory, mut alerts) = (Memory::default(), Alerts::default());
    for second in 0..501 {
        let value = if second % 2 == 0 { 0.9 } else { 0.1 };
        let now = Time(second * 1_000);
        let readings = [reading(Metric::NodeCpu, value)];
        alerts = evaluate(&thresholds, now, &readings, &mut memory, &alerts).0;
    }
    assert_eq!((alerts.active.len(), alerts.history.len()), (1, HISTORY_MAX));
    let id = alerts.active[0].id;
    assert_eq!(id, 251);
    assert_eq!(alerts.acknowledge(1, "ann", Time(5)), None);
    alerts.acknowledge(id, "ann", Time(5)).unwrap();
    let alert = alerts.acknowledge(id, "bob", Time(6)).unwrap();
    assert_eq!(alert.acknowledged, Some(Acknowledged { by: "ann".to_owned(), at: Time(5) }));
    let last = alerts.history.back().unwrap().clone();
    assert_eq!(last.happened, Happened::Acknowledged { by: "ann".to_owned() });
    alerts.clear_history();
    assert_eq!((alerts.active.len(), alerts.history.len()), (1, 0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Every alert is raised once and resolved once, whatever the values and the leaders do; two of
    /// the same never stand beside each other.
    #[test]
    fn each_is_raised_once_and_resolved_once(
        values in proptest::collection::vec((0u8..3, 0.0..1.0f64, 0u8..20), 1..200),
        raise in 0..4u64, resolve in 0..4u64,
    ) {
        let cpu = threshold(Some(0.5), Some(0.8), raise, resolve);
        let thresholds = Thresholds([(Metric::NodeCpu, cpu)].into());
        let (mut memory, mut alerts) = (Memory::default(), Alerts::default());
        let mut open = std::collections::BTreeSet::new();
        for (second, (of, value, fate)) in values.into_iter().enumerate() {
            if fate == 0 {
                memory = Memory::default();
            }
            let of = format!("n{of}");
            let readings = [Reading { metric: Metric::NodeCpu, of, value }];
            let now = Time(second as u64 * 1_000);
            let (next, events) = evaluate(&thresholds, now, &readings, &mut memory, &alerts);
            prop_assert_eq!(events.is_empty(), next == alerts);
            alerts = next;
            for event in events {
                match event.happened {
                    Happened::Raised => prop_assert!(open.insert(event.id)),
                    Happened::Resolved => prop_assert!(open.remove(&event.id)),
                    _ => prop_assert!(open.contains(&event.id)),
                }
            }
            let ids: Vec<u64> = alerts.active.iter().map(|alert| alert.id).collect();
            prop_assert_eq!(ids, open.iter().copied().collect::<Vec<_>>());
            let mut of: Vec<&String> = alerts.active.iter().map(|alert| &alert.of).collect();
            of.sort();
            of.dedup();
            prop_assert_eq!(of.len(), alerts.active.len());
        }
    }
}
