//! Tests of what a node that starts takes up: it shows what one shows that was always there.

use super::*;
use crate::fleet::{NodePoint, Reading};
use crate::history::{Span, Step};
use crate::traffic::TrafficPoint;
use aether_types::NodeId;
use aether_types::counts::{Counts, Ending};
use aether_types::versioned::{decode, encode};
use proptest::collection::vec;
use proptest::prelude::*;

/// Milliseconds since 1970 of the first test, on everybody's wall clock but for its error.
const BEGIN: u64 = 1_800_000_000_000;
const SECOND: u64 = 1_000;

/// A node that listens. All moments are in milliseconds since [`BEGIN`].
#[derive(Debug)]
struct Listener {
    fleet: Fleet,
    traffic: Traffic,
    /// By how much it counts ahead of the others.
    ahead: u64,
    /// When in a second it takes its points.
    phase: u64,
    /// The next second in which it does.
    next: u64,
}

impl Listener {
    fn new(from: u64, ahead: u64, phase: u64) -> Self {
        let (fleet, traffic) = Default::default();
        Self { fleet, traffic, ahead, phase, next: from }
    }

    fn at(&self, millis: u64) -> Duration {
        Duration::from_millis(BEGIN + millis + self.ahead)
    }

    /// Hears everybody each second, until and without this one.
    fn listen(&mut self, until: u64, said: impl Fn(NodeId, u64) -> Option<Reading>) {
        for second in self.next..until {
            for node in [1, 2, 3].map(NodeId) {
                if let Some(reading) = said(node, second) {
                    self.fleet.on_reading(node, self.at(second * SECOND), reading);
                }
            }
            let now = self.at(second * SECOND + self.phase);
            self.fleet.tick(now);
            self.traffic.tick(now, Duration::from_secs(1), counted(second));
        }
        self.next = until;
    }

    fn past(&self, millis: u64) -> Past {
        Past::of(self.at(millis), true, &self.fleet, &self.traffic)
    }

    fn remember(&mut self, past: Past, asked: u64, answered: u64) {
        let between = (self.at(asked), self.at(answered));
        past.put_in(between, &mut self.fleet, &mut self.traffic);
    }

    /// Of one node, and of requests, until and without this second.
    fn points(&self, node: u64, until: u64, minutes: u64) -> Points {
        let back = Duration::from_secs(minutes * 60);
        let span = Span::until(self.at((until - 1) * SECOND), back);
        let mut nodes = self.fleet.history(&span, |known| known == NodeId(node));
        let empty = vec![None; span.slots as usize];
        (nodes.pop().map_or(empty, |history| history.points), self.traffic.history(&span))
    }
}

type Points = (Vec<Option<NodePoint>>, Vec<Option<TrafficPoint>>);

/// What a node says that began in the second 0. The third one began again a while later.
fn said(again: u64) -> impl Fn(NodeId, u64) -> Option<Reading> {
    move |node, second| {
        let uptime = match node {
            NodeId(3) if second >= again => second - again,
            // It was down for a while.
            NodeId(3) if second + 4 > again => return None,
            _ => second,
        };
        Some(Reading {
            uptime: Duration::from_secs(uptime + 1),
            cpu: Duration::from_millis(uptime * uptime),
            machine_busy: Duration::from_millis(uptime * 700),
            machine_idle: Duration::from_millis(uptime * 300),
            memory_resident: node.0 * 100_000 + second,
            busy: second % 17,
            ..Reading::default()
        })
    }
}

fn counted(second: u64) -> Counts {
    let mut counts = Counts::default();
    counts.endings[Ending::Answered as usize] = second % 23;
    counts.endings[Ending::CalleeFailed as usize] = second % 5;
    (0..second % 28).for_each(|call| counts.latencies.record(100 << (call % 9)));
    counts
}

fn there<T>(points: &[Option<T>]) -> Vec<bool> {
    points.iter().map(Option::is_some).collect()
}

fn settings() -> ProptestConfig {
    ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(settings())]

    /// Whoever starts, listens for some seconds, asks, and listens on, shows the same as one that
    /// was there all the time; however far apart their countings are.
    #[test]
    fn who_has_asked_was_always_there(
        from in 10..900u64,
        listens in 4..20u64,
        after in 0..40u64,
        behind in 0..500u64,
    ) {
        let said = said(from);
        let asked = from + listens;
        let mut always = Listener::new(0, 5_000 * SECOND, 300);
        let mut other = Listener::new(0, behind * 10 * SECOND, 300);
        let mut own = Listener::new(from, 5_000 * SECOND, 300);
        [&mut other, &mut own, &mut always].into_iter().for_each(|it| it.listen(asked, &said));
        let millis = asked * SECOND - 1;
        own.remember(other.past(millis), millis, millis);
        let once = format!("{own:?}");
        own.remember(other.past(millis), millis, millis);
        prop_assert_eq!(once, format!("{own:?}"), "it can be asked twice");
        [&mut own, &mut always].into_iter().for_each(|it| it.listen(asked + after, &said));
        for (node, minutes) in [(1, 5), (2, 120), (3, 5), (3, 120)] {
            let shown = own.points(node, asked + after, minutes);
            prop_assert_eq!(shown, always.points(node, asked + after, minutes));
        }
    }

    /// The same where clocks differ, points are taken at other times of the second, and the answer
    /// is on its way for a while: nothing is missing at the seam, and nothing is there twice.
    #[test]
    fn there_is_no_gap_at_the_seam(
        from in 10..900u64,
        listens in 4..20u64,
        aheads in [0..20_000u64, 0..20_000u64],
        phases in [1..1_000u64, 1..1_000u64],
        way in [0..900u64, 0..900u64],
    ) {
        let said = said(from);
        let asked = from + listens;
        let mut other = Listener::new(0, aheads[0], phases[0]);
        let mut own = Listener::new(from, aheads[1], phases[1]);
        other.listen(asked, &said);
        own.listen(asked + 1, &said);
        let taken = asked * SECOND - 1;
        own.remember(other.past(taken), taken - way[0], taken + way[1].max(phases[1] + 1));
        own.listen(asked + 2, &said);
        for minutes in [5, 120] {
            let (points, requests) = own.points(1, asked + 2, minutes);
            let first = there(&points).iter().position(|there| *there).unwrap();
            prop_assert!(points[first..].iter().all(Option::is_some), "{:?}", there(&points));
            let first = there(&requests).iter().position(|there| *there).unwrap();
            prop_assert!(requests[first..].iter().all(Option::is_some), "{:?}", there(&requests));
        }
        // Each value is where it belongs, as exactly as can be known: a second for where a second
        // begins, and one for the way.
        let (points, _) = own.points(1, asked + 2, 5);
        let last = own.at((asked + 1) * SECOND).as_millis() as f64 / 1e3;
        for (ago, point) in points.iter().rev().enumerate().filter_map(|(n, p)| Some((n, (*p)?))) {
            let at = f64::from(point.mean.memory_resident) - 100_000.0;
            let expected = last - ago as f64 - (BEGIN + own.ahead) as f64 / 1e3;
            prop_assert!((at - expected).abs() <= 3.0, "{at} {expected}");
        }
    }

    /// Whatever another node says: what this one has heard stays, and what is shown can be shown.
    #[test]
    fn nonsense_is_left_out(
        damage in vec((any::<u32>(), prop_oneof![Just(0xff), any::<u8>()]), 1..100),
        taken in prop_oneof![Just(400 * SECOND), any::<u32>().prop_map(u64::from)],
    ) {
        remember_damaged(&damage, taken);
    }
}

/// A zero that was turned into one below zero.
#[test]
fn a_zero_has_no_sign() {
    remember_damaged(&[(4_002_978_458, 0x80)], 400 * SECOND);
}

/// What of a past is taken up whose bytes were changed shows nothing that cannot be.
fn remember_damaged(damage: &[(u32, u8)], taken: u64) {
    let said = said(200);
    let mut own = Listener::new(380, 0, 300);
    own.listen(400, &said);
    let (kept, _) = own.points(1, 400, 1);
    let mut other = Listener::new(0, 0, 300);
    other.listen(400, &said);
    let mut bytes = encode(&other.past(taken));
    let length = bytes.len();
    damage.iter().for_each(|(at, byte)| bytes[*at as usize % length] = *byte);
    let Ok(past) = decode::<Past>(&bytes) else { return };
    own.remember(past, 399 * SECOND, 400 * SECOND - 1);
    let (now, _) = own.points(1, 400, 1);
    assert!(kept.iter().zip(&now).all(|(kept, now)| kept.is_none() || kept == now));
    own.listen(420, &said);
    for (node, minutes) in [(1, 5), (1, 120), (2, 120), (3, 120)] {
        let (points, requests) = own.points(node, 420, minutes);
        let shown = format!("{points:?} {requests:?}");
        for wrong in ["NaN", "inf", ": -"] {
            let around = shown.find(wrong).map(|at| &shown[at.saturating_sub(40)..at + 8]);
            assert_eq!(around, None, "node {node}, {minutes} minutes");
        }
    }
}

#[test]
fn what_a_node_has_heard_itself_stays() {
    let said = said(1_000);
    let mut other = Listener::new(0, 0, 300);
    other.listen(600, |node, second| {
        let reading = said(node, second)?;
        Some(Reading { memory_resident: 7, ..reading })
    });
    let mut own = Listener::new(590, 0, 300);
    own.listen(600, &said);
    own.remember(other.past(600 * SECOND - 1), 599 * SECOND, 600 * SECOND - 1);
    let (points, _) = own.points(2, 600, 1);
    let memory: Vec<_> = points.iter().flatten().map(|p| p.mean.memory_resident as u64).collect();
    // Of the first second it has no point: there was no reading before it.
    let expected: Vec<_> = (0..51).map(|_| 7).chain(200_591..200_600).collect();
    assert_eq!(memory, expected);
}

#[test]
fn requests_of_the_first_seconds_are_those_that_an_older_node_has_heard() {
    let said = said(1_000);
    let mut other = Listener::new(0, 0, 300);
    other.listen(600, &said);
    let young = |is_whole| {
        let (mut own, mut deaf) = (Listener::new(600, 0, 300), Counts::default());
        deaf.endings[Ending::Answered as usize] = 1;
        let now = own.at(599 * SECOND + 300);
        own.traffic.tick(now, Duration::from_secs(1), deaf);
        own.remember(Past { is_whole, ..other.past(600 * SECOND) }, 600 * SECOND, 600 * SECOND);
        let (_, requests) = own.points(1, 600, 1);
        requests[58..].iter().map(|point| point.unwrap().requests_per_second).collect::<Vec<_>>()
    };
    let said_in = |second: u32| (second % 23 + second % 5) as f32;
    assert_eq!(young(true), [said_in(598), said_in(599)]);
    assert_eq!(young(false), [said_in(598), 1.0]);
}

#[test]
fn who_was_only_heard_by_others_has_a_past_and_no_presence() {
    let said = said(1_000);
    let mut other = Listener::new(0, 0, 300);
    other.listen(600, &said);
    let mut own = Listener::new(595, 0, 300);
    own.listen(600, |node, second| said(node, second).filter(|_| node != NodeId(2)));
    own.remember(other.past(600 * SECOND), 599 * SECOND, 600 * SECOND);
    let now = own.at(600 * SECOND);
    assert_eq!(own.fleet.loads(now).into_keys().collect::<Vec<_>>(), [NodeId(1), NodeId(3)]);
    assert_eq!(own.points(2, 600, 5).0.iter().flatten().count(), 299);
    // It is forgotten like one that was heard here, after two hours.
    own.listen(7_790, |node, second| said(node, second).filter(|_| node != NodeId(2)));
    assert_eq!(own.points(2, 7_790, 120).0.iter().flatten().count(), 1);
    own.listen(7_801, |node, second| said(node, second).filter(|_| node != NodeId(2)));
    assert_eq!(own.points(2, 7_801, 120).0.iter().flatten().count(), 0);
}

#[test]
fn the_past_of_a_full_cluster_fits() {
    let mut fleet = Fleet::default();
    let mut traffic = Traffic::default();
    let begin = BEGIN / SECOND;
    for second in (0..7_000).step_by(10).chain(7_000..7_300) {
        let now = Duration::from_secs(begin + second);
        for node in 100..228 {
            let uptime = Duration::from_secs(second);
            fleet.on_reading(NodeId(node), now, Reading { uptime, ..Reading::default() });
        }
        fleet.tick(now);
        traffic.tick(now, Duration::from_secs(1), counted(second));
    }
    let bytes = encode(&Past::of(Duration::from_secs(begin + 7_300), true, &fleet, &traffic));
    assert!((7 << 20..PAST_BYTES_MAX.bytes()).contains(&(bytes.len() as u64)), "{}", bytes.len());
    // Only so many nodes are taken up.
    let mut own = Listener::new(0, 7_300 * SECOND, 0);
    own.listen(3, said(1_000));
    own.remember(decode(&bytes).unwrap(), 3 * SECOND, 3 * SECOND);
    let span = Span { step: Step::TenSeconds, first: begin / 10, slots: 800 };
    let history = own.fleet.history(&span, |_| true);
    assert_eq!(history.len(), 128);
    assert_eq!(history[2].node, NodeId(3));
    assert_eq!(own.fleet.loads(own.at(3 * SECOND)).len(), 3);
}
