//! Faults on real links, and what several of them are together.

use super::*;
use crate::pair::{HERE, THERE, pair};
use aether_api::{ClockSide, Fault, FaultDirection, FaultLinks, Role};
use aether_transport::PeerStatus;
use aether_types::ByteSize;
use std::time::Duration;

fn links(direction: FaultDirection) -> FaultLinks {
    FaultLinks { nodes: vec![THERE.to_string()], direction }
}

fn cut(duration: TimeSpan) -> Fault {
    fault(FaultKind::Partition { links: links(FaultDirection::Both) }, duration)
}

fn fault(kind: FaultKind, duration: TimeSpan) -> Fault {
    Fault { kind, duration, name: None }
}

fn loss(share: f64) -> FaultKind {
    FaultKind::Loss { links: links(FaultDirection::In), share }
}

fn latency(time: TimeSpan, direction: FaultDirection) -> FaultKind {
    FaultKind::Latency { links: links(direction), time }
}

fn places(links: &Links) -> Places {
    let (clock, calls, disk) = (Clock::default(), Arc::default(), Arc::default());
    Places { links: links.clone(), clock, calls, disk }
}

fn clock(apart: TimeSpan, side: ClockSide) -> FaultKind {
    FaultKind::Clock { apart, side }
}

const SHORT: TimeSpan = TimeSpan::from_millis(1);
const LONG: TimeSpan = FAULT_TIME_MAX;

fn admin() -> Principal {
    Principal { name: "test".to_owned(), role: Role::Admin }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_has_an_effect_and_an_end() {
    let [here, _there] = pair().await;
    let links = here.network.links().unwrap().clone();
    let mut statuses = links.statuses();
    let tasks = Tasks::new(CancellationToken::new());
    let faults = Faults::start(HERE, places(&links), &tasks, tasks.shutdown().clone());
    let cut = cut(LONG);
    assert_eq!(faults.inject(vec![cut.clone()], &admin()).unwrap().faults[0].fault, cut);
    let is_up = |all: &aether_transport::Statuses| all.get(&THERE).is_some_and(PeerStatus::is_up);
    drop(statuses.wait_for(|all| !is_up(all)).await.unwrap());
    // One that is over goes by itself; the other one stays.
    let short = fault(loss(0.5), SHORT);
    faults.inject(vec![short], &admin()).unwrap();
    while faults.all().faults.len() > 1 {
        tokio::task::yield_now().await;
    }
    assert_eq!(faults.all().faults[0].fault, cut);
    // One that has a name can be ended by it; the other one stays.
    let named = Fault { name: Some("7".to_owned()), ..fault(loss(0.5), LONG) };
    faults.inject(vec![named], &admin()).unwrap();
    faults.end(Some("8"));
    assert_eq!(faults.all().faults.len(), 2);
    faults.end(Some("7"));
    assert_eq!(faults.all().faults.len(), 1);
    assert_eq!(faults.all().faults[0].fault, cut);
    faults.end(None);
    assert_eq!(faults.all().faults, []);
    drop(statuses.wait_for(is_up).await.unwrap());
    tasks.shutdown().cancel();
    tasks.join().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_sense_changes_nothing() {
    let [here, _there] = pair().await;
    let links = here.network.links().unwrap().clone();
    let tasks = Tasks::new(CancellationToken::new());
    let faults = Faults::start(HERE, places(&links), &tasks, tasks.shutdown().clone());
    let good = cut(LONG);
    let of = |kind| fault(kind, LONG);
    let far = TimeSpan::from_secs(11);
    let named = |name: &str| {
        let mut fault = good.clone();
        let FaultKind::Partition { links } = &mut fault.kind else { unreachable!() };
        links.nodes = if name.is_empty() { vec![] } else { vec![name.to_owned()] };
        fault
    };
    for (bad, why) in [
        (cut(TimeSpan::from_secs(7_200)), "lasts 1ms to 1h"),
        (cut(TimeSpan::from_millis(0)), "lasts 1ms to 1h"),
        (of(latency(far, FaultDirection::Out)), "at most 10s"),
        (of(loss(1.5)), "from 0 to 1"),
        (of(loss(f64::NAN)), "from 0 to 1"),
        (of(FaultKind::Cpu { threads: 0 }), "1 to 64 threads"),
        (of(FaultKind::Memory { size: ByteSize::mib(5_000) }), "at most 4GiB"),
        (of(FaultKind::SlowDisk { time: far }), "at most 10s"),
        (named(&HERE.to_string()), "the node itself"),
        (named("00000000000000ff"), "no node with which this one is linked"),
        (named(""), "names 1 to"),
        (of(clock(TimeSpan::from_secs(3_601), ClockSide::Ahead)), "at most 1h"),
    ] {
        let error = faults.inject(vec![good.clone(), bad], &admin()).unwrap_err();
        assert!(error.message.contains(why), "{error}");
        assert_eq!(faults.all().faults, [], "{why}");
    }
    let error = faults.inject(vec![good; FAULTS_MAX + 1], &admin()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Exhausted);
    tasks.shutdown().cancel();
    tasks.join().await;
}

#[test]
fn of_several_faults_the_worst_of_each_kind_counts() {
    let entry = |kind: FaultKind, node: u64| Entry {
        fault: fault(kind, LONG),
        nodes: vec![NodeId(node)],
        _burden: None,
        until: Instant::now(),
        ends_ms: 0,
    };
    let ms = TimeSpan::from_millis;
    let all = effects::on_links(&[
        entry(latency(ms(20), FaultDirection::Both), 2),
        entry(latency(ms(50), FaultDirection::Out), 2),
        entry(loss(0.25), 2),
        entry(FaultKind::Partition { links: links(FaultDirection::In) }, 3),
    ]);
    let fault = |cut, ms, loss| {
        let latency = Duration::from_millis(ms);
        aether_transport::Fault { cut, latency, loss }
    };
    let expected = [
        ((NodeId(2), IN), fault(false, 20, 0.25)),
        ((NodeId(2), OUT), fault(false, 50, 0.0)),
        ((NodeId(3), IN), fault(true, 0, 0.0)),
    ];
    assert_eq!(all, expected.into());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_fault_of_the_clock_counts_until_it_ends() {
    let [here, _there] = pair().await;
    let (links, own) = (here.network.links().unwrap().clone(), Clock::default());
    let tasks = Tasks::new(CancellationToken::new());
    let places = Places { clock: own.clone(), ..places(&links) };
    let faults = Faults::start(HERE, places, &tasks, tasks.shutdown().clone());
    let apart = || own.now_ms().cast_signed() - unix_ms().cast_signed();
    let of = |seconds, side| {
        let kind = clock(TimeSpan::from_secs(seconds), side);
        fault(kind, LONG)
    };
    faults.inject(vec![of(60, ClockSide::Ahead)], &admin()).unwrap();
    assert!((59_000..=61_000).contains(&apart()));
    faults.inject(vec![of(30, ClockSide::Behind)], &admin()).unwrap();
    assert!((-31_000..=-29_000).contains(&apart()));
    faults.end(None);
    assert!(apart().abs() < 1_000);
    tasks.shutdown().cancel();
    tasks.join().await;
}
