//! Counts the calls of one loaded slice where they run: by function and caller. Knows no version,
//! no node and no metric names.

use aether_types::CallError;
use aether_types::counts::{CALLERS_MAX, Caller, Counts, ENDINGS, Ending};
use aether_types::latencies::{BUCKETS, Latencies, bucket};
use aether_types::{Coordinates, FunctionName};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use tokio::time::Instant;

/// What a slice has counted since it was loaded. Outlives the slice.
#[derive(Debug)]
pub struct Tally {
    functions: Vec<(FunctionName, Callers)>,
}

/// One cell for each caller that there was, in the order in which they came.
#[derive(Debug, Default)]
struct Callers(OnceLock<Box<Cell>>);

/// What one caller called how often. Only added to, so that it needs no lock.
#[derive(Debug)]
pub(crate) struct Cell {
    caller: Option<Arc<Coordinates>>,
    is_others: bool,
    calls: AtomicU64,
    /// Those that were answered are what is left.
    endings: [AtomicU64; ENDINGS],
    buckets: [AtomicU64; BUCKETS],
    nanos: AtomicU64,
    next: Callers,
}

/// Reading a clock costs as much as all the rest of counting; a request from outside is worth it, a
/// call between two slices now and then: one of so many.
const TIMED_OF: u64 = 16;

/// A call that is being made. One that is dropped was abandoned.
pub(crate) struct Counting<'a> {
    cell: &'a Cell,
    started: Instant,
    ended: bool,
}

impl Tally {
    pub(crate) fn new(functions: impl IntoIterator<Item = FunctionName>) -> Arc<Self> {
        let functions = functions.into_iter().map(|name| (name, Callers::default())).collect();
        Arc::new(Self { functions })
    }

    /// Begins to count a call of the function at a place.
    pub(crate) fn begin(
        &self,
        place: usize,
        caller: Option<&Arc<Coordinates>>,
        started: Instant,
    ) -> Counting<'_> {
        let cell = self.functions[place].1.cell(caller);
        Counting { cell, started, ended: false }
    }

    /// Everything so far, by function and caller.
    pub fn counts(&self) -> impl Iterator<Item = (&FunctionName, Caller, Counts)> {
        let cells = self
            .functions
            .iter()
            .flat_map(|(name, callers)| callers.iter().map(move |cell| (name, cell)));
        cells.map(|(name, cell)| (name, cell.who(), cell.counts()))
    }

    /// Everything so far, together.
    pub fn sum(&self) -> Counts {
        let mut sum = Counts::default();
        self.counts().for_each(|(_, _, counts)| sum.add(&counts));
        sum
    }
}

impl Callers {
    fn iter(&self) -> impl Iterator<Item = &Cell> {
        std::iter::successors(self.0.get(), |cell| cell.next.0.get()).map(|cell| &**cell)
    }

    /// The caller's cell. There are few, and the one of a call is nearly always the first.
    fn cell(&self, caller: Option<&Arc<Coordinates>>) -> &Cell {
        let mut callers = self;
        for number in 0..CALLERS_MAX {
            let cell = callers.0.get_or_init(|| Cell::new(caller.cloned(), false));
            if cell.is_of(caller) {
                return cell;
            }
            callers = match number {
                // Callers come from authenticated nodes, and still there is an end to them.
                _ if number + 1 == CALLERS_MAX => return cell.next.others(),
                _ => &cell.next,
            };
        }
        unreachable!("the last cell is for all others")
    }

    fn others(&self) -> &Cell {
        self.0.get_or_init(|| Cell::new(None, true))
    }
}

impl Cell {
    fn new(caller: Option<Arc<Coordinates>>, is_others: bool) -> Box<Self> {
        Box::new(Self {
            caller,
            is_others,
            calls: AtomicU64::new(0),
            endings: std::array::from_fn(|_| AtomicU64::new(0)),
            buckets: std::array::from_fn(|_| AtomicU64::new(0)),
            nanos: AtomicU64::new(0),
            next: Callers::default(),
        })
    }

    fn is_of(&self, caller: Option<&Arc<Coordinates>>) -> bool {
        match (&self.caller, caller) {
            // Callers on this node keep their coordinates in one place.
            (Some(known), Some(caller)) => Arc::ptr_eq(known, caller) || known == caller,
            (None, None) => true,
            _ => false,
        }
    }

    fn who(&self) -> Caller {
        match &self.caller {
            Some(caller) => Caller::Slice((**caller).clone()),
            None if self.is_others => Caller::Others,
            None => Caller::Outside,
        }
    }

    fn end(&self, ending: Ending, started: Instant) {
        let before = self.calls.fetch_add(1, Relaxed);
        if ending != Ending::Answered {
            self.endings[ending as usize].fetch_add(1, Relaxed);
        }
        let is_timed = self.caller.is_none() || before.is_multiple_of(TIMED_OF);
        let is_begun = !matches!(ending, Ending::TurnedAway | Ending::Overloaded | Ending::Denied);
        if is_timed && is_begun {
            let nanos = u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX);
            self.buckets[usize::from(bucket(nanos / 1_000))].fetch_add(1, Relaxed);
            self.nanos.fetch_add(nanos, Relaxed);
        }
    }

    fn counts(&self) -> Counts {
        let load = |n: &AtomicU64| n.load(Relaxed);
        let mut endings = self.endings.each_ref().map(load);
        let others: u64 = endings.iter().sum();
        // A call that ends meanwhile may be counted in one and not yet in the other.
        endings[Ending::Answered as usize] = load(&self.calls).saturating_sub(others);
        let latencies = Latencies::of_buckets(self.buckets.iter().map(load));
        Counts { endings, latencies, nanos: load(&self.nanos) }
    }
}

impl Counting<'_> {
    /// Counts the call with its end.
    pub(crate) fn end(mut self, ending: Ending) {
        self.ended = true;
        self.cell.end(ending, self.started);
    }

    /// The same for a call that failed; whether it was begun.
    pub(crate) fn fail(self, error: &CallError, is_begun: bool) {
        self.end(match error {
            CallError::Unavailable(_) if !is_begun => Ending::TurnedAway,
            error => Ending::of_error(error),
        });
    }
}

impl Drop for Counting<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.cell.end(Ending::Abandoned, self.started);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn tally() -> Arc<Tally> {
        Tally::new(["t:a/b#f".parse().unwrap(), "t:a/b#g".parse().unwrap()])
    }

    fn slice(name: &str) -> Arc<Coordinates> {
        Arc::new(format!("t:{name}:1.0.0").parse().unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn calls_are_counted_by_function_and_caller_with_their_ends() {
        let tally = tally();
        let now = Instant::now();
        tokio::time::advance(Duration::from_millis(3)).await;
        tally.begin(0, None, now).end(Ending::Answered);
        drop(tally.begin(0, None, now));
        let refused = CallError::Unavailable(String::new());
        tally.begin(0, Some(&slice("x")), now).fail(&refused, false);
        // A caller of another node comes with coordinates of its own each time.
        tally.begin(0, Some(&slice("x")), now).fail(&refused, true);
        tally.begin(1, Some(&slice("x")), now).end(Ending::Erred);
        let show = |(name, caller, counts): (&FunctionName, Caller, Counts)| {
            let endings = Ending::ALL.map(|e| (e.word(), counts.of(e)));
            let endings = endings.into_iter().filter(|(_, n)| *n > 0).collect::<Vec<_>>();
            let timed = (counts.latencies.count(), counts.nanos / 1_000_000);
            format!("{name} {caller:?} {endings:?} {timed:?}")
        };
        expect_test::expect![[r#"
            t:a/b#f Outside [("answered", 1), ("abandoned", 1)] (2, 6)
            t:a/b#f Slice(t:x:1.0.0) [("turned-away", 1), ("unavailable", 1)] (0, 0)
            t:a/b#g Slice(t:x:1.0.0) [("erred", 1)] (1, 3)"#]]
        .assert_eq(&tally.counts().map(show).collect::<Vec<_>>().join("\n"));
    }

    #[test]
    fn every_call_from_outside_is_timed_and_a_part_of_those_between_slices() {
        let (tally, caller) = (tally(), slice("x"));
        for _ in 0..160 {
            tally.begin(0, None, Instant::now()).end(Ending::Answered);
            tally.begin(0, Some(&caller), Instant::now()).end(Ending::Answered);
        }
        let timed: Vec<_> =
            tally.counts().map(|(_, _, c)| (c.calls(), c.latencies.count())).collect();
        assert_eq!(timed, [(160, 160), (160, 10)]);
    }

    #[test]
    fn there_is_an_end_to_callers() {
        let tally = tally();
        for i in 0..2 * CALLERS_MAX {
            tally.begin(0, Some(&slice(&format!("x{i}"))), Instant::now()).end(Ending::Answered);
        }
        let others = tally.counts().filter(|(_, caller, _)| *caller == Caller::Others);
        assert_eq!(others.map(|(_, _, counts)| counts.calls()).sum::<u64>(), CALLERS_MAX as u64);
        assert_eq!(tally.counts().count(), CALLERS_MAX + 1);
        assert_eq!(tally.sum().calls(), 2 * CALLERS_MAX as u64);
    }
}
