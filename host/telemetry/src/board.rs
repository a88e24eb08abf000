//! What all nodes have counted, as far as this one has heard: the newest numbers of each run of
//! each node. Knows no clock, no network and no slice.

use crate::ema;
use aether_types::NodeId;
use aether_types::counts::{CallKey, Counts};
use aether_types::versioned::Versioned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::Add;
use std::time::Duration;

/// What a run of a node has counted since it began, or a part of it. Each key has its newest
/// numbers, so a report that is lost or comes twice does no harm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    pub run: u64,
    pub calls: Vec<(CallKey, Counts)>,
}

/// Keys of one report. With 240 buckets each, and names of 500 bytes, 128 KiB; usually 10.
pub const REPORT_KEYS_MAX: usize = 64;

/// Keys of one node: 200 functions, of which each has 20 callers. Those that come later are not
/// counted.
pub const KEYS_MAX: usize = 4_096;

/// Ticks without a report after which a node comes back as a stranger: what it counted meanwhile
/// stands in the sums, and did not happen now.
const SILENT_TICKS_MAX: u32 = 5;

/// Ticks in which the reports of a stranger say what it had counted before.
const STRANGE_TICKS: u32 = 2;

impl Versioned for Report {
    const FORMAT: u8 = 2;
}

/// The whole cluster's counts.
#[derive(Debug, Default)]
pub struct Board {
    nodes: BTreeMap<NodeId, Node>,
    rates: BTreeMap<CallKey, Rate>,
    /// Heard since the last tick, and in the time between the two before.
    heard: BTreeMap<CallKey, Counts>,
    lately: BTreeMap<CallKey, Counts>,
}

#[derive(Debug, Default)]
struct Node {
    run: u64,
    /// Ticks since it was heard first, and last.
    known_ticks: u32,
    silent_ticks: u32,
    calls: BTreeMap<CallKey, Counts>,
    /// Of earlier runs together, as they were last heard of.
    before: BTreeMap<CallKey, Counts>,
}

/// How often something happens now, in times per second: a mean that follows within 5 s.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub struct Rate {
    pub calls: f64,
    pub failures: f64,
}

impl Add for Rate {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self { calls: self.calls + other.calls, failures: self.failures + other.failures }
    }
}

impl Report {
    /// Everything in reports of a bounded size.
    pub fn all(run: u64, calls: &BTreeMap<CallKey, Counts>) -> Vec<Self> {
        let pairs: Vec<_> =
            calls.iter().map(|(key, counts)| (key.clone(), counts.clone())).collect();
        pairs.chunks(REPORT_KEYS_MAX).map(|calls| Self { run, calls: calls.to_vec() }).collect()
    }
}

impl Board {
    /// Takes up what a node says. A new run begins to count anew; what the one before has counted
    /// stays, so that sums never go back.
    pub fn on_report(&mut self, from: NodeId, report: Report) {
        let node = self.nodes.entry(from).or_default();
        if node.run != report.run {
            node.run = report.run;
            for (key, counts) in std::mem::take(&mut node.calls) {
                node.before.entry(key).or_default().add(&counts);
            }
        }
        let was_silent = node.silent_ticks > SILENT_TICKS_MAX;
        node.silent_ticks = 0;
        if was_silent {
            node.known_ticks = 0;
        }
        for (key, counts) in report.calls {
            let known = node.calls.get(&key);
            if known.is_none() && node.calls.len() >= KEYS_MAX {
                continue;
            }
            // What somebody brings along who is heard first was not counted in this time.
            let is_news = match known {
                Some(_) => !was_silent,
                None => node.known_ticks >= STRANGE_TICKS,
            };
            if is_news {
                let since = known.map_or_else(|| counts.clone(), |known| counts.since(known));
                self.heard.entry(key.clone()).or_default().add(&since);
            }
            node.calls.insert(key, counts);
        }
    }

    /// Forgets what nobody wants to know any more.
    pub fn keep(&mut self, keeps: impl Fn(&CallKey) -> bool) {
        for node in self.nodes.values_mut() {
            node.calls.retain(|key, _| keeps(key));
            node.before.retain(|key, _| keeps(key));
        }
        self.rates.retain(|key, _| keeps(key));
        self.heard.retain(|key, _| keeps(key));
    }

    /// The sum over all nodes and all keys that are wanted.
    pub fn sum(&self, wants: impl Fn(&CallKey) -> bool) -> Counts {
        let mut sum = Counts::default();
        self.all().filter(|(key, _)| wants(key)).for_each(|(_, counts)| sum.add(counts));
        sum
    }

    /// The sums over all nodes.
    pub fn sums(&self) -> BTreeMap<CallKey, Counts> {
        let mut sums = BTreeMap::<_, Counts>::new();
        for (key, counts) in self.all() {
            sums.entry(key.clone()).or_default().add(counts);
        }
        sums
    }

    /// Lets the rates follow: to be called about once a second, with the time since the last time.
    pub fn tick(&mut self, elapsed: Duration) {
        let seconds = elapsed.as_secs_f64();
        if seconds <= 0.0 {
            return;
        }
        for node in self.nodes.values_mut() {
            node.known_ticks = node.known_ticks.saturating_add(1);
            node.silent_ticks = node.silent_ticks.saturating_add(1);
        }
        self.lately = std::mem::take(&mut self.heard);
        for key in self.lately.keys() {
            self.rates.entry(key.clone()).or_default();
        }
        for (key, rate) in &mut self.rates {
            let lately = self.lately.get(key);
            let per_second = |of: fn(&Counts) -> u64| lately.map_or(0, of) as f64 / seconds;
            ema::follow(&mut rate.calls, per_second(Counts::calls), elapsed);
            ema::follow(&mut rate.failures, per_second(Counts::failures), elapsed);
        }
    }

    /// How often it happens now, over all nodes.
    pub fn rate(&self, key: &CallKey) -> Rate {
        self.rates.get(key).copied().unwrap_or_default()
    }

    /// How often those happen now that are wanted, together.
    pub fn rate_of(&self, wants: impl Fn(&CallKey) -> bool) -> Rate {
        let wanted = self.rates.iter().filter(|(key, _)| wants(key));
        wanted.fold(Rate::default(), |sum, (_, rate)| sum + *rate)
    }

    /// What was counted between the last two ticks, of all keys that are wanted.
    pub fn lately(&self, wants: impl Fn(&CallKey) -> bool) -> Counts {
        let mut sum = Counts::default();
        let wanted = self.lately.iter().filter(|(key, _)| wants(key));
        wanted.for_each(|(_, counts)| sum.add(counts));
        sum
    }

    fn all(&self) -> impl Iterator<Item = (&CallKey, &Counts)> {
        self.nodes.values().flat_map(|node| node.calls.iter().chain(&node.before))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aether_types::Revision;
    use aether_types::counts::{Caller, Ending};

    fn key(version: u64, function: &str) -> CallKey {
        CallKey {
            app: "shop".parse().unwrap(),
            version: Revision(version),
            slice: "t:web:1.0.0".parse().unwrap(),
            function: format!("t:web/api#{function}").parse().unwrap(),
            caller: Caller::Outside,
        }
    }

    fn counts(good: u64, bad: u64) -> Counts {
        let mut counts = Counts::default();
        counts.endings[Ending::Answered as usize] = good;
        counts.endings[Ending::CalleeFailed as usize] = bad;
        counts
    }

    fn report(run: u64, calls: &[(CallKey, Counts)]) -> Report {
        Report { run, calls: calls.to_vec() }
    }

    fn shown(board: &Board) -> String {
        let of = |version| {
            let sum = board.sum(|key| key.version == Revision(version));
            format!("{} of {}", sum.failures(), sum.calls())
        };
        format!("old {}, new {}", of(1), of(2))
    }

    #[test]
    fn the_newest_numbers_of_each_run_count_once() {
        let mut board = Board::default();
        let [one, two] = [1, 2].map(NodeId);
        board
            .on_report(one, report(7, &[(key(1, "f"), counts(9, 1)), (key(2, "f"), counts(1, 0))]));
        board.on_report(two, report(8, &[(key(1, "f"), counts(5, 0))]));
        assert_eq!(shown(&board), "old 1 of 15, new 0 of 1");
        // The next one, twice, and only a part.
        board.on_report(one, report(7, &[(key(1, "f"), counts(10, 1))]));
        board.on_report(one, report(7, &[(key(1, "f"), counts(10, 1))]));
        assert_eq!(shown(&board), "old 1 of 16, new 0 of 1");
        // It is started again, and counts from the beginning.
        board.on_report(one, report(9, &[(key(1, "f"), counts(2, 2))]));
        assert_eq!(shown(&board), "old 3 of 20, new 0 of 1");
        board.on_report(one, report(9, &[(key(1, "f"), counts(3, 2))]));
        assert_eq!(shown(&board), "old 3 of 21, new 0 of 1");
        board.keep(|key| key.version == Revision(2));
        assert_eq!(shown(&board), "old 0 of 0, new 0 of 1");
    }

    #[test]
    fn reports_and_nodes_are_bounded() {
        let many = (0..3 * REPORT_KEYS_MAX as u64 + 1).map(|i| (key(i, "f"), counts(1, 0)));
        let many: BTreeMap<_, _> = many.collect();
        let reports = Report::all(1, &many);
        assert_eq!(reports.iter().map(|r| r.calls.len()).collect::<Vec<_>>(), [64, 64, 64, 1]);
        let mut board = Board::default();
        reports.into_iter().for_each(|report| board.on_report(NodeId(1), report));
        assert_eq!(board.sums(), many);
        let endless = (0..2 * KEYS_MAX as u64).map(|i| (key(i, "g"), counts(1, 0)));
        board.on_report(NodeId(2), Report { run: 1, calls: endless.collect() });
        assert_eq!(board.sums().len(), many.len() + KEYS_MAX);
    }

    #[test]
    fn rates_follow_within_seconds_and_begin_at_nothing() {
        let (mut board, second) = (Board::default(), Duration::from_secs(1));
        let mut seen = Vec::new();
        for second_number in 0..60u64 {
            let (calls, failed) = (1_000_000 + 100 * second_number, 10 * second_number);
            board.on_report(NodeId(1), report(1, &[(key(1, "f"), counts(calls, failed))]));
            board.tick(second);
            let rate = board.rate(&key(1, "f"));
            if [0, 5, 10, 59].contains(&second_number) {
                seen.push((rate.calls.round(), rate.failures.round()));
            }
        }
        assert_eq!(seen, [(0.0, 0.0), (70.0, 6.0), (95.0, 9.0), (110.0, 10.0)]);
    }
    #[test]
    fn what_happens_lately_is_of_now_whoever_comes_and_goes() {
        let (mut board, [one, two]) = (Board::default(), [1, 2].map(NodeId));
        let tick = |board: &mut Board, reports: &[(NodeId, u64, u64)]| {
            for (node, run, calls) in reports {
                board.on_report(*node, report(*run, &[(key(1, "f"), counts(*calls, 0))]));
            }
            board.tick(Duration::from_secs(1));
            board.lately(|_| true).calls()
        };
        // Both have counted before this one heard of them.
        assert_eq!(tick(&mut board, &[(one, 7, 5_000), (two, 8, 9_000)]), 0);
        assert_eq!(tick(&mut board, &[(one, 7, 5_010), (two, 8, 9_001)]), 11);
        // One is lost, and the next one has it; one comes twice.
        assert_eq!(tick(&mut board, &[(two, 8, 9_003), (two, 8, 9_003)]), 2);
        assert_eq!(tick(&mut board, &[(one, 7, 5_030), (two, 8, 9_003)]), 20);
        // It is started again and counts from the beginning.
        assert_eq!(tick(&mut board, &[(one, 9, 4), (two, 8, 9_003)]), 4);
        // It is cut off for long, and what it did meanwhile was not done now.
        (0..9).for_each(|_| assert_eq!(tick(&mut board, &[(two, 8, 9_003)]), 0));
        assert_eq!(tick(&mut board, &[(one, 9, 8_000), (two, 8, 9_004)]), 1);
        assert_eq!(tick(&mut board, &[(one, 9, 8_002), (two, 8, 9_004)]), 2);
        assert_eq!(board.sums()[&key(1, "f")].calls(), 5_030 + 8_002 + 9_004);
        let rate = board.rate_of(|_| true).calls;
        assert!(rate > 0.0 && rate == board.rate(&key(1, "f")).calls, "{rate}");
    }
}
