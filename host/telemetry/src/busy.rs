//! How many calls of each slice run or wait, over all nodes, and what ended in the last minute, by
//! application. Knows no clock and no network.

use crate::ema;
use aether_types::counts::Counts;
use aether_types::versioned::Versioned;
use aether_types::{AppName, Coordinates, NodeId};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// Calls that run or wait on one node, of slices that have any.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BusyReport {
    pub slices: Vec<(AppName, Coordinates, u64)>,
}

impl Versioned for BusyReport {
    const FORMAT: u8 = 1;
}

/// Slices of one report: with names of 200 bytes, 200 KiB.
const SLICES_MAX: usize = 1_000;
/// What a node said longer ago says nothing any more.
const STALE_AFTER: Duration = Duration::from_secs(10);

/// What all nodes have said, this one included.
#[derive(Debug, Default)]
pub struct Busy(BTreeMap<NodeId, Node>);

#[derive(Debug)]
struct Node {
    heard: Duration,
    /// Means that follow within seconds.
    slices: BTreeMap<(AppName, Coordinates), f64>,
}

impl Busy {
    /// A node says how busy its slices are; `now` as in all calls.
    pub fn on_report(&mut self, from: NodeId, now: Duration, report: BusyReport) {
        self.0.retain(|_, node| now.saturating_sub(node.heard) <= STALE_AFTER);
        let node = self.0.entry(from).or_insert(Node { heard: now, slices: BTreeMap::new() });
        let elapsed = now.saturating_sub(node.heard);
        node.heard = now;
        let slices = report.slices.into_iter().take(SLICES_MAX);
        let mut said: BTreeMap<_, f64> =
            slices.map(|(app, slice, busy)| ((app, slice), busy as f64)).collect();
        node.slices.retain(|key, mean| {
            ema::follow(mean, said.remove(key).unwrap_or_default(), elapsed);
            *mean > 1e-3
        });
        for (key, busy) in said {
            let mut mean = 0.0;
            ema::follow(&mut mean, busy, elapsed);
            node.slices.insert(key, mean);
        }
    }

    /// Over all nodes that were heard lately.
    pub fn sum(&self, app: &AppName, slice: &Coordinates, now: Duration) -> f64 {
        let nodes = self.0.values().filter(|n| now.saturating_sub(n.heard) <= STALE_AFTER);
        let key = (app.clone(), slice.clone());
        nodes.filter_map(|node| node.slices.get(&key)).sum()
    }
}

/// What ended in the last minute, by application.
#[derive(Debug, Default)]
pub struct LastMinute {
    ticks: u32,
    apps: BTreeMap<AppName, VecDeque<Counts>>,
}

/// A minute is so many slots of so many ticks; the newest one is not full.
const SLOTS: usize = 6;
const SLOT_TICKS: u32 = 10;

impl LastMinute {
    /// What was counted since the last tick, a second ago, of every application there is.
    pub fn tick(&mut self, counted: BTreeMap<AppName, Counts>) {
        self.apps.retain(|app, _| counted.contains_key(app));
        let begins = self.ticks.is_multiple_of(SLOT_TICKS);
        self.ticks = self.ticks.wrapping_add(1);
        for (app, counts) in counted {
            let slots = self.apps.entry(app).or_default();
            if begins || slots.is_empty() {
                slots.push_back(Counts::default());
            }
            if slots.len() > SLOTS {
                slots.pop_front();
            }
            slots.back_mut().expect("one was just made").add(&counts);
        }
    }

    /// Everything that ended in the last 50 to 60 s.
    pub fn of(&self, app: &AppName) -> Counts {
        let mut sum = Counts::default();
        self.apps.get(app).into_iter().flatten().for_each(|slot| sum.add(slot));
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aether_types::counts::Ending;

    fn app() -> AppName {
        "shop".parse().unwrap()
    }

    fn slice() -> Coordinates {
        "t:web:1.0.0".parse().unwrap()
    }

    #[test]
    fn busy_calls_are_summed_and_forgotten() {
        let mut busy = Busy::default();
        let mut seen = Vec::new();
        for second in 0..60 {
            let now = Duration::from_secs(second);
            let calls = if second < 30 { 8 } else { 0 };
            let slices = (calls > 0).then(|| (app(), slice(), calls)).into_iter().collect();
            busy.on_report(NodeId(1), now, BusyReport { slices });
            if second < 30 {
                let slices = vec![(app(), slice(), 2)];
                busy.on_report(NodeId(2), now, BusyReport { slices });
            }
            if [0, 5, 29, 35, 39, 40, 59].contains(&second) {
                seen.push((busy.sum(&app(), &slice(), now) * 10.0).round());
            }
        }
        assert_eq!(seen, [0.0, 63.0, 100.0, 44.0, 31.0, 9.0, 0.0]);
    }

    #[test]
    fn a_minute_is_a_minute() {
        let mut minute = LastMinute::default();
        let mut seen = Vec::new();
        for second in 1..=200u64 {
            let mut counts = Counts::default();
            counts.endings[Ending::Answered as usize] = if second <= 100 { 10 } else { 0 };
            minute.tick([(app(), counts)].into());
            if second.is_multiple_of(25) {
                seen.push(minute.of(&app()).calls());
            }
        }
        assert_eq!(seen, [250, 500, 550, 600, 300, 100, 0, 0]);
        minute.tick(BTreeMap::new());
        assert_eq!(minute.of(&app()), Counts::default());
    }
}
