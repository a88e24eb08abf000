//! Tests of what is known of nodes: units, means, points and bounds.

use super::*;

const MIB: u64 = 1 << 20;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A node of two processors, of which it keeps `cores` busy.
fn reading(uptime: u64, cores: f64) -> Reading {
    Reading {
        uptime: seconds(uptime),
        cpu: seconds(uptime).mul_f64(cores),
        processors: 2,
        memory_resident: 100 * MIB,
        busy: 4,
        ..Reading::default()
    }
}

/// A fleet in which nodes speak each second, for so long. On their machines with four processors,
/// others keep one busy.
fn told(nodes: &[NodeId], until: u64, cores: impl Fn(u64) -> f64) -> Fleet {
    let mut fleet = Fleet::default();
    let (mut cpu, mut machine_busy, mut machine_idle) = Default::default();
    for second in 0..=until {
        cpu += Duration::from_secs_f64(cores(second));
        machine_busy += Duration::from_secs_f64(cores(second) + 1.0);
        machine_idle += Duration::from_secs_f64(3.0 - cores(second));
        let reading = Reading { cpu, machine_busy, machine_idle, ..reading(second, 0.0) };
        nodes.iter().for_each(|node| fleet.on_reading(*node, seconds(second), reading));
        fleet.tick(seconds(second));
    }
    fleet
}

#[test]
fn processors_are_in_units_of_one_and_means_follow() {
    let node = NodeId(1);
    let fleet = told(&[node], 100, |second| if second <= 60 { 0.0 } else { 1.0 });
    let at = |until| {
        let fleet = told(&[node], until, |second| if second <= 60 { 0.0 } else { 1.0 });
        fleet.load(node, seconds(until)).unwrap()
    };
    let percent = |share: f64| (share * 100.0).round();
    // The step comes after a minute: 63 % of it is there 5 seconds later.
    let shown = |load: NodeLoad| [load.cpu_cores, load.cpu_share(), load.machine_busy].map(percent);
    assert_eq!(shown(at(60)), [0.0, 0.0, 25.0]);
    assert_eq!(shown(at(65)), [63.0, 32.0, 41.0]);
    assert_eq!(shown(at(100)), [100.0, 50.0, 50.0]);
    // Points are what was, without delay.
    let span = Span { step: Step::Second, first: 60, slots: 2 };
    let history = fleet.history(&span, |_| true);
    let cores: Vec<_> = history[0].points.iter().map(|p| p.unwrap().mean.cpu_cores).collect();
    assert_eq!(cores, [0.0, 1.0]);
}

#[test]
fn ten_seconds_together_have_a_mean_and_a_maximum() {
    let fleet = told(&[NodeId(1)], 29, |second| if second == 15 { 2.0 } else { 0.5 });
    let span = Span::until(seconds(29), seconds(7_200));
    let history = fleet.history(&span, |_| true);
    let shown: Vec<_> = history[0].points.iter().flatten().collect();
    let cores: Vec<_> = shown.iter().map(|p| (p.mean.cpu_cores, p.max.cpu_cores)).collect();
    assert_eq!(cores, [(0.5, 0.5), (0.65, 2.0), (0.5, 0.5)]);
    assert_eq!(shown[1].mean.memory_resident, (100 * MIB) as f32);
    assert_eq!(shown[1].mean.busy, 4.0);
}

#[test]
fn who_is_gone_stays_in_the_history_for_two_hours_and_nowhere_else() {
    let [stays, goes] = [1, 2].map(NodeId);
    let mut fleet = told(&[stays, goes], 100, |_| 1.0);
    let go_on = |fleet: &mut Fleet, from, until| {
        for second in from..=until {
            fleet.on_reading(stays, seconds(second), reading(second, 1.0));
            fleet.tick(seconds(second));
        }
    };
    let now = |fleet: &Fleet, second| fleet.loads(seconds(second)).into_keys().collect::<Vec<_>>();
    let past = |fleet: &Fleet, second| {
        let span = Span::until(seconds(second), seconds(7_200));
        fleet.history(&span, |_| true).into_iter().map(|h| h.node).collect::<Vec<_>>()
    };
    go_on(&mut fleet, 101, 110);
    assert_eq!(now(&fleet, 110), [stays, goes]);
    go_on(&mut fleet, 111, 111);
    assert_eq!((now(&fleet, 111), past(&fleet, 111)), (vec![stays], vec![stays, goes]));
    // Its last point is as old as what it said.
    let span = Span { step: Step::Second, first: 99, slots: 6 };
    let points = fleet.history(&span, |node| node == goes).remove(0).points;
    let there: Vec<_> = points.iter().map(Option::is_some).collect();
    assert_eq!(there, [true, true, true, true, false, false]);
    go_on(&mut fleet, 112, 7_200);
    assert_eq!(past(&fleet, 7_200), [stays, goes]);
    go_on(&mut fleet, 7_201, 7_320);
    assert_eq!(past(&fleet, 7_320), [stays]);
}

#[test]
fn a_process_that_begins_again_begins_with_no_load() {
    let node = NodeId(1);
    let mut fleet = told(&[node], 60, |_| 1.0);
    fleet.on_reading(node, seconds(63), reading(1, 9.0));
    assert_eq!(fleet.load(node, seconds(63)).unwrap().cpu_cores, 0.0);
    fleet.on_reading(node, seconds(64), reading(2, 0.5));
    assert!(fleet.load(node, seconds(64)).unwrap().cpu_cores < 0.5);
    // The same once more changes nothing.
    let before = fleet.load(node, seconds(64));
    fleet.on_reading(node, seconds(65), reading(2, 0.5));
    assert_eq!(fleet.load(node, seconds(65)), before);
}

#[test]
fn nodes_are_bounded_and_the_longest_silent_goes_first() {
    let mut fleet = Fleet::default();
    for id in 0..NODES_MAX as u64 + 3 {
        for uptime in [1, 2] {
            fleet.on_reading(NodeId(id), seconds(id), reading(uptime, 0.0));
        }
        fleet.tick(seconds(id));
    }
    let history = fleet.history(&Span::until(seconds(131), seconds(7_200)), |_| true);
    assert_eq!(history.len(), NODES_MAX);
    assert_eq!(history[0].node, NodeId(3));
}
